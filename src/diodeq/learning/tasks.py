"""Tasks: what the outputs of a circuit are trained to be.

Of a classification an output is the score of a class, and the highest decides; of a regression it stands for a
quantity, in units of its standard deviation over the training samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from diodeq.measures import ACCURACY, R2, Measure


@dataclass(frozen=True)
class Task:
    """``learns`` says what of, ``measure`` how well is told, ``losses`` (of ``losses.LOSSES``) what may be minimised,
    the usual one first."""

    name: str
    learns: str
    measure: Measure
    losses: tuple[str, ...]


TASKS: dict[str, Task] = {
    "classification": Task("classification", "classes", ACCURACY, ("cross-entropy", "squared-error")),
    "regression": Task("regression", "quantities", R2, ("squared-error",)),
}
