"""A fixed point of a batch of nonexpansive maps: Peaceman-Rachford's iteration with Anderson's acceleration.

Each sample remembers its last few steps and moves to the combination of them whose residual is smallest (Walker and
Ni, SIAM J. Numer. Anal. 49(4), 2011). Samples that have converged leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable

from diodeq.simulators.wave.arrays import Array, array_namespace

# From points [B, D] of some rows of a batch, and the numbers of those rows: where the map takes them.
Map = Callable[[Array, Array], Array]
# From moves [B, D], the largest of each [B], and the numbers of their rows: which rows have come far enough, bool[B].
Enough = Callable[[Array, Array, Array], Array]

MEMORY = 6
# A remembered step that made the residual grow by more than this is worth nothing; the sample starts afresh.
GROWTH = 4.0
# Volts: a sample that moves by so much is on its way to infinity.
HOPELESS = 1e9
# Relative weight of the identity in the small least-squares problems, in roundings.
REGULAR = 50.0


def settle(step: Map, start: Array, tolerance: Array, limit: int, enough: Enough | None = None) -> tuple[Array, Array]:
    """Iterate ``x -> step(x, rows)`` until no entry of a row moves by more than its tolerance, or moves are ``enough``.

    ``start`` [B, D], ``tolerance`` [B]; ``step`` gets the rows still at work and their numbers. Returns the points and
    how far each still moves, [B], measured at the very point returned, or its tolerance where that is enough.
    """
    xp = array_namespace(start)
    samples, width = start.shape
    result = xp.asarray(start, copy=True)
    missing = xp.full_like(tolerance, xp.inf)
    rows = xp.arange(samples, device=start.device)
    x = start
    sums = xp.empty((samples, MEMORY, width), dtype=start.dtype, device=start.device)
    moves = xp.empty_like(sums)
    gram = xp.zeros((samples, MEMORY, MEMORY), dtype=start.dtype, device=start.device)
    last = xp.full_like(tolerance, xp.inf)
    previous_x = previous_f = x
    for turn in range(limit):
        f = step(x, rows) - x
        size = xp.max(xp.abs(f), axis=1)
        if enough is not None:
            size = xp.where(enough(f, size, rows), xp.minimum(size, tolerance[rows]), size)
        finished = (size <= tolerance[rows]) | ~(size < HOPELESS)
        result[rows], missing[rows] = x, size
        done = int(xp.count_nonzero(finished))
        if done == rows.shape[0]:
            break
        if 4 * done >= rows.shape[0]:
            keep = ~finished
            rows, x, f, size, last = rows[keep], x[keep], f[keep], size[keep], last[keep]
            sums, moves, gram = sums[keep], moves[keep], gram[keep]
            if turn:
                previous_x, previous_f = previous_x[keep], previous_f[keep]
        if turn:
            slot, count = (turn - 1) % MEMORY, min(turn, MEMORY)
            moves[:, slot, :] = f - previous_f
            sums[:, slot, :] = moves[:, slot, :] + x - previous_x
            afresh = size > GROWTH * last
            if xp.any(afresh):
                sums[afresh], moves[afresh], gram[afresh] = 0.0, 0.0, 0.0
            products = (moves[:, :count] @ moves[:, slot, :, None])[:, :, 0]
            gram[:, slot, :count], gram[:, :count, slot] = products, products
        last = size
        previous_x, previous_f = x, f
        x = x + f
        if turn:
            weights = _weights(gram[:, :count, :count], (moves[:, :count] @ f[:, :, None])[:, :, 0])
            x -= (weights[:, None, :] @ sums[:, :count])[:, 0, :]
    return result, missing


def _weights(gram: Array, right: Array) -> Array:
    """Solve the least-squares problems, scaled so that every remembered step has length one."""
    xp = array_namespace(gram)
    diagonal = xp.arange(gram.shape[1], device=gram.device)
    length = xp.sqrt(gram[:, diagonal, diagonal])
    unit = xp.where(length > 0.0, 1.0 / xp.where(length > 0.0, length, xp.ones_like(length)), xp.zeros_like(length))
    scaled = gram * unit[:, :, None] * unit[:, None, :]
    scaled[:, diagonal, diagonal] = 1.0 + REGULAR * float(xp.finfo(gram.dtype).eps)
    return xp.linalg.solve(scaled, (right * unit)[:, :, None])[:, :, 0] * unit
