"""Laws of what lies in series and in parallel, of many devices of one form at once, on flat arrays of voltages.

A node's entries run over devices, and over samples once it is taken for them: ``take``. All that is straight has been
put together before: a load line of one law behind a resistor or beside a conductance is that law's own, on another
line. Only where two laws that bend meet is there an equation to solve, in ``monotone``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from diodeq.devices.diode.law import Law
from diodeq.devices.monotone import EPSILON, Floats, Index, at_current, balance, solve

Taken = TypeVar("Taken", "Side", "Stack")
# A float that all entries share, or float64[n].
Numbers = Any


class NodeLaw(Protocol):
    """A law between two nodes. Voltages in V, currents in A, all float64[n]; conductances are di/dv, S."""

    @property
    def rest(self) -> Numbers:
        """The voltage at which no current flows; any, where there are several."""

    def take(self, index: Index) -> Self:
        """The law of some entries."""

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        """Voltage, current and conductance where ``source = v + resistance * current(v)``."""

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Bounds of the slopes of chords between two voltages, infinite at jumps."""

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        """Small-signal capacitance (F) where little changes in the time that resistors and capacitances make, and the
        conductance."""


def evaluated(node: NodeLaw, voltage: Floats) -> tuple[Floats, Floats]:
    """Currents and conductances."""
    return node.load_line(voltage, 0.0)[1:]


def pick(numbers: Numbers, index: Index) -> Numbers:
    """Some entries of an array; one number stays what it is."""
    return numbers[index] if isinstance(numbers, np.ndarray) else numbers


def shared(numbers: Numbers) -> Numbers:
    """The number that all entries are, or the entries."""
    given = np.asarray(numbers, np.float64)
    return given.flat[0].item() if given.size and (given == given.flat[0]).all() else given


def rest_of(node: NodeLaw, count: int) -> Numbers:
    """The voltages at which ``count`` devices carry no current, found by looking."""
    found = at_current(lambda index, v: evaluated(node.take(index), v), np.zeros(count))
    return shared(np.where(np.isfinite(found), found, 0.0))


@dataclass(frozen=True, eq=False)
class JunctionLaw:
    """Diodes, from anode to cathode or, ``turned``, the other way."""

    law: Law
    turned: bool

    @property
    def rest(self) -> Numbers:
        return 0.0

    def take(self, index: Index) -> Self:
        return type(self)(self.law.take(index), self.turned)

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        r = resistance if isinstance(resistance, np.ndarray) else np.full(source.size, resistance)
        if not self.turned:
            return self.law.along(source, r)
        v, i, g = self.law.along(-source, r)
        return -v, -i, g

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        return self.law.chord(-high, -low) if self.turned else self.law.chord(low, high)

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        v = -voltage if self.turned else voltage
        g = self.law.conductance(v)
        return self.law.capacitance(v) * (1.0 - self.law.resistance * g) ** 2, g


@dataclass(frozen=True, eq=False)
class Repeated:
    """So many equal laws in series, or in parallel: a law with so many times the voltage, or the current."""

    child: NodeLaw
    count: int
    series: bool

    @property
    def rest(self) -> Numbers:
        return self.child.rest * (self.count if self.series else 1)

    def take(self, index: Index) -> Self:
        return type(self)(self.child.take(index), self.count, self.series)

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        n = float(self.count)
        if self.series:
            v, i, g = self.child.load_line(source / n, resistance / n)
            return n * v, i, g / n
        v, i, g = self.child.load_line(source, resistance * n)
        return v, n * i, n * g

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        n = float(self.count)
        least, most = self.child.chord(low / n, high / n) if self.series else self.child.chord(low, high)
        return (least / n, most / n) if self.series else (least * n, most * n)

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        n = float(self.count)
        c, g = self.child.stored(voltage / n if self.series else voltage)
        return (c / n, g / n) if self.series else (c * n, g * n)


