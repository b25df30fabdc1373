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
    measured. The temperature (°C) is by default the one it was measured at, or 27."""
    warm = [warmth(model) if temperature is None else temperature for model in models]
    volts = np.empty((len(models), len(CURRENTS)))
    for degrees in dict.fromkeys(warm):
        own = [k for k, each in enumerate(warm) if each == degrees]
        volts[own] = voltages_at(one_ports([models[k] for k in own], np.arange(len(own)), degrees), CURRENTS)
    return [_summary(*each) for each in zip(models, warm, volts.tolist(), strict=True)]


def _summary(model: Model, temperature: float, volts: list[float]) -> dict[str, Any]:
    most = model.amperes[-1] if isinstance(model, CurveModel) else math.inf
    forward = [
        {"amperes": current, "volts": found if current <= most and found < HIGHEST else None}
        for current, found in zip(CURRENTS, volts, strict=True)
    ]
    found = {**model.to_json(), "spice_name": model.spice_name, "temperature": temperature, "forward_voltages": forward}
    return {**found, "breakdown_volts": breakdown(model, temperature)}


def breakdown(model: Model, temperature: float) -> float | None:
    """The reverse voltage of a diode that breaks down, at a milliampere (a Zener diode's V_z); None of any other."""
    if not isinstance(model, DiodeModel) or "bv" not in dict(model.parameters):
        return None
    return -float(voltages_at(one_ports([model], [0], temperature), -CURRENTS[-1])[0, 0])


def warmth(model: Model) -> float:
    """The temperature at which a part was measured, °C; 27 of one that has a law at every temperature."""
    measured = model.temperature if isinstance(model, CurveModel) else None
    return 27.0 if measured is None else measured


def shown_amperes(current: float) -> str:
    """A current in µA or mA."""
    return f"{current * 1e6:g} µA" if current < 1e-3 else f"{current * 1e3:g} mA"
