"""The judge of every answer: by how many volts may it be off?

An answer is a vector of unknowns of a circuit's equations; the judge puts it into all of them (Kirchhoff's law at every
free node, the equation of every branch, the law of every one-port) and says which error in volts what they miss can
stand for. It is one Newton correction: missed = J error, so error = J⁻¹ missed. Where the equations are those of
conductances and grounded one-ports J is an M-matrix, and a few products bound its inverse at once: with w > 0 and
s = A w > 0 for the linear part A, |missed| <= t s gives |error| <= t w, since one-ports only add to the diagonal
(Berman and Plemmons, Nonnegative Matrices in the Mathematical Sciences, ch. 6). Elsewhere the correction is computed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import Equations, total
from diodeq.circuit.newton import Newton, Promise
from diodeq.devices.one_ports import OnePorts

# Volts by which an operating point may be off, absolutely and as a share of its largest voltage, up to the highest that
# counts: beyond, one node's voltage would excuse anything at the others. An adjoint solution, whose size is anybody's
# choice, by a share.
PROMISED = 1e-9
PROMISED_SHARE, HIGHEST = 1e-12, 1e9
# Where corrections end at more, the currents that one-ports have in float64 determine no better answer (a node that
# only leaking diodes hold): up to so many volts it is still the answer.
ATTAINABLE = 3e-7
PROMISED_ADJOINT = 1e-8
# Siemens that no part has: about where one-ports conduct so much their laws are cut off or go on along a tangent. What
# solves that solves what was drawn only if the one-port sees so few ohms that its current moves nothing: its nodes are
# held.
BEYOND = 1e99
HELD = 1e-9
# Sweeps for the weights of the bound, and the share of a node's own conductance at which they are good enough.
SWEEPS = 80
ENOUGH = 0.2


def promised(volts: Floats) -> Floats:
    """Volts [B] by which operating points with node voltages [B, N] may be off."""
    return promised_at(largest(volts))


def promised_at(high: Floats) -> Floats:
    """The same for their ``largest`` [B]."""
    return PROMISED + PROMISED_SHARE * np.minimum(high, HIGHEST)


def promised_adjoint(volts: Floats) -> Floats:
    """Volts [B] by which adjoint solutions with node voltages [B, N] may be off."""
    return promised_adjoint_at(largest(volts))


def promised_adjoint_at(high: Floats) -> Floats:
    """The same for their ``largest`` [B]."""
    return PROMISED_ADJOINT * high + float(np.finfo(np.float64).tiny)


def attainable(volts: Floats) -> Floats:
    """Volts [B] by which operating points that were corrected as far as possible may be off, for node voltages
    [B, N]."""
    return attainable_at(largest(volts))


def attainable_at(high: Floats) -> Floats:
    """The same for their ``largest`` [B]."""
    return ATTAINABLE + PROMISED_SHARE * np.minimum(high, HIGHEST)


def largest(volts: Floats) -> Floats:
    """The largest magnitude of each row, float64[B]; 0 where one is not finite."""
    # Of a large batch two looks cost less than an array of magnitudes.
    high, low = volts.max(axis=1, initial=0.0), volts.min(axis=1, initial=0.0)
    found = np.maximum(high, -low).astype(np.float64)
    return np.where(np.isfinite(found), found, 0.0)


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges answers to ``equations`` with the ``laws`` of the one-ports, in the equations' order."""

    equations: Equations
    laws: OnePorts

    @cached_property
    def newton(self) -> Newton:
        """Corrects and finds answers where bounds do not reach."""
        return Newton(self.equations, self.laws)

    def promised(self, unknowns: Floats) -> Floats:
        """``promised`` of unknowns [B, n]."""
        return promised_at(self.largest(unknowns))

    def promised_adjoint(self, unknowns: Floats) -> Floats:
        """``promised_adjoint`` of unknowns [B, n]."""
        return promised_adjoint_at(self.largest(unknowns))

    def largest(self, unknowns: Floats) -> Floats:
        """The ``largest`` voltage [B] of unknowns [B, n]."""
        return largest(unknowns[:, : self.equations.nodes])

    def bound(self, missed: Floats, high: Floats) -> Floats:
        """Volts [B] that no answer with ``largest`` voltages ``high`` [B] whose equations miss ``missed`` [B, n] is off
        by, the rounding of the two included; infinite where there is no such bound, and not a number where a residual
        is none."""
        if self._weights is None:
            return np.full(len(missed), np.inf)
        return self._weights(np.abs(missed), float(np.finfo(missed.dtype).eps) * high)

    @cached_property
    def ohms(self) -> Floats | None:
        """By how many volts an ampere that any answer misses at each unknown may have moved it, float64[n]; None where
        there is no such ``bound``, or where sources hold nodes."""
        weights = self._weights
        return None if weights is None or weights.pull is not None else weights.largest * weights.inverse

    def settle(self, unknowns: Floats, right: Floats, *, anew: bool) -> tuple[Floats, Floats, Floats]:
        """Operating points [B, n] corrected until they are as good as promised, where they can be.

        Those that simple corrections do not bring there are looked for with care: from where they are, or ``anew``.
        Returns unknowns, conductances of the one-ports [B, D], and the volts [B] by which each row may be off: more
        than ``attainable`` where there is no answer, and infinite where it needs a part that conducts more
        than `BEYOND`.
        """
        found, conductances, volts = self._once(unknowns, right, self.promised)
        left = np.flatnonzero(~(volts <= self.promised(found)))
        if len(left):
            polished = self.newton.polish(unknowns[left], right[left], self.promised)
            for whole, part in zip((found, conductances, volts), polished, strict=True):
                whole[left] = part
        for row in np.flatnonzero(~(volts <= attainable(found[:, : self.equations.nodes]))).tolist():
            for start in (unknowns[row], None) if anew else (unknowns[row],):
                if start is not None and not np.isfinite(start).all():
                    continue
                one = self.newton.settle(total(right[row : row + 1])[0], start)[None]
                other = self.newton.polish(one, right[row : row + 1], self.promised)
                if other[2][0] < volts[row]:
                    for whole, part in zip((found, conductances, volts), other, strict=True):
                        whole[row] = part[0]
                if volts[row] <= attainable(one[:, : self.equations.nodes])[0]:
                    break
        for row in np.flatnonzero((conductances > BEYOND).any(axis=1)).tolist():
            beyond = conductances[row] > BEYOND
            if (self.newton.jacobian.resistances(np.where(beyond, 0.0, conductances[row]))[beyond] > HELD).any():
                volts[row] = np.inf
        return found, conductances, volts

    def settle_linear(self, unknowns: Floats, right: Floats, conductances: Floats) -> tuple[Floats, Floats]:
        """The same with the one-ports frozen at ``conductances`` [B, D] and an adjoint promise; unknowns and volts."""
        # Where nothing drives a linear circuit nothing moves.
        silent = np.asarray(~total(right).any(axis=1))
        found, _, volts = self._once(
            np.where(silent[:, None], 0.0, unknowns), right, self.promised_adjoint, conductances
        )
        left = np.flatnonzero(~(volts <= self.promised_adjoint(found)))
        if len(left):
            found[left], volts[left] = self.newton.polish_linear(
                unknowns[left], right[left], conductances[left], self.promised_adjoint
            )
        return found, volts

    def _once(
        self, unknowns: Floats, right: Floats, promised: Promise, frozen: Floats | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Unknowns [B, n] corrected once in float64 where they are as near as ``promised``, the conductances [B, D]
        there, and the ``bound`` [B] of what the equations miss then; infinite for other rows, and where there is none.
        """
        equations = self.equations
        found, error = unknowns.copy(), np.full(len(unknowns), np.inf)
        conductances = np.full((len(unknowns), len(self.laws)), np.nan)
        # Currents that meet and all but cancel are known in extended precision only.
        if self._weights is None or not equations.plan.apart.all() or right.ndim > 2:
            return found, conductances, error

        def missing(x: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
            across = equations.across(x)
            if frozen is None:
                currents, slopes = self.laws.evaluate(across)
            else:
                currents, slopes = frozen[rows] * across, frozen[rows]
            missed = equations.leaving(x) - right[rows]
            equations.collect(missed, currents)
            return missed, slopes

        passive = True if frozen is None else (frozen >= 0.0).all(axis=1)
        rows = np.flatnonzero(np.isfinite(unknowns).all(axis=1) & passive)
        x = unknowns[rows]
        step = self.newton.jacobian.solve(*missing(x, rows))
        near = self.newton.volts(step) <= promised(x)
        rows, x = rows[near], np.asarray(x[near] - step[near], np.float64)
        missed, conductances[rows] = missing(x, rows)
        found[rows], error[rows] = x, self.bound(missed, self.largest(x))
        return found, conductances, error

    @cached_property
    def _weights(self) -> Weights | None:
        return Weights.of(self.equations) if self.equations.plan.resistive else None


@dataclass(frozen=True, eq=False)
class Weights:
    """w and s of the module's text for the ``free`` nodes, as 1 / s and the largest w; ``equations`` are those of nodes
    that sources hold, ``pull`` [free, held] the conductances to these, and ``rounding`` what the largest of a free
    node's conductance over its s is."""

    free: NDArray[np.intp] | slice
    equations: NDArray[np.intp]
    pull: Any
    inverse: Floats
    rounding: float
    largest: float

    @staticmethod
    def of(equations: Equations) -> Weights | None:
        """None where no weights are found soon."""
        at = equations.branches.get("voltage_sources", slice(equations.nodes, equations.nodes))
        held = equations.circuit.voltage_sources.terminals.max(axis=1, initial=0) - 1
        free: NDArray[np.intp] | slice = slice(None)
        own: Any = None
        times: Callable[[Floats], Floats]
        wired = equations.wired
        if wired is not None:
            diagonal, times = wired.own, wired.times
        else:
            own = among = equations.matrix
            if len(held):
                free = np.setdiff1d(np.arange(equations.nodes), held)
                own = sparse.csr_array(equations.matrix[free])
                among = sparse.csr_array(own[:, free])
            diagonal, times = among.diagonal(), partial(operator.matmul, among)
        if not (diagonal > 0).all():
            return None
        guard = 8 * np.finfo(np.float64).eps * len(diagonal)
        weights = np.ones(len(diagonal))
        for _ in range(SWEEPS):
            # Rounding may take what is left of a small difference: so much less is certain.
            drawn = times(weights)
            certain = drawn - guard * diagonal * weights.max(initial=0.0)
            if (certain >= ENOUGH * diagonal).all():
                pull, rounding = abs(own[:, held]) if len(held) else None, float((diagonal / certain).max(initial=0.0))
                sources, largest = np.arange(at.start, at.stop), float(weights.max(initial=0.0))
                return Weights(free, sources, pull, 1.0 / certain, rounding, largest)
            weights = 1.0 + weights - drawn / diagonal
        return None

    def __call__(self, missed: Floats, roundings: Floats) -> Floats:
        """Volts [B] for |missed| [B, n], with ``roundings`` [B] volts of the unknowns."""
        of_free = missed[:, self.free]
        if self.pull is not None:
            at_held = missed[:, self.equations]
            of_free = of_free + (self.pull @ at_held.T).T
        bound: Floats = self.largest * ((of_free * self.inverse).max(axis=1, initial=0.0) + roundings * self.rounding)
        if self.pull is None:
            return bound
        found: Floats = np.maximum(bound, at_held.max(axis=1, initial=0.0))
        return found
