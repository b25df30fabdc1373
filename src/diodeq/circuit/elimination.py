"""Stacked linear equations in numpy's extended precision, which LAPACK does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

Extended = np.longdouble
SCALINGS = 2


def equilibrated(matrices: Any) -> tuple[Any, Any, Any]:
    """Matrices [B, n, n] with rows and columns scaled to largest entries near 1, and the scales [B, n] of both, powers
    of two."""
    scaled = np.array(matrices)
    magnitude = np.abs(scaled)
    rows, columns = np.ones(scaled.shape[:2], scaled.dtype), np.ones(scaled.shape[:2], scaled.dtype)
    sides = [(rows[:, :, None], 2), (columns[:, None, :], 1)]
    for scale, axis in [*sides * SCALINGS, sides[0]]:
        largest = magnitude.max(axis=axis, keepdims=True, initial=0.0)
        factors = np.ldexp(np.ones_like(largest), -np.frexp(largest)[1])
        magnitude *= factors
        scale *= factors
    scaled *= rows[:, :, None]
    scaled *= columns[:, None, :]
    return scaled, rows, columns


def eliminate(matrices: Any, right: Any, least: float) -> Any:
    """Solutions [B, n] of stacked equations [B, n, n] by Gauss's elimination with partial pivoting in the numbers'
    own precision, which LAPACK has only for float64; NaN where a pivot of the scaled matrix is not above ``least``."""
    scaled, rows, columns = equilibrated(matrices)
    work = np.concatenate([scaled, (rows * right)[:, :, None]], axis=2)
    batch, size = work.shape[:2]
    which = np.arange(batch)
    singular = np.zeros(batch, bool)
    for k in range(size):
        pivot = k + np.argmax(np.abs(work[:, k:, k]), axis=1)
        swapped = work[which, pivot]
        work[which, pivot], work[:, k] = work[:, k].copy(), swapped
        head = work[:, k, k]
        bad = ~(np.abs(head) > least)
        singular |= bad
        head = np.where(bad, 1.0, head)
        factors = work[:, k + 1 :, k] / head[:, None]
        work[:, k + 1 :, k + 1 :] -= factors[:, :, None] * work[:, k, None, k + 1 :]
    found = np.empty((batch, size), work.dtype)
    for k in range(size - 1, -1, -1):
        known = (work[:, k, k + 1 : size] * found[:, k + 1 :]).sum(axis=1)
        head = np.where(singular, 1.0, work[:, k, k])
        found[:, k] = (work[:, k, size] - known) / head
    found *= columns
    found[singular] = np.nan
    return found
