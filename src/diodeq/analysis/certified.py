"""Certified accuracy: the share of samples whose decision no board within the tolerances can change, proved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.bounds import KINDS, Bounds
from diodeq.analysis.box import Box
from diodeq.analysis.decided import decisions, rivals
from diodeq.analysis.stuck import stuck_too
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.errors import InputError
from diodeq.simulators.base import Simulator

# Among these a sample's largest tolerance is looked for: a seventh apart, up to 50 %.
TOLERANCES = np.geomspace(1e-4, 0.5, 64)
# And among these, its largest deviation of inputs.
RADII = np.geomspace(1e-5, 1.0, 64)

Tell = Callable[[int], object]


@dataclass(frozen=True, eq=False)
class Certified:
    """What is proved of all boards in ``box``.

    ``bounds`` float64[B, n_out]: volts by which each output may be off the drawn circuit's. ``kept`` bool[B]: whether
    no board changes the sample's decision (the highest output; of one output, whether it is positive). ``right``
    bool[B]: whether the drawn circuit's decision is the label's, None without labels. ``kinds`` int[B]: by which of
    ``bounds.KINDS`` each sample is bounded. ``stuck`` bool[R, L, B]: with each resistor at each of ``box.stuck``, which
    decisions no other board changes, and ``sound`` bool[B] with none stuck; None where none may be.
    """

    box: Box
    bounds: Floats
    kept: NDArray[np.bool_]
    right: NDArray[np.bool_] | None
    kinds: NDArray[np.intp]
    stuck: NDArray[np.bool_] | None = None
    sound: NDArray[np.bool_] | None = None

    @property
    def accuracy(self) -> float | None:
        """Of the drawn circuit."""
        return None if self.right is None else float(np.mean(self.right))

    @property
    def certified_accuracy(self) -> float | None:
        """The share of samples that every board decides as their labels."""
        return None if self.right is None else float(np.mean(self.right & self.kept))

    @property
    def certified_stuck(self) -> Floats | None:
        """The share of samples that every board decides as their labels, or without labels as drawn, on which this
        resistor is stuck at this level and no other is: float64[R, L]."""
        if self.stuck is None:
            return None
        return np.asarray(np.mean(self.stuck if self.right is None else self.stuck & self.right, axis=2))

    @property
    def bound(self) -> str:
        """The weakest of ``bounds.KINDS`` that any sample's bounds are of."""
        return KINDS[int(self.kinds.max(initial=0))]

    def to_json(self) -> dict[str, Any]:
        """As a plain dict; a bound is None where there is none."""
        largest = float(self.bounds.max(initial=0.0))
        median = float(np.median(self.bounds.max(axis=1)))
        count = np.bincount(self.kinds, minlength=len(KINDS)).tolist()
        return {
            "tolerance": self.box.tolerance,
            "supply": self.box.supply,
            "coldest": self.box.cold,
            "hottest": self.box.hot,
            "samples": len(self.kept),
            "accuracy": self.accuracy,
            "certified_accuracy": self.certified_accuracy,
            "certified_decisions": float(np.mean(self.kept)),
            "bound": self.bound,
            "bounded_by": {kind: number for kind, number in zip(KINDS, count, strict=True) if number},
            "largest_bound_volts": largest if np.isfinite(largest) else None,
            "median_bound_volts": median if np.isfinite(median) else None,
            "stuck": self._of_stuck(),
        }

    def _of_stuck(self) -> dict[str, Any] | None:
        shares, stuck, sound = self.certified_stuck, self.stuck, self.sound
        if shares is None or stuck is None or sound is None:
            return None
        worst = [*np.unravel_index(shares.argmin(), shares.shape)]
        return {
            "ohms": [1.0 / level for level in self.box.stuck],
            "resistors": len(stuck),
            "harmless": int((stuck | ~sound).all(axis=(1, 2)).sum()),
            "certified_without": float(np.mean(sound if self.right is None else sound & self.right)),
            "worst_resistor": int(worst[0]),
            "worst_ohms": 1.0 / self.box.stuck[int(worst[1])],
            "worst_certified": float(shares.min()),
        }


def certify(
    circuit: Circuit,
    drives: Floats,
    labels: NDArray[np.int64] | None,
    boxes: Sequence[Box],
    engine: Simulator,
    tell: Tell = lambda done: None,
) -> list[Certified]:
    """What is proved of the boards in each box, for input volts ``drives`` float64[B, n_in] and class numbers.

    ``tell`` is called with the number of samples that are done, of all boxes and their pieces.

    Raises:
        InputError: no outputs, or a one-port whose law falls.
    """
    if not len(circuit.outputs) or not len(drives):
        raise InputError(f"circuit {circuit.title!r} has no outputs or no samples", "give it some")
    bounding = Bounds.of(circuit)
    drawn = engine.operate(circuit, drives).outputs
    found, done = [], itertools.count(1)
    for box in boxes:
        bounds, sound, kinds, stuck = _within(bounding, drives, drawn, box, engine, lambda: tell(next(done)))
        kept = sound if stuck is None else sound & stuck.all(axis=(0, 1))
        right = None if labels is None else decisions(drawn) == labels
        found.append(Certified(box, bounds, kept, right, kinds, stuck, None if stuck is None else sound))
    return found


