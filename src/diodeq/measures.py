"""How well outputs do: the share of samples that a classification gets right, the R² of a regression.

Every command, page and picture names, prints and draws a measure through its entry in ``MEASURES``; a document has the
one of which it has the key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.printable import percent

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | Floats
"""Class numbers int64[B], or the values that outputs should have, float64[B, n_out]"""


@dataclass(frozen=True)
class Measure:
    """``key`` is its name in JSON, ``name`` in words, ``axis`` in a picture, where it is multiplied by ``factor``;
    ``least`` is what it can be at worst, and ``said`` writes a value."""

    key: str
    name: str
    axis: str
    factor: float
    least: float
    said: Callable[[float], str]

    def words(self, value: float) -> str:
        """Such as ``97.37 % right`` and ``R² 0.4821``."""
        return f"{self.said(value)} right" if self is ACCURACY else f"{self.name} {self.said(value)}"

    def drawn(self, value: float, before: float) -> str:
        """Such as ``accuracy 97.37 %, as drawn 98.21 %``."""
        return f"{self.name} {self.said(value)}, as drawn {self.said(before)}"

    def number(self, value: float) -> str:
        """As a table has it whose title says the unit."""
        return f"{self.factor * value:.2f}" if self is ACCURACY else f"{value:.4f}"


ACCURACY = Measure("accuracy", "accuracy", "accuracy (%)", 100.0, 0.0, percent)
R2 = Measure("r2", "R²", "R²", 1.0, -np.inf, "{:.4f}".format)
MEASURES = {each.key: each for each in (ACCURACY, R2)}


def measure_of(document: Mapping[str, Any], prefix: str = "test_") -> Measure:
    """The measure whose key, with ``prefix``, a document has; accuracy where it has none."""
    return next((each for key, each in MEASURES.items() if prefix + key in document), ACCURACY)


def measure_for(labels: Labels) -> Measure:
    """Accuracy for class numbers, R² for values."""
    return ACCURACY if labels.ndim == 1 else R2


def scored(outputs: Floats, labels: Labels) -> float:
    """The share of rows of outputs float64[B, n_out] whose highest is that of their class; of values the mean over
    outputs of R² = 1 - Σ (y - ŷ)² / Σ (y - ȳ)², as ``sklearn.metrics.r2_score`` has it: 1 or 0 where y is constant."""
    if labels.ndim == 1:
        return float(np.mean(outputs.argmax(axis=1) == labels))
    missed = np.sum((labels - outputs) ** 2, axis=0)
    spread = np.sum((labels - labels.mean(axis=0)) ** 2, axis=0)
    explained = 1.0 - missed / np.where(spread == 0.0, 1.0, spread)
    return float(np.mean(np.where(spread == 0.0, missed == 0.0, explained)))


def demand_labels(labels: Labels, samples: int, outputs: int) -> None:
    """Raises ``InputError`` unless there is a class of the outputs for each sample, or a value for each output."""
    if labels.ndim == 2:
        if labels.shape != (samples, outputs):
            raise InputError(
                f"targets of shape {labels.shape} do not fit {samples} samples and {outputs} outputs",
                "give a value for each output, one row a sample",
            )
    elif labels.shape != (samples,) or labels.min(initial=0) < 0 or labels.max(initial=0) >= outputs:
        raise InputError(f"labels are not class numbers from 0 to {outputs - 1}, one a sample", "correct them")
