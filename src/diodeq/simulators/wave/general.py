"""Any circuit: waves between its diodes and one factorization of everything else."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.processors import single_threaded
from diodeq.simulators.wave.arrays import Array, Arrays
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.method import Settled
from diodeq.simulators.wave.newton import Response, newton
from diodeq.simulators.wave.ports import Ports, ports
from diodeq.simulators.wave.splitting import averaged, settle
from diodeq.simulators.wave.stamp import Stamp

Floats = NDArray[np.float64]

# Unknowns that are factored before threads which share the work would be asleep again.
FEW = 1000
# Splitting is cheap and rarely needs a third of this; Newton's method does what it leaves.
SPLITTINGS = 120
FEW_SPLITTINGS = 24  # where Newton's method has the last word anyway
NEWTONS = 40
PATIENT = 3000
# Volts: how near splitting brings the waves before Newton's method takes over.
ROUGH = 1e-5
# Up to so many diodes, or where no bound tells the error of an iteration, the adjoint's equations are solved at once.
DIRECT = 40
# The adjoint is linear: its error as a share of its largest wave, in roundings.
ADJOINT = 450.0


@dataclass(frozen=True, eq=False)
class General:
    """A stamped circuit with its diodes and their ports."""

    stamp: Stamp
    diodes: Diodes
    ports: Ports
    arrays: Arrays

    @staticmethod
    def of(stamp: Stamp, diodes: Diodes, arrays: Arrays) -> General:
        """Factor the circuit; raises ``SimulationError`` when it is singular."""
        with single_threaded() if stamp.size < FEW else nullcontext():
            return General(stamp, diodes, ports(stamp, arrays), arrays)

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        at, xp, take = self.ports, self.arrays.xp, self.arrays.take
        idle = at.factor.solve(self.arrays.put(right))
        waiting = self._across(idle)
        if not self.diodes.count:
            none = take(waiting)
            return Settled(take(idle), none, none, np.zeros(len(right)))
        allowed = self.arrays.precision
        largest = xp.max(xp.abs(idle[:, : self.stamp.nodes]), axis=1)
        tolerance = allowed.absolute + allowed.relative * largest

        def respond(s: Array, rows: Array) -> tuple[Array, Array]:
            v, _, g = self.diodes.load_line(s, at.resistances)
            w = 2.0 * v - s
            r = at.resistances * g
            return 2.0 * (waiting[rows] + w @ at.transfer.T) - w, (1.0 - r) / (1.0 + r)

        s, missing = self._waves(respond, waiting, tolerance)
        v, i, g = self.diodes.load_line(s, at.resistances)
        unknowns = idle + (2.0 * v - s) @ at.reach.T
        return Settled(take(unknowns), take(i), take(g), take(missing / tolerance))

    def _across(self, unknowns: Array) -> Array:
        """The voltages of the diodes' nodes."""
        return self.arrays.put((self.stamp.ports @ self.arrays.take(unknowns).T).T)

    def _waves(self, respond: Response, start: Array, tolerance: Array) -> tuple[Array, Array]:
        """The waves s that come back as they were, and by how many volts they may be off, [B]."""
        xp = self.arrays.xp
        # Where the bound of ``is_resistive`` holds splitting alone is proof enough; elsewhere Newton's step is.
        proven = self.ports.resistive
        goal = tolerance if proven else xp.maximum(tolerance, xp.full_like(tolerance, ROUGH))
        s, missing = settle(partial(_next, respond), start, goal, SPLITTINGS if proven else FEW_SPLITTINGS)
        for patience in (0, PATIENT):
            unproven = missing > tolerance if proven or patience else missing > -1.0
            left = xp.nonzero(unproven | (missing != missing))[0]
            if not left.shape[0]:
                break
            rest = partial(_rows_of, respond, left)
            begin = averaged(partial(_next, rest), s[left], tolerance[left], patience)
            s[left], missing[left] = newton(rest, self._scattering, begin, tolerance[left], NEWTONS)
        return s, missing

    def adjoint(self, conductances: Floats, right: Floats) -> tuple[Floats, Floats]:
        """The transposed circuit with frozen diodes, for right sides float64[B, n]: unknowns and diode currents."""
        at, xp, take = self.ports, self.arrays.xp, self.arrays.take
        frozen = self.arrays.put(conductances)
        idle = at.factor.solve(self.arrays.put(right), transposed=True)
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
                return 2.0 * (waiting[rows] + w @ at.transfer_back.T) - w

            s, missing = settle(step, 2.0 * waiting, tolerance, SPLITTINGS)
            left = xp.nonzero(~(missing <= tolerance))[0]
        run = max(1, 8_000_000 // max(1, waiting.shape[1] ** 2))
        for first in range(0, left.shape[0], run):
            part = left[first : first + run]
            matrix = self._identity - self._scattering_back * slope[part][:, None, :]
            s[part] = xp.linalg.solve(matrix, 2.0 * waiting[part][:, :, None])[:, :, 0]
        return take(idle + (slope * s) @ at.reach_back.T), take(frozen * s / (1.0 + r))

    def leaving(
        self, unknowns: Floats, through: Floats, *, transposed: bool = False, magnitude: bool = False
    ) -> Floats:
        """What leaves each node: the linear part times each row of unknowns, and the diode currents."""
        matrix, at_nodes = self._matrix, self.stamp.ports
        if magnitude:
            matrix, at_nodes, unknowns, through = self._magnitude, abs(at_nodes), np.abs(unknowns), np.abs(through)
        found = (matrix.T if transposed else matrix) @ unknowns.T
        found += at_nodes.T @ through.T
        return np.ascontiguousarray(found.T)

    @cached_property
    def _matrix(self) -> Any:
        matrix = self.stamp.matrix
        return matrix.toarray() if 10 * matrix.nnz > matrix.shape[0] ** 2 else matrix

    @cached_property
    def _magnitude(self) -> Any:
        return abs(self._matrix)

    @cached_property
    def _identity(self) -> Array:
        return self.arrays.put(np.eye(self.diodes.count))

    @cached_property
    def _scattering(self) -> Array:
        return 2.0 * self.ports.transfer - self._identity

    @cached_property
    def _scattering_back(self) -> Array:
        return 2.0 * self.ports.transfer_back - self._identity


def _rows_of(respond: Response, chosen: Array, s: Array, rows: Array) -> tuple[Array, Array]:
    """``respond`` for some rows of a batch only."""
    return respond(s, chosen[rows])


def _next(respond: Response, s: Array, rows: Array) -> Array:
    """The waves alone."""
    return respond(s, rows)[0]
