"""Layered circuits of any depth: two sets of nodes, and every resistor joins a node of one to a node of the other.

A chain of layers is of this kind, its layers belonging to either set in turn. Given the voltages of one set every node
of the other is one load line, in closed form. Going back and forth is the block Gauss-Seidel method; what little of the
error it leaves lies in few directions, mostly that in which all nodes move together, which Anderson's acceleration
finds at once. With the one-ports frozen the equations of one set, the other eliminated, are symmetric and positive
definite: conjugate gradients, preconditioned by the nodes' own conductances, end in a few products (Saad, Iterative
Methods for Sparse Linear Systems, 2nd ed., ch. 9). No matrix is ever factored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.blocks import run
from diodeq.circuit.proof import PROMISED, PROMISED_ADJOINT, Judge
from diodeq.simulators.wave.arrays import Array, Arrays, array_namespace
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.following import Following
from diodeq.simulators.wave.method import Method, Settled
from diodeq.simulators.wave.splitting import settle
from diodeq.simulators.wave.two_sets import LayersPlan, SetPlan

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
# Products of conjugate gradients.
PRODUCTS = 60


@dataclass(frozen=True, eq=False)
class Nodes:
    """One of the two sets: which unknowns, ``load`` siemens at each in all, and the one-ports on them. Voltages are
    taken along the one-ports, ``sign`` times those of the nodes."""

    at: slice | Index
    load: Array
    sign: Array
    ports: slice | Index
    places: slice | Index
    count: int
    line: Callable[[Array], tuple[Array, Array, Array]]

    @staticmethod
    def of(plan: SetPlan, own: Floats, diodes: Diodes, arrays: Arrays) -> Nodes:
        """A plan's nodes with their values, of ``own`` siemens at every unknown in all."""
        at, ports, places = plan.runs
        load, put = own[at], arrays.put
        line = diodes.take(plan.ports).behind(put(1.0 / load[places]))
        return Nodes(at, put(load), put(plan.along), ports, places, len(plan.ports), line)

    def meet(self, pushed: Array) -> tuple[Array, Array, Array]:
        """Voltages [B, n], and currents and conductances of the one-ports, where ``pushed`` [B, n] amperes come in."""
        volts = pushed / self.load
        v, i, g = self.line(volts[:, self.places])
        if self.count == volts.shape[1]:
            return v, i, g
        volts[:, self.places] = v
        return volts, i, g


class Coupling(NamedTuple):
    """The siemens between the two sets, where both ways of counting voltages are taken in: as [first, second], which
    takes voltages of the first to currents into the second, and as [second, first]."""

    onward: Array
    back: Array


