"""Which resistors must be of the tighter of two tolerances so that decisions stay certified, the rest of the looser."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.bounds import Bounds
from diodeq.analysis.box import Box
from diodeq.analysis.certified import certify
from diodeq.analysis.decided import decisions, rivals
from diodeq.analysis.enclosure import enclose
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.errors import InputError, UsageError
from diodeq.simulators.base import Simulator

# How often shares are found anew; by how much of its gap a decision that was lost is asked for more, at first.
ROUNDS, MORE = 6, 0.005
# The share of resistors that become tight at a time.
STEP = 0.004


@dataclass(frozen=True, eq=False)
class Assignment:
    """``tolerances`` float64[R], each ``tight`` or ``loose``; ``kept`` bool[B]: the decisions that no such board
    changes, which are all that no board of ``tight`` resistors changes."""

    tight: float
    loose: float
    tolerances: Floats
    kept: NDArray[np.bool_]

    @property
    def tightened(self) -> NDArray[np.bool_]:
        """Which resistors are of the tighter tolerance, bool[R]."""
        return np.asarray(self.tolerances == self.tight)


def assign(circuit: Circuit, drives: Floats, box: Box, tight: float, loose: float, engine: Simulator) -> Assignment:
    """The fewest tight resistors that a greedy search finds with which every decision stays certified that is so with
    tight ones alone. ``box`` says all but the tolerances of resistors.

    To first order each resistor takes from each decision's gap a share that grows with its tolerance; those that take
    most of what lacks become tight first, at the coldest and at the hottest. What is found is certified as a whole, at
    all temperatures between and not to first order.

    Raises:
        InputError: the circuit is not of resistors, one-ports and sources.
        UsageError: tolerances that are in the wrong order.
    """
    if not 0.0 <= tight < loose < 1.0:
        raise UsageError(
            f"{100 * tight:g} % and {100 * loose:g} % are no tighter and looser tolerance", "give the tighter one first"
        )
    bounding = Bounds.of(circuit)
    if bounding.passive is None:
        raise InputError(
            f"circuit {circuit.title!r} is not of resistors, diodes and sources alone", "assign tolerances by hand"
        )
    (wanted,) = certify(circuit, drives, None, [replace(box, tolerance=tight)], engine)
    kept, count = wanted.kept, len(circuit.resistors)
    best = np.full(count, tight)
    own, asked = np.full(count, loose), np.zeros(len(drives))
    for _ in range(ROUNDS):
        pieces = replace(box, own=own).pieces()
        ends = [pieces[0], *pieces[1:][-1:]]
        each = [_shares(bounding, drives, end, loose, engine, kept, asked) for end in ends]
        shares, lacks = (np.concatenate(part) for part in zip(*each, strict=True))
        chosen = _fewest(shares * (1.0 - tight / loose), lacks)
        own = np.where(chosen, tight, loose)
        (found,) = certify(circuit, drives, None, [replace(box, own=own)], engine)
        lost = kept & ~found.kept
        if not lost.any() and chosen.sum() < (best == tight).sum():
            best = own
        asked[lost] = np.maximum(2.0 * asked[lost], MORE)
    (found,) = certify(circuit, drives, None, [replace(box, own=best)], engine)
    return Assignment(tight, loose, best, found.kept)


def _shares(
    bounding: Bounds, drives: Floats, box: Box, loose: float, engine: Simulator, kept: NDArray[np.bool_], asked: Floats
) -> tuple[Floats, Floats]:
    """For each pair of outputs that a decision hangs on and that loose resistors could change: the volts that each
    resistor takes where it is loose, float32[n, R], and the volts that lack then, [n]."""
    circuit, passive = bounding.circuit, bounding.passive
    assert passive is not None
    point = engine.operate(box.centre(circuit), drives)
    rows = circuit.output_injections(np.eye(len(circuit.outputs)))
    chosen = decisions(point.outputs)
    shares, lacks = [np.zeros((0, len(circuit.resistors)), np.float32)], [np.zeros(0)]
    number, own = passive.resistors.number, box.of_parts(circuit)[passive.resistors.number]
    for at in range(0, len(drives), bounding.at_once):
        some = slice(at, at + bounding.at_once)
        pairs, gaps = rivals(rows, chosen[some], point.outputs[some])
        found = enclose(passive, box, point, some)
        reach, taken = found.reach(pairs), found.taken(pairs) * (loose / own)
        resistors = found.taken(pairs).sum(axis=2)
        lack = reach - resistors + taken.sum(axis=2) - gaps * (1.0 - asked[some, None])
        row, pair = np.nonzero((lack > 0.0) & np.isfinite(lack) & kept[some, None])
        every = np.zeros((len(row), len(circuit.resistors)), np.float32)
        every[:, number] = taken[row, pair]
        shares.append(every)
        lacks.append(lack[row, pair])
    return np.concatenate(shares), np.concatenate(lacks)


def _fewest(saved: Floats, lacks: Floats) -> NDArray[np.bool_]:
    """Resistors bool[R] whose ``saved`` volts [n, R] make up for what lacks [n], by steps of those that help most."""
    chosen = np.zeros(saved.shape[1], bool)
    left = lacks.copy()
    step = max(1, int(STEP * saved.shape[1]))
    while True:
        rows = np.flatnonzero(left > 0.0)
        if not len(rows) or chosen.all():
            return chosen
        worth = np.minimum(saved[rows] / left[rows, None].astype(np.float32), 1.0).sum(axis=0)
        worth[chosen] = -1.0
        most = np.argpartition(-worth, min(step, len(worth) - 1))[:step]
        most = most[~chosen[most]]
        chosen[most] = True
        left -= saved[:, most].sum(axis=1)
