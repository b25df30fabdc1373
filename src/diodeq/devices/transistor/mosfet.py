"""A MOSFET with its gate at its drain and its bulk at its source: a square law one way, the bulk's diode the other.

Formulas: ngspice 39, mos1load.c and mos1temp.c (SPICE2's level 1; Shichman and Hodges, IEEE Journal of Solid-State
Circuits 3, 285, 1968).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diodeq.devices.diode.temperature import BOLTZMANN, CHARGE, ZERO_CELSIUS, gap, gap_shift
from diodeq.devices.transistor.junction import Floats, exponential

REFERENCE = 27.0 + ZERO_CELSIUS

BESIDE = 1e-12
"""How near to a step the conductance beside it is looked at, as a share of its voltage."""


def at(given: Mapping[str, Floats], celsius: float, gmin: float, polarity: Floats) -> dict[str, Floats]:
    """The constants of the law at a temperature, each float64[n]; ``polarity`` is 1 for N and -1 for P."""
    kelvin, nominal = celsius + ZERO_CELSIUS, given["tnom"] + ZERO_CELSIUS
    vt, nominal_vt = BOLTZMANN / CHARGE * kelvin, BOLTZMANN / CHARGE * nominal
    ratio, gamma = kelvin / nominal, given["gamma"]
    phi = kelvin / REFERENCE * (given["phi"] - gap_shift(nominal)) * REFERENCE / nominal + gap_shift(kelvin)
    root = np.sqrt(np.maximum(phi, 0.0))
    built_in = (
        given["vto"]
        - polarity * gamma * np.sqrt(given["phi"])
        + 0.5 * (gap(nominal) - gap(kelvin))
        + polarity * 0.5 * (phi - given["phi"])
    )
    size = given["w"] / (given["l"] - 2.0 * given["ld"]) * given["m"]
    return {
        "saturation": given["is"] * np.exp(-gap(kelvin) / vt + gap(nominal) / nominal_vt) * given["m"],
        "n_vt": np.full(len(size), vt),
        "phi": phi,
        "root": root,
        "gamma": gamma,
        "built_in": polarity * built_in,
        "beta": given["kp"] / (ratio * np.sqrt(ratio)) * size,
        "lambda": given["lambda"],
        "gmin": np.full(len(size), gmin),
    }


def evaluate(law: Mapping[str, Floats], v: Floats) -> tuple[Floats, Floats]:
    """Current into the drain and conductance at voltages of the drain above the source."""
    channel, opening = _channel(law, v)
    i, g = _bulk(law, v)
    return channel + i, opening + g


def _bulk(law: Mapping[str, Floats], v: Floats) -> tuple[Floats, Floats]:
    """The junction from the bulk to the drain, seen from the drain; ngspice lets it jump to its end (mos1load.c)."""
    i, g = exponential(-v, law["saturation"], law["n_vt"])
    blocked = v >= 3.0 * law["n_vt"]
    i, g = np.where(blocked, -law["saturation"], i), np.where(blocked, 0.0, g)
    return -i + law["gmin"] * v, g + law["gmin"]


def _channel(law: Mapping[str, Floats], v: Floats) -> tuple[Floats, Floats]:
    """Source and drain change places where the drain is the lower one: then the bulk is above the source."""
    u, backward = np.abs(v), v < 0.0
    root = np.maximum(law["root"] - np.where(backward, u, 0.0) / (2.0 * law["root"]), 0.0)
    sinking = np.where(backward & (root > 0.0), law["gamma"] / (2.0 * law["root"]), 0.0)
    threshold = law["built_in"] + law["gamma"] * root
    # The gate is above the source by v forward and by nothing backward; it opens with u at this rate.
    above = np.maximum(np.where(backward, 0.0, u) - threshold, 0.0)
    rate = np.where(above > 0.0, np.where(backward, sinking, 1.0), 0.0)
    d = np.minimum(u, above)
    moving = np.where(u < above, 1.0, rate)
    shape = d * (above - 0.5 * d)
    slope = moving * (above - d) + d * rate
    grown = 1.0 + law["lambda"] * u
    i = law["beta"] * grown * shape
    return np.where(backward, -i, i), law["beta"] * (grown * slope + law["lambda"] * shape)


@np.errstate(divide="ignore", invalid="ignore")
def bounds(law: Mapping[str, Floats], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Least and largest conductances between two voltages.

    Forward the channel's rises with the voltage. Backward it is a polynomial of at most the second degree between the
    voltages at which the channel opens, saturates, and the bulk has no more effect: it is extreme there or in between.
    Where the bulk's current jumps there is no largest.
    """
    deep = 2.0 * law["root"] ** 2
    # The conductance steps where the bulk has no more effect: either side of that.
    corners = [low, high, np.zeros_like(deep), -deep, -deep * (1.0 - BESIDE), -deep * (1.0 + BESIDE)]
    for root, rate in ((law["root"], law["gamma"] / (2.0 * law["root"])), (0.0, 0.0)):
        above = -(law["built_in"] + law["gamma"] * root)
        bent = 2.0 * rate - 1.0
        corners += [
            above / rate,
            above / (rate - 1.0),
            (2.0 * law["lambda"] * above / bent + 1.0) / (3.0 * law["lambda"]),
        ]
    inside = [np.clip(np.where(np.isfinite(each), each, low), low, high) for each in corners]
    slopes = np.array([_channel(law, v)[1] for v in inside])
    bulk = [_bulk(law, v)[1] for v in (low, high)]
    jump = 3.0 * law["n_vt"]
    largest = np.where((low < jump) & (high >= jump), np.inf, np.maximum(*bulk))
    return slopes.min(axis=0) + np.minimum(*bulk), slopes.max(axis=0) + largest
