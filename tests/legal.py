"""Random circuits of all kinds of elements that ``check`` passes, with values from wide ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.kinds import source_kinds
from diodeq.devices import DiodeModel
from diodeq.devices.diode.law import law
from diodeq.errors import InputError
from sketch import SAMPLES, Random, Sketch, part, spread


@dataclass(frozen=True)
class Setting:
    """What a random legal circuit may hold: siemens and °C from and to, and the largest volts of a source."""

    siemens: tuple[float, float]
    temperatures: tuple[float, float]
    volts: float


SETTINGS: dict[str, Setting] = {
    "legal-a": Setting((1e-6, 1e-2), (-55.0, 150.0), 10.0),
    "legal-b": Setting((1e-9, 1.0), (-55.0, 150.0), 10.0),
    "legal-c": Setting((1e-12, 1e3), (-55.0, 150.0), 300.0),
}
# How often a random part is of a kind; what may give power only where a circuit is to be active.
PASSIVE = {"resistors": 0.5, "diodes": 0.27, "voltage_sources": 0.07, "current_sources": 0.06, "transformers": 0.05}
PASSIVE |= {"gyrators": 0.05}
ACTIVE = {"buffers": 0.06, "mirrors": 0.06}
ACTIVE_SHARE = 0.25
# How often a node is tied to the others by a kind.
TIES = {"resistors": 0.7, "diodes": 0.2, "voltage_sources": 0.1}


def legal(rng: Random, setting: Setting) -> tuple[Sketch, float, NDArray[np.float64]]:
    """A random circuit that ``check`` passes: of 3 to 40 nodes, tied together and then some parts more."""
    temperature = 27.0 if rng.random() < 0.3 else float(rng.uniform(*setting.temperatures))
    sketch = Sketch(rng)
    count = round(spread(rng, 3.0, 40.0))
    models = [_model(rng, temperature) for _ in range(int(rng.integers(1, 5)))]
    for _ in range(count - 1):
        sketch.node()
    order = np.concatenate([[0], 1 + rng.permutation(count - 1)]).tolist()
    for place in range(1, count):
        other = order[int(rng.integers(max(0, place - 4), place))]
        ends = [order[place], other] if rng.random() < 0.5 else [other, order[place]]
        _random_part(rng, sketch, _kind(rng, TIES), setting, models, ends)
    kinds = PASSIVE | ACTIVE if rng.random() < ACTIVE_SHARE else PASSIVE
    for _ in range(int(rng.integers(1, 2 + int(1.2 * count)))):
        near = int(rng.integers(0, count))
        nodes = [order[(near + int(step)) % count] for step in rng.integers(0, 5, 8)]
        _random_part(rng, sketch, _kind(rng, kinds), setting, models, list(dict.fromkeys(nodes)))
    driven = [(kind, number) for kind in source_kinds() for number in range(len(sketch.rows.get(kind, ())))]
    if not driven:
        _random_part(rng, sketch, "current_sources", setting, models, [order[1], 0])
        driven = [("current_sources", 0)]
    columns = int(rng.integers(1, min(4, len(driven) + 1)))
    drives = np.empty((SAMPLES, columns))
    for column, at in enumerate(rng.choice(len(driven), columns, replace=False).tolist()):
        kind, number = driven[at]
        *ends, value = sketch.rows[kind][number]
        sketch.inputs.append((kind, number, column, 1.0))
        largest = setting.volts if kind == "voltage_sources" else 2 * abs(value)
        drives[:, column] = largest * rng.uniform(-1.0, 1.0, SAMPLES)
        sketch.rows[kind][number] = (*ends, 0.0)
    return sketch, temperature, drives


def _kind(rng: Random, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))


def _random_part(
    rng: Random, sketch: Sketch, kind: str, setting: Setting, models: list[DiodeModel], nodes: list[int]
) -> None:
    """A part between some of the nodes, where there are enough of them."""
    if len(nodes) < 2:
        return
    pair = nodes[:2]
    sign = float(rng.choice([-1.0, 1.0]))
    if kind == "resistors":
        sketch.add(kind, *pair, spread(rng, *setting.siemens))
    elif kind == "diodes":
        sketch.diode(*pair, models[int(rng.integers(len(models)))])
    elif kind == "voltage_sources":
        sketch.add(kind, *pair, float(rng.uniform(-1.0, 1.0)) * setting.volts)
    elif kind == "current_sources":  # with a conductance beside it, which it can feed
        siemens = spread(rng, *setting.siemens)
        sketch.add("resistors", *pair, siemens)
        sketch.add(kind, *pair, float(rng.uniform(-1.0, 1.0)) * setting.volts * siemens)
    else:
        ports = nodes[:4] if len(nodes) > 3 else [*nodes[:3], nodes[0]][:4] if len(nodes) == 3 else [*pair, *pair]
        size = spread(rng, *setting.siemens) if kind == "gyrators" else spread(rng, 0.1, 10.0)
        sketch.add(kind, *ports, sign * size)


def _model(rng: Random, temperature: float) -> DiodeModel:
    """A part of the catalogue or one of its own that holds at the temperature."""
    while True:
        if rng.random() < 0.5:
            model = part(rng)
        else:
            values = {"is": spread(rng, 1e-16, 1e-6), "n": float(rng.uniform(1.0, 2.0))}
            if rng.random() < 0.6:
                values["rs"] = spread(rng, 1e-3, 100.0)
            if rng.random() < 0.4:
                values |= {"bv": spread(rng, 2.0, 100.0), "ibv": spread(rng, 1e-6, 1e-2)}
            if rng.random() < 0.15:
                values["ikf"] = spread(rng, 1e-3, 1.0)
            if rng.random() < 0.1:
                values |= {"isr": spread(rng, 1e-12, 1e-8), "nr": 2.0}
            model = DiodeModel(f"x{rng.integers(1 << 30)}", values)
        try:
            law(model, temperature)
        except InputError:
            continue
        return model
