"""How far combinations of nodes, such as differences of outputs, can be off on any board: proved bounds.

With c the operating point of the board in the middle, D the chords of the one-ports and any row x,
``r (v - c) = (r - x (A + D0)) (v - c) - x (dA v + (D - D0) (v - c) + F(c))``, the mean value form. With
``x = r inv(A + D0)`` the first term goes, and the next is first order: x is the adjoint solution that hardware
linearization reads, its products with branch voltages are the derivatives by every conductance. D0 is the middle of all
chords that the bounds of the nodes allow, so a diode that may go from blocking to conducting holds its node as its
bounds do. What is left is bounded by the bounds of the nodes (``comparison``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.analysis.comparison import Boards, Box
from diodeq.analysis.passive import Passive
from diodeq.circuit.bank import Floats
from diodeq.simulators.base import OperatingPoint

# Siemens that stand for a chord without bound; by how much of itself a sum may be rounded.
STEEPEST, ROUNDING = 1e9, 1e-9


def enclose(passive: Passive, box: Box, point: OperatingPoint, sample: int) -> Enclosure:
    """Where every board's nodes lie for one sample, from the operating point of ``box.centre``.

    Raises:
        InputError: the box has several temperatures and a one-port whose law is not known to grow with them.
    """
    boards = Boards.of(passive, box, point, sample)
    return Enclosure.of(boards, *(boards.bound(sign) for sign in (-1.0, 1.0)))


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Of one sample: on every board each node's voltage is from ``below`` to ``above``, float64[N]."""

    below: Floats
    above: Floats
    _boards: Boards
    _off: Floats
    _matrix: Floats
    _through: Floats
    _ports: Floats

    @staticmethod
    def of(boards: Boards, below: Floats, above: Floats) -> Enclosure:
        """From the bounds of the nodes."""
        passive, volts = boards.passive, boards.volts
        off = np.maximum(volts - below, above - volts)
        if not np.isfinite(off).all():
            return Enclosure(below, above, boards, off[passive.free], np.zeros((0, 0)), np.zeros(0), np.zeros(0))
        held = np.where(off < np.inf, boards.supply, 0.0)
        resistors, ports = passive.resistors, passive.ports
        # What each resistor's tolerance, and held nodes that are off, can send through it.
        lowest, highest = resistors.between(below, above)
        through = boards.middle * (boards.tolerance * np.maximum(-lowest, highest) + held[resistors.nodes].sum(axis=1))
        # One-ports: the middle of all chords, how far others are from it, and what temperature does at the centre.
        start = volts[ports.nodes[:, 0]] - volts[ports.nodes[:, 1]]
        lowest, highest = ports.between(below, above)
        with np.errstate(invalid="ignore", over="ignore"):
            chords = [law.chord(lowest, highest) for law in boards.laws]
            least = np.min([low for low, _ in chords], axis=0)
            most = np.minimum(np.max([high for _, high in chords], axis=0), STEEPEST)
            middle, half = 0.5 * (least + most), np.where(most < STEEPEST, 0.5 * (most - least), np.inf)
            moves = np.maximum(highest - start, start - lowest)
            usual = boards.usual.current(start)
            drift = np.max([np.abs(law.current(start) - usual) for law in boards.laws], axis=0)
            sent = drift + np.where(moves > 0.0, half * moves, 0.0) + middle * held[ports.nodes].sum(axis=1)
        if boards.grows is not None and not ((lowest >= boards.grows[0]).all() and (highest <= boards.grows[1]).all()):
            off = np.full_like(off, np.inf)  # the laws at both ends say nothing of those in between
        count = len(passive.free)
        matrix = resistors.matrix(boards.middle[resistors.part], count) + ports.matrix(middle[ports.part], count)
        return Enclosure(below, above, boards, off[passive.free], matrix, through, sent)

    @property
    def bounded(self) -> bool:
        """Whether the nodes have bounds."""
        return bool(np.isfinite(self._off).all())

    def reach(self, rows: Floats) -> Floats:
        """The volts float64[k] by which ``rows`` float64[k, N] times node voltages may be off those of the centre, on
        any board; infinite without bounds of the nodes."""
        if not self.bounded:
            return np.full(len(rows), np.inf)
        boards = self._boards
        passive = boards.passive
        wanted = rows[:, passive.free]
        held = np.abs(np.where(boards.supply > 0.0, rows, 0.0)) @ boards.supply
        x = np.asarray(np.linalg.solve(self._matrix.T, wanted.T).T, np.float64)
        rest = np.abs(wanted - x @ self._matrix)
        slack = np.abs(self._matrix).sum(axis=1) * boards.slack + boards.unsure
        with np.errstate(invalid="ignore"):
            found = rest @ self._off + np.abs(x) @ slack
            found += passive.resistors.weigh(x, self._through)
            found += passive.ports.weigh(x, self._ports)
        plainly = np.abs(wanted) @ self._off
        return np.asarray(np.fmin(found * (1.0 + ROUNDING), plainly) + held)
