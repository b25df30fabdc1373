"""Decisions: the highest of a circuit's outputs, or the sign of its one, and what each hangs on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.bank import Floats


def decisions(outputs: Floats) -> NDArray[np.intp]:
    """The highest output of each sample; of one output, 1 where it is positive."""
    return outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.0).astype(np.intp)


def rivals(rows: Floats, best: NDArray[np.intp], outputs: Floats) -> tuple[Floats, Floats]:
    """What each decision hangs on: rows [B, k, N] of the ``best`` output less every other (of one output, its sign),
    and their volts [B, k]."""
    if len(rows) == 1:
        signs = np.where(best, 1.0, -1.0)[:, None]
        return signs[:, :, None] * rows, signs * outputs
    numbers = np.arange(len(rows))
    others = np.array([np.delete(numbers, one) for one in best.tolist()], np.intp)
    gaps = np.take_along_axis(outputs, best[:, None], 1) - np.take_along_axis(outputs, others, 1)
    return rows[best][:, None] - rows[others], gaps
