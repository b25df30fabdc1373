"""Encodings: how features become volts that a supply can give."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Units
from diodeq.errors import InputError, UsageError

Floats = NDArray[np.float64]

DEVIATIONS = 3.0
"""So many standard deviations reach the supply, where nothing else is said."""


@dataclass(frozen=True)
class Encoding:
    """``spans(x)`` float64[features] twice: the value of each feature that becomes 0 V, and how far from it the supply
    is reached. ``bounded``: what lies beyond is clipped."""

    spans: Callable[[Floats], tuple[Floats, Floats]]
    bounded: bool = True


def _range(x: Floats) -> tuple[Floats, Floats]:
    low, high = x.min(axis=0), x.max(axis=0)
    return low / 2.0 + high / 2.0, high / 2.0 - low / 2.0


def _deviations(count: float, floor: float, x: Floats) -> tuple[Floats, Floats]:
    deviation = x.std(axis=0)
    if floor:
        deviation = np.hypot(deviation, floor * np.sqrt(np.mean(deviation**2)))
    return x.mean(axis=0), count * deviation


def encoding(text: str, floor: float = 0.0) -> Encoding:
    """The encoding that ``text`` names:

    ``range``: the smallest and the largest value of the training samples are at the ends of the supply;
    ``standard[:K]``: the mean is 0 V and K standard deviations (3 by default) are at the ends of the supply;
    ``unbounded``: one standard deviation is the whole supply and nothing is clipped, as before version 0.2: real inputs
    then exceed every supply. ``floor`` keeps rare features from swinging far in the last two: it is added in quadrature
    to every deviation, as a part of the root mean square deviation of all features.

    Raises:
        UsageError: no such encoding.
    """
    name, colon, number = text.partition(":")
    if name == "range" and not colon:
        return Encoding(_range)
    if name == "unbounded" and not colon:
        return Encoding(partial(_deviations, 1.0, floor), bounded=False)
    if name == "standard":
        try:
            count = float(number) if colon else DEVIATIONS
        except ValueError:
            count = math.nan
        if 0.0 < count < math.inf:
            return Encoding(partial(_deviations, count, floor))
    raise UsageError(f"there is no encoding {text!r}", "use range, standard, standard:K or unbounded")


def units(x_train: Floats, encode: str, supply: float, beta: float = 1.0, floor: float = 0.0) -> Units:
    """The units of an encoding for a supply of ±``supply`` volts, from training samples alone.

    A feature that never varies is not driven (its scale is 0). ``beta`` turns output volts into scores.

    Raises:
        InputError: a feature's values are too large to compute with.
        UsageError: no such encoding.
    """
    found = encoding(encode, floor)
    with np.errstate(over="ignore", invalid="ignore"):
        middle, reach = found.spans(x_train)
    bad = np.flatnonzero(~(np.isfinite(middle) & np.isfinite(reach)))
    if len(bad):
        raise InputError(
            f"the values of feature {bad[0] + 1} are too large to compute their spread", "scale the feature down"
        )
    # Rounding leaves a constant feature a spread of its last bits.
    flat = x_train.std(axis=0) <= 1e-12 * np.abs(middle)
    scale = np.where(flat, 0.0, supply / np.where(flat, 1.0, reach))
    return Units(middle, scale, beta, supply if found.bounded else math.inf)


def regressing(scaling: Units, targets: Floats) -> Units:
    """The units of a regression of ``targets`` float64[n, n_out]: their mean is a score of 0 and their standard
    deviation one of 1.

    Raises:
        InputError: targets too large to compute with.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = targets.mean(axis=0), targets.std(axis=0)
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise InputError("the targets are too large to compute their spread", "scale them down")
    flat = deviation <= 1e-12 * np.abs(mean)
    return replace(scaling, target_offset=mean, target_scale=np.where(flat, 1.0, deviation))
