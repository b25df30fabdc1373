"""Newton's method on the waves of a batch: what finishes or rescues the samples that splitting left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diodeq.simulators.wave.arrays import Array, array_namespace

# From waves s of some rows of a batch, and the numbers of those rows: next(s) and dw/ds of the diodes.
Response = Callable[[Array, Array], tuple[Array, Array]]
# What numpy and PyTorch raise for a singular matrix.
SINGULAR = (np.linalg.LinAlgError, RuntimeError)

# Numbers in the stack of Jacobians solved together (64 MB).
ENTRIES = 8_000_000
SHORTEST = 2.0**-12
# Volts: a sample that would move by so much has no solution near.
HOPELESS = 1e9


def newton(respond: Response, scattering: Array, start: Array, tolerance: Array, limit: int) -> tuple[Array, Array]:
    """Solve ``next(s) = s`` row by row; in waves the equations are nearly piecewise linear, so steps are bold.

    ``scattering`` [D, D] is d next/dw. A step that does not make the residual smaller is halved. Returns the points and
    the size of the last step of each row, [B]: how far the point before it was from the solution.
    """
    xp = array_namespace(start)
    s = xp.asarray(start, copy=True)
    missing = xp.full_like(start[:, 0], xp.inf)
    width = s.shape[1]
    run = max(1, ENTRIES // max(1, width * width))
    identity = xp.eye(width, dtype=s.dtype, device=s.device)
    for first in range(0, s.shape[0], run):
        rows = xp.arange(first, min(first + run, s.shape[0]), device=s.device)
        for _ in range(limit):
            following, slope = respond(s[rows], rows)
            f = following - s[rows]
            jacobian = identity - scattering * slope[:, None, :]
            try:
                direction = xp.linalg.solve(jacobian, f[:, :, None])[:, :, 0]
            except SINGULAR:
                break
            size = xp.max(xp.abs(direction), axis=1)
            missing[rows] = size
            near = size <= tolerance[rows]
            s[rows[near]] += direction[near]
            left = ~near & (size < HOPELESS)
            rows, f, direction = rows[left], f[left], direction[left]
            if not rows.shape[0]:
                break
            s[rows] = _search(respond, s[rows], f, direction, rows)
    return s, missing


def _search(respond: Response, s: Array, f: Array, direction: Array, rows: Array) -> Array:
    """The longest of the steps 1, 1/2, 1/4, … along ``direction`` that makes the residual smaller."""
    xp = array_namespace(s)
    size = xp.linalg.vector_norm(f, axis=1)
    length = xp.ones_like(size)
    better = size < 0.0
    while True:
        trial = s + length[:, None] * direction
        open_ = xp.nonzero(~better)[0]
        following, _ = respond(trial[open_], rows[open_])
        missed = xp.linalg.vector_norm(following - trial[open_], axis=1)
        better[open_] = missed < (1.0 - 0.25 * length[open_]) * size[open_]
        if xp.all(better) or float(xp.min(length[~better])) <= SHORTEST:
            return trial
        length[~better] *= 0.5
