"""Crossbars: the dense layers of a circuit as arrays of cells between word lines and bit lines whose wires resist.

Row i of a layer's conductances has a word line, column j a bit line, and cell (i, j) joins the two where they cross.
Each line has one wire segment from crossing to crossing and one more to the node that it belonged to as drawn:

    row i ──w── o ──w── o ──w── o  (──w── row i: both ends)
                │cell   │       │
        bit 0 ──o   1 ──o   2 ──o   and bit lines alike, down to columns 0, 1, 2

The drawn circuit's resistors keep their numbers, whether they became cells or not; wires follow them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Bank, Circuit
from diodeq.circuit.blocks import dense
from diodeq.errors import InputError, UsageError

Index = NDArray[np.int64]

# A layer of fewer resistors is no array.
SMALLEST = 4


@dataclass(frozen=True)
class Wires:
    """Ohms of one segment of a word line and of a bit line, and whether the lines are joined to their nodes at both
    ends.

    Raises:
        UsageError: a resistance that is not positive.
    """

    word: float
    bit: float
    both: bool = False

    def __post_init__(self) -> None:
        for ohms in (self.word, self.bit):
            if not (math.isfinite(ohms) and ohms > 0.0):
                raise UsageError(f"a wire segment of {ohms:g} ohm is not possible", "give a positive number of ohms")


@dataclass(frozen=True, eq=False)
class Array:
    """One crossbar: the drawn nodes ``rows`` int64[R] and ``columns`` int64[C], and the resistors ``cells``
    int64[R, C] between them."""

    rows: Index
    columns: Index
    cells: Index

    def wires(self, first: int, both: bool) -> tuple[Index, Index]:
        """Terminals int64[n, 2] of the word lines' and of the bit lines' segments; crossings are nodes from ``first``.

        Segments follow each other line by line from row node or column node on.
        """
        word, bit = self.crossings(first)
        words = [self.rows[:, None], word, *([self.rows[:, None]] if both else [])]
        bits = [self.columns[None], bit[::-1], *([self.columns[None]] if both else [])]
        return _chained(np.concatenate(words, axis=1)), _chained(np.concatenate(bits, axis=0).T)

    def crossings(self, first: int) -> tuple[Index, Index]:
        """The nodes int64[R, C] of the cells on their word lines and on their bit lines."""
        word = np.arange(first, first + self.cells.size).reshape(self.cells.shape)
        return word, word + self.cells.size


@dataclass(frozen=True, eq=False)
class Crossbars:
    """A circuit laid out: ``circuit`` with its ``arrays`` in the order of their nodes, which start at ``first``."""

    circuit: Circuit
    arrays: tuple[Array, ...]
    first: tuple[int, ...]
    wires: Wires


def lay_out(circuit: Circuit, wires: Wires) -> Crossbars:
    """The circuit with every dense layer as a crossbar; layers into the same columns share one.

    Resistors outside such layers stay as they are. Cells stay trainable, wires are not.

    Raises:
        InputError: there is no dense layer of at least two rows and two columns.
    """
    arrays = tuple(_arrays(circuit))
    if not arrays:
        raise InputError(
            f"circuit {circuit.title!r} has no dense layer of two rows and two columns", "give one that has layers"
        )
    terminals = circuit.resistors.terminals.copy()
    names, first, segments = list(circuit.nodes), [], []
    groups = list(circuit.resistors.groups or [("resistors", len(terminals))])
    for number, array in enumerate(arrays, start=1):
        first.append(len(names))
        word, bit = array.crossings(len(names))
        terminals[array.cells] = np.stack([word, bit], axis=2)
        places = [f"{i}_{j}" for i in range(word.shape[0]) for j in range(word.shape[1])]
        for kind, lines, ohms in zip("wb", array.wires(len(names), wires.both), (wires.word, wires.bit), strict=True):
            segments.append((lines, np.full(len(lines), 1.0 / ohms)))
            groups.append((f"{'word' if kind == 'w' else 'bit'} lines of array {number}", len(lines)))
        names += [f"a{number}_{kind}{place}" for kind in "wb" for place in places]
    added = sum(len(lines) for lines, _ in segments)
    own = circuit.part_names("resistors") if circuit.resistors.names else ()
    resistors = Bank(
        np.concatenate([terminals, *(lines for lines, _ in segments)]).astype(np.int32),
        np.concatenate([circuit.conductances, *(values for _, values in segments)]),
        names=(*own, *(f"r_wire{k}" for k in range(1, added + 1))) if own else (),
        groups=tuple(groups),
    )
    ends = "both ends" if wires.both else "one end"
    shapes = ", ".join(" x ".join(map(str, array.cells.shape)) for array in arrays)
    note = (
        f"laid out as crossbars of {shapes} cells, wires of {wires.word:g} ohm a segment of a word line and"
        f" {wires.bit:g} of a bit line, joined at {ends}"
    )
    laid = replace(
        circuit,
        nodes=tuple(names),
        resistors=resistors,
        trainable=np.concatenate([circuit.mask, np.zeros(added, bool)]),
        notes=(*circuit.notes, note),
    )
    return Crossbars(laid, arrays, tuple(first), wires)


def _arrays(circuit: Circuit) -> Iterator[Array]:
    """The dense layers, those with equal columns stacked."""
    stacked: dict[tuple[int, ...], list[tuple[Index, Index]]] = {}
    for block in dense(circuit.resistors.terminals, SMALLEST):
        numbers = np.arange(block.resistors.start, block.resistors.stop).reshape(len(block.rows), len(block.columns))
        order = np.argsort(block.columns)
        stacked.setdefault(tuple(block.columns[order].tolist()), []).append((block.rows, numbers[:, order]))
    for columns, layers in stacked.items():
        rows = np.concatenate([own for own, _ in layers])
        if min(len(rows), len(columns)) >= 2 and not np.isin(rows, columns).any():
            yield Array(rows, np.array(columns, np.int64), np.concatenate([numbers for _, numbers in layers]))


def _chained(lines: Index) -> Index:
    """Terminals int64[n, 2] of the segments along lines int64[lines, points]."""
    return np.stack([lines[:, :-1].ravel(), lines[:, 1:].ravel()], axis=1)
