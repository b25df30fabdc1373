"""Newton's method on a circuit's own equations: the correction of any answer, and answers from nothing.

Residuals and, where conductances span so many decades that float64 cannot tell, the linear algebra too are computed in
numpy's extended precision: an answer in float64 has a correction of its own rounding then, whatever the circuit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Floats
from diodeq.circuit.elimination import Extended
from diodeq.circuit.equations import Equations, Wide, parts, total
from diodeq.circuit.jacobian import Jacobian
from diodeq.devices.one_ports import OnePorts

POLISHINGS = 12
# … and as many again where each is at most this share of the last: it is about to settle.
SETTLING = 0.5
STEPS = 100
SHORTEST = 2.0**-6
RAMPS, RAMP_STEPS = 24, 40
# Volts: what is beyond is on its way to infinity.
HOPELESS = 1e20
# Slopes that differ by no more than this share are those of a straight law. How much larger than the last one a
# correction may be where both are rounding.
STRAIGHT, WORSE = 0.5, 10.0
# Amperes that round to nothing that matters.
HUGE = 1.0
# So small a share of the volts that a driven node would have alone is nothing.
NOTHING = 1e-12
# Volts that may be lost of one that all nodes rise by.
BLIND = 0.1
# Volts by which a step may move on for an answer to be final.
FINAL = 1e-12
# Numbers that are computed together (half a megabyte in extended precision, which stays in cache), and rows at least.
ENTRIES, FEWEST = 1 << 15, 8

# The volts [B] by which unknowns [B, n] may be off.
Promise = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Newton:
    """The equations of one circuit with the laws of its one-ports, in the equations' order."""

    equations: Equations
    laws: OnePorts

    @cached_property
    def jacobian(self) -> Jacobian:
        """What corrections come from."""
        return Jacobian(self.equations)

    def residual(self, unknowns: Any, right: Floats) -> tuple[Any, Floats]:
        """What the equations miss at ``unknowns`` [B, n], in extended precision, and the one-ports' conductances."""
        x = unknowns.astype(Extended)
        across = (self._wide.ports @ x.T).T
        currents, conductances = self.laws.evaluate(np.asarray(across, np.float64))
        return self._linear(x, right) + (self._wide.collecting @ currents.astype(Extended).T).T, conductances

    def correction(self, unknowns: Any, right: Floats) -> Any:
        """By how much ``unknowns`` [B, n] are off to first order, in extended precision; not finite where the equations
        determine no answer."""
        missed, conductances = self.residual(unknowns, right)
        return self.jacobian.solve(missed, conductances)

    def linear_correction(self, unknowns: Any, right: Floats, conductances: Floats, *, transposed: bool) -> Any:
        """The same with the one-ports frozen at ``conductances`` [B, D], or for the transposed equations of these."""
        x = unknowns.astype(Extended)
        missed = self._linear(x, right, transposed=transposed)
        across = (self._wide.ports @ x.T).T
        missed += (self._wide.collecting @ (across * conductances.astype(Extended)).T).T
        return self.jacobian.solve(missed, conductances, transposed=transposed)

    def polish(self, unknowns: Floats, right: Floats, promised: Promise) -> tuple[Floats, Floats, Floats]:
        """Corrects rows until a correction is within the volts that are ``promised`` of unknowns, that one included.

        Returns unknowns, conductances [B, D], and the volts [B] by which each row may still be off.
        """
        seen = np.full((len(unknowns), len(self.laws)), np.nan)

        def correct(x: Floats, rows: NDArray[np.intp]) -> Any:
            missed, seen[rows] = self.residual(x, right[rows])
            return self.jacobian.solve(missed, seen[rows])

        found, error = self._corrected(unknowns, correct, promised)
        conductances = np.full_like(seen, np.nan)
        whole = np.flatnonzero(np.isfinite(found).all(axis=1))
        currents, conductances[whole] = self.laws.evaluate(self.equations.across(found[whole]))
        # A correction that crosses a corner, as at -BV, says nothing of what is behind it.
        bent = whole[self.bent(seen[whole], conductances[whole]) & (error[whole] < np.inf)]
        if len(bent):
            error[bent] = np.maximum(error[bent], self.volts(self.correction(found[bent], right[bent])))
        self._sum_exactly(found, conductances, error, whole, currents, right, promised)
        return found, conductances, error

    def _sum_exactly(
        self,
        found: Floats,
        conductances: Floats,
        error: Floats,
        rows: NDArray[np.intp],
        currents: Floats,
        right: Any,
        promised: Promise,
    ) -> None:
        """Rows, with the ``currents`` of their one-ports, in which so much meets that sums may have lost what decides
        where nodes are that only little leaves: the volts that this can stand for are added to their ``error``, and
        those that then miss what is ``promised`` are corrected once more with sums that lose nothing. All in place."""
        meeting = self._meeting(found[rows], currents, right[rows], np.float64)
        met = (self._meeting_at @ np.abs(meeting).T).T
        huge = np.flatnonzero(~(met[:, : self.equations.nodes].max(axis=1, initial=0.0) <= HUGE))
        if not len(huge):
            return
        rows, met = rows[huge], met[huge]
        error[rows] += self.volts(self.jacobian.solve(np.finfo(Extended).eps * met, conductances[rows]))
        rows = self._unblinded(rows, conductances, error)
        rows = rows[~(error[rows] <= promised(found[rows]))]
        if not len(rows):
            return

        def correct(x: Floats, of: NDArray[np.intp]) -> Any:
            through, slopes = self.laws.evaluate(self.equations.across(x))
            missed = total(parts(self._meets, self._meeting(x, through, right[rows[of]], Extended)))
            return self.jacobian.solve(missed, slopes)

        better, left = self._corrected(found[rows], correct, promised)
        nearer = left < error[rows]
        rows = rows[nearer]
        found[rows], error[rows] = better[nearer], left[nearer]
        conductances[rows] = self.laws.conductance(self.equations.across(found[rows]))

    def _unblinded(self, rows: NDArray[np.intp], conductances: Floats, error: Floats) -> NDArray[np.intp]:
        """Those of the rows in which solving tells what leaks hold: where all nodes rise by a volt together only leaks
        carry anything, and where that much is not found again no correction means anything: ``error`` is infinite."""
        nodes = self.equations.nodes
        together = np.zeros((len(rows), self.equations.size), Extended)
        together[:, :nodes] = 1.0
        leaking = self._linear(together, np.zeros(together.shape))
        across = (self._wide.ports @ together.T).T
        leaking += (self._wide.collecting @ (across * conductances[rows].astype(Extended)).T).T
        again = self.jacobian.solve(leaking, conductances[rows])
        blind = ~(self.volts(again - together) <= BLIND)
        error[rows[blind]] = np.inf
        return rows[~blind]

    def _meeting(self, x: Floats, currents: Floats, right: Any, precision: Any) -> Any:
        """All that meets in the equations at unknowns [B, n] with the one-ports' currents: see ``_meets``."""
        wide = x.astype(precision)
        strength = self._strength.astype(precision)
        control = self._wide.control if precision is Extended else self.equations.plan.flows.control
        flows = (strength * (control @ wide.T)).T
        sides = right.reshape(len(right), math.prod(right.shape[1:])).astype(precision)
        none = np.zeros((len(right), 2 * self.equations.size - sides.shape[1]), precision)
        return np.concatenate([flows, currents.astype(precision), sides, none], axis=1)

    @cached_property
    def _meets(self) -> sparse.csr_array:
        """The signs with which ``_meeting`` meets: flows, currents of the one-ports, right sides in two parts."""
        plan = self.equations.plan
        own = -sparse.eye_array(self.equations.size)
        return sparse.csr_array(sparse.hstack([plan.flows.out.T, plan.collecting, own, own]))

    @cached_property
    def _meeting_at(self) -> sparse.csr_array:
        """Where, without the signs."""
        return abs(self._meets)

    def bent(self, conductances: Floats, others: Floats) -> NDArray[np.bool_]:
        """Whether laws with slopes [B, D] here and others there are anything but straight between, [B]."""
        apart = self.equations.plan.apart
        least = np.minimum(conductances, others)
        return np.asarray((~(np.abs(conductances - others) <= STRAIGHT * least))[:, apart].any(axis=1))

    def polish_linear(
        self, unknowns: Floats, right: Floats, conductances: Floats, promised: Promise, *, transposed: bool = False
    ) -> tuple[Floats, Floats]:
        """The same with the one-ports frozen at ``conductances`` [B, D], or for the transposed equations of these;
        unknowns and volts [B] of error."""

        def correct(x: Floats, rows: NDArray[np.intp]) -> Any:
            return self.linear_correction(x, right[rows], conductances[rows], transposed=transposed)

        whole = total(right)
        # Where nothing drives a linear circuit nothing moves; next to nothing, of an engine, is no share of that.
        silent = np.asarray(~whole.any(axis=1))
        found, error = self._corrected(np.where(silent[:, None], 0.0, unknowns), correct, promised)
        # Nor is what remains where sources hold all that is driven.
        nodes = self.equations.nodes
        own = np.abs(self.equations.matrix.diagonal()[:nodes])
        own[own == 0.0] = own.max(initial=0.0) or 1.0
        nothing = NOTHING * (np.abs(whole[:, :nodes]) / own).max(axis=1, initial=0.0)
        error[error <= nothing] = 0.0
        return found, error

    def settle(self, right: Floats, start: Floats | None = None) -> Floats:
        """An operating point [n] for one right side [n], to be polished and judged; the best found where none is.

        Newton's steps are limited by load lines: a one-port whose voltage a step moves goes to where its own law meets
        the line through the step's end that the rest of the circuit draws there, so that no exponential overshoots.
        Without a ``start`` they begin at nothing, and where they cycle the sources are turned up slowly instead.
        """
        found, settled = self._steps(right, np.zeros(len(right)) if start is None else start, STEPS)
        return found if settled or start is not None else self._ramp(right, found)

    def _corrected(
        self, unknowns: Floats, correct: Callable[[Floats, NDArray[np.intp]], Any], promised: Promise
    ) -> tuple[Floats, Floats]:
        """Corrects rows while that brings them nearer, the last time when a correction is within what is
        ``promised``: what that leaves is far below it. Unknowns, and the volts [B] of the last correction; one that
        brings nothing nearer is not taken."""
        found, error = np.array(unknowns, dtype=np.float64), np.full(len(unknowns), np.inf)
        rows = np.flatnonzero(np.isfinite(found).all(axis=1))
        x = found[rows]
        for turn in range(2 * POLISHINGS):
            if not len(rows):
                break
            step = correct(x, rows)
            size = self.volts(step)
            better = size < (1.0 if turn < POLISHINGS else SETTLING) * error[rows]
            # Rounding makes corrections a little larger; what is far larger was no answer.
            worse = size > WORSE * error[rows]
            error[rows[worse]] = size[worse]
            rows, x, step, size = rows[better], x[better], step[better], size[better]
            error[rows], found[rows] = size, x
            # What is returned is rounded, so it is what is judged next.
            x = np.asarray(x - step, np.float64)
            near = size <= promised(x)
            found[rows[near]] = x[near]
            rows, x = rows[~near], x[~near]
        return found, error

    def volts(self, step: Any) -> Floats:
        """The largest move [B] of node voltages among corrections [B, n]; infinite where one is not finite."""
        moved = np.abs(step[:, : self.equations.nodes]).max(axis=1, initial=0.0)
        whole = np.isfinite(step).all(axis=1)
        return np.where(whole, moved, np.inf).astype(np.float64)

    def _linear(self, x: Any, right: Floats, *, transposed: bool = False) -> Any:
        """Voltages are subtracted before they are multiplied: nodes that a wire ties to each other and next to nothing
        to the rest have large conductances, small differences and hardly any current that leaves them together."""
        wide = self._wide
        put, seen = (wide.reaching, wide.out) if transposed else (wide.leaving, wide.control)
        found = np.empty(x.shape, Extended)
        run = max(FEWEST, ENTRIES // max(1, len(self._strength)))
        for at in range(0, len(x), run):
            rows = slice(at, at + run)
            found[rows] = (put @ (self._strength * (seen @ x[rows].T))).T
        found -= total(right)
        return found

    @property
    def _wide(self) -> Wide:
        return self.equations.plan.extended

    @cached_property
    def _strength(self) -> Any:
        return self.equations.plan.strengths(self.equations.circuit).astype(Extended)[:, None]

    def _steps(self, right: Floats, start: Floats, limit: int) -> tuple[Floats, bool]:
        ports = self.equations.ports
        x, length, before = start, 1.0, np.zeros(len(self.laws))
        v = np.asarray(ports @ x)
        i, g = (each[0] for each in self.laws.evaluate(v[None]))
        for _ in range(limit):
            missed = self._linear(x[None].astype(Extended), right[None])
            missed += (self._wide.collecting @ (i + g * (ports @ x - v)).astype(Extended)[:, None]).T
            x = np.asarray(x - self.jacobian.solve(missed, g[None])[0], np.float64)
            across = np.asarray(ports @ x)
            largest = float(np.abs(across).max(initial=0.0))
            if not largest < HOPELESS:
                return start, False
            step = across - v
            size = float(np.abs(step).max(initial=0.0))
            if size <= FINAL * max(1.0, largest):
                return x, True
            # A step back over most of the last one is the beginning of a cycle.
            back = step @ before < -0.25 * (before @ before)
            length = max(length / 2.0, SHORTEST) if back else min(1.0, 2.0 * length)
            resistances = np.where(self.equations.plan.apart, self.jacobian.resistances(g), 0.0)
            seen = v + length * step + resistances * (i + length * g * step)
            if not np.isfinite(seen).all():
                return start, False
            v, i, g = (each[0] for each in self.laws.load_line(seen[None], resistances))
            before = step
        return x, False

    def _ramp(self, right: Floats, fallback: Floats) -> Floats:
        """The sources turned up from nothing, in steps that grow where they succeed."""
        reached, step, x = 0.0, 0.25, np.zeros_like(right)
        for _ in range(RAMPS):
            aim = min(1.0, reached + step)
            found, settled = self._steps(aim * right, x, RAMP_STEPS)
            if settled:
                reached, x, step = aim, found, 2.0 * step
            else:
                step /= 4.0
            if reached == 1.0:
                return x
        return fallback
