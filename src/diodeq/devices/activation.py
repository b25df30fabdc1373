"""The activation a one-port induces: the resolvent ``σ = (I + α F)⁻¹`` of its law, α a resistance (guide/theory.md §4).

The element is a node fed from x volts through α ohms with one diode to ground, anode at ground: the diode conducts when
the node's voltage v would go negative, so v follows x above zero and is held near zero below. With the diode's current
i(·), the law seen from the node is ``F(v) = -i(-v)``, and ``x = v + α F(v)``. A diode the other way round (anode at the
node) gives ``-σ(-x)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.devices.diode.junction import Floats
from diodeq.devices.diode.law import shockley_junction
from diodeq.devices.one_ports import OnePorts


def activation(law: OnePorts, x: ArrayLike, alpha: ArrayLike) -> tuple[Floats, Floats]:
    """The node voltage σ(x) and its derivative σ'(x) for the exact law: Rs, breakdown, knees, gmin and all.

    Args:
        x: feeding voltages, V; any shape.
        alpha: the resistance they feed through, Ω, at least 0; broadcasts against ``x``.

    Returns the voltages (V) and derivatives (between 0 and 1) in the broadcast shape. Raises `InputError` for values
    that are not finite or a negative resistance. Source: guide/theory.md §4, solved as the law's ``load_line`` says.
    """
    voltage, _, conductance = law.load_line(-real("the values", x), alpha)
    return -voltage, 1.0 / (1.0 + np.asarray(alpha, dtype=np.float64) * conductance)


def diode_relu(x: ArrayLike, alpha: ArrayLike, saturation: float, n_vt: float, rs: float = 0.0) -> Floats:
    """The activation of a plain Shockley diode (no breakdown, no gmin) in closed form: the diode ReLU.

    Args:
        x: feeding voltages, V; any shape.
        alpha: Ω, at least 0; broadcasts against ``x``.
        saturation: the diode's saturation current, A.
        n_vt: emission coefficient times thermal voltage, V.
        rs: series resistance, Ω; it adds to α inside the exponential.

    With ``R = α + Rs`` and the Wright omega function w, the junction is at
    ``u = -x + R Is - nVt w((R Is - x) / nVt + log(R Is / nVt))`` and ``σ(x) = x + α i`` with ``i = (-x - u) / R``.
    Source: guide/theory.md §4, voltage form. Raises nothing; NaN goes through.
    """
    source = -real("the values", x)
    a = np.asarray(alpha, dtype=np.float64)
    junction = shockley_junction(source, a + rs, saturation, n_vt)
    share = rs / np.maximum(a + rs, np.finfo(np.float64).tiny)  # of the resistors' voltage, what the diode's own takes
    return np.asarray(-junction - share * (source - junction), dtype=np.float64)
