"""The law of measured curves: monotone cubics between knots, straight beyond them, many curves at once.

Between knots it is the C¹ cubic whose slopes at the knots are those of Fritsch and Butland (SIAM J. Sci. Stat. Comput.
5, 300, 1984), which never falls where the currents do not, as in scipy's PchipInterpolator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.evaluated import Evaluated, in_blocks, load_resistances
from diodeq.errors import InputError

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

EPSILON = float(np.finfo(np.float64).eps)
BLOCK = 1 << 14  # entries solved together: their working arrays stay in cache
STEPS = 3  # of Newton's method that all entries take before anybody looks
ITERATIONS = 120  # bisection alone needs about 60


def knot_slopes(volts: Floats, amperes: Floats) -> Floats:
    """di/dv at each of two or more knots: a weighted harmonic mean of the two secants, 0 where one of them is."""
    h, rise = np.diff(volts), np.diff(amperes)
    secant = rise / h
    if len(secant) == 1:
        return np.repeat(secant, 2)
    before, after = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (before + after) / (before / secant[:-1] + after / secant[1:])
    inside = np.where((secant[:-1] > 0.0) & (secant[1:] > 0.0), inside, 0.0)
    return np.array([_end(h, secant), *inside, _end(h[::-1], secant[::-1])])


def _end(h: Floats, secant: Floats) -> float:
    """The slope of the parabola through the first three knots, as far as that keeps the first cubic from falling."""
    found = ((2.0 * h[0] + h[1]) * secant[0] - h[0] * secant[1]) / (h[0] + h[1])
    return float(np.clip(found, 0.0, 3.0 * secant[0]))


@dataclass(frozen=True, eq=False)
class Pieces:
    """One curve of K knots as K + 1 polynomials of ``v - anchor``: straight ones outside, cubics between.

    ``knots`` float64[K] V; ``anchor`` is a piece's end nearer to 0 V, ``offset`` the current there, ``first``,
    ``second`` and ``third`` the coefficients, all float64[K + 1], with ``gmin`` S beside. Anchored there, small
    currents keep their digits.
    """

    knots: Floats
    anchor: Floats
    offset: Floats
    first: Floats
    second: Floats
    third: Floats
    width: Floats
    """V from the anchor to the other end, with its sign"""

    @staticmethod
    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused
    def of(volts: Floats, amperes: Floats, gmin: float) -> Pieces:
        """The pieces of knots that rise; raises `InputError` for knots so close that numbers end."""
        h = np.diff(volts)
        slopes, secant = knot_slopes(volts, amperes), np.diff(amperes) / h
        left, right = slopes[:-1], slopes[1:]
        right_of_zero = volts[:-1] >= 0.0
        anchor = np.where(right_of_zero, volts[:-1], volts[1:])
        second = np.where(
            right_of_zero, (3.0 * secant - 2.0 * left - right) / h, -(3.0 * secant - 2.0 * right - left) / h
        )
        third = (left + right - 2.0 * secant) / (h * h)
        if not np.isfinite([second, third, secant]).all():
            raise InputError("knots of a curve are too close for the currents between them", "leave some out")
        anchors = np.concatenate([volts[:1], anchor, volts[-1:]])
        return Pieces(
            volts,
            anchors,
            np.concatenate([amperes[:1], np.where(right_of_zero, amperes[:-1], amperes[1:]), amperes[-1:]])
            + gmin * anchors,
            np.concatenate([slopes[:1], np.where(right_of_zero, left, right), slopes[-1:]]) + gmin,
            np.concatenate([[0.0], second, [0.0]]),
            np.concatenate([[0.0], third, [0.0]]),
            np.concatenate([[-np.inf], np.where(right_of_zero, h, -h), [np.inf]]),
        )


@dataclass(frozen=True, eq=False)
class CurveTable:
    """The pieces of several curves in rows of one length: piece p of curve m is entry ``m * stride + p``.

    ``knots`` and ``currents`` (at knots) are filled up with infinity to a power of two; ``pieces`` are the columns of
    `Pieces` after its knots.
    """

    knots: Floats
    currents: Floats
    pieces: tuple[Floats, ...]
    stride: int
    gmin: float

    @staticmethod
    def of(curves: Sequence[Pieces], gmin: float) -> CurveTable:
        most = max((len(each.knots) for each in curves), default=0)
        stride = 1 << max(1, most.bit_length())  # more than there are knots: at least as many as pieces
        knots = np.full((len(curves), stride), np.inf)
        currents = np.zeros((len(curves), stride))
        columns = [np.zeros((len(curves), stride)) for _ in range(6)]
        for m, each in enumerate(curves):
            count = len(each.knots)
            knots[m, :count] = each.knots
            given = (each.anchor, each.offset, each.first, each.second, each.third, each.width)
            for column, values in zip(columns, given, strict=True):
                column[m, : count + 1] = values
            # A cubic's own value at its far end, and where it is the next one's anchor the same to rounding.
            at = np.searchsorted(each.knots, each.knots, side="right")
            t = each.knots - each.anchor[at]
            currents[m, :count] = each.offset[at] + t * (each.first[at] + t * (each.second[at] + t * each.third[at]))
        return CurveTable(knots.ravel(), currents.ravel(), tuple(column.ravel() for column in columns), stride, gmin)

    def find(self, row: Index, volts: Floats) -> Index:
        """Entries of the pieces that voltages lie on, for curves ``row`` (times the stride)."""
        if len(self.knots) == self.stride:
            return np.searchsorted(self.knots, volts, side="right")
        return self._bisect(row, lambda at: self.knots[at] <= volts)

    def find_fed(self, row: Index, source: Floats, resistance: Floats) -> Index:
        """Entries of the pieces on which ``v + resistance * current(v)`` is the source's voltage."""
        return self._bisect(row, lambda at: self.knots[at] + resistance * self.currents[at] <= source)

    def _bisect(self, row: Index, reached: Callable[[Index], NDArray[np.bool_]]) -> Index:
        """How many knots of a row are reached, plus the row: knots beyond the last one never are."""
        found, step = row - 1, self.stride >> 1
        while step:
            found = found + step * reached(found + step)
            step >>= 1
        return found + 1

    @cached_property
    def slopes(self) -> tuple[Floats, Floats]:
        """The least and the largest conductance of each piece."""
        _, _, first, _, _, width = self.pieces
        end = np.where(np.isfinite(width), width, 0.0)
        return self.between(np.arange(len(first)), np.zeros(len(first)), end)

    def between(self, at: Index, a: Floats, b: Floats) -> tuple[Floats, Floats]:
        """The least and the largest conductance of pieces ``at`` between two of their own voltages."""
        _, _, first, second, third, _ = (column[at] for column in self.pieces)
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = np.where(third == 0.0, a, -second / (3.0 * third))
        turn = np.where((turn > np.minimum(a, b)) & (turn < np.maximum(a, b)), turn, a)
        found = np.array([first + t * (2.0 * second + 3.0 * third * t) for t in (a, b, turn)])
        return np.maximum(found.min(axis=0), self.gmin), np.maximum(found.max(axis=0), self.gmin)

    @cached_property
    def ranges(self) -> tuple[Floats, Floats]:
        """Least and largest slopes [levels, entries] over 1, 2, 4, … pieces that begin at each."""
        least, largest = ([each] for each in self.slopes)
        span = 1
        while 2 * span <= self.stride:
            for levels, choose in ((least, np.minimum), (largest, np.maximum)):
                last = levels[-1]
                levels.append(np.concatenate([choose(last[:-span], last[span:]), last[len(last) - span :]]))
            span *= 2
        return np.array(least), np.array(largest)


