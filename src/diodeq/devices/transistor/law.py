"""Transistors with two pins as one-ports: the formulas of their kinds, for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.devices.monotone import solve
from diodeq.errors import InputError

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

LARGEST = 1e100  # amperes and siemens: beyond, numbers would end


@dataclass(frozen=True, eq=False)
class Group:
    """Transistors of one kind: the module of its formulas, and the constants of each, float64[k]."""

    formulas: ModuleType
    constants: Mapping[str, Floats]

    def of(self, rows: Index) -> dict[str, Floats]:
        """The constants of some."""
        return {key: values[rows] for key, values in self.constants.items()}


@dataclass(frozen=True, eq=False)
class Transistors:
    """n one-ports, of which number k is ``row[k]`` of ``groups[group[k]]``: see `OnePorts`.

    Currents and conductances are ngspice's, gmin as ngspice has it; only the MOSFET's bulk diode, which in ngspice has
    a step of 5 % of its saturation current at three thermal voltages in reverse, has none.
    """

    groups: tuple[Group, ...]
    group: Index
    row: Index

    def __len__(self) -> int:
        return len(self.group)

    def take(self, chosen: Any) -> Self:
        return replace(self, group=self.group[chosen], row=self.row[chosen])

    def current(self, voltage: ArrayLike) -> Floats:
        return self.evaluate(voltage)[0]

    def conductance(self, voltage: ArrayLike) -> Floats:
        return self.evaluate(voltage)[1]

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        (v,), columns, shape = self._flat(voltage)
        i, g = _evaluated(self._sorted(columns), v)
        return i.reshape(shape), g.reshape(shape)

    def missed(self, voltage: ArrayLike, current: ArrayLike) -> Floats:
        return np.asarray(self.current(voltage) - real("the currents", current), np.float64)

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        r = np.asarray(resistance, np.float64)
        if not np.all((r >= 0.0) & (r < np.inf)):
            raise InputError("a load line needs a finite resistance of at least 0 ohm", "check the resistances")
        (s, ohms), columns, shape = self._flat(source, r)
        seen: list[Any] = [None, []]

        def evaluate(index: Index, v: Floats) -> tuple[Floats, Floats]:
            if seen[0] is not index:
                seen[:] = [index, self._sorted(columns[index])]
            return _evaluated(seen[1], v)

        v, i, g = solve(evaluate, s, ohms)
        return v.reshape(shape), i.reshape(shape), g.reshape(shape)

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        (a, b), columns, shape = self._flat(low, high)
        least, largest = np.empty(len(a)), np.empty(len(a))
        for at, formulas, law in self._sorted(columns):
            with np.errstate(over="ignore"):
                least[at], largest[at] = formulas.bounds(law, a[at], b[at])
        # Infinite where a current jumps.
        return np.minimum(least, LARGEST).reshape(shape), largest.reshape(shape)

    def capacitance(self, voltage: ArrayLike) -> Floats:
        return np.zeros_like(self.evaluate(voltage)[0])

    def _flat(self, *given: ArrayLike) -> tuple[list[Floats], Index, tuple[int, ...]]:
        """The arguments as flat arrays of one length, the transistor of each entry, and the shape of the answer."""
        arrays = [real("the voltages of transistors", each) for each in given]
        if not all(np.isfinite(each).all() for each in arrays):
            raise InputError("a voltage across a transistor is not finite", "check the drives for NaN and infinity")
        shape = np.broadcast_shapes(*(each.shape for each in arrays), (len(self),))
        columns = np.broadcast_to(np.arange(len(self)), shape).reshape(-1)
        return [np.broadcast_to(each, shape).reshape(-1) for each in arrays], columns, shape

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
