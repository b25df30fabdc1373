"""A bipolar transistor with its collector at its base: ngspice's Gummel-Poon model at a base-collector voltage of 0 V.

Formulas: ngspice 39, bjtload.c and bjttemp.c (SPICE2's; Gummel and Poon, Bell System Technical Journal 49, 827, 1970).
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
    size = given["area"] * given["m"]
    warming = (kelvin / nominal - 1.0) * given["eg"] / vt + given["xti"] * np.log(kelvin / nominal)
    beta = (kelvin / nominal) ** given["xtb"]
    with np.errstate(divide="ignore"):
        knee = np.where(given["ikf"] > 0.0, 1.0 / (given["ikf"] * size), 0.0)
        early = np.where(given["var"] > 0.0, 1.0 / given["var"], 0.0)
    return {
        "saturation": given["is"] * np.exp(warming) * size,
        "n_vt": given["nf"] * vt,
        "base": 1.0 / (given["bf"] * beta),
        "leak": given["ise"] * np.exp(warming / given["ne"]) / beta * size,
        "leak_vt": given["ne"] * vt,
        "knee": knee,
        "early": early,
        "gmin": gmin * given["m"],
    }


def evaluate(law: Mapping[str, Floats], v: Floats) -> tuple[Floats, Floats]:
    """Current and conductance at voltages of the base above the emitter."""
    i, g = tailed(v, law["saturation"], law["n_vt"])
    leak, leaking = tailed(v, law["leak"], law["leak_vt"])
    collected, collecting = _collected(law, v, i, g)
    return collected + law["base"] * i + leak + law["gmin"] * v, collecting + law["base"] * g + leaking + law["gmin"]


def _collected(law: Mapping[str, Floats], v: Floats, i: Floats, g: Floats) -> tuple[Floats, Floats]:
    """What of the junction's current reaches the collector: divided by the charge in the base."""
    root = np.sqrt(np.maximum(1.0 + 4.0 * law["knee"] * i, 0.0))
    share = 2.0 / (1.0 + root)
    with np.errstate(divide="ignore"):
        slope = np.where(root > 0.0, g / np.maximum(root, 1e-300), 0.0)
    # The Early effect ends where the current is beyond any transistor's, else it would fall again.
    most = 0.5 / np.maximum(law["early"], 1e-300)
    early, moving = 1.0 - law["early"] * np.minimum(v, most), np.where(v < most, law["early"], 0.0)
    return early * share * i, early * slope - moving * share * i


def bounds(law: Mapping[str, Floats], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Least and largest conductances between two voltages, those at its ends.

    The conductance rises with the voltage: the logarithm of what the Early effect multiplies, whose slope falls by
    2/VAR, rises by half of 1/n_vt or more, far in reverse by 4/v (``model.py`` refuses a VAR and an NF for which that
    is not more).
    """
    return evaluate(law, low)[1], evaluate(law, high)[1]