@dataclass(frozen=True, eq=False)
class Curves(Evaluated):
    """n one-ports that follow curves of a table: see `OnePorts`. Curves are the same at all temperatures."""

    table: CurveTable
    which: Index
    part: ClassVar[str] = "curve"

    def __len__(self) -> int:
        return len(self.which)

    def take(self, chosen: Any) -> Self:
        return replace(self, which=self.which[chosen])

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        current, conductance = self._mapped(self._evaluate, voltage)
        return current, conductance

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        v, i, g = self._mapped(self._solve, source, load_resistances(resistance))
        return v, i, g

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        least, largest = self._mapped(self._bounds, low, high)
        return least, largest

    def capacitance(self, voltage: ArrayLike) -> Floats:
        return np.zeros_like(self.evaluate(voltage)[0])

    @property
    def measured(self) -> tuple[float, float]:
        """The first and the last knot's volts of the first of them."""
        knots = self.table.knots[int(self.which[0]) * self.table.stride :][: self.table.stride]
        finite = knots[np.isfinite(knots)]
        return float(finite[0]), float(finite[-1])

    def _mapped(self, function: Callable[..., tuple[Floats, ...]], *given: ArrayLike) -> tuple[Floats, ...]:
        """``function(rows, *given)`` for flat blocks of the arguments."""
        rows, flat, shape = self._flat(self.which * self.table.stride, *given)
        found = in_blocks(len(rows), BLOCK, lambda own: function(rows[own], *(each[own] for each in flat)))
        return tuple(each.reshape(shape) for each in found)

    def _evaluate(self, rows: Index, v: Floats) -> tuple[Floats, Floats]:
        at = self.table.find(rows, v)
        anchor, offset, first, second, third, _ = (column[at] for column in self.table.pieces)
        t = v - anchor
        return _polynomial(t, offset, first, second, third, self.table.gmin)

    def _solve(self, rows: Index, s: Floats, r: Floats) -> tuple[Floats, Floats, Floats]:
        """A load line on its piece: ``t (1 + r (first + t (second + t third)))`` is what is left of the source."""
        if not r.any():
            return (s.copy(), *self._evaluate(rows, s))
        at = self.table.find_fed(rows, s, r)
        anchor, offset, first, second, third, width = (column[at] for column in self.table.pieces)
        left = (s - anchor) - r * offset
        a, b, c = 1.0 + r * first, r * second, r * third
        low, high = np.minimum(width, 0.0), np.maximum(width, 0.0)
        with np.errstate(invalid="ignore"):  # of the width of outer pieces, which are straight
            end = np.where(np.isfinite(width), a + width * (b + width * c), a)
        t = np.clip(left / end, low, high)
        for _ in range(STEPS):
            t = np.clip(t - _step(t, left, a, b, c), low, high)
        todo = np.flatnonzero(np.abs(_step(t, left, a, b, c)) > 4.0 * EPSILON * np.abs(t))
        if len(todo):
            t[todo] = _safely(t[todo], low[todo], high[todo], *(each[todo] for each in (left, a, b, c)))
        return (anchor + t, *_polynomial(t, offset, first, second, third, self.table.gmin))

    def _bounds(self, rows: Index, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Conductances on the two pieces where an interval ends, and on all between, from ``Table.ranges``."""
        table = self.table
        first, last = table.find(rows, low), table.find(rows, high)
        anchor, width = table.pieces[0], table.pieces[5]
        a, b = low - anchor[first], high - anchor[last]
        # The first piece's right end, the last one's left end.
        right, left = np.maximum(width[first], 0.0), np.minimum(width[last], 0.0)
        same = first == last
        ends = (
            table.between(first, a, np.where(same, b, right)),
            table.between(last, np.where(same, a, left), b),
        )
        least = np.minimum(ends[0][0], ends[1][0])
        largest = np.maximum(ends[0][1], ends[1][1])
        count = np.maximum(last - first - 1, 0)
        level = np.frexp(np.maximum(count, 1))[1] - 1
        inside = np.flatnonzero(count)
        begin, over = first[inside] + 1, level[inside]
        for found, levels, choose in ((least, table.ranges[0], np.minimum), (largest, table.ranges[1], np.maximum)):
            # Two runs of a power of two pieces that overlap cover them all.
            pair = levels[over, begin], levels[over, last[inside] - (1 << over)]
            found[inside] = choose(found[inside], choose(*pair))
        return least, largest


def _polynomial(
    t: Floats, offset: Floats, first: Floats, second: Floats, third: Floats, gmin: float
) -> tuple[Floats, Floats]:
    """Current and conductance, which rounding must not let fall below that of a flat curve."""
    cube = third * t
    slope = first + t * (2.0 * second + 3.0 * cube)
    return offset + t * (first + t * (second + cube)), np.maximum(slope, gmin)


def _step(t: Floats, left: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Newton's step; the curve does not fall, so the slope is at least 1."""
    cube = c * t
    error = t * (a + t * (b + cube)) - left
    found: Floats = error / np.maximum(a + t * (2.0 * b + 3.0 * cube), 1.0)
    return found


def _safely(t: Floats, low: Floats, high: Floats, left: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """Newton's method in a bracket, which bisection shrinks where that is better."""
    before = np.full(len(t), np.inf)
    for _ in range(ITERATIONS):
        step = _step(t, left, a, b, c)
        low, high = np.where(step < 0.0, t, low), np.where(step > 0.0, t, high)
        small = np.abs(step) <= 2.0 * EPSILON * np.abs(t)
        if np.all(small | (high - low <= 2.0 * EPSILON * np.abs(t))):
            break
        moved = t - step
        poor = (moved < low) | (moved > high) | (np.abs(step) > 0.5 * before)
        before = np.abs(step)
        t = np.where(small, t, np.where(poor & np.isfinite(high - low), 0.5 * (low + high), moved))
    return t
