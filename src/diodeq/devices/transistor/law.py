"""Transistors with two pins as one-ports: the formulas of their kinds, for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.evaluated import Evaluated, load_resistances
from diodeq.devices.monotone import solve

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

LARGEST = 1e100  # amperes and siemens: beyond, numbers would end


@dataclass(frozen=True, eq=False)
class TransistorGroup:
    """Transistors of one kind: the module of its formulas, and the constants of each, float64[k]."""

    formulas: ModuleType
    constants: Mapping[str, Floats]

    def of(self, rows: Index) -> dict[str, Floats]:
        """The constants of some."""
        return {key: values[rows] for key, values in self.constants.items()}


@dataclass(frozen=True, eq=False)
class Transistors(Evaluated):
    """n one-ports, of which number k is ``row[k]`` of ``groups[group[k]]``: see `OnePorts`.

    Currents and conductances are ngspice's, gmin as ngspice has it.
    """

    groups: tuple[TransistorGroup, ...]
    group: Index
    row: Index
    part: ClassVar[str] = "transistor"

    def __len__(self) -> int:
        return len(self.group)

    def take(self, chosen: Any) -> Self:
        return replace(self, group=self.group[chosen], row=self.row[chosen])

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        columns, (v,), shape = self._flat(np.arange(len(self)), voltage)
        i, g = _evaluated(self._sorted(columns), v)
        return i.reshape(shape), g.reshape(shape)

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        columns, (s, ohms), shape = self._flat(np.arange(len(self)), source, load_resistances(resistance))
        seen: list[Any] = [None, []]

        def evaluate(index: Index, v: Floats) -> tuple[Floats, Floats]:
            if seen[0] is not index:
                seen[:] = [index, self._sorted(columns[index])]
            return _evaluated(seen[1], v)

        v, i, g = solve(evaluate, s, ohms)
        return v.reshape(shape), i.reshape(shape), g.reshape(shape)

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        columns, (a, b), shape = self._flat(np.arange(len(self)), low, high)
        least, largest = np.empty(len(a)), np.empty(len(a))
        for at, formulas, law in self._sorted(columns):
            with np.errstate(over="ignore"):
                least[at], largest[at] = formulas.bounds(law, a[at], b[at])
        # Infinite where a current jumps.
        return np.minimum(least, LARGEST).reshape(shape), largest.reshape(shape)

    def capacitance(self, voltage: ArrayLike) -> Floats:
        return np.zeros_like(self.evaluate(voltage)[0])

    def _sorted(self, columns: Index) -> list[tuple[Any, Any, dict[str, Floats]]]:
        """For each kind that occurs where it does, its formulas and the constants there."""
        if len(self.groups) == 1:
            only = self.groups[0]
            return [(slice(None), only.formulas, only.of(self.row[columns]))]
        found = []
        for k, each in enumerate(self.groups):
            at = np.flatnonzero(self.group[columns] == k)
            if len(at):
                found.append((at, each.formulas, each.of(self.row[columns[at]])))
        return found


def _evaluated(parts: Sequence[tuple[Any, Any, dict[str, Floats]]], v: Floats) -> tuple[Floats, Floats]:
    i, g = np.empty(len(v)), np.empty(len(v))
    for at, formulas, law in parts:
        with np.errstate(over="ignore"):
            i[at], g[at] = formulas.evaluate(law, v[at])
    return np.clip(i, -LARGEST, LARGEST), np.minimum(g, LARGEST)
