"""Products with stored entries only, compiled by numba (extra ``numba``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.compiled import kernel

Floats = NDArray[np.float64]

# A matrix is taken as stored if less than one of so many entries is, by the bits of a number: measured for 784 x 256
# and 784 x 1024 in batches of 32 and 256, where the dense product takes as long as 0.23 to 0.30 of the entries do in
# float64 and 0.12 to 0.20 in float32. (SciPy's: 0.10 to 0.17.) Smaller matrices take next to nothing either way.
EMPTIER = {64: 4, 32: 7}
# Samples that are multiplied together: their numbers stay in cache.
SAMPLES = 32


@dataclass(frozen=True, eq=False)
class Stored:
    """A sparse matrix [m, n] that arrays [B, m] are multiplied by, as ``begin`` [n + 1], ``row`` and ``value`` of the
    entries column by column."""

    begin: NDArray[np.int64]
    row: NDArray[np.int64]
    value: Floats

    __array_ufunc__ = None  # `array @ stored` is for this class to do

    @staticmethod
    def of(transposed: Any, number: Any) -> Stored:
        """From the transposed matrix, in SciPy's CSR format, in numbers of a type."""
        begin, row = (each.astype(np.int64) for each in (transposed.indptr, transposed.indices))
        return Stored(begin, row, np.array(transposed.data, number))

    def __rmatmul__(self, given: Floats) -> Floats:
        number = self.value.dtype
        found = np.empty((len(given), len(self.begin) - 1), number)
        _kernel(number.char)(np.require(given, number, ("C", "W")), self.begin, self.row, self.value, found)
        return found


@cache
def _kernel(number: str) -> Any:
    real = {"d": "f8", "f": "f4"}[number]
    arguments = f"{real}[:,::1], i8[::1], i8[::1], {real}[::1], {real}[:,::1]"
    return kernel(_times, arguments, fastmath={"contract", "reassoc"})


def _times(given: Any, begin: Any, row: Any, value: Any, found: Any) -> None:
    samples, width = given.shape
    turned, total = np.empty((width, SAMPLES), given.dtype), np.empty(SAMPLES, given.dtype)
    for first in range(0, samples, SAMPLES):
        count = min(SAMPLES, samples - first)
        for b in range(count):
            for k in range(width):
                turned[k, b] = given[first + b, k]
        for n in range(len(begin) - 1):
            total[:] = 0.0
            entry, end = begin[n], begin[n + 1]
            while entry + 4 <= end:  # four at a time: the total is fetched and put back a quarter as often
                o, p, q, r = row[entry], row[entry + 1], row[entry + 2], row[entry + 3]
                a, b, c, d = value[entry], value[entry + 1], value[entry + 2], value[entry + 3]
                for k in range(count):
                    total[k] += (a * turned[o, k] + b * turned[p, k]) + (c * turned[q, k] + d * turned[r, k])
                entry += 4
            while entry < end:
                for k in range(count):
                    total[k] += value[entry] * turned[row[entry], k]
                entry += 1
            for k in range(count):
                found[first + k, n] = total[k]
