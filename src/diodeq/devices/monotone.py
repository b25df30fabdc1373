"""Where a rising law meets a load: Newton's method in a bracket, for as many laws at once as there are entries.

For one-ports whose current can be evaluated and has no closed form, ``solve`` is all of a load line. It asks of a law
that its current does not fall where the voltage rises; not that it is smooth, nor that it passes through 0 A at 0 V.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import wrightomega

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Evaluate = Callable[[Index, Floats], tuple[Floats, Floats]]
Sides = Callable[[Index, Floats], tuple[Floats, Floats, Floats, Floats]]

EPSILON = float(np.finfo(np.float64).eps)
ITERATIONS = 400  # a dozen do; bisection, taken where Newton's steps are poor, needs about 110 to close on a double
DOUBLINGS = 120  # of a millivolt
FAR = 0.25  # of a share between the two sides, from which a step takes them for exponentials


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what is not finite is bisected
def solve(
    evaluate: Evaluate,
    source: ArrayLike,
    resistance: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    start: ArrayLike | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Voltage, current and conductance of laws fed from sources through resistors: ``source = v + resistance * i(v)``.

    Args:
        evaluate: currents (A) and conductances di/dv (S, at least 0) of entries at voltages (V), called as
            ``evaluate(index, v)`` with ``index`` intp[k], rising, of entries of the flattened answer, and ``v``
            float64[k]. As long as no entry is done it is the same object, so that what is made for it can be kept.
        source: V, finite.
        resistance: Ω, finite and at least 0; ``source``, ``resistance`` and the bounds broadcast.
        low, high: V, between which the solution is known to lie. Without them it is sought between 0 V and what the
            source leaves when the law carries its current at 0 V, where that of any law is that does not fall.
        start: V, a guess, for where both bounds are given.

    Right to rounding: the residual is below its own rounding error, or no closer double exists. Where a law jumps
    upwards it is taken as the filled-in graph. A current that is far from the load's is taken for an exponential,
    which makes one step of the many that Newton's method would need.
    """
    given = (0.0 if each is None else each for each in (source, resistance, low, high, start))
    whole = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in given))
    shape = whole[0].shape
    s, r, least, most, begin = (each.ravel() for each in whole)
    every = np.arange(s.size)
    if not r.any():
        i, g = evaluate(every, s.copy())
        return s.reshape(shape).copy(), i.reshape(shape), g.reshape(shape)
    if low is None or high is None or start is None:
        i, g = evaluate(every, np.zeros(s.size))
        left = s - r * i
        left = np.where(np.isfinite(left), left, s)
        least = np.minimum(left, 0.0) if low is None else least
        most = np.maximum(left, 0.0) if high is None else most
        begin = np.where(np.isfinite(r * g), left / (1.0 + r * g), left)
    least, most = (np.where(r == 0.0, s, bound) for bound in (least, most))
    i, g = np.empty(s.size), np.empty(s.size)

    def sides(index: Index, v: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        own = r[index]
        i[index], g[index] = current, conductance = evaluate(index, v)
        return own * current, own * conductance, s[index] - v, np.ones(v.size)

    v, stuck = balance(sides, least, most, np.clip(begin, least, most), straight=True)
    # The tangent there says more than the double: what v has lost of small differences the current has not.
    step = ((v - s) + r * i) / (1.0 + r * g)
    step[stuck | ~np.isfinite(step)] = 0.0
    v -= step
    i -= g * step
    i[stuck] = (s[stuck] - v[stuck]) / r[stuck]
    return v.reshape(shape), i.reshape(shape), g.reshape(shape)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def at_current(evaluate: Evaluate, current: Floats, close: float = 2.0 * EPSILON) -> Floats:
    """The voltages (V), float64[n], at which laws carry currents (A): where they do first, if one is flat there.

    ``evaluate`` is as for ``solve``, ``close`` the share of a voltage to which it is wanted. Infinite where a law never
    carries its current.
    """
    every = np.arange(current.size)
    up = evaluate(every, np.zeros(current.size))[0] < current
    inner, outer = np.zeros(current.size), np.where(up, 1e-3, -1e-3)
    for _ in range(DOUBLINGS):
        short = (evaluate(every, outer)[0] < current) == up
        if not short.any():
            break
        inner = np.where(short, outer, inner)
        outer = np.where(short, 2.0 * outer, outer)

    def sides(index: Index, v: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        i, g = evaluate(index, v)
        return i, g, current[index], np.zeros(v.size)

    found, _ = balance(sides, np.minimum(inner, outer), np.maximum(inner, outer), 0.5 * (inner + outer), close=close)
    return np.where(np.abs(outer) < 1e-3 * 2.0 ** (DOUBLINGS - 1), found, outer * np.inf)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def balance(
    sides: Sides,
    low: Floats,
    high: Floats,
    start: Floats,
    straight: bool = False,
    close: float = 2.0 * EPSILON,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Where a rising and a falling function of the same voltage meet, float64[n], and which of them only jump past it.

    ``sides(index, v)`` are the rising one, its slope, the falling one and minus its slope, slopes at least 0, in a unit
    that an entry's all share; asked last at the solution. ``low`` and ``high`` (V) enclose the solutions, ``start`` is
    between. ``straight``: the falling one is a straight line, else it is taken for an exponential where it is far off.
    A step of the share ``close`` of the voltage is the last.
    """
    v = np.array(start, np.float64)
    stuck = np.zeros(v.size, bool)
    todo: Index = np.arange(v.size)
    vt, lt, ht = v, low, high
    before, width = np.full(v.size, np.inf), np.full(v.size, np.inf)
    for _ in range(ITERATIONS if v.size else 0):
        up, up_slope, down, down_slope = sides(todo, vt)
        error, ratio = up - down, up / down
        lt = np.where(error <= 0.0, vt, lt)
        ht = np.where(error >= 0.0, vt, ht)
        newton = error / (up_slope + down_slope)
        far = np.flatnonzero((ratio > 0.0) & (np.abs(ratio - 1.0) > FAR) & (ratio < np.inf))
        step = newton.copy()
        if far.size:
            step[far] = (_to_line if straight else _to_exponential)(up[far], up_slope[far], down[far], down_slope[far])
        size = np.abs(error)
        open_ = ht - lt > 2.0 * EPSILON * np.maximum(np.abs(lt), np.abs(ht))
        left = ~(size <= 2.0 * EPSILON * (np.abs(up) + np.abs(down) + down_slope * np.abs(vt)))
        left &= ~(np.abs(newton) <= close * np.abs(vt))
        stuck[todo], v[todo] = left & ~open_, vt
        left &= open_
        if not left.all():
            if not left.any():
                return v, stuck
            todo = todo[left]
            vt, lt, ht, step, size, before, width = (each[left] for each in (vt, lt, ht, step, size, before, width))
        # A step must lead into the bracket, and the one before must have been worth it: a tenth of the error, or half
        # of the bracket.
        moved = vt - step
        poor = ~((moved > lt) & (moved < ht)) | ((size > 0.1 * before) & (ht - lt > 0.5 * width))
        before, width = size, ht - lt
        vt = np.where(poor, _middle(lt, ht), moved)
    stuck[todo] = True
    return v, stuck


def _to_exponential(up: Floats, up_slope: Floats, down: Floats, down_slope: Floats) -> Floats:
    """The step, to be taken away, to where sides of one sign meet if both are exponentials."""
    return np.asarray(np.log(up / down) / (up_slope / up + down_slope / down))


def _to_line(up: Floats, up_slope: Floats, down: Floats, down_slope: Floats) -> Floats:
    """The same for an exponential and a straight line: ``up exp(-rate step) = down + down_slope step``, solved by the
    Wright omega function of logarithms."""
    rate = up_slope / up
    share = down * (rate / down_slope)
    found = wrightomega(np.log(np.abs(up) * np.abs(rate) / down_slope) + share)
    return np.asarray((found - share) / rate)


def _middle(low: Floats, high: Floats) -> Floats:
    """Halfway between; where both are of one sign and far apart, halfway between their logarithms."""
    apart = (low * high > 0.0) & (np.maximum(low / high, high / low) > 16.0)
    geometric = np.sign(high) * np.sqrt(np.abs(low)) * np.sqrt(np.abs(high))
    return np.where(apart, geometric, 0.5 * low + 0.5 * high)