@dataclass(frozen=True, eq=False)
class Layers:
    """The two sets of nodes and the ``coupling`` between them; ``rough`` is the same in the numbers of corrections.
    ``rescue`` makes another method for samples that do not converge."""

    first: Nodes
    second: Nodes
    coupling: Coupling
    arrays: Arrays
    rescue: Callable[[], Method]
    rough: Coupling
    ohms: tuple[Array, Array] | None
    moving: float

    @staticmethod
    def of(plan: LayersPlan, judge: Judge, diodes: Diodes, arrays: Arrays, rescue: Callable[[], Method]) -> Layers:
        """The plan's sets with their values."""
        wired = judge.equations.wired
        assert wired is not None  # there was a plan
        first, second = (Nodes.of(each, wired.own, diodes, arrays) for each in plan.sets)
        onward = arrays.put(plan.coupling(wired, arrays.number))
        couples = Coupling(onward, arrays.turned(onward))
        ohms, moving = None, 0.0
        if judge.ohms is not None:  # a sweep that moves the second set by a volt leaves so much to judge, at most
            ohms = arrays.put(judge.ohms[first.at]), arrays.put(judge.ohms[second.at])
            moving = float((wired.beside[first.at] * judge.ohms[first.at]).max())
        return Layers(first, second, couples, arrays, rescue, Coupling(*map(arrays.roughly, couples)), ohms, moving)

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        xp, allowed = self.arrays.xp, self.arrays.precision
        first, second = self.first, self.second
        into, beyond = self._into(right)
        alone = first.meet(into)[0]
        high = xp.max(xp.abs(alone), axis=1)
        resting = allowed.absolute + allowed.relative * high
        resting = resting * (MOVING[xp.finfo(into.dtype).bits] if self.ohms is None else RESTING)
        tolerance = xp.zeros_like(resting)  # until products are exact
        push, pull = (
            Following(start, exact, rough, self.arrays)
            for start, exact, rough in zip((beyond, into), self.coupling, self.rough, strict=True)
        )
        start = second.meet(push.roughly(alone))[0]
        found: list[Array] = []

        def sweep(y: Array, rows: Array) -> Array:
            all_ = len(rows) == len(right)
            one = first.meet(pull(y, None if all_ else rows))
            other = second.meet(push(one[0], None if all_ else rows))
            if push.exact:
                tolerance[rows] = resting[rows]
            if all_:
                found[:] = *one, *other
            else:
                for whole, part in zip(found, (*one, *other), strict=True):
                    whole[rows] = part
            return other[0]

        def enough(ohms: Array, moved: Array, size: Array, rows: Array) -> Array:
            """Whether what such moves of the second set leave to judge in the first is little."""
            done = size < 0.0
            if not push.exact:
                return done
            most = xp.full_like(size, SWEPT * (PROMISED + allowed.volts))
            if allowed.promised:
                volts = found[0], found[3]
                if len(rows) < len(right):
                    volts = found[0][rows], found[3][rows]
                most = most + SWEPT * allowed.promised * xp.maximum(*(xp.max(xp.abs(each), axis=1) for each in volts))
            near = xp.nonzero(size * self.moving <= NEAR * most)[0]
            if len(near):
                some = moved if len(near) == len(size) else moved[near]
                left = xp.abs(self.arrays.roughly(some) @ self.rough.back) * ohms
                done[near] = xp.max(left, axis=1) <= most[near]
            return done

        _, missing = settle(sweep, start, tolerance, SWEEPS, partial(enough, self.ohms[0]) if self.ohms else None)
        settled = self._settled(found)
        left = self.arrays.take(xp.nonzero(~(missing <= tolerance))[0])
        if len(left):
            other = self.rescue().settle(right[left])
            for whole, part in zip(vars(settled).values(), vars(other).values(), strict=True):
                whole[left] = part
        return settled

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """The circuit, which is its own transpose, with frozen diodes, for right sides float64[B, n]: unknowns and
        diode currents."""
        xp, take, first, second = self.arrays.xp, self.arrays.take, self.first, self.second
        frozen = self.arrays.put(conductances)
        into, beyond = self._into(right)
        own, beside = (_loaded(each, frozen[:, each.ports]) for each in (first, second))
        fed = run(np.flatnonzero(take(xp.any(into != 0.0, axis=0))))  # usually currents enter the outputs alone
        pushed = beyond + (into[:, fed] / own[:, fed]) @ self.coupling.onward[fed]
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
        first, second, take = self.first, self.second, self.arrays.take
        x, y = self._into(unknowns)
        i, found = self.arrays.put(through), np.empty_like(unknowns)
        sums = (first, first.load * x - y @ self.coupling.back), (second, second.load * y - x @ self.coupling.onward)
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
        coupling, own, exact = self.coupling, first, self.arrays.mixed
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
                converged = xp.max(xp.abs(step), axis=1) <= allowed.linear * largest
            else:
                share = LEFT * (PROMISED_ADJOINT + allowed.adjoint)
                converged = xp.max(xp.abs(rest * self.ohms[1]), axis=1) <= share * xp.maximum(largest, LEFT * high)
            if xp.all(converged):
                break
            if exact and xp.all(xp.max(xp.abs(step), axis=1) <= allowed.steps * largest):  # and so is their rounding
                coupling, own, exact = self.rough, self.arrays.roughly(first), False
            before, power = power, xp.vecdot(rest, step)
            along = step + xp.where(before > 0.0, power / before, xp.zeros_like(power))[:, None] * along
        return y, back, converged

    def _into(self, right: Floats) -> tuple[Array, Array]:
        """Rows of unknowns, or of what enters their nodes, as those of either set."""
        put = self.arrays.put
        return put(right[:, self.first.at]) * self.first.sign, put(right[:, self.second.at]) * self.second.sign

    def _unknowns(self, x: Array, y: Array) -> Floats:
        take = self.arrays.take
        unknowns = np.empty((x.shape[0], x.shape[1] + y.shape[1]), take(x[:0]).dtype)
        for nodes, volts in ((self.first, x), (self.second, y)):
            unknowns[:, nodes.at] = take(volts * nodes.sign)
        return unknowns

    def _settled(self, found: Sequence[Array]) -> Settled:
        x, *of_first, y, i, g = found
        take = self.arrays.take
        shape = len(x), self.first.count + self.second.count
        ports = [np.empty(shape, take(x[:0]).dtype) for _ in "ig"]
        for whole, one, other in zip(ports, of_first, (i, g), strict=True):
            whole[:, self.first.ports], whole[:, self.second.ports] = take(one), take(other)
        return Settled(self._unknowns(x, y), *ports)


def _loaded(nodes: Nodes, conductances: Array) -> Array:
    """Siemens [B, n] that leave each node with its one-port frozen."""
    if nodes.count == nodes.load.shape[0]:
        return nodes.load + conductances
    loaded = array_namespace(conductances).tile(nodes.load, (len(conductances), 1))
    loaded[:, nodes.places] += conductances
    return loaded
