"""Where the operating point of every board lies whose parts are within their tolerances, node by node: proved bounds.

Let ``F_i(v)`` be the least current that can leave node i on any board, each resistor choosing its conductance and each
one-port its temperature for that node alone. Every term grows with ``v_i`` less the voltage at its other end. So if
``F(x) <= 0 <= F(y)`` then ``x <= y``: at the nodes where ``x - y`` is largest and positive no term of F(x) is less than
that of F(y), and where such a node has another neighbour one is more. Every board's voltages are such an x; what is
found with ``F >= 0`` is above all of them, and likewise below. (M-functions: Ortega & Rheinboldt, Iterative Solution of
Nonlinear Equations in Several Variables, 1970, chapter 13.) It asks for resistors, sources and one-ports whose laws
never fall, and for no small tolerance.

Sums are rounded to nearest: F must be above 0 by ``ROUNDING`` of what it sums, and of ``RESOLUTION`` of what it is the
difference of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.analysis.box import Box
from diodeq.analysis.passive import Index, Passive
from diodeq.circuit.bank import Floats
from diodeq.circuit.proof import attainable
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.simulators.base import OperatingPoint

ROUNDING, RESOLUTION = 1e-12, 1e-3
# Newton's steps towards a node's bound, and the volts that one of them may take at most.
STEPS, STRIDE = 80, 0.3


@dataclass(frozen=True, eq=False)
class Boards:
    """All boards for B samples, around the centre's ``volts`` [N, B] and conductances ``middle`` [n].

    Conductances are off by the shares ``tolerance`` [n] at most, held nodes by ``supply`` [N] volts; ``injected``
    [n, B] amperes come into each free node, give or take ``unsure`` [n]. Both are of ``sources`` [s], every source for
    itself, and of what columns of ``inputs`` [s, n_in] say of several together.

    ``usual`` are the centre's laws, ``laws`` those whose currents are least and largest, ``within`` [d] the voltages
    between which all other laws are between these, None where there are none; ``steepest_at_rest`` where others may be
    steeper than these below 0 V, as steep at most as at 0 V. ``slack`` [B] is what the engine may be off.
    """

    passive: Passive
    volts: Floats
    middle: Floats
    tolerance: Floats
    supply: Floats
    injected: Floats
    unsure: Floats
    sources: Floats
    inputs: sparse.csr_array
    usual: OnePorts
    laws: tuple[OnePorts, ...]
    slack: Floats
    within: tuple[Floats, Floats] | None
    steepest_at_rest: bool

    @staticmethod
    def of(passive: Passive, box: Box, point: OperatingPoint, samples: slice = slice(None)) -> Boards:
        """From operating points of ``box.centre``.

        Raises:
            InputError: the box has several temperatures and a one-port whose law is not known to grow with them.
        """
        circuit, volts = point.circuit, point.node_voltages[samples]
        usual = one_ports(circuit.models, passive.models, circuit.temperature)
        number = passive.resistors.number
        sources, inputs = box.sources(circuit)
        return Boards(
            passive,
            np.ascontiguousarray(volts.T),
            circuit.conductances[number],
            box.of_parts(circuit)[number],
            _apart(passive.holds, sources, inputs),
            np.asarray(passive.sends @ circuit.source_values(point.drives[samples]).T)[passive.free],
            _apart(passive.sends, sources, inputs)[passive.free],
            sources,
            inputs,
            usual,
            box.laws(circuit.models, passive.models),
            attainable(volts),
            box.nested(circuit.models, passive.models),
            box.emission > 0.0,
        )

    def bound(self, sign: float) -> Floats:
        """Volts [N, B] above (``sign`` 1) or below (-1) those of every board, infinite where none are found."""
        free, samples = self.passive.free, self.volts.shape[1]
        v = sign * self.volts + self.supply[:, None]
        found = v.copy()
        found[free] = np.inf
        left, near = np.arange(samples), np.zeros(samples, bool)
        for _ in range(STEPS):
            leaving, slopes, met = self._least_leaving(sign, v[:, left], left)
            done = near[left] & (leaving >= 4.0 * ROUNDING * met).all(axis=0)
            found[:, left[done]] = v[:, left[done]]
            go = ~done & np.isfinite(leaving).all(axis=0)
            left = left[go]
            if not len(left):
                break
            step = solved(slopes[go], (16.0 * ROUNDING * met - leaving)[:, go].T)
            near[left] = (np.abs(step) < 1e-6).all(axis=1)
            v[np.ix_(free, left)] += np.clip(step, -STRIDE, STRIDE).T
        return sign * found

    def _least_leaving(self, sign: float, v: Floats, which: Index) -> tuple[Floats, Floats, Floats]:
        """The least current [n, b] that can leave each free node at voltages ``sign`` v [N, b] of the samples
        ``which``, times ``sign``; its slopes [b, n, n], and the sum of the magnitudes that were added up."""
        wires = self.passive.resistors
        meet, share = self._meeting
        across = v[wires.near] - v[wires.far]
        across *= self.middle[wires.part][:, None]
        turned = np.copysign(self._off[:, None], across)  # each chooses the end of its tolerance
        slopes = wires.matrix(self.middle[wires.part][:, None] - turned)
        leaving = meet @ across
        np.abs(across, out=across)
        leaving -= share @ across
        # Voltages have digits, too: what comes of their differences is no better.
        met = 2.0 * (meet @ across) + RESOLUTION * 4.0 * self._degree[:, None] * np.abs(v).max(axis=0)
        leaving -= sign * self.injected[:, which] + self.unsure[:, None]
        met += np.abs(self.injected[:, which]) + self.unsure[:, None]
        wires = self.passive.ports
        if len(wires.part):
            forward = (v[wires.nodes[:, 0]] - v[wires.nodes[:, 1]]).T
            currents = np.stack([sign * law.current(sign * forward) for law in self.laws])[..., wires.part]
            currents = np.where(wires.turned, -currents, currents)
            steep = np.stack([law.conductance(sign * forward) for law in self.laws])[..., wires.part]
            chosen = currents.argmin(axis=0)[None]
            current, g = (np.take_along_axis(each, chosen, axis=0)[0].T for each in (currents, steep))
            leaving += wires.meet() @ current
            met += wires.meet() @ np.abs(current)
            slopes += wires.matrix(g)
        return leaving, slopes, met

    def by_sources(self, x: Floats) -> Floats:
        """What sources that are off send, weighed by ``x`` [B, k, n], as magnitudes that add up: float64[B, k]."""
        passive, wires = self.passive, self.passive.resistors
        far = np.flatnonzero(wires.there == wires.count)
        siemens = sparse.csr_array(
            (self.middle[wires.part[far]], (wires.here[far], wires.far[far])), (wires.count, len(self.supply))
        )
        sent = sparse.csr_array(siemens @ passive.holds + passive.sends[passive.free])
        found = np.zeros(x.shape[:2])
        for sources, off in ((sent, self.sources), (sparse.csr_array(sent @ self.inputs), None)):
            if sources.nnz and (off is None or off.any()):
                weighed = np.abs(x @ sources.toarray())
                found += weighed.sum(axis=2) if off is None else weighed @ off
        return found

    @property
    def held(self) -> NDArray[np.bool_]:
        """The nodes that sources hold, bool[N]."""
        found = np.ones(len(self.volts), bool)
        found[self.passive.free] = False
        return found

    @cached_property
    def _off(self) -> Floats:
        """By how much each conductance may be off, siemens, for each way it is met."""
        return np.asarray((self.middle * self.tolerance)[self.passive.resistors.part])

    @cached_property
    def _meeting(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """What sums currents of resistors at each free node, and what sums those that their tolerances are worth."""
        wires = self.passive.resistors
        return wires.meet(), wires.meet(self.tolerance[wires.part])

    @cached_property
    def _degree(self) -> Floats:
        """The siemens that meet at each free node."""
        return np.asarray(self._meeting[0] @ self.middle[self.passive.resistors.part])


def solved(matrices: Floats, right: Floats) -> Floats:
    """Solutions [B, n] of ``matrices`` [B, n, n] and a right side [B, n]; not a number where a matrix is singular."""
    try:
        return np.asarray(np.linalg.solve(matrices, right[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(right, np.nan)
        return np.concatenate([solved(one[None], side[None]) for one, side in zip(matrices, right, strict=True)])


def _apart(effects: sparse.csr_array, sources: Floats, inputs: sparse.csr_array) -> Floats:
    """By how much [N] what sources do to each node may be off."""
    return np.asarray(abs(effects) @ sources + abs(effects @ inputs).sum(axis=1))
