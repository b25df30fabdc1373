"""What one resistor that is stuck at a level, no matter which, may do to combinations of nodes: proved bounds.

Let b be any board of the others, u the voltage across the resistor there, and d what its conductance changes by. What
changes by sticking is ``M (v' - v) = -e d u'`` with e its incidence and M = A + D, A of b, D the chords of one-ports
between v and v'. Hence ``u' = u / (1 + d R)`` with ``R = e inv(M) e``, and a row r changes by ``-(r inv(M) e) d u'``.

M is symmetric and grows with every conductance and chord, so R falls with each of them (Rayleigh): it lies between what
all largest and all least give. ``r inv(M) e`` is x e with ``x = r inv(M0)``, give or take ``x (M - M0) inv(M) e``; M is
an M-matrix, so entries of inv(M) lie between 0 and those of inv(Y), Y of the least diagonals and the largest others.
Chords are those between all voltages that any stuck resistor can lead to: ``(v' - v)_i`` is at most ``|d u'|`` times
the larger of the entries of inv(Y) at the resistor's ends, and at most ``sqrt(R_i R)``.

What these bounds leave open is settled by certifying the boards with that resistor at that level themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.bounds import Bounds
from diodeq.analysis.box import Box
from diodeq.analysis.enclosure import FARTHEST, ROUNDING, STEEPEST, Enclosure, chords, enclose
from diodeq.analysis.passive import Index, NodeParts, Passive
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Floats
from diodeq.errors import SimulationError
from diodeq.simulators.base import OperatingPoint, Simulator

# How often chords are found anew. Numbers of one kind that are held at a time.
ROUNDS, NUMBERS = 3, 1 << 22
# The least that may be left of what meets at a stuck resistor's ends.
LEFT = 1e-6
# Siemens beyond all that a stuck resistor's own can come to where less is left.
UNBOUNDED = 1e100


@dataclass(frozen=True, eq=False)
class OneStuck:
    """Of B samples and the circuit's n resistors that may be stuck, ``which`` of ``passive.resistors``, at L levels.

    ``sent`` float64[2, B, n, L]: the least and the largest ``d u'``, amperes. ``inverse`` [B, N, N] is of M0,
    ``matrix``; ``most`` that of Y, infinite where there is no bound; ``apart`` [m, B] is by how much each way of
    meeting a part, resistors first, may be off M0.
    """

    enclosure: Enclosure
    which: Index
    sent: Floats
    matrix: Floats
    inverse: Floats
    most: Floats
    apart: Floats

    @staticmethod
    def of(enclosure: Enclosure, which: Index, levels: Floats) -> OneStuck:
        """From where all nodes lie without a stuck resistor, and ``levels`` [L] in siemens."""
        boards, passive = enclosure.boards, enclosure.boards.passive
        wires, ports = passive.resistors, passive.ports
        below, above = enclosure.below.T, enclosure.above.T
        off = boards.middle * boards.tolerance
        least, largest = (wires.matrix((boards.middle + sign * off)[wires.part, None]) for sign in (-1.0, 1.0))
        first, second = wires.ends[which].T
        low, high = (each[which].T[:, :, None] for each in wires.between(below, above))
        whole = (ports.ends < ports.count).all(axis=1)
        # Of all boards with this resistor at this level, b is the one that has it as in the middle.
        change = levels - boards.middle[which, None]
        moved = np.full(below.shape, np.inf)
        moved[boards.held] = 0.0
        for _ in range(ROUNDS):
            chord = _chords(enclosure, *ports.between(below - moved, above + moved))
            ends = [(each + ports.matrix(g[ports.part])) for each, g in zip((least, largest), chord, strict=True)]
            slack, stiff = (np.asarray(np.linalg.inv(each), np.float64) for each in ends)
            compared = ends[1].copy()
            diagonal = np.arange(passive.resistors.count)
            compared[:, diagonal, diagonal] = ends[0][:, diagonal, diagonal]
            most, steep = _nonnegative(compared), chord[1] >= STEEPEST
            most[steep[whole].any(axis=0)] = np.inf
            ways = [_across_both(each, first, second)[:, :, None] for each in (slack, stiff)]
            ways[1][steep.any(axis=0)] = 0.0
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                shares = []
                for way, sign in zip(ways, (1.0, -1.0), strict=True):
                    left = 1.0 + change * way / (1.0 + sign * off[which, None] * way)
                    shares.append(np.where(left > LEFT, change / left, -UNBOUNDED))
                corners = [share * volt for share in shares for volt in (low, high)]
            sent = np.stack([np.min(corners, axis=0), np.max(corners, axis=0)])
            worst = np.abs(sent).max(axis=(0, 3))
            met = np.stack([np.einsum("bii->bi", slack), _most_at(passive, which, worst)])
            reach = np.sqrt(met[0]) * (worst * np.sqrt(ways[0][:, :, 0])).max(axis=1, initial=0.0)[:, None]
            with np.errstate(invalid="ignore"):
                reach = np.fmin(reach, (most * met[1][:, None, :]).max(axis=2, initial=0.0))
            moved[passive.free] = np.fmin(moved[passive.free], reach.T * (1.0 + ROUNDING))
        middle = 0.5 * (ends[0] + ends[1])
        half = np.where(steep, np.inf, 0.5 * (chord[1] - chord[0]))[ports.part]
        apart = np.concatenate([off[wires.part, None] * np.ones(below.shape[1]), half])
        return OneStuck(enclosure, which, sent, middle, np.asarray(np.linalg.inv(middle), np.float64), most, apart)

    def changes(self, rows: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
        """For some samples at a time the least and the largest change of ``rows`` [B, k, N] times node voltages by each
        resistor at each level, [b, k, n, L]."""
        passive = self.enclosure.boards.passive
        wires, ports = passive.resistors, passive.ports
        first, second = wires.ends[self.which].T
        step = max(1, NUMBERS // max(1, rows.shape[1] * self.sent[0, 0].size))
        for at in range(0, len(rows), step):
            some = slice(at, at + step)
            wanted, ways = rows[some][..., passive.free], 0
            x = _padded(wanted @ self.inverse[some])
            weights = np.abs(wanted - x[..., :-1] @ self.matrix[some])
            for parts in (wires, ports):
                apart = self.apart[ways : ways + len(parts.part), some].T[:, None, :]
                ways += len(parts.part)
                with np.errstate(invalid="ignore"):
                    seen = np.abs(x[..., parts.here] - x[..., parts.there]) * apart
                    weights += _gathered(parts, seen)
            with np.errstate(invalid="ignore"):
                spread = _padded(np.nan_to_num(weights @ self.most[some], nan=np.inf, posinf=np.inf))
            unsure = (spread[..., first] + spread[..., second]) * (1.0 + ROUNDING)
            seen = x[..., first] - x[..., second]
            low, high = self.sent[0, some, None], self.sent[1, some, None]
            with np.errstate(invalid="ignore"):
                products = [each[..., None] * sent for each in (seen - unsure, seen + unsure) for sent in (low, high)]
                # No current does nothing, whatever it would do.
                products = [np.nan_to_num(each, nan=0.0, posinf=np.inf, neginf=-np.inf) for each in products]
            yield some, -np.max(products, axis=0), -np.min(products, axis=0)


def may_stick(circuit: Circuit) -> NDArray[np.bool_]:
    """Which resistors are programmed, bool[R]: those that are trained, or all where none is."""
    return circuit.mask if circuit.mask.any() else ~inside(circuit, "resistors")


def stuck_too(
    bounding: Bounds, box: Box, point: OperatingPoint, samples: slice, rows: Floats, gaps: Floats, engine: Simulator
) -> tuple[Floats, NDArray[np.bool_]]:
    """How much farther each of ``rows`` [B, k, N] may be off with one resistor stuck, float64[B, k], and which
    decisions no board with each resistor at each level changes, bool[R, L, B].

    ``point`` is of ``box.centre``; the last of ``rows`` are what decisions hang on, and ``gaps`` [B, p] their volts.
    """
    passive, circuit = bounding.passive, bounding.circuit
    assert passive is not None
    count = rows.shape[1] - gaps.shape[1]
    alone, levels = replace(box, stuck=()), np.array(box.stuck)
    found = enclose(passive, alone, point, samples)
    off = found.reach(rows)
    spare = gaps - off[:, count:]
    kept = np.broadcast_to((spare > 0.0).all(axis=1), (len(circuit.resistors), len(levels), len(rows))).copy()
    which = np.flatnonzero(may_stick(circuit)[passive.resistors.number])
    if not len(which):
        return np.zeros(off.shape), kept
    farther, numbers = np.zeros(off.shape), passive.resistors.number[which]
    for some, least, largest in OneStuck.of(found, which, levels).changes(rows):
        farther[some] = np.maximum(-least, largest).max(axis=(2, 3), initial=0.0)
        sure = np.asarray((spare[some, :, None, None] + least[:, count:] > 0.0).all(axis=1))
        kept[numbers, :, some] = np.moveaxis(sure, 0, 2)
    left = (gaps > 0.0).all(axis=1)
    for number in numbers.tolist():
        for k, level in enumerate(levels.tolist()):
            open_ = np.flatnonzero(~kept[number, k] & left)
            if len(open_):
                drives = point.drives[samples][open_]
                kept[number, k, open_] = _kept(bounding, alone, number, level, drives, rows[open_, count:], engine)
    return farther * (1.0 + ROUNDING), kept


def _kept(
    bounding: Bounds, box: Box, number: int, level: float, drives: Floats, pairs: Floats, engine: Simulator
) -> NDArray[np.bool_]:
    """Whether no board with a resistor at a level changes decisions that hang on ``pairs`` [b, p, N], bool[b]."""
    circuit = bounding.circuit
    values, own = circuit.conductances.copy(), box.of_parts(circuit).copy()
    values[number], own[number] = level, 0.0
    boards = replace(box, own=own)
    try:
        point = engine.operate(boards.centre(circuit.with_conductances(values)), drives)
    except SimulationError:
        return np.zeros(len(drives), bool)
    gaps = (pairs @ point.node_voltages[:, :, None])[:, :, 0]
    kept = np.asarray((gaps > 0.0).all(axis=1))
    for at in range(0, len(drives), bounding.at_once):
        some = np.flatnonzero(kept[at : at + bounding.at_once]) + at
        one = replace(point, drives=drives[some], node_voltages=point.node_voltages[some])
        off, _ = bounding.reach(boards, one, slice(None), pairs[some])
        kept[some] = (gaps[some] > off).all(axis=1)
    return kept


def _chords(enclosure: Enclosure, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The least and the largest chord of each one-port, [d, B], between voltages [d, B]; all there are where these are
    beyond what is known of the laws."""
    boards = enclosure.boards
    with np.errstate(invalid="ignore", over="ignore"):
        found = chords(boards, np.fmax(low, -FARTHEST), np.fmin(high, FARTHEST))
        least = np.min([each for each, _ in found], axis=0)
        most = np.minimum(np.max([each for _, each in found], axis=0), STEEPEST)
    beyond = ~(np.isfinite(low) & np.isfinite(high) & np.isfinite(most) & (least >= 0.0))
    beyond |= (low < -FARTHEST) | (high > FARTHEST)
    if boards.within is not None:
        beyond |= (low < boards.within[0][:, None]) | (high > boards.within[1][:, None])
    return np.where(beyond, 0.0, least), np.where(beyond, STEEPEST, most)


