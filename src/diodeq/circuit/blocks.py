"""Dense blocks: runs of resistors that join every node of one set with every node of another.

A fully connected layer is such a run, so its conductances are a matrix without being copied, and what is summed over
its resistors is a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]
Runs = tuple[slice | Index, ...]

# Fewer resistors than this are not worth a matrix product of their own.
SMALLEST = 256
# So many runs of numbers are not taken one by one.
MANY = 16


@dataclass(frozen=True, eq=False)
class Block:
    """Resistor number ``start + i * len(columns) + j`` joins nodes ``rows[i]`` and ``columns[j]``, each distinct."""

    start: int
    rows: Index
    columns: Index

    @cached_property
    def runs(self) -> tuple[Runs, Runs]:
        """``rows`` and ``columns`` in ``runs``."""
        return runs(self.rows), runs(self.columns)

    @property
    def resistors(self) -> slice:
        """The resistors of the block."""
        return slice(self.start, self.start + len(self.rows) * len(self.columns))

    def matrix(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """A view float64[rows, columns] of ``values`` float64[n_resistors]."""
        return values[self.resistors].reshape(len(self.rows), len(self.columns))


class Wiring:
    """What the terminals int32[n, 2] of resistors decide; found when asked for, shared by all circuits that share them.

    ``blocks`` are the dense blocks in order; ``rest`` are the numbers of all resistors outside them.
    """

    def __init__(self, terminals: NDArray[np.int32]) -> None:
        self.terminals = terminals
        self._last: dict[int, tuple[tuple[NDArray[Any], ...], Any]] = {}

    def remembered(self, start: int, key: tuple[NDArray[Any], ...], find: Callable[[], Any]) -> Any:
        """What ``find`` finds for the arrays of a key, or found when it was last asked with the same for the resistors
        from ``start`` on."""
        before, found = self._last.get(start, ((), None))
        if len(before) != len(key) or not all(a is b or np.array_equal(a, b) for a, b in zip(before, key, strict=True)):
            found = find()
            self._last[start] = key, found
        return found

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return dense(self.terminals)

    @cached_property
    def rest(self) -> Index:
        return np.concatenate([np.arange(0), *(np.arange(*gap) for gap in _gaps(self.blocks, len(self.terminals)))])


def dense(terminals: NDArray[np.int32], smallest: int = SMALLEST) -> tuple[Block, ...]:
    """The blocks of at least ``smallest`` resistors among those with ``terminals`` int32[n, 2], in order."""
    found: list[Block] = []
    for slow in (0, 1):
        for first, last in _gaps(found, len(terminals)):
            part = terminals[first:last]
            found += _blocks(part[:, slow].astype(np.intp), part[:, 1 - slow].astype(np.intp), first, smallest)
    return tuple(sorted(found, key=lambda block: block.start))


def _gaps(blocks: Sequence[Block], count: int) -> list[tuple[int, int]]:
    """Runs of resistors that belong to none of the blocks."""
    taken = sorted((block.resistors.start, block.resistors.stop) for block in blocks)
    edges = [0, *(edge for pair in taken for edge in pair), count]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _blocks(slow: Index, fast: Index, offset: int, smallest: int) -> list[Block]:
    """The blocks of a run of resistors whose node ``slow`` is the block's row."""
    begin = np.concatenate([[0], np.flatnonzero(slow[1:] != slow[:-1]) + 1])
    length = np.diff(begin, append=len(slow))
    before = np.arange(len(slow)) - np.repeat(length, length)
    same = (fast == fast[before]) & (before >= 0)
    row_goes_on = np.logical_and.reduceat(same, begin) & (length == np.roll(length, 1))
    head = np.flatnonzero(~row_goes_on | (begin == 0))
    rows = np.diff(head, append=len(begin))
    large = rows * length[head] >= smallest
    found = []
    for h, count in zip(head[large].tolist(), rows[large].tolist(), strict=True):
        at, width = int(begin[h]), int(length[h])
        own, others = slow[begin[h : h + count]], fast[at : at + width]
        if len(np.unique(own)) == count and len(np.unique(others)) == width:
            found.append(Block(offset + at, own, others))
    return found


def run(index: Index) -> slice | Index:
    """A slice where the numbers are evenly spaced upwards: it copies nothing."""
    if not len(index):
        return slice(0, 0, 1)
    step = int(index[1] - index[0]) if len(index) > 1 else 1
    if step > 0 and np.array_equal(index, np.arange(index[0], index[0] + step * len(index), step)):
        return slice(int(index[0]), int(index[-1]) + 1, step)
    return index


def taken(values: NDArray[Any], places: Runs) -> NDArray[Any]:
    """The entries of an array's last axis at ``places``, in ``runs``; not copied where they are one slice."""
    found = [values[..., each] for each in places]
    return found[0] if len(found) == 1 else np.concatenate(found, axis=-1)


def occurrence(values: NDArray[np.integer[Any]]) -> Index:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    new = np.flatnonzero(np.diff(ranked, prepend=ranked[:1] - 1))
    found = np.empty(len(values), np.intp)
    found[order] = np.arange(len(values)) - np.repeat(new, np.diff(new, append=len(values)))
    return found


def runs(index: Index) -> Runs:
    """Numbers as a few slices of consecutive ones, or in one piece where they would be many."""
    cuts = np.flatnonzero(np.diff(index) != 1) + 1
    return tuple(map(run, np.split(index, cuts))) if len(cuts) < MANY else (run(index),)
