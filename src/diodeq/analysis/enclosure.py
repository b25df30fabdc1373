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
from numpy.typing import NDArray

from diodeq.analysis.box import Box
from diodeq.analysis.comparison import Boards
from diodeq.analysis.passive import Passive
from diodeq.circuit.bank import Floats
from diodeq.simulators.base import OperatingPoint

# Siemens that stand for a chord without bound; by how much of itself a sum may be rounded.
STEEPEST, ROUNDING = 1e9, 1e-9
# Volts that stand for no bound.
FARTHEST = 1e3


def enclose(passive: Passive, box: Box, point: OperatingPoint, samples: slice = slice(None)) -> Enclosure:
    """Where every board's nodes lie for some samples, from the operating points of ``box.centre``.

    Raises:
        InputError: the box has several laws of a one-port that are not known to be nested.
    """
    boards = Boards.of(passive, box, point, samples)
    return Enclosure.of(boards, *(boards.bound(sign) for sign in (-1.0, 1.0)))


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Of B samples: on every board each node's voltage is from ``below`` to ``above``, float64[B, N]."""

    below: Floats
    above: Floats
    boards: Boards
    _bounded: NDArray[np.bool_]
    _off: Floats
    _matrix: Floats
    _through: Floats
    _ports: Floats

    @staticmethod
    def of(boards: Boards, below: Floats, above: Floats) -> Enclosure:
        """From the bounds of the nodes, float64[N, B]."""
        passive, volts = boards.passive, boards.volts
        off = np.maximum(volts - below, above - volts)
        held = boards.supply
        resistors, ports = passive.resistors, passive.ports
        # What each resistor's tolerance can send through it.
        lowest, highest = resistors.between(below, above)
        with np.errstate(invalid="ignore"):  # none of no tolerance where there is no bound
            through = (boards.middle * boards.tolerance)[:, None] * np.maximum(-lowest, highest)
        # One-ports: the middle of all chords, how far others are from it, and what other laws do at the centre.
        start = volts[ports.nodes[:, 0]] - volts[ports.nodes[:, 1]]
        lowest, highest = ports.between(below, above)
        with np.errstate(invalid="ignore", over="ignore"):
            slopes = chords(boards, np.fmax(lowest, -FARTHEST), np.fmin(highest, FARTHEST))
            least = np.min([low for low, _ in slopes], axis=0)
            most = np.minimum(np.max([high for _, high in slopes], axis=0), STEEPEST)
            middle, half = 0.5 * (least + most), np.where(most < STEEPEST, 0.5 * (most - least), np.inf)
            moves = np.maximum(highest - start, start - lowest)
            usual = boards.usual.current(start.T)
            drift = np.max([np.abs(law.current(start.T) - usual) for law in boards.laws], axis=0).T
            sent = drift + np.where(moves > 0.0, half * moves, 0.0)
            sent += middle * held[ports.nodes].sum(axis=1)[:, None]
        bounded = np.asarray(np.isfinite(off).all(axis=0))
        if boards.within is not None:
            # The laws at both ends say nothing of those in between elsewhere.
            low, high = boards.within
            bounded &= ((lowest >= low[:, None]) & (highest <= high[:, None])).all(axis=0)
        meets = np.repeat(boards.middle[resistors.part, None], 1, axis=1)
        matrix = resistors.matrix(meets) + ports.matrix(middle[ports.part])
        matrix = np.broadcast_to(matrix, (volts.shape[1], *matrix.shape[1:]))
        off[:, ~bounded], through[:, ~bounded], sent[:, ~bounded] = 0.0, 0.0, 0.0
        return Enclosure(below.T, above.T, boards, bounded, off[passive.free].T, matrix, through, sent)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Whether the nodes of each sample have bounds, bool[B]."""
        return self._bounded

    def reach(self, rows: Floats) -> Floats:
        """The volts float64[B, k] by which ``rows`` float64[k, N] or [B, k, N] times node voltages may be off those of
        the centre, on any board; infinite without bounds of the nodes."""
        boards = self.boards
        passive = boards.passive
        wanted = np.broadcast_to(rows[..., passive.free], (len(self._off), rows.shape[-2], len(passive.free)))
        held = np.abs(np.where(boards.supply > 0.0, rows, 0.0)) @ boards.supply
        x = self._adjoint(wanted)
        rest = np.abs(wanted - x @ self._matrix)
        slack = np.abs(self._matrix).sum(axis=2) * boards.slack[:, None]
        with np.errstate(invalid="ignore"):
            found = (rest @ self._off[:, :, None] + np.abs(x) @ slack[:, :, None])[:, :, 0]
            found += passive.resistors.weigh(x, self._through)
            found += passive.ports.weigh(x, self._ports)
            found += boards.by_sources(x)
        plainly = (np.abs(wanted) @ self._off[:, :, None])[:, :, 0]
        found = np.fmin(found * (1.0 + ROUNDING), plainly) + held
        return np.where(self._bounded[:, None], found, np.inf)

    def taken(self, rows: Floats) -> Floats:
        """The volts float64[B, k, n] of ``reach`` that each of ``passive.resistors`` takes."""
        x = self._adjoint(rows[..., self.boards.passive.free])
        padded = np.concatenate([x, np.zeros((*x.shape[:2], 1))], axis=2)
        first, second = self.boards.passive.resistors.ends.T
        return np.asarray(np.abs(padded[:, :, first] - padded[:, :, second]) * self._through.T[:, None, :])

    def _adjoint(self, wanted: Floats) -> Floats:
        """Solutions [B, k, n] of the transposed matrices and ``wanted`` [B, k, n]."""
        solutions = np.linalg.solve(self._matrix.swapaxes(1, 2), wanted.swapaxes(1, 2))
        return np.ascontiguousarray(solutions.swapaxes(1, 2))


def chords(boards: Boards, lowest: Floats, highest: Floats) -> list[tuple[Floats, Floats]]:
    """The least and the largest chord [d, B] of each law at voltages [d, B]."""
    found = [law.chord(lowest.T, highest.T) for law in boards.laws]
    if boards.steepest_at_rest:
        # Below 0 V what changes N may make a junction steeper in between, by no more than it is at 0 V.
        at_rest = boards.laws[-1].conductance(np.zeros(lowest.shape[0]))
        found.append((found[0][0], np.where(lowest.T < 0.0, at_rest, 0.0)))
    return [(low.T, high.T) for low, high in found]