@dataclass(frozen=True, eq=False)
class Behind:
    """A law with a resistor and a source of volts in series."""

    child: NodeLaw
    ohms: Numbers
    volts: Numbers

    @property
    def rest(self) -> Numbers:
        return self.child.rest + self.volts

    def take(self, index: Index) -> Self:
        return type(self)(self.child.take(index), pick(self.ohms, index), pick(self.volts, index))

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        v, i, g = self.child.load_line(source - self.volts, resistance + self.ohms)
        return v + self.ohms * i + self.volts, i, g / (1.0 + self.ohms * g)

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        ends = (self.child.load_line(each - self.volts, self.ohms)[0] for each in (low, high))
        least, most = self.child.chord(*ends)
        r = np.broadcast_to(np.asarray(self.ohms, np.float64), least.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            jumps = (least < 0.0) & ~(r * least > -1.0)
            least, most = (np.where(g == 0.0, 0.0, 1.0 / (1.0 / g + r)) for g in (least, most))
        return np.where(jumps, -np.inf, least), most

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        c, g = self.child.stored(self.child.load_line(voltage - self.volts, self.ohms)[0])
        share = 1.0 / (1.0 + self.ohms * g)
        return c * share**2, g * share


@dataclass(frozen=True, eq=False)
class Beside:
    """A law with a conductance and a source of amperes, from the first end to the second, in parallel."""

    child: NodeLaw
    siemens: Numbers
    amperes: Numbers
    rest: Numbers = 0.0

    def take(self, index: Index) -> Self:
        kept = (pick(each, index) for each in (self.siemens, self.amperes, self.rest))
        return type(self)(self.child.take(index), *kept)

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        share = 1.0 / (1.0 + resistance * self.siemens)
        v, i, g = self.child.load_line((source - resistance * self.amperes) * share, resistance * share)
        return v, i + self.siemens * v + self.amperes, g + self.siemens

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        least, most = self.child.chord(low, high)
        return least + self.siemens, most + self.siemens

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        c, g = self.child.stored(voltage)
        return c, g + self.siemens


@dataclass(frozen=True, eq=False)
class Side:
    """Two or more laws in parallel."""

    children: tuple[NodeLaw, ...]
    rest: Numbers = 0.0

    def take(self, index: Index) -> Self:
        return type(self)(tuple(child.take(index) for child in self.children), pick(self.rest, index))

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        r = np.broadcast_to(np.asarray(resistance, np.float64), source.shape)
        if not r.any():
            return (source.copy(), *self._sums(source))
        # Each alone would leave no less: of those that carry currents of one sign the nearest is a bound.
        alone = np.array([child.load_line(source, r)[0] for child in self.children])
        rests = [child.rest for child in self.children]
        low = np.minimum(np.min([rest + 0.0 * source for rest in rests], axis=0), alone.max(axis=0))
        high = np.maximum(np.max([rest + 0.0 * source for rest in rests], axis=0), alone.min(axis=0))
        wider = 8.0 * EPSILON * np.maximum(np.abs(low), np.abs(high))
        start = np.where(source > self.rest, alone.min(axis=0), alone.max(axis=0))
        kept = Kept(self)
        return solve(lambda index, v: kept(index)._sums(v), source, r, low - wider, high + wider, start)

    def _sums(self, voltage: Floats) -> tuple[Floats, Floats]:
        current, conductance = np.zeros(voltage.shape), np.zeros(voltage.shape)
        for child in self.children:
            i, g = evaluated(child, voltage)
            current += i
            conductance += g
        return current, conductance

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        bounds = [child.chord(low, high) for child in self.children]
        return np.sum([each[0] for each in bounds], axis=0), np.sum([each[1] for each in bounds], axis=0)

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        found = [child.stored(voltage) for child in self.children]
        return np.sum([each[0] for each in found], axis=0), np.sum([each[1] for each in found], axis=0)


@dataclass(frozen=True, eq=False)
class Stack:
    """Two laws in series: the voltage of the first is where both carry the same current."""

    first: NodeLaw
    second: NodeLaw

    @property
    def rest(self) -> Numbers:
        return self.first.rest + self.second.rest

    def take(self, index: Index) -> Self:
        return type(self)(self.first.take(index), self.second.take(index))

    def load_line(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats]:
        across, beyond, i, g = self.split(source, resistance)
        held = np.broadcast_to(np.asarray(resistance) == 0.0, source.shape)
        return np.where(held, source, across + beyond), i, _in_series(*g)

    def split(self, source: Floats, resistance: Numbers) -> tuple[Floats, Floats, Floats, tuple[Floats, Floats]]:
        """The voltages of the two, the current, and the conductance of each."""
        s, r = np.broadcast_arrays(source, np.asarray(resistance, np.float64))
        near = self.first.rest + 0.0 * s
        # The second takes a voltage of the same sign as the first, so that the first alone would take no less.
        alone = self.first.load_line(s - self.second.rest, r)[0]
        wider = 8.0 * EPSILON * np.maximum(np.abs(near), np.abs(alone))
        low, high = np.minimum(near, alone) - wider, np.maximum(near, alone) + wider
        half = 0.5 * (s - self.second.rest - near)
        start = near + np.sign(half) * np.minimum(np.abs(half), np.abs(alone - near))
        i1, g1, v2, i2, g2 = (np.empty(s.shape) for _ in range(5))
        kept = Kept(self)

        def sides(index: Index, v: Floats) -> tuple[Floats, Floats, Floats, Floats]:
            both, own = kept(index), r[index]
            i1[index], g1[index] = up, slope = evaluated(both.first, v)
            v2[index], i2[index], g2[index] = _, down, other = both.second.load_line(s[index] - v, own)
            return up, slope, down, other / (1.0 + own * other)

        v1, _ = balance(sides, low, high, np.clip(start, low, high))
        # One Newton step more, to first order: the current is that of the law that bends less there.
        share = 1.0 / (1.0 + r * g2)
        slopes = g1 + g2 * share
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (i1 - i2) / slopes
        step[~np.isfinite(step)] = 0.0
        return v1 - step, v2 + step * share, i1 - g1 * step, (g1, g2)

    def chord(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        ends = [self.split(each, 0.0) for each in (low, high)]
        first = self.first.chord(ends[0][0], ends[1][0])
        second = self.second.chord(ends[0][1], ends[1][1])
        falls = (first[0] < 0.0) | (second[0] < 0.0)
        least, most = _in_series(first[0], second[0]), _in_series(first[1], second[1])
        return np.where(falls, -np.inf, least), np.where(falls, np.inf, most)

    def stored(self, voltage: Floats) -> tuple[Floats, Floats]:
        across, beyond, *_ = self.split(voltage, 0.0)
        (c1, g1), (c2, g2) = self.first.stored(across), self.second.stored(beyond)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(g1 + g2 > 0.0, g2 / (g1 + g2), 0.5)
        return c1 * share**2 + c2 * (1.0 - share) ** 2, _in_series(g1, g2)


class Kept(Generic[Taken]):
    """A node taken for the entries that were asked for last, which is often again."""

    def __init__(self, node: Taken) -> None:
        self._node: Taken = node
        self._taken: Taken = node
        self._index: Index | None = None

    def __call__(self, index: Index) -> Taken:
        if index is not self._index:
            self._index, self._taken = index, self._node.take(index)
        return self._taken


def _in_series(g1: Floats, g2: Floats) -> Floats:
    """1 / (1/g1 + 1/g2) for conductances from 0 to infinity."""
    small, large = np.minimum(g1, g2), np.maximum(g1, g2)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(small > 0.0, small / (1.0 + small / large), np.minimum(small, 0.0))
    return np.where(small == np.inf, np.inf, found)


def stacked(nodes: Sequence[NodeLaw]) -> NodeLaw:
    """Laws in series, halved until two are left, so that equations are nested no deeper than they must be."""
    if len(nodes) == 1:
        return nodes[0]
    middle = len(nodes) // 2
    return Stack(stacked(nodes[:middle]), stacked(nodes[middle:]))
