"""What every learning rule takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.learning.losses import Loss
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of the mean loss of a batch.

    ``conductances`` float64[n_trainable], dℓ/dG per siemens, in the order of ``circuit.mask``; ``loss`` the mean
    loss; ``outputs`` float64[B, n_out] in volts; ``others`` maps each other kind that was asked for to the gradient of
    its values, float64[n].
    """

    conductances: Floats
    loss: float
    outputs: Floats
    others: Mapping[str, Floats] = field(default_factory=dict)


class Rule(Protocol):
    """A learning rule: a function that finds the gradient by operating the circuit."""

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient at ``circuit`` for input volts ``drives`` float64[B, n_in].

        ``also`` names further banks ("transformers", "gyrators", "buffers", "mirrors") with wanted gradients.
        """
        ...
