"""What is told of every epoch of a training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from diodeq.measures import ACCURACY, Measure


@dataclass(frozen=True)
class Metrics:
    """One line of ``metrics.jsonl``.

    ``loss`` and ``train`` are those of the epoch's batches as they were learned, ``test`` is measured on the held-out
    samples after the epoch: accuracies or R², as ``measure`` says. ``seconds`` is wall time since the start of training
    and ``solves`` the circuit solves of it, evaluation excluded.
    """

    epoch: int
    loss: float
    train: float
    test: float
    samples_per_second: float
    seconds: float
    solves: int = 0
    measure: Measure = ACCURACY

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with ``train_accuracy`` and ``test_accuracy``, or ``train_r2`` and ``test_r2``."""
        names = {each: f"{each}_{self.measure.key}" for each in ("train", "test")}
        told = (each.name for each in fields(self) if each.name != "measure")
        return {names.get(name, name): getattr(self, name) for name in told}
