"""What the rest of the house may ask of a nonlinear one-port, and of the model that it follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.ratings import Ratings

Floats = NDArray[np.float64]


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

    @property
    def ratings(self) -> Ratings:
        """The most the part may be asked for; no part of its law, so models that differ in them alone are equal."""

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
