"""Nonlinear one-ports: what the rest of the house may ask of a diode, and of whatever else has two ends and a law.

A `Model` is one part as data, a family of models makes the `OnePorts` of many at once. A new family is one file and a
line in ``FAMILIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.curve.law import Curves
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.law import Law, law
from diodeq.devices.diode.model import DiodeModel
from diodeq.errors import InputError

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@runtime_checkable
class OnePorts(Protocol):
    """n nonlinear one-ports, each with parameters of its own; the last axis of every array runs over them.

    Voltages (V) are those of the first terminal against the second, currents (A) flow into the first: the anode.
    Methods raise `InputError` for what is not finite.
    """

    def current(self, voltage: ArrayLike) -> Floats:
        """The currents at terminal voltages [..., n]."""

    def conductance(self, voltage: ArrayLike) -> Floats:
        """di/dv at terminal voltages, S."""

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        """Current and conductance in one pass."""

    def missed(self, voltage: ArrayLike, current: ArrayLike) -> Floats:
        """By how many amperes currents [..., n] fall short of the law's at terminal voltages, to first order in what
        they miss: cheaper than ``current`` where that has to solve an equation."""

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Voltage, current and conductance where ``source = v + resistance * current(v)``.

        ``source`` V and ``resistance`` Ω (finite, at least 0) broadcast against each other.
        """

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        """Bounds of (i(b) - i(a)) / (b - a) for a and b between ``low`` and ``high``, S: the least and the largest."""

    def capacitance(self, voltage: ArrayLike) -> Floats:
        """The small-signal capacitance at terminal voltages, F."""

    def take(self, chosen: Any) -> OnePorts:
        """Some of the n: an index array, a mask or a slice."""

    def __len__(self) -> int: ...


class Model(Protocol):
    """One nonlinear one-port as data: immutable, hashable, and equal where its parameters are."""

    @property
    def name(self) -> str:
        """As people call the part."""

    @property
    def spice_name(self) -> str:
        """The name of its card, in ``[a-z][a-z0-9_]*``; a model that has none is a `TwoPin` and prints a subcircuit."""

    @property
    def source(self) -> str:
        """Where it comes from."""

    @property
    def description(self) -> str:
        """What it is, in a line."""

    def card(self) -> list[tuple[str, float]]:
        """(NAME, value) of each given parameter, for its card."""

    def at_rest(self) -> Self:
        """The model without what only matters when voltages change."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict that the family's ``from_json`` turns back; ``kind`` is its name in ``FAMILIES``."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The model that ``to_json`` described; raises `InputError` if it is not one."""

    @classmethod
    def laws(cls, models: Sequence[Self], temperature: float, gmin: float = 1e-12) -> OnePorts:
        """One one-port for each model, at ``temperature`` °C, with ``gmin`` S beside its junctions."""


FAMILIES: dict[str, type[Model]] = {"diode": DiodeModel, "curve": CurveModel}


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


def one(model: Model, temperature: float = 27.0) -> Law | Curves:
    """The law of one part, for arrays of any shape with an axis; raises `InputError` as `one_ports` does."""
    if isinstance(model, DiodeModel):
        return law(model, temperature)
    found = one_ports([model], [0], temperature)
    assert isinstance(found, Curves)
    return found


def series_resistance(ports: OnePorts) -> Floats:
    """Ω [n] between the terminals of one-ports and what stores their charge: 0 for a family that knows of none."""
    if isinstance(ports, Joined):
        found = np.zeros(len(ports))
        for k, each in enumerate(ports.members):
            found[ports.family == k] = series_resistance(each)
        return found
    return np.broadcast_to(np.asarray(getattr(ports, "resistance", 0.0), np.float64), (len(ports),))


@dataclass(frozen=True, eq=False)
class Joined:
    """One-ports of several families: number k is the next one of ``members[family[k]]``."""

    family: Index
    members: tuple[OnePorts, ...]

    def __len__(self) -> int:
        return len(self.family)

    def take(self, chosen: Any) -> OnePorts:
        family = self.family[chosen]
        rank = np.empty(len(self), np.intp)
        for k in range(len(self.members)):
            own = np.flatnonzero(self.family == k)
            rank[own] = np.arange(len(own))
        rank = rank[chosen]
        present = np.unique(family)
        members = tuple(self.members[k].take(rank[family == k]) for k in present.tolist())
        return members[0] if len(members) == 1 else Joined(np.searchsorted(present, family), members)

    def current(self, voltage: ArrayLike) -> Floats:
        return self._each(lambda ports, v: (ports.current(v),), voltage)[0]

    def conductance(self, voltage: ArrayLike) -> Floats:
        return self._each(lambda ports, v: (ports.conductance(v),), voltage)[0]

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        current, conductance = self._each(lambda ports, v: ports.evaluate(v), voltage)
        return current, conductance

    def missed(self, voltage: ArrayLike, current: ArrayLike) -> Floats:
        return self._each(lambda ports, v, i: (ports.missed(v, i),), voltage, current)[0]

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        v, i, g = self._each(lambda ports, s, r: ports.load_line(s, r), source, resistance)
        return v, i, g

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        least, largest = self._each(lambda ports, a, b: ports.chord(a, b), low, high)
        return least, largest

    def capacitance(self, voltage: ArrayLike) -> Floats:
        return self._each(lambda ports, v: (ports.capacitance(v),), voltage)[0]

    def _each(self, ask: Callable[..., tuple[Floats, ...]], *given: ArrayLike) -> list[Floats]:
        """What every member answers for its own columns, put together."""
        arrays = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in given), np.empty(len(self)))[:-1]
        found: list[Floats] = []
        for k, ports in enumerate(self.members):
            own = np.flatnonzero(self.family == k)
            pieces = ask(ports, *(each[..., own] for each in arrays))
            found = found or [np.empty(arrays[0].shape) for _ in pieces]
            for whole, piece in zip(found, pieces, strict=True):
                whole[..., own] = piece
        return found
