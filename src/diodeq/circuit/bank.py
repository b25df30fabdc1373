"""Banks: all parts of one kind, as arrays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import numbers, real, whole
from diodeq.circuit.blocks import Wiring
from diodeq.circuit.kinds import KINDS
from diodeq.errors import CircuitError
from diodeq.printable import counted

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The array, read-only: itself if nobody can write to it, else a copy."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            array = array.copy()  # a view, read-only or not, would change with the caller's array
            array.flags.writeable = False
            return array
        owner = owner.base
    return array


def restore(part: Any, state: Mapping[str, Any]) -> None:
    """Gives ``part`` of a circuit its pickled or copied state: its arrays, which nobody else has, read-only again."""
    for each in state.values():
        if isinstance(each, np.ndarray):
            each.flags.writeable = False
    part.__dict__.update(state)


@dataclass(frozen=True, eq=False)
class Bank:
    """All elements of one kind.

    ``terminals`` int32[n, k] are node indices, ``values`` float64[n], or int32[n] where they number models (meaning:
    ``KINDS[kind].quantity``).
    ``names`` is empty (then parts are called prefix + 1, 2, …) or has one name a part. ``groups`` are (label, count)
    pairs that cover the bank in order: what a run of parts is for, printed as comments and used by reports.
    """

    terminals: Ints
    values: Floats
    names: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    _wiring: Wiring | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "terminals", frozen(np.ascontiguousarray(whole("the terminals", self.terminals))))
        given = np.ascontiguousarray(numbers("the values of parts", self.values))
        values = given.astype(np.int32 if given.dtype.kind in "iu" else np.float64, copy=False)
        if values is not given and not np.array_equal(values, given, equal_nan=True):
            values = given.astype(np.float64)  # more than int32 holds
        object.__setattr__(self, "values", frozen(values))
        if self._wiring is None or self._wiring.terminals is not self.terminals:
            object.__setattr__(self, "_wiring", Wiring(self.terminals))

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def wiring(self) -> Wiring:
        """Where the first two terminals make dense blocks; found once for all banks that share the terminals."""
        assert self._wiring is not None
        return self._wiring

    def some(self, chosen: NDArray[np.bool_]) -> Bank:
        """Some of the parts, in no groups."""
        names = (
            tuple(name for name, kept in zip(self.names, chosen.tolist(), strict=True) if kept) if self.names else ()
        )
        return Bank(self.terminals[chosen], self.values[chosen], names)

    def kept(self, chosen: NDArray[np.bool_]) -> Bank:
        """Some of the parts, in the groups that they were in; groups without any go."""
        ends = np.cumsum([0, *(count for _, count in self.groups)]).tolist()
        counts = [int(chosen[first:last].sum()) for first, last in itertools.pairwise(ends)]
        groups = tuple((label, n) for (label, _), n in zip(self.groups, counts, strict=True) if n)
        return replace(self.some(chosen), groups=groups)

    def with_values(self, values: ArrayLike) -> Bank:
        """The same parts with other values [n]; an array that is read-only is not copied."""
        return replace(self, values=numbers("the values of parts", values))


def bank(kind: str, rows: Sequence[tuple[Any, ...]] = (), names: Sequence[str] = ()) -> Bank:
    """A bank from rows ``(node, node, …, value)``; convenient for hand-made circuits."""
    width = len(KINDS[kind].terminals)
    for row in rows:
        if len(row) != width + 1:
            raise CircuitError(
                f"a {KINDS[kind].singular} row has {counted(len(row), 'entry', 'entries')}",
                f"give {width} nodes and a value",
            )
    terminals = whole(f"the nodes of {kind}", [row[:width] for row in rows]).reshape(len(rows), width)
    number = whole if KINDS[kind].nonlinear else real
    return Bank(terminals, number(f"the values of {kind}", [row[width] for row in rows]), tuple(names))
