"""A junction field-effect transistor with its gate at its source: a current limiter one way, a diode the other.

Formulas: ngspice 39, jfetload.c and jfettemp.c without the doping tail (B = 1), which are SPICE2's (Shichman and
Hodges, IEEE Journal of Solid-State Circuits 3, 285, 1968).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diodeq.devices.diode.temperature import BOLTZMANN, CHARGE, ZERO_CELSIUS
from diodeq.devices.transistor.junction import Floats, tailed


def at(given: Mapping[str, Floats], celsius: float, gmin: float) -> dict[str, Floats]:
    """The constants of the law at a temperature, each float64[n]."""
    kelvin, nominal = celsius + ZERO_CELSIUS, given["tnom"] + ZERO_CELSIUS
    vt = BOLTZMANN / CHARGE * kelvin
    size, ratio = given["area"] * given["m"], kelvin / nominal
    warming = np.exp((ratio - 1.0) * given["eg"] / vt) * ratio ** given["xti"]
    return {
        "saturation": given["is"] * warming * size,
        "n_vt": np.full(len(size), vt),
        # Below a threshold of 0 V the channel is open at a gate voltage of 0 V by so much.
        "open": np.maximum(-(given["vto"] - given["tcv"] * (kelvin - nominal)), 0.0),
        "threshold": given["vto"] - given["tcv"] * (kelvin - nominal),
        "beta": given["beta"] * ratio ** given["bex"] * size,
        "lambda": given["lambda"],
        "gmin": gmin * given["m"],
    }


def evaluate(law: Mapping[str, Floats], v: Floats) -> tuple[Floats, Floats]:
    """Current into the drain and conductance at voltages of the drain above gate and source."""
    channel, opening = _channel(law, v)
    i, g = tailed(-v, law["saturation"], law["n_vt"])
    return channel - i + law["gmin"] * v, opening + g + law["gmin"]


def _channel(law: Mapping[str, Floats], v: Floats) -> tuple[Floats, Floats]:
    u, p, modulation, beta = np.abs(v), law["open"], law["lambda"], law["beta"]
    grown = 1.0 + modulation * u
    # Forward: linear to pinch-off, then saturated. The other way the gate goes with the drain, which is a source then.
    d = np.minimum(u, p)
    forward = beta * grown * d * (2.0 * p - d)
    rising = beta * (grown * 2.0 * (p - d) + modulation * d * (2.0 * p - d))
    above = u - law["threshold"]
    d = np.minimum(u, np.maximum(above, 0.0))
    reverse = beta * grown * d * (2.0 * np.maximum(above, 0.0) - d)
    falling = beta * (
        grown * np.where(above > u, 2.0 * above, 2.0 * np.maximum(above, 0.0))
        + modulation * d * (2.0 * np.maximum(above, 0.0) - d)
    )
    # In the linear region d = u: the derivative of u (2 above - u), in which above moves with u, is 2 above.
    return np.where(v >= 0.0, forward, -reverse), np.where(v >= 0.0, rising, falling)


def bounds(law: Mapping[str, Floats], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Least and largest conductances between two voltages.

    Forward the channel's is a parabola that is highest within, backward it rises with the distance; so do the gate's.
    """
    p, modulation = law["open"], law["lambda"]
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.where(modulation > 0.0, (4.0 * modulation * p - 2.0) / (6.0 * modulation), 0.0)
    inside = [low, high]
    for v in (top, p, np.nextafter(p, -np.inf), np.zeros_like(p), np.full_like(p, -5e-324)):
        inside.append(np.clip(v, low, high))
    slopes = np.array([_channel(law, v)[1] for v in inside])
    gates = np.array([tailed(-v, law["saturation"], law["n_vt"])[1] for v in (low, high)])
    least, largest = (choose(slopes, axis=0) + choose(gates, axis=0) + law["gmin"] for choose in (np.min, np.max))
    return least, largest
