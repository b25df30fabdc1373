"""Products of one matrix with rows that come to rest, mostly in single precision."""

from __future__ import annotations

from typing import Any

from diodeq.simulators.wave.arrays import Array, Arrays

# Sweeps whose products need not be exact.
ROUGH = 2


class Following:
    """``start`` [B, n] and the products with ``matrix`` of rows that move less and less.

    With ``rough`` in other numbers the first products are taken there. The next is exact, and once little moves only
    that is multiplied, roughly: the rounding is a share of the move.
    """

    def __init__(self, start: Array, matrix: Array, rough: Array, arrays: Arrays) -> None:
        self._start, self._matrix, self._rough, self._arrays = start, matrix, rough, arrays
        self._turn = 0
        self._seen: Any = None
        self._sums: Any = None

    @property
    def exact(self) -> bool:
        """Whether the last product was no rough one."""
        return self._turn > ROUGH or not self._arrays.mixed

    def roughly(self, given: Array) -> Array:
        """Once, in the rough numbers."""
        return self._start + self._arrays.roughly(given) @ self._rough

    def __call__(self, given: Array, rows: Array | None) -> Array:
        """For all rows, or some of those that came before."""
        start = self._start if rows is None else self._start[rows]
        self._turn += 1
        if not self._arrays.mixed:
            return start + given @ self._matrix
        if self._turn <= ROUGH:
            return start + self._arrays.roughly(given) @ self._rough
        sums = None
        if self._seen is not None:
            moved = given - (self._seen if rows is None else self._seen[rows])
            if float(self._arrays.xp.max(self._arrays.xp.abs(moved))) <= self._arrays.precision.moves:
                sums = (self._sums if rows is None else self._sums[rows]) + self._arrays.roughly(moved) @ self._rough
        if sums is None:
            sums = start + given @ self._matrix
        if rows is None:
            self._seen, self._sums = given, sums
            return sums
        if self._seen is None:  # others have left before the first exact product
            xp, shape = self._arrays.xp, (len(self._start), given.shape[1])
            self._seen = xp.zeros(shape, dtype=given.dtype, device=given.device)
            self._sums = xp.zeros_like(self._start)
        self._seen[rows], self._sums[rows] = given, sums
        return sums
