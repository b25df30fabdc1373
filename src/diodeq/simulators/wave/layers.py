"""Layered circuits of any depth: two sets of nodes, and every resistor joins a node of one to a node of the other.

A chain of layers is of this kind, its layers belonging to either set in turn. Given the voltages of one set every node
of the other is one load line, in closed form. Going back and forth is the block Gauss-Seidel method; what little of the
error it leaves lies in few directions, mostly that in which all nodes move together, which Anderson's acceleration
finds at once. With the one-ports frozen the equations of one set, the other eliminated, are symmetric and positive
definite: conjugate gradients, preconditioned by the nodes' own conductances, end in a few products (Saad, Iterative
Methods for Sparse Linear Systems, 2nd ed., ch. 9). No matrix is ever factored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.blocks import run
from diodeq.circuit.proof import PROMISED, PROMISED_ADJOINT, Judge
from diodeq.simulators.wave.arrays import Array, Arrays, array_namespace
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.following import Following
from diodeq.simulators.wave.method import Method, Settled
from diodeq.simulators.wave.sides import Coupling, Nodes, Sides
from diodeq.simulators.wave.splitting import settle
from diodeq.simulators.wave.two_sets import LayersPlan

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# Moves whose worst case is so many times what they may leave are looked at: mostly they leave far less.
NEAR = 200.0
# Few circuits need a fifth of this many sweeps; what is left then is for another method.
SWEEPS = 60
# How far the last of them may move a voltage, in what counts as settled elsewhere, by the bits of a number, where the
# judge has no bound: it leaves a tenth of its move, or less.
MOVING = {64: 30.0, 32: 1.0}
# The shares of what the judge allows that sweeps, in the worst case, and conjugate gradients may leave; the rest is for
# rounding.
SWEPT, LEFT = 0.7, 0.5
# … and where it has one, which mostly lets go before.
RESTING = 0.25
# How many sweeps need not be exact: the first ones, and more while the last moved the second set by so many volts.
ROUGH, ROUGHEST, FAR = 2, 5, 5e-3
# Products of conjugate gradients, and what of a step single precision rounds.
PRODUCTS, ROUNDING = 60, 1e-7


@dataclass(frozen=True, eq=False)
class Layers:
    """The circuit in the backend's numbers, ``exact``, and ``rough``ly, in those of corrections. ``rescue`` makes
    another method for samples that do not converge."""

    exact: Sides
    rough: Sides
    arrays: Arrays
    rescue: Callable[[], Method]
    ohms: tuple[Array, Array] | None
    moving: float

    @staticmethod
    def of(plan: LayersPlan, judge: Judge, diodes: Diodes, arrays: Arrays, rescue: Callable[[], Method]) -> Layers:
        """The plan's sets with their values."""
        wired = judge.equations.wired
        assert wired is not None  # there was a plan
        onward = arrays.put(plan.coupling(wired, arrays.number))
        coupling = Coupling(onward, arrays.turned(onward))
        exact = rough = Sides.of(plan, wired.own, diodes, arrays, coupling)
        if arrays.mixed:
            rough = Sides.of(plan, wired.own, diodes, arrays.rougher, Coupling(*map(arrays.roughly, coupling)))
        ohms, moving = None, 0.0
        if judge.ohms is not None:  # a sweep that moves the second set by a volt leaves so much to judge, at most
            of_first = judge.ohms[exact.first.at]
            ohms = arrays.put(of_first), arrays.put(judge.ohms[exact.second.at])
            moving = float((wired.beside[exact.first.at] * of_first).max())
        return Layers(exact, rough, arrays, rescue, ohms, moving)

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        sweeps = Sweeps(self, *self._into(right))
        _, missing = settle(sweeps, sweeps.start, sweeps.tolerance, SWEEPS, sweeps.enough)
        if not sweeps.found:
            return self.rescue().settle(right)
        settled = self._settled(sweeps.found)
        left = self.arrays.take(self.arrays.xp.nonzero(~(missing <= sweeps.tolerance))[0])
        if len(left):
            other = self.rescue().settle(right[left])
            for whole, part in zip(vars(settled).values(), vars(other).values(), strict=True):
                whole[left] = part
        return settled

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """The circuit, which is its own transpose, with frozen diodes, for right sides float64[B, n]: unknowns and
        diode currents."""
        xp, take, (first, second, coupling) = self.arrays.xp, self.arrays.take, self.exact
        frozen = self.arrays.put(conductances)
        into, beyond = self._into(right)
        own, beside = (_loaded(each, frozen[:, each.ports]) for each in (first, second))
        fed = run(np.flatnonzero(take(xp.any(into != 0.0, axis=0))))  # usually currents enter the outputs alone
        pushed = beyond + (into[:, fed] / own[:, fed]) @ coupling.onward[fed]
        y, back, converged = self._conjugate(own, beside, pushed, xp.max(xp.abs(into / own), axis=1))
        x = (into + back) / own
        unknowns, through = self._unknowns(x, y), np.empty(conductances.shape, take(x[:0]).dtype)
        for nodes, volts in ((first, x), (second, y)):
            through[:, nodes.ports] = take(frozen[:, nodes.ports] * volts[:, nodes.places])
        left = np.flatnonzero(np.logical_not(take(converged)))
        if len(left):
            unknowns[left], through[left] = self.rescue().linear(conductances[left], right[left], transposed=transposed)
        return unknowns, through

    def leaving(self, unknowns: Floats, through: Floats, *, transposed: bool = False) -> Floats:
        """What leaves each node: the linear part times each row of unknowns, and the diode currents."""
        (first, second, coupling), take = self.exact, self.arrays.take
        x, y = self._into(unknowns)
        i, found = self.arrays.put(through), np.empty_like(unknowns)
        sums = (first, first.load * x - y @ coupling.back), (second, second.load * y - x @ coupling.onward)
        for nodes, leaving in sums:
            leaving[:, nodes.places] += i[:, nodes.ports]
            found[:, nodes.at] = take(nodes.sign * leaving)
        return found

    def _conjugate(self, first: Array, second: Array, right: Array, high: Array) -> tuple[Array, Array, Array]:
        """Voltages of the second set for currents ``right`` into it, where conductances [B, n] leave each node of
        either set, the currents that these push into the first, and which rows bool[B] converged. ``high`` [B] volts
        are about the largest in the first set."""
        xp, allowed = self.arrays.xp, self.arrays.precision
        y, back, rest = xp.zeros_like(right), xp.zeros_like(first), xp.asarray(right, copy=True)
        along = step = rest / second
        power = xp.vecdot(rest, step)
        converged = power < 0.0
        coupling, own, exact = self.exact.coupling, first, self.arrays.mixed
        for _ in range(PRODUCTS):
            through = (along if exact else self.arrays.roughly(along)) @ coupling.back
            drawn = second * along - (through / own) @ coupling.onward
            work = xp.vecdot(along, drawn)
            length = xp.where(work > 0.0, power / xp.where(work > 0.0, work, xp.ones_like(work)), xp.zeros_like(work))
            y += length[:, None] * along
            rest -= length[:, None] * drawn
            back += length[:, None] * through
            step = rest / second
            largest = xp.max(xp.abs(y), axis=1)
            if self.ohms is None:
                left, goal = xp.max(xp.abs(step), axis=1), allowed.linear * largest
            else:
                share = LEFT * (PROMISED_ADJOINT + allowed.adjoint)
                left = xp.max(xp.abs(rest * self.ohms[1]), axis=1)
                goal = share * xp.maximum(largest, LEFT * high)
            converged = left <= goal
            if xp.all(converged):
                break
            if exact and xp.all(length * left * ROUNDING <= goal):
                coupling, own, exact = self.rough.coupling, self.arrays.roughly(first), False
            before, power = power, xp.vecdot(rest, step)
            along = step + xp.where(before > 0.0, power / before, xp.zeros_like(power))[:, None] * along
        return y, back, converged

    def _into(self, right: Floats) -> tuple[Array, Array]:
        """Rows of unknowns, or of what enters their nodes, as those of either set."""
        (first, second, _), put = self.exact, self.arrays.put
        return put(right[:, first.at]) * first.sign, put(right[:, second.at]) * second.sign

    def _unknowns(self, x: Array, y: Array) -> Floats:
        take = self.arrays.take
        unknowns = np.empty((x.shape[0], x.shape[1] + y.shape[1]), take(x[:0]).dtype)
        for nodes, volts in ((self.exact.first, x), (self.exact.second, y)):
            unknowns[:, nodes.at] = take(volts * nodes.sign)
        return unknowns

    def _settled(self, found: Sequence[Array]) -> Settled:
        x, *of_first, y, i, g = found
        take = self.arrays.take
        first, second, _ = self.exact
        shape = len(x), first.count + second.count
        ports = [np.empty(shape, take(x[:0]).dtype) for _ in "ig"]
        for whole, one, other in zip(ports, of_first, (i, g), strict=True):
            whole[:, first.ports], whole[:, second.ports] = take(one), take(other)
        return Settled(self._unknowns(x, y), *ports)