def largest_tolerances(circuit: Circuit, drives: Floats, engine: Simulator, box: Box) -> Floats:
    """The largest of ``TOLERANCES`` that is certified to keep each sample's decision, float64[B]; 0 where none is.

    ``box`` says all but the tolerance.
    """
    return _largest(circuit, drives, engine, TOLERANCES, lambda each: replace(box, tolerance=each))


def radii(circuit: Circuit, drives: Floats, engine: Simulator, box: Box) -> Floats:
    """How far all inputs at once may be off, in the user's units, with each sample's decision kept, float64[B]: the
    largest of ``RADII`` times the largest range of a feature that the supply allows; 0 where none is.

    ``box`` says all but the inputs.
    """
    scale = np.abs(circuit.scaling.scale)
    unit = float(np.abs(drives).max(initial=0.0) / scale.max(initial=1e-300))
    return unit * _largest(circuit, drives, engine, RADII, lambda each: replace(box, inputs=each * unit * scale))


def _largest(
    circuit: Circuit, drives: Floats, engine: Simulator, sizes: Floats, boxed: Callable[[float], Box]
) -> Floats:
    """The largest of ``sizes`` whose box is certified to keep each sample's decision, float64[B]; 0 where none is."""
    bounding = Bounds.of(circuit)
    drawn = engine.operate(circuit, drives).outputs
    kept, lost = np.full(len(drives), -1), np.full(len(drives), len(sizes))
    while True:
        middle = (kept + lost) // 2
        open_ = lost - kept > 1
        if not open_.any():
            return np.asarray(np.append(sizes, 0.0)[kept], np.float64)
        for number in np.unique(middle[open_]).tolist():
            rows = np.flatnonzero(open_ & (middle == number))
            one = boxed(float(sizes[number]))
            _, keeps, _, stuck = _within(bounding, drives[rows], drawn[rows], one, engine, lambda: None)
            keeps &= True if stuck is None else stuck.all(axis=(0, 1))
            kept[rows[keeps]], lost[rows[~keeps]] = number, number


def _within(
    bounding: Bounds,
    drives: Floats,
    drawn: Floats,
    box: Box,
    engine: Simulator,
    step: Callable[[], object],
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp], NDArray[np.bool_] | None]:
    """Bounds [B, n_out] beside the drawn outputs [B, n_out], which decisions are kept with none stuck, [B], by which
    ``KINDS``, and which with each resistor stuck, [R, L, B]."""
    circuit = bounding.circuit
    if box.stuck and bounding.passive is None:
        raise InputError(
            f"circuit {circuit.title!r} is not of resistors, diodes and sources alone",
            "leave out --stuck, or simulate boards with stuck resistors: diodeq montecarlo",
        )
    stuck = np.ones((len(circuit.resistors) if box.stuck else 0, len(box.stuck), len(drawn)), bool)
    rows = circuit.output_injections(np.eye(drawn.shape[1]))
    count = len(rows)
    chosen = decisions(drawn)
    bounds, kept = np.zeros_like(drawn), np.ones(len(drawn), bool)
    kinds = np.zeros(len(drawn), np.intp)
    for piece in box.pieces():
        point = engine.operate(piece.centre(circuit), drives)
        for at in range(0, len(drives), bounding.at_once):
            some = slice(at, at + bounding.at_once)
            outputs, best = point.outputs[some], chosen[some]
            pairs, gaps = rivals(rows, best, outputs)
            every = np.concatenate([np.broadcast_to(rows, (len(best), *rows.shape)), pairs], axis=1)
            off, by = bounding.reach(piece, point, some, every)
            moved, spare = off[:, :count], gaps - off[:, count:]
            kept[some] &= (spare > 0.0).all(axis=1)
            if box.stuck:
                more, keeps = stuck_too(bounding, piece, point, some, every, gaps, engine)
                moved, stuck[..., some] = moved + more[:, :count], stuck[..., some] & keeps
            kinds[some] = np.maximum(kinds[some], by)
            bounds[some] = np.maximum(bounds[some], moved + np.abs(outputs - drawn[some]))
            for _ in best:
                step()
    return bounds, kept, kinds, stuck if box.stuck else None