def _across_both(matrix: Floats, first: Index, second: Index) -> Floats:
    """e M e of each resistor, [B, n], with 0 for a held end."""
    whole = np.pad(matrix, ((0, 0), (0, 1), (0, 1)))
    return whole[:, first, first] + whole[:, second, second] - 2.0 * whole[:, first, second]


def _most_at(passive: Passive, which: Index, amperes: Floats) -> Floats:
    """The largest of ``amperes`` [B, n] that come at each free node, [B, N]."""
    found = np.zeros((len(amperes), passive.resistors.count + 1))
    for end in passive.resistors.ends[which].T:
        for node in np.unique(end).tolist():
            np.maximum(found[:, node], amperes[:, end == node].max(axis=1), out=found[:, node])
    return found[:, :-1]


def _nonnegative(matrices: Floats) -> Floats:
    """The inverses [B, N, N], infinite where one has an entry below 0: the matrix is no M-matrix."""
    found = np.full_like(matrices, np.inf)
    for k, matrix in enumerate(matrices):
        try:
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            continue
        if inverse.min(initial=0.0) >= -ROUNDING * np.abs(inverse).max(initial=0.0):
            found[k] = np.maximum(inverse, 0.0) * (1.0 + ROUNDING)
    return found


def _padded(rows: Floats) -> Floats:
    """With a held node's 0 behind."""
    return np.concatenate([rows, np.zeros((*rows.shape[:-1], 1))], axis=-1)


def _gathered(parts: NodeParts, seen: Floats) -> Floats:
    """The sums at each free node, [B, k, N], of ``seen`` [B, k, m] over the ways parts are met."""
    flat = seen.reshape(seen.shape[0] * seen.shape[1], seen.shape[2])
    return np.asarray((parts.meet() @ flat.T).T).reshape(*seen.shape[:2], parts.count)