def _loaded(nodes: Nodes, conductances: Array) -> Array:
    """Siemens [B, n] that leave each node with its one-port frozen."""
    if nodes.count == nodes.load.shape[0]:
        return nodes.load + conductances
    loaded = array_namespace(conductances).tile(nodes.load, (len(conductances), 1))
    loaded[:, nodes.places] += conductances
    return loaded


class Sweeps:
    """Going back and forth for currents ``into`` the first set and, [B, n] too, ``beyond`` it into the second: roughly
    at first. ``found`` are voltages, currents and conductances of the first set and of the second where the last exact
    sweep left them, and ``tolerance`` [B] are volts that what it moves may be off."""

    def __init__(self, layers: Layers, into: Array, beyond: Array) -> None:
        arrays, ohms, allowed = layers.arrays, layers.ohms, layers.arrays.precision
        xp, exact, rough = arrays.xp, layers.exact, layers.rough
        self._layers, self._xp = layers, xp
        self._push = Following(beyond, exact.coupling.onward, rough.coupling.onward, arrays)
        self._pull = Following(into, exact.coupling.back, rough.coupling.back, arrays)
        self._about = arrays.roughly(into), arrays.roughly(beyond)
        self._turn, self._far = 0, math.inf
        alone = rough.first.meet(self._about[0])[0]
        self.start = xp.astype(rough.second.meet(self._about[1] + alone @ rough.coupling.onward)[0], into.dtype)
        high = xp.astype(xp.max(xp.abs(alone), axis=1), into.dtype)
        share = MOVING[xp.finfo(into.dtype).bits] if ohms is None else RESTING
        self._resting = share * (allowed.absolute + allowed.relative * high)
        self.tolerance = xp.zeros_like(high)
        self.found: list[Array] = []

    def __call__(self, y: Array, rows: Array) -> Array:
        """Where the second set's voltages go, in some rows."""
        some = None if len(rows) == len(self.start) else rows
        self._turn += 1
        early = self._turn <= ROUGH or (self._far > FAR and self._turn <= ROUGHEST)
        if early and self._layers.arrays.mixed and not self.found:
            return self._roughly(y, some)
        one = self._layers.exact.first.meet(self._pull(y, some))
        other = self._layers.exact.second.meet(self._push(one[0], some))
        self._keep((*one, *other), some)
        return other[0]

    def _roughly(self, y: Array, rows: Array | None) -> Array:
        into, beyond = self._about if rows is None else (each[rows] for each in self._about)
        first, second, coupling = self._layers.rough
        x = first.meet(into + self._layers.arrays.roughly(y) @ coupling.back)[0]
        return second.meet(beyond + x @ coupling.onward)[0]

    def _keep(self, parts: Sequence[Array], rows: Array | None) -> None:
        if rows is None:
            self.found, self.tolerance[:] = list(parts), self._resting
            return
        if not self.found:  # others have left before
            like = self._xp.full_like(self.start[:, :1], math.nan)
            self.found = [self._xp.tile(like, (1, part.shape[1])) for part in parts]
        self.tolerance[rows] = self._resting[rows]
        for whole, part in zip(self.found, parts, strict=True):
            whole[rows] = part

    def enough(self, moved: Array, size: Array, rows: Array) -> Array:
        """Whether what such moves of the second set leave to judge in the first is little."""
        xp, layers, allowed = self._xp, self._layers, self._layers.arrays.precision
        self._far, done = float(xp.max(size)), size < 0.0
        if not self.found or layers.ohms is None:
            return done
        most = xp.full_like(size, SWEPT * (PROMISED + allowed.volts))
        if allowed.promised:
            volts = self.found[0], self.found[3]
            if len(rows) < len(self.start):
                volts = volts[0][rows], volts[1][rows]
            most = most + SWEPT * allowed.promised * xp.maximum(*(xp.max(xp.abs(each), axis=1) for each in volts))
        near = xp.nonzero(size * layers.moving <= NEAR * most)[0]
        if len(near):
            some = moved if len(near) == len(size) else moved[near]
            left = xp.abs(layers.arrays.roughly(some) @ layers.rough.coupling.back) * layers.ohms[0]
            done[near] = xp.max(left, axis=1) <= most[near]
        return done
