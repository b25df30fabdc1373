"""Bounds of a junction's conductance over an interval of voltage: what bounds every chord of its curve.

Between its corners, at -BV and -3 nVt, the conductance of a junction rises or falls, and its ends tell. Above -3 nVt
recombination and knees may bend it either way: there the interval is cut, finely near its ends, and each piece is
enclosed by interval arithmetic.
"""

from __future__ import annotations

import math

import numpy as np

from diodeq.devices.diode.junction import CORNER, LEAST_BENT, Floats, Junction, exponential

PIECES = 64
EPSILON = float(np.finfo(np.float64).eps)


def slopes(junctions: Junction, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The least and the largest conductance between junction voltages ``low`` and ``high``, float64[n] each, in order.

    Infinite, and of the sign of the jump, where the current jumps in between. Jumps below 1e-24 A, where a current
    begins to meet its knee, are not counted.
    """
    least = junctions._through(low)[1]
    largest = junctions._through(high)[1]
    least, largest = np.minimum(least, largest), np.maximum(least, largest)
    for corner in (-np.asarray(junctions.breakdown), CORNER * np.asarray(junctions.n_vt)):
        at = np.flatnonzero((low < corner) & (corner <= high))
        if not at.size:
            continue
        above, these = np.broadcast_to(corner, low.shape)[at], junctions._at(at)
        below = np.nextafter(above, -np.inf)
        (i, g), (before, slope) = these._through(above), these._through(below)
        steepest = np.maximum(g, slope)
        jump = i - before
        jump[np.abs(jump) <= 16.0 * EPSILON * np.abs(i) + 2.0 * steepest * (above - below)] = 0.0
        flattest = np.minimum(np.minimum(g, slope), np.where(jump < 0.0, -np.inf, np.inf))
        steepest = np.maximum(steepest, np.where(jump > 0.0, np.inf, -np.inf))
        least[at] = np.minimum(least[at], flattest)
        largest[at] = np.maximum(largest[at], steepest)
    if not junctions.plain.all():
        corner = CORNER * np.asarray(junctions.n_vt)
        run = 1 << 9
        at = np.flatnonzero(high >= corner)
        for part in (at[k : k + run] for k in range(0, at.size, run)):
            start = np.maximum(low[part], np.broadcast_to(corner, low.shape)[part])
            flattest, steepest = _enclosed(junctions._at(part), start, high[part])
            least[part] = np.minimum(least[part], flattest)
            largest[part] = np.maximum(largest[part], steepest)
    return least, largest


def _enclosed(junctions: Junction, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Bounds of the conductance above -3 nVt, piece by piece."""
    share = 0.5 - 0.5 * np.cos(np.linspace(0.0, math.pi, PIECES + 1))
    ends = low + share[:, None] * (high - low)
    ends[-1] = high
    flat = np.arange(ends.size) % low.size
    each = junctions._at(flat)
    v = ends.ravel()
    current, slope = (found.reshape(ends.shape) for found in exponential(v, each.saturation, each.n_vt))
    least_current, most_current, least, most = current[:-1], current[1:], slope[:-1], slope[1:]
    if not _is(junctions.recombination, 0.0):
        extra = _recombination(junctions, each, ends)
        least_current, most_current = least_current + extra[0], most_current + extra[1]
        least, most = least + extra[2], most + extra[3]
    if not _is(junctions.knee_forward, math.inf):
        # The share of the slope that is left falls as the current grows.
        kept_most, kept_least = (_bent(each, junctions.knee_forward) for each in (least_current, most_current))
        least = np.minimum(least * kept_most, least * kept_least)
        most = np.maximum(most * kept_most, most * kept_least)
    return least.min(axis=0) + junctions.gmin, most.max(axis=0) + junctions.gmin


def _is(numbers: float | Floats, number: float) -> bool:
    return not isinstance(numbers, np.ndarray) and numbers == number


def _bent(current: Floats, knee: float | Floats) -> Floats:
    root = np.sqrt(np.where(current > LEAST_BENT, current, 0.0) / knee)
    return np.asarray((1.0 + root / 2.0) / (1.0 + root) ** 2)


def _recombination(junctions: Junction, each: Junction, ends: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Least and largest recombination current of each piece, then least and largest slope."""
    plain, slope = (
        found.reshape(ends.shape) for found in exponential(ends.ravel(), each.recombination, each.n_vt_recombination)
    )
    grading = np.broadcast_to(np.asarray(junctions.grading), ends.shape[1:])
    distance = 1.0 - ends / junctions.potential
    near, far = np.minimum(distance[:-1], distance[1:]), np.maximum(distance[:-1], distance[1:])

    def factor(d: Floats) -> Floats:
        return np.asarray((d**2 + 0.005) ** (grading / 2.0))

    def factor_slope(d: Floats) -> Floats:
        return np.asarray(-grading * d / junctions.potential * (d**2 + 0.005) ** (grading / 2.0 - 1.0))

    # The factor is least at distance 0, its slope extreme where d² = 0.005 / (1 - M).
    turn = np.sqrt(0.005 / (1.0 - grading))
    factors = [factor(np.clip(d, near, far)) for d in (near, far, np.zeros_like(near))]
    tilts = [factor_slope(np.clip(d, near, far)) for d in (near, far, turn + 0.0 * near, -turn + 0.0 * near)]
    f, t = (np.min(factors, axis=0), np.max(factors, axis=0)), (np.min(tilts, axis=0), np.max(tilts, axis=0))
    p, s = (plain[:-1], plain[1:]), (slope[:-1], slope[1:])
    current = [a * b for a in p for b in f]
    grown, tilted = [a * b for a in s for b in f], [a * b for a in p for b in t]
    return (
        np.min(current, axis=0),
        np.max(current, axis=0),
        np.min(grown, axis=0) + np.min(tilted, axis=0),
        np.max(grown, axis=0) + np.max(tilted, axis=0),
    )
