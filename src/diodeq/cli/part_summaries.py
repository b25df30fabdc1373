"""What is said of parts by the commands that list, show and import them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diodeq.devices import Model
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.one_ports import one_ports, voltages_at

CURRENTS = (1e-6, 1e-4, 1e-3)
HIGHEST = 1e4  # volts: beyond, a current is never reached


def summaries(models: Sequence[Model], temperature: float | None = None) -> list[dict[str, Any]]:
    """Each model as a plain dict, with its forward voltages: none at currents that it never has, or beyond what was
    measured; and with the reverse voltage at a milliampere (a Zener diode's V_z) of a diode with a breakdown. The
    temperature (°C) is by default the one it was measured at, or 27."""
    warm = [warmth(model) if temperature is None else temperature for model in models]
    volts = np.empty((len(models), len(CURRENTS)))
    breakdown: dict[int, float] = {}
    for degrees in dict.fromkeys(warm):
        own = [k for k, each in enumerate(warm) if each == degrees]
        volts[own] = voltages_at(one_ports([models[k] for k in own], np.arange(len(own)), degrees), CURRENTS)
        diodes = [(k, each) for k in own if isinstance(each := models[k], DiodeModel) and "bv" in dict(each.parameters)]
        if diodes:
            laws = one_ports([each for _, each in diodes], np.arange(len(diodes)), degrees)
            reverse = -voltages_at(laws, -CURRENTS[-1])[:, 0]
            breakdown |= {k: float(v) for (k, _), v in zip(diodes, reverse, strict=True)}
    return [
        {**_summary(*each), "breakdown_volts": breakdown.get(k)}
        for k, each in enumerate(zip(models, warm, volts.tolist(), strict=True))
    ]


def _summary(model: Model, temperature: float, volts: list[float]) -> dict[str, Any]:
    most = model.amperes[-1] if isinstance(model, CurveModel) else math.inf
    forward = [
        {"amperes": current, "volts": found if current <= most and found < HIGHEST else None}
        for current, found in zip(CURRENTS, volts, strict=True)
    ]
    return {**model.to_json(), "spice_name": model.spice_name, "temperature": temperature, "forward_voltages": forward}


def warmth(model: Model) -> float:
    """The temperature at which a part was measured, °C; 27 of one that has a law at every temperature."""
    measured = model.temperature if isinstance(model, CurveModel) else None
    return 27.0 if measured is None else measured


def shown_amperes(current: float) -> str:
    """A current in µA or mA."""
    return f"{current * 1e6:g} µA" if current < 1e-3 else f"{current * 1e3:g} mA"
