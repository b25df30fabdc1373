"""Any circuit: waves between its diodes and one factorization of everything else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.method import ABSOLUTE, RELATIVE, Settled
from diodeq.simulators.wave.newton import Response, newton
from diodeq.simulators.wave.ports import Ports, ports
from diodeq.simulators.wave.splitting import averaged, settle
from diodeq.simulators.wave.stamp import Stamp

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Splitting is cheap and rarely needs a third of this; Newton's method does what it leaves.
SPLITTINGS = 120
FEW_SPLITTINGS = 24  # where Newton's method has the last word anyway
NEWTONS = 40
PATIENT = 3000
# Volts: how near splitting brings the waves before Newton's method takes over.
ROUGH = 1e-5
# Up to so many diodes, or where no bound tells the error of an iteration, the adjoint's equations are solved at once.
DIRECT = 40
# The adjoint is linear: its error as a share of its largest wave.
ADJOINT = 1e-13


@dataclass(frozen=True, eq=False)
class General:
    """A stamped circuit with its diodes and their ports."""

    stamp: Stamp
    diodes: Diodes
    ports: Ports

    @staticmethod
    def of(stamp: Stamp, diodes: Diodes) -> General:
        """Factor the circuit; raises ``SimulationError`` when it is singular."""
        return General(stamp, diodes, ports(stamp))

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        at = self.ports
        idle = at.factor.solve(right)
        waiting = np.asarray((self.stamp.ports @ idle.T).T)
        resistances = at.resistances
        largest = np.abs(idle[:, : self.stamp.nodes]).max(axis=1, initial=0.0)
        tolerance = ABSOLUTE + RELATIVE * largest

        def respond(s: Floats, rows: Rows) -> tuple[Floats, Floats]:
            v, _, g = self.diodes.load_line(s, resistances)
            w = 2.0 * v - s
            r = resistances * g
            return 2.0 * (waiting[rows] + w @ at.transfer.T) - w, (1.0 - r) / (1.0 + r)

        s, missing = self._waves(respond, waiting, tolerance)
        v, i, g = self.diodes.load_line(s, resistances)
        unknowns = idle + (2.0 * v - s) @ at.reach.T
        return Settled(unknowns, i, g, missing / tolerance)

    def _waves(self, respond: Response, start: Floats, tolerance: Floats) -> tuple[Floats, Floats]:
        """The waves s that come back as they were, and by how many volts they may be off, float64[B]."""
        # Where the bound of ``is_resistive`` holds splitting alone is proof enough; elsewhere Newton's step is.
        goal = tolerance if self.ports.resistive else np.maximum(tolerance, ROUGH)
        turns = SPLITTINGS if self.ports.resistive else FEW_SPLITTINGS
        s, missing = settle(partial(_next, respond), start, goal, turns)
        for patience in (0, PATIENT):
            left = np.flatnonzero(missing > tolerance) if self.ports.resistive or patience else np.arange(len(s))
            if not left.size:
                break
            rest = partial(_rows_of, respond, left)
            begin = averaged(partial(_next, rest), s[left], tolerance[left], patience)
            s[left], missing[left] = newton(rest, self._scattering, begin, tolerance[left], NEWTONS)
        return s, missing

    def adjoint(self, conductances: Floats, right: Floats) -> tuple[Floats, Floats]:
        """The transposed circuit with frozen diodes, for right sides float64[B, n]: unknowns and diode currents."""
        at = self.ports
        idle = at.factor.solve(right, transposed=True)
        waiting = np.asarray((self.stamp.ports @ idle.T).T)
        r = at.resistances * conductances
        slope = (1.0 - r) / (1.0 + r)
        s, left = np.zeros_like(waiting), np.arange(len(waiting))
        if waiting.shape[1] > DIRECT and at.resistive:
            tolerance = ADJOINT * np.abs(waiting).max(axis=1, initial=0.0)

            def step(s: Floats, rows: Rows) -> Floats:
                w = slope[rows] * s
                return 2.0 * (waiting[rows] + w @ at.transfer_back.T) - w

            s, missing = settle(step, 2.0 * waiting, tolerance, SPLITTINGS)
            left = np.flatnonzero(missing > tolerance)
        run = max(1, 8_000_000 // max(1, waiting.shape[1] ** 2))
        for first in range(0, len(left), run):
            part = left[first : first + run]
            matrix = np.eye(waiting.shape[1]) - self._scattering_back * slope[part][:, None, :]
            s[part] = np.linalg.solve(matrix, 2.0 * waiting[part][:, :, None])[:, :, 0]
        return idle + (slope * s) @ at.reach_back.T, conductances * s / (1.0 + r)

    def multiply(self, unknowns: Floats, *, transposed: bool = False, magnitude: bool = False) -> Floats:
        """The linear part (or its transpose, or its entries' magnitudes) times each row of unknowns."""
        matrix = self._magnitude if magnitude else self._matrix
        return np.asarray(((matrix.T if transposed else matrix) @ unknowns.T).T)

    @cached_property
    def _matrix(self) -> Any:
        matrix = self.stamp.matrix
        return matrix.toarray() if 10 * matrix.nnz > matrix.shape[0] ** 2 else matrix

    @cached_property
    def _magnitude(self) -> Any:
        return abs(self._matrix)

    @cached_property
    def _scattering(self) -> Floats:
        return 2.0 * self.ports.transfer - np.eye(len(self.ports.transfer))

    @cached_property
    def _scattering_back(self) -> Floats:
        return 2.0 * self.ports.transfer_back - np.eye(len(self.ports.transfer))


def _rows_of(respond: Response, chosen: Rows, s: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """``respond`` for some rows of a batch only."""
    return respond(s, chosen[rows])


def _next(respond: Response, s: Floats, rows: Rows) -> Floats:
    """The waves alone."""
    return respond(s, rows)[0]
