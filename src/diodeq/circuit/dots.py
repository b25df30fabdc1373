"""Single entries of a product of matrices, without the others: what is summed over a batch for some pairs of nodes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from diodeq import compiled
from diodeq.circuit.bank import Floats
from diodeq.circuit.blocks import Index
from diodeq.processors import share, slices

# One entry alone takes as long as so many of a product of all, looking them up included: measured at 784-256-10 in
# batches of 256. And so many multiplications are worth loading the compiled loop.
ALONE = 10
WORTH = 1 << 22
# Samples whose voltages stay in cache together, and pairs that are worth a thread.
SAMPLES = 128
PAIRS = 1 << 14


def pays(pairs: int, entries: int, samples: int) -> bool:
    """Whether to compute only some ``pairs`` of a product of so many ``entries`` over ``samples``."""
    return pairs * ALONE < entries and pairs * samples >= WORTH and compiled.available()


def dots(left: Floats, right: Floats, rows: Index, columns: Index) -> Floats:
    """Entries ``rows``, ``columns`` int[k] of ``leftᵀ right`` for arrays [B, n] and [B, m]."""
    number = np.result_type(left, right)
    found = np.zeros(len(rows), number)
    given = [np.require(each.T, number, ("C", "W")) for each in (left, right)]
    places = [each.astype(np.int64, copy=False) for each in (rows, columns)]

    def work(part: slice) -> None:
        _kernel(number.char)(*given, *(each[part] for each in places), found[part])

    share(work, slices(len(rows), PAIRS))
    return found


@cache
def _kernel(number: str) -> Any:
    real = {"d": "f8", "f": "f4"}[number]
    arguments = f"{real}[:,::1], {real}[:,::1], i8[::1], i8[::1], {real}[::1]"
    return compiled.kernel(_dots, arguments, fastmath={"contract", "reassoc"})


def _dots(left: Any, right: Any, rows: Any, columns: Any, found: Any) -> None:
    samples = left.shape[1]
    for first in range(0, samples, SAMPLES):
        last = min(first + SAMPLES, samples)
        for k in range(len(found)):
            row, column, total = rows[k], columns[k], found[k]
            for b in range(first, last):
                total += left[row, b] * right[column, b]
            found[k] = total
