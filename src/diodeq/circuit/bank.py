"""Banks: all parts of one kind, as arrays; and what the kinds are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.circuit.blocks import Wiring
from diodeq.errors import CircuitError

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Kind:
    """What the bank of one element kind holds.

    ``prefix`` begins every part name, ``terminals`` names a part's nodes in order, ``quantity`` is what ``values``
    means, ``port`` says which pairs of terminals carry current from one to the other.
    """

    singular: str
    prefix: str
    terminals: tuple[str, ...]
    quantity: str
    ports: tuple[tuple[int, int], ...]


# Laws, with v = difference of a port's nodes and i = current entering its first node:
#   resistor i = g v; voltage source v+ - v- = value; current source: value flows from + through the source to -;
#   transformer v1 = n v2, i2 = -n i1; gyrator i1 = g v2, i2 = -g v1;
#   buffer (voltage-controlled voltage source) v_out = a v_ctrl; mirror (current-controlled current source):
#   its sense port is a short, i_out = a i_sense.
KINDS: dict[str, Kind] = {
    "resistors": Kind("resistor", "r", ("a", "b"), "conductance in siemens", ((0, 1),)),
    "diodes": Kind("diode", "d", ("anode", "cathode"), "index of the diode model", ((0, 1),)),
    "voltage_sources": Kind("voltage source", "v", ("plus", "minus"), "volts", ((0, 1),)),
    "current_sources": Kind("current source", "i", ("plus", "minus"), "amperes", ()),
    "transformers": Kind("transformer", "t", ("plus1", "minus1", "plus2", "minus2"), "turns ratio n", ((0, 1), (2, 3))),
    "gyrators": Kind("gyrator", "y", ("plus1", "minus1", "plus2", "minus2"), "siemens", ((0, 1), (2, 3))),
    "buffers": Kind("buffer", "e", ("out_plus", "out_minus", "ctrl_plus", "ctrl_minus"), "voltage gain", ((0, 1),)),
    "mirrors": Kind("mirror", "f", ("out_plus", "out_minus", "sense_plus", "sense_minus"), "current gain", ((2, 3),)),
}


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The array, read-only: itself if nobody can write to it, else a copy."""
    if array.flags.writeable:
        array = array.copy()  # a view would change with the caller's array
        array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Bank:
    """All elements of one kind.

    ``terminals`` int32[n, k] are node indices, ``values`` float64[n] (meaning: ``KINDS[kind].quantity``).
    ``names`` is empty (then parts are called prefix + 1, 2, …) or has one name a part. ``groups`` are (label, count)
    pairs that cover the bank in order: what a run of parts is for, printed as comments and used by reports.
    """

    terminals: Ints
    values: Floats
    names: tuple[str, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    _wiring: Wiring | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "terminals", frozen(np.ascontiguousarray(self.terminals, dtype=np.int32)))
        object.__setattr__(self, "values", frozen(np.ascontiguousarray(self.values, dtype=np.float64)))
        if self._wiring is None or self._wiring.terminals is not self.terminals:
            object.__setattr__(self, "_wiring", Wiring(self.terminals))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def wiring(self) -> Wiring:
        """Where the first two terminals make dense blocks; found once for all banks that share the terminals."""
        assert self._wiring is not None
        return self._wiring

    def with_values(self, values: ArrayLike) -> Bank:
        """The same parts with other values, float64[n]; an array that is read-only is not copied."""
        return replace(self, values=np.asarray(values, dtype=np.float64))


def bank(kind: str, rows: Sequence[tuple[Any, ...]] = (), names: Sequence[str] = ()) -> Bank:
    """A bank from rows ``(node, node, …, value)``; convenient for hand-made circuits."""
    width = len(KINDS[kind].terminals)
    for row in rows:
        if len(row) != width + 1:
            raise CircuitError(
                f"a {KINDS[kind].singular} row has {len(row)} entries", f"give {width} nodes and a value"
            )
    terminals = np.array([row[:width] for row in rows], dtype=np.int32).reshape(len(rows), width)
    return Bank(terminals, np.array([row[width] for row in rows], dtype=np.float64), tuple(names))
