"""Loss functions of the outputs, bound to their targets: outputs in, mean value and gradient out.

A loss is a function of output volts float64[B, n_out] that returns the mean over the batch and the gradient of that
mean, float64[B, n_out] per volt. Rules inject this gradient into the circuit as currents.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real, whole
from diodeq.errors import InputError, UsageError
from diodeq.measures import Labels

Floats = NDArray[np.float64]
Loss = Callable[[Floats], tuple[float, Floats]]


def cross_entropy(targets: ArrayLike, beta: float = 1.0, smoothing: float = 0.0) -> Loss:
    """Softmax cross-entropy on logits ``beta * v``, in nats.

    Args:
        targets: class numbers int[B].
        beta: inverse temperature, per volt.
        smoothing: this part of the target's probability is spread evenly over all classes (label smoothing,
            Szegedy et al., arXiv:1512.00567), from 0 to below 1.

    Raises:
        InputError: a target is no class of the outputs.
        UsageError: ``beta`` or ``smoothing`` is out of range.
    """
    classes = whole("the targets", targets, np.int64)
    if not 0.0 < beta < math.inf:
        raise UsageError(f"beta = {beta:g} is not possible", "give a positive number")
    if not 0.0 <= smoothing < 1.0:
        raise UsageError(f"smoothing = {smoothing:g} is not possible", "give 0 or more and less than 1")
    if classes.ndim != 1:
        raise InputError(f"targets of shape {classes.shape} are no class numbers", "give one number per sample")

    def loss(outputs: Floats) -> tuple[float, Floats]:
        batch, count = _fits(outputs, len(classes))
        strange = np.flatnonzero((classes < 0) | (classes >= count))
        if len(strange):
            raise InputError(
                f"target {classes[strange[0]]} of sample {strange[0]} is none of the {count} outputs",
                f"give class numbers from 0 to {count - 1}",
                sample=int(strange[0]),
            )
        wanted = np.full((batch, count), smoothing / count)
        wanted[np.arange(batch), classes] += 1.0 - smoothing
        logarithms = beta * outputs
        logarithms -= logarithms.max(axis=1, keepdims=True)
        logarithms -= np.log(np.exp(logarithms).sum(axis=1, keepdims=True))
        return float(-np.sum(wanted * logarithms) / batch), beta * (np.exp(logarithms) - wanted) / batch

    return loss


def squared_error(targets: ArrayLike, beta: float = 1.0) -> Loss:
    """Half the squared distance of ``beta * v`` to ``beta`` times the targets float64[B, n_out], which are in volts."""
    wanted = real("the targets", targets)

    def loss(outputs: Floats) -> tuple[float, Floats]:
        batch, _ = _fits(outputs, len(wanted))
        difference = beta * (outputs - wanted)
        return float(0.5 * np.sum(difference**2) / batch), beta * difference / batch

    return loss


def usual(labels: Labels | None, beta: float) -> Loss:
    """Of class numbers int64[B] the cross-entropy, of the volts float64[B, n_out] that outputs should have the squared
    error, both of ``beta`` scores a volt; without labels half the squared output volts."""
    if labels is None:
        return half_mean_square
    return cross_entropy(labels, beta) if labels.ndim == 1 else squared_error(labels, beta)


def half_mean_square(outputs: Floats) -> tuple[float, Floats]:
    """Half the mean over the batch of the summed squares of the output volts, and its gradient float64[B, n_out]."""
    return 0.5 * float(np.mean(np.sum(outputs**2, axis=1))), outputs / len(outputs)


def _fits(outputs: Floats, targets: int) -> tuple[int, int]:
    if outputs.ndim != 2 or len(outputs) != targets or targets == 0:
        raise InputError(f"outputs of shape {outputs.shape} do not fit {targets} targets", "give one target per sample")
    return outputs.shape[0], outputs.shape[1]


LOSSES: dict[str, Callable[..., Loss]] = {"cross-entropy": cross_entropy, "squared-error": squared_error}
