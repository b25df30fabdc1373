"""Collecting nodes and parts while a circuit is being put together: the only mutable thing on the way.

The compiler and ``assembly.Assembly`` put their circuits together with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.circuit import KINDS, Bank, Circuit
from diodeq.devices import Model

Ints = NDArray[np.int32]
Index = NDArray[np.int64]


class Parts:
    """Nodes by number, parts by kind in the order they are added, each run of parts with a label."""

    def __init__(self) -> None:
        self.node_names = ["0"]
        self._terminals: dict[str, list[Ints]] = {kind: [] for kind in KINDS}
        self._values: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in KINDS}
        self._groups: dict[str, list[tuple[str, int]]] = {kind: [] for kind in KINDS}
        self._names: dict[str, dict[int, Sequence[str]]] = {kind: {} for kind in KINDS}
        self._models: dict[Model, int] = {}

    def nodes(self, names: Iterable[str]) -> Index:
        """The numbers of new nodes."""
        start = len(self.node_names)
        self.node_names.extend(names)
        return np.arange(start, len(self.node_names))

    def add(self, kind: str, label: str, *terminals: ArrayLike, values: ArrayLike, names: Sequence[str] = ()) -> Index:
        """Add a run of parts: one array of nodes per terminal and the values, broadcast; their numbers in the bank.

        ``names`` has one for each, or none: then they are called after their numbers.
        """
        columns = np.broadcast_arrays(*(np.asarray(t) for t in terminals), np.asarray(values, np.float64))
        count, start = columns[-1].size, self.count(kind)
        if count:
            self._terminals[kind].append(
                np.stack([c.ravel() for c in columns[:-1]], axis=1).astype(np.int32, copy=False)
            )
            self._values[kind].append(np.array(columns[-1], np.float64).ravel())
            self._groups[kind].append((label, count))
            if names:
                self._names[kind][start] = names
        return np.arange(start, start + count)

    def model(self, model: Model) -> int:
        """The number of a diode model, the same for equal ones."""
        return self._models.setdefault(model, len(self._models))

    def count(self, kind: str) -> int:
        """How many parts of a kind there are so far."""
        return sum(count for _, count in self._groups[kind])

    def given(self) -> set[str]:
        """The names that nodes and parts were given so far."""
        parts = (name for runs in self._names.values() for names in runs.values() for name in names)
        return {*self.node_names, *parts}

    def labels(self, kind: str) -> list[tuple[str, int]]:
        """The runs of a bank so far: (label, count)."""
        return list(self._groups[kind])

    def circuit(self, **rest: Any) -> Circuit:
        """The circuit; ``rest`` are its other fields (inputs, outputs, trainable, units, title …)."""
        banks: dict[str, Any] = {}
        for kind, terminals in self._terminals.items():
            if terminals:
                ends, values = np.concatenate(terminals), np.concatenate(self._values[kind])
                banks[kind] = Bank(ends, values, self._called(kind), tuple(self._groups[kind]))
        return Circuit(nodes=tuple(self.node_names), models=tuple(self._models), **banks, **rest)

    def _called(self, kind: str) -> tuple[str, ...]:
        """The names of a bank, none where no run has its own."""
        if not self._names[kind]:
            return ()
        called = [f"{KINDS[kind].prefix}{number}" for number in range(1, self.count(kind) + 1)]
        for start, names in self._names[kind].items():
            called[start : start + len(names)] = names
        return tuple(called)
