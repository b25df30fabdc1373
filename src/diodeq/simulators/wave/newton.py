"""Newton's method on the waves of a batch: what finishes or rescues the samples that splitting left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# From waves s of some rows of a batch, and the numbers of those rows: next(s) and dw/ds of the diodes.
Response = Callable[[Floats, NDArray[np.intp]], tuple[Floats, Floats]]

# Numbers in the stack of Jacobians solved together (64 MB).
ENTRIES = 8_000_000
SHORTEST = 2.0**-12
# Volts: a sample that would move by so much has no solution near.
HOPELESS = 1e9


def newton(
    respond: Response, scattering: Floats, start: Floats, tolerance: Floats, limit: int
) -> tuple[Floats, Floats]:
    """Solve ``next(s) = s`` row by row; in waves the equations are nearly piecewise linear, so steps are bold.

    ``scattering`` float64[D, D] is d next/dw. A step that does not make the residual smaller is halved. Returns the
    points and the size of the last step of each row, float64[B]: how far the point before it was from the solution.
    """
    s = start.copy()
    missing = np.full(len(start), np.inf, np.float64)
    width = s.shape[1]
    run = max(1, ENTRIES // max(1, width * width))
    for first in range(0, len(s), run):
        rows = np.arange(first, min(first + run, len(s)))
        for _ in range(limit):
            following, slope = respond(s[rows], rows)
            f = following - s[rows]
            jacobian = np.eye(width) - scattering * slope[:, None, :]
            try:
                direction = np.asarray(np.linalg.solve(jacobian, f[:, :, None])[:, :, 0], np.float64)
            except np.linalg.LinAlgError:
                break
            missing[rows] = np.abs(direction).max(axis=1, initial=0.0)
            near = missing[rows] <= tolerance[rows]
            s[rows[near]] += direction[near]
            left = ~near & (missing[rows] < HOPELESS)
            rows, f, direction = rows[left], f[left], direction[left]
            if not rows.size:
                break
            s[rows] = _search(respond, s[rows], f, direction, rows)
    return s, missing


def _search(
    respond: Response,
    s: Floats,
    f: Floats,
    direction: Floats,
    rows: NDArray[np.intp],
) -> Floats:
    """The longest of the steps 1, 1/2, 1/4, … along ``direction`` that makes the residual smaller."""
    size = np.asarray(np.linalg.norm(f, axis=1))
    length = np.ones(len(s))
    better = np.zeros(len(s), bool)
    while True:
        trial = s + length[:, None] * direction
        open_ = np.flatnonzero(~better)
        following, _ = respond(trial[open_], rows[open_])
        improved = np.linalg.norm(following - trial[open_], axis=1) < (1.0 - 0.25 * length[open_]) * size[open_]
        better[open_] = improved
        if better.all() or np.min(length[~better]) <= SHORTEST:
            return trial
        length[~better] *= 0.5
