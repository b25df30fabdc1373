"""The junctions of transistors as ngspice has them: an exponential, and a cubic's tail far in reverse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FARTHEST = 600.0  # of an exponent: beyond, the exponential goes on straight


def exponential(v: Floats, saturation: Floats, n_vt: Floats) -> tuple[Floats, Floats]:
    """Current and conductance of a junction, ``saturation (exp(v / n_vt) - 1)``, which never rises again in reverse."""
    x = v / n_vt
    grown = np.exp(np.minimum(x, FARTHEST))
    beyond = np.maximum(x - FARTHEST, 0.0)
    return saturation * (np.expm1(np.minimum(x, FARTHEST)) + beyond * grown), saturation * grown / n_vt


def tailed(v: Floats, saturation: Floats, n_vt: Floats) -> tuple[Floats, Floats]:
    """The same with ngspice's tail from three times ``n_vt`` in reverse: ``-saturation (1 + (3 n_vt / (e v))³)``
    (bjtload.c, jfetload.c)."""
    current, conductance = exponential(v, saturation, n_vt)
    far = v < -3.0 * n_vt
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 3.0 * n_vt / (np.e * v)
        tail = share * share * share
        return (
            np.where(far, -saturation * (1.0 + tail), current),
            np.where(far, 3.0 * saturation * tail / v, conductance),
        )
