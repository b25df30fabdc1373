"""Products of one matrix with rows that come to rest."""

from __future__ import annotations

from typing import Any

from diodeq.simulators.wave.arrays import Array, Arrays


class Following:
    """``start`` [B, n] and the products with ``matrix`` of rows that move less and less.

    The first is exact, and once little moves only that is multiplied, with ``rough``, the same in other numbers: the
    rounding is a share of the move.
    """

    def __init__(self, start: Array, matrix: Array, rough: Array, arrays: Arrays) -> None:
        self._start, self._matrix, self._rough, self._arrays = start, matrix, rough, arrays
        self._seen: Any = None
        self._sums: Any = None

    def __call__(self, given: Array, rows: Array | None) -> Array:
        """For all rows, or some of those that came before."""
        start = _of(self._start, rows)
        if not self._arrays.mixed:
            return start + given @ self._matrix
        sums = None
        if self._seen is not None:
            moved = given - _of(self._seen, rows)
            if float(self._arrays.xp.max(self._arrays.xp.abs(moved))) <= self._arrays.precision.moves:
                sums = _of(self._sums, rows) + self._arrays.roughly(moved) @ self._rough
        if sums is None:
            sums = start + given @ self._matrix
        if rows is None:
            self._seen, self._sums = given, sums
            return sums
        if self._seen is None:  # others have left before
            xp, shape = self._arrays.xp, (len(self._start), given.shape[1])
            self._seen = xp.zeros(shape, dtype=given.dtype, device=given.device)
            self._sums = xp.zeros_like(self._start)
        self._seen[rows], self._sums[rows] = given, sums
        return sums


def _of(whole: Array, rows: Array | None) -> Array:
    return whole if rows is None else whole[rows]
