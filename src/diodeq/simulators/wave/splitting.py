"""A fixed point of a batch of nonexpansive maps: Peaceman-Rachford's iteration with Anderson's acceleration.

Each sample remembers its last few steps and moves to the combination of them whose residual is smallest (Walker and
Ni, SIAM J. Numer. Anal. 49(4), 2011). Samples that have converged leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Map = Callable[[Floats, NDArray[np.intp]], Floats]

MEMORY = 6
# A remembered step that made the residual grow by more than this is worth nothing; the sample starts afresh.
GROWTH = 4.0
# Volts: a sample that moves by so much is on its way to infinity.
HOPELESS = 1e9
# Relative weight of the identity in the small least-squares problems.
REGULAR = 1e-14


def settle(step: Map, start: Floats, tolerance: Floats, limit: int) -> tuple[Floats, Floats]:
    """Iterate ``x -> step(x, rows)`` until no entry of a row moves by more than its tolerance.

    ``start`` float64[B, D], ``tolerance`` float64[B]; ``step`` gets the rows still at work and their numbers. Returns
    the points and how far each still moves, float64[B], measured at the very point returned.
    """
    result = start.copy()
    missing = np.full(len(start), np.inf)
    rows = np.arange(len(start))
    x = start.copy()
    sums, moves, gram = _memory(len(rows), x.shape[1])
    last = np.full(len(rows), np.inf)
    previous_x = previous_f = x
    for turn in range(limit):
        f = step(x, rows) - x
        size: Floats = np.abs(f).max(axis=1, initial=0.0)
        finished = (size <= tolerance[rows]) | ~(size < HOPELESS)
        result[rows], missing[rows] = x, size
        if finished.all():
            break
        if 4 * np.count_nonzero(finished) >= len(rows):
            keep = ~finished
            rows, x, f, size, last = rows[keep], x[keep], f[keep], size[keep], last[keep]
            sums, moves, gram = sums[:, keep], moves[:, keep], gram[keep]
            if turn:
                previous_x, previous_f = previous_x[keep], previous_f[keep]
        if turn:
            slot = (turn - 1) % MEMORY
            moves[slot] = f - previous_f
            sums[slot] = moves[slot] + x - previous_x
            afresh = size > GROWTH * last
            if afresh.any():
                sums[:, afresh], moves[:, afresh], gram[afresh] = 0.0, 0.0, 0.0
            products = np.einsum("mbd,bd->bm", moves, moves[slot])
            gram[:, slot, :], gram[:, :, slot] = products, products
        last = size
        previous_x, previous_f = x, f
        x = x + f
        if turn:
            weights = _weights(gram, np.einsum("mbd,bd->bm", moves, f))
            x -= np.einsum("mbd,bm->bd", sums, weights)
    return result, missing


def averaged(step: Map, start: Floats, tolerance: Floats, limit: int) -> Floats:
    """Douglas and Rachford's iteration, half a step at a time: slow, but it converges where a circuit is monotone."""
    x, rows = start.copy(), np.arange(len(start))
    for _ in range(limit):
        f = step(x[rows], rows) - x[rows]
        size = np.abs(f).max(axis=1, initial=0.0)
        going = (size > tolerance[rows]) & (size < HOPELESS)
        x[rows[going]] += 0.5 * f[going]
        rows = rows[going]
        if not rows.size:
            break
    return x


def _memory(samples: int, width: int) -> tuple[Floats, Floats, Floats]:
    shape = (MEMORY, samples, width)
    return np.zeros(shape), np.zeros(shape), np.zeros((samples, MEMORY, MEMORY))


def _weights(gram: Floats, right: Floats) -> Floats:
    """Solve the least-squares problems, scaled so that every remembered step has length one."""
    length = np.sqrt(np.einsum("bmm->bm", gram))
    unit = np.where(length > 0, 1.0 / np.where(length > 0, length, 1.0), 0.0)
    scaled = gram * unit[:, :, None] * unit[:, None, :]
    diagonal = np.arange(MEMORY)
    scaled[:, diagonal, diagonal] = 1.0 + REGULAR
    return np.asarray(np.linalg.solve(scaled, (right * unit)[:, :, None])[:, :, 0] * unit, np.float64)
