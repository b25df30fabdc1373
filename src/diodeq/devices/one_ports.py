"""Nonlinear one-ports: the families of their models, and the laws of a circuit's own.

A `Model` is one part as data, a family of models makes the `OnePorts` of many at once. A new family is one room and a
line in ``FAMILIES``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.law import law
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.joined import Joined as Joined
from diodeq.devices.monotone import EPSILON, at_current
from diodeq.devices.protocol import Floats
from diodeq.devices.protocol import Model as Model
from diodeq.devices.protocol import OnePorts as OnePorts
from diodeq.devices.transistor.model import TransistorModel
from diodeq.errors import InputError

FAMILIES: dict[str, type[Model]] = {
    "diode": DiodeModel,
    "curve": CurveModel,
    "composite": CompositeModel,
    "transistor": TransistorModel,
}


def from_json(document: Mapping[str, Any]) -> Model:
    """The model that a ``to_json`` of any family described; without a ``kind`` it is a diode.

    Raises `InputError` if it describes none.
    """
    kind = document.get("kind", "diode") if isinstance(document, Mapping) else "diode"
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(f"a one-port of kind {kind!r} is not known", f"known are {', '.join(FAMILIES)}")
    return FAMILIES[kind].from_json(document)


def one_ports(models: Sequence[Model], which: ArrayLike, temperature: float, gmin: float = 1e-12) -> OnePorts:
    """The laws of a circuit's one-ports: number k follows ``models[which[k]]``.

    Raises `InputError` if a model makes no sense at ``temperature`` (°C); models that nothing follows are not asked.
    """
    used, each = np.unique(np.asarray(which).astype(np.intp), return_inverse=True)
    chosen = [models[k] for k in used.tolist()]
    families: list[type[Model]] = list(dict.fromkeys(type(model) for model in chosen)) or [DiodeModel]
    if len(families) == 1:
        return families[0].laws(chosen, temperature, gmin).take(each)
    number = np.array([families.index(type(model)) for model in chosen])
    members = []
    for k, family in enumerate(families):
        own = np.flatnonzero(number == k)
        laws = family.laws([chosen[j] for j in own.tolist()], temperature, gmin)
        members.append(laws.take(np.searchsorted(own, each[number[each] == k])))
    return Joined(number[each], tuple(members))


def one(model: Model, temperature: float = 27.0) -> OnePorts:
    """The law of one part, for arrays of any shape with an axis; raises `InputError` as `one_ports` does."""
    return law(model, temperature) if isinstance(model, DiodeModel) else one_ports([model], [0], temperature)


def forward_voltage(ports: OnePorts, current: float) -> float:
    """The terminal voltage at which a forward ``current`` (A, above 0) flows through the first of them: V_f.

    Raises `InputError` for a current that is not a positive number.
    """
    if not 0.0 < current < math.inf:
        raise InputError(f"a forward current of {current} A is not positive", "give amperes above 0")
    return voltage_at(ports, current)


def voltage_at(ports: OnePorts, current: float) -> float:
    """The terminal voltage at which ``current`` (A, of any sign) flows through the first of them; infinite where it
    never does."""

    def evaluate(index: Any, v: Floats) -> tuple[Floats, Floats]:
        i, g = ports.evaluate(v[:, None])
        return i[:, 0], g[:, 0]

    return float(at_current(evaluate, np.array([current]))[0])


def voltages_at(ports: OnePorts, currents: ArrayLike, close: float = 2.0 * EPSILON) -> Floats:
    """The terminal voltages [n, k] at which each of k ``currents`` (A, of any sign) flows through each of n one-ports,
    all at once and to a share ``close`` of themselves; infinite where it never does."""
    wanted = np.asarray(currents, np.float64)
    every = ports.take(np.repeat(np.arange(len(ports)), wanted.size))

    def evaluate(index: Any, v: Floats) -> tuple[Floats, Floats]:
        return (every if v.size == len(every) else every.take(index)).evaluate(v)

    found = at_current(evaluate, np.tile(wanted, len(ports)), close)
    return found.reshape(len(ports), wanted.size)


def series_resistance(ports: OnePorts) -> Floats:
    """Ω [n] between the terminals of one-ports and what stores their charge: 0 for a family that knows of none."""
    if isinstance(ports, Joined):
        found = np.zeros(len(ports))
        for k, each in enumerate(ports.members):
            found[ports.family == k] = series_resistance(each)
        return found
    return np.broadcast_to(np.asarray(getattr(ports, "resistance", 0.0), np.float64), (len(ports),))
