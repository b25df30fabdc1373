"""One-ports of several kinds as one: each kind is asked for its own columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.protocol import Floats, OnePorts

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Joined:
    """One-ports of several families, or of several forms of one: number k is the next one of ``members[family[k]]``."""

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
