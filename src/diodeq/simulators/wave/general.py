"""Any circuit: waves between its diodes and one factorization of everything else."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.equations import Equations
from diodeq.processors import single_threaded
from diodeq.simulators.wave.arrays import Array, Arrays
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.method import Settled
from diodeq.simulators.wave.newton import SINGULAR, Response, newton
from diodeq.simulators.wave.ports import Ports, ports
from diodeq.simulators.wave.splitting import settle

Floats = NDArray[np.float64]

# Unknowns that are factored before threads which share the work would be asleep again.
FEW = 1000
# Splitting is cheap and rarely needs a third of this; Newton's method does what it leaves.
SPLITTINGS = 120
FEW_SPLITTINGS = 24  # where Newton's method has the last word anyway
NEWTONS = 40
# Volts: how near splitting brings the waves before Newton's method takes over.
ROUGH = 1e-5
# Up to so many diodes, or where no bound tells the error of an iteration, the adjoint's equations are solved at once.
DIRECT = 40
# The adjoint is linear: its error as a share of its largest wave, in roundings.
ADJOINT = 450.0


@dataclass(frozen=True, eq=False)
class General:
    """A stamped circuit with its diodes and their ports."""

    equations: Equations
    diodes: Diodes
    ports: Ports
    arrays: Arrays

    @staticmethod
    def of(equations: Equations, diodes: Diodes, arrays: Arrays) -> General:
        """Factor the circuit; raises ``SimulationError`` when it is singular."""
        with single_threaded() if equations.size < FEW else nullcontext():
            return General(equations, diodes, ports(equations, arrays), arrays)

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        at, xp, take = self.ports, self.arrays.xp, self.arrays.take
        idle = at.factor.solve(self.arrays.put(right))
        waiting = self._across(idle)
        if not self.diodes.count:
            none = take(waiting)
            return Settled(take(idle), none, none.copy())
        allowed = self.arrays.precision
        largest = xp.max(xp.abs(idle[:, : self.equations.nodes]), axis=1)
        tolerance = allowed.absolute + allowed.relative * largest

        line = self.diodes.behind(at.resistances)

        def respond(s: Array, rows: Array) -> tuple[Array, Array]:
            v, _, g = line(s)
            w = 2.0 * v - s
            r = at.resistances * g
            return 2.0 * (waiting[rows] + w @ at.transfer.T) - w, (1.0 - r) / (1.0 + r)

        s = self._waves(respond, waiting, tolerance)
        v, i, g = line(s)
        unknowns = idle + (2.0 * v - s) @ at.reach.T
        return Settled(take(unknowns), take(i), take(g))

    def _across(self, unknowns: Array) -> Array:
        """The voltages of the diodes' nodes."""
        return self.arrays.put((self.equations.ports @ self.arrays.take(unknowns).T).T)

    def _waves(self, respond: Response, start: Array, tolerance: Array) -> Array:
        """The waves s that come back as they were."""
        xp = self.arrays.xp
        # Where the bound of ``is_resistive`` holds splitting alone is proof enough; elsewhere Newton's step is.
        proven = self.ports.resistive
        goal = tolerance if proven else xp.maximum(tolerance, xp.full_like(tolerance, ROUGH))
        s, missing = settle(partial(_next, respond), start, goal, SPLITTINGS if proven else FEW_SPLITTINGS)
        left = xp.nonzero(~(missing <= tolerance))[0] if proven else xp.arange(s.shape[0], device=s.device)
        if left.shape[0]:
            rest = partial(_rows_of, respond, left)
            s[left], _ = newton(rest, self._scattering, s[left], tolerance[left], NEWTONS)
        return s

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """The circuit, or its transpose, with frozen diodes, for right sides float64[B, n]: unknowns and diode
        currents."""
        at, xp, take = self.ports, self.arrays.xp, self.arrays.take
        transfer, reach = (at.transfer_back, at.reach_back) if transposed else (at.transfer, at.reach)
        frozen = self.arrays.put(conductances)
        idle = at.factor.solve(self.arrays.put(right), transposed=transposed)
        waiting = self._across(idle)
        if not self.diodes.count:
            return take(idle), take(waiting)
        r = at.resistances * frozen
        slope = (1.0 - r) / (1.0 + r)
        s, left = xp.zeros_like(waiting), xp.arange(waiting.shape[0], device=waiting.device)
        if waiting.shape[1] > DIRECT and at.resistive:
            share = ADJOINT * float(xp.finfo(waiting.dtype).eps)
            tolerance = share * xp.max(xp.abs(waiting), axis=1)

            def step(s: Array, rows: Array) -> Array:
                w = slope[rows] * s
                return 2.0 * (waiting[rows] + w @ transfer.T) - w

            s, missing = settle(step, 2.0 * waiting, tolerance, SPLITTINGS)
            left = xp.nonzero(~(missing <= tolerance))[0]
        run = max(1, 8_000_000 // max(1, waiting.shape[1] ** 2))
        for first in range(0, left.shape[0], run):
            part = left[first : first + run]
            matrix = self._identity - (2.0 * transfer - self._identity) * slope[part][:, None, :]
            try:
                s[part] = xp.linalg.solve(matrix, 2.0 * waiting[part][:, :, None])[:, :, 0]
            except SINGULAR:
                s[part] = xp.nan  # the judge refuses it
        return take(idle + (slope * s) @ reach.T), take(frozen * s / (1.0 + r))

    def leaving(self, unknowns: Floats, through: Floats, *, transposed: bool = False) -> Floats:
        """What leaves each node: the linear part times each row of unknowns, and the diode currents."""
        found = (self._matrix.T if transposed else self._matrix) @ unknowns.T
        found += self.equations.ports.T @ through.T
        return np.ascontiguousarray(found.T)

    @cached_property
    def _matrix(self) -> Any:
        matrix = self.equations.matrix
        return matrix.toarray() if 10 * matrix.nnz > matrix.shape[0] ** 2 else matrix

    @cached_property
    def _identity(self) -> Array:
        return self.arrays.put(np.eye(self.diodes.count))

    @cached_property
    def _scattering(self) -> Array:
        return 2.0 * self.ports.transfer - self._identity


def _rows_of(respond: Response, chosen: Array, s: Array, rows: Array) -> tuple[Array, Array]:
    """``respond`` for some rows of a batch only."""
    return respond(s, chosen[rows])


def _next(respond: Response, s: Array, rows: Array) -> Array:
    """The waves alone."""
    return respond(s, rows)[0]
