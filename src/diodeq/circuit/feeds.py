"""Dense blocks between rails of known voltage and free nodes: what folding makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.bank import Floats
from diodeq.circuit.blocks import Block, Index, run
from diodeq.circuit.rails import Indices, MirroredNodes
from diodeq.compiled import kernel


class Fed(NamedTuple):
    """What a feed's resistors come to: ``coupling`` [rails, free], the current into each free node for one volt at each
    rail that stands for a pair; all siemens to each free node ``own`` float64[free], not finite where one is not; and
    the ``least`` of them, or no number."""

    coupling: Floats
    own: Floats
    least: float


@dataclass(frozen=True, eq=False)
class Feed:
    """The part of a dense block that joins ``rails`` of known voltage (full index) with ``free`` nodes (kept index).

    ``chosen`` are the rails' rows of the block, or of its transpose; ``rails`` are those that stand for all: of dual
    rails one of each pair, as ``halves`` says.
    """

    block: Block
    transposed: bool
    chosen: Indices
    halves: MirroredNodes
    rails: Indices
    free: Indices

    def fill(self, values: Floats, number: Any, fused: bool) -> Fed:
        """Out of the conductances of all resistors, the coupling in numbers of a type; where ``fused`` in one pass over
        them that numba compiles."""
        if fused and not self.transposed:
            matrix = np.require(self.block.matrix(values), np.float64, "C")
            coupling = np.empty((len(self._rows[0]) + len(self._rows[2]), matrix.shape[1]), number)
            own, least = np.zeros(matrix.shape[1]), np.full(matrix.shape[1], np.inf)
            _kernel(np.dtype(number).char)(matrix, *self._rows, coupling, own, least)
            return Fed(coupling, own, float(least.min()))
        matrix = self.block.matrix(values)
        matrix = (matrix.T if self.transposed else matrix)[self.chosen]
        halves = self.halves
        coupling = np.empty((len(matrix) - halves.pairs, matrix.shape[1]), number)
        plus, minus = matrix[halves.plus], matrix[halves.minus]
        np.subtract(plus, minus, out=coupling[: halves.pairs], casting="same_kind")
        coupling[halves.pairs :] = matrix[halves.alone]
        return Fed(coupling, matrix.sum(axis=0), float(matrix.min()))

    @cached_property
    def _rows(self) -> tuple[Index, Index, Index]:
        """The block's rows that stand for pairs, those that mirror them, and the others."""
        rows = np.arange(len(self.block.rows), dtype=np.int64)[self.chosen]
        return rows[self.halves.plus].copy(), rows[self.halves.minus].copy(), rows[self.halves.alone].copy()


def feeds(blocks: Sequence[Block], dual: Index, known: NDArray[np.bool_], place: Index) -> Iterator[Feed]:
    """From each block the rows of known voltage over free columns, and the other way round."""
    for block in blocks:
        for transposed, rails, free in ((False, block.rows, block.columns), (True, block.columns, block.rows)):
            chosen = np.flatnonzero(known[rails])
            if len(chosen) and not known[free].any():
                halves = MirroredNodes.of(rails[chosen], dual)
                standing = run(rails[chosen][halves.kept])
                yield Feed(block, transposed, run(chosen), halves, standing, run(place[free]))


@cache
def _kernel(number: str) -> Any:
    real = {"d": "f8", "f": "f4"}[number]
    matrix = "Array(f8, 2, 'C', readonly=True)"
    return kernel(_fill, f"{matrix}, i8[::1], i8[::1], i8[::1], {real}[:,::1], f8[::1], f8[::1]")


def _fill(matrix: Any, plus: Any, minus: Any, alone: Any, coupling: Any, own: Any, least: Any) -> None:
    width = matrix.shape[1]
    for r in range(len(plus)):
        one, other = matrix[plus[r]], matrix[minus[r]]
        for k in range(width):
            a, b = one[k], other[k]
            coupling[r, k] = a - b
            own[k] += a + b
            lower = a if a < b else b
            least[k] = lower if lower < least[k] else least[k]
    for r in range(len(alone)):
        one = matrix[alone[r]]
        for k in range(width):
            a = one[k]
            coupling[len(plus) + r, k] = a
            own[k] += a
            least[k] = a if a < least[k] else least[k]
