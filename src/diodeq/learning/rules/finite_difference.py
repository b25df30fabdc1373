"""Five-point central differences: every conductance is turned up and down and the whole circuit simulated again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, positive
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


# f' = Σ weight f(x + offset h) / h + O(h⁴): Abramowitz & Stegun, Handbook of Mathematical Functions, 25.3.6.
STENCIL = ((-2.0, 1 / 12), (-1.0, -8 / 12), (1.0, 8 / 12), (2.0, -1 / 12))


@dataclass(frozen=True)
class FiniteDifference:
    """The gradient by differences in log-conductance, four simulations per trainable resistor.

    ``step`` is relative: G·exp(±step) and G·exp(±2 step). The error is of order step⁴ from curvature, and of the
    simulator's own error divided by step. This is the oracle that other rules are compared with, far too slow to
    train anything big.

    Raises:
        UsageError: the step is not positive.
    """

    step: float = 1e-3
    name: ClassVar[str] = "finite-difference"
    finds_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("step", self.step)

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient; exact on every circuit."""
        point = simulator.operate(circuit, drives)

        def slope(kind: str, place: int) -> float:
            before, found = circuit.bank(kind).values, 0.0
            for offset, weight in STENCIL:
                turned = before.copy()
                turned[place] *= np.exp(offset * self.step)
                found += weight * loss(simulator.operate(circuit.with_values(kind, turned), drives).outputs)[0]
            return found / (self.step * float(before[place]))

        conductances = np.array([slope("resistors", int(place)) for place in np.flatnonzero(circuit.mask)])
        others = {kind: np.array([slope(kind, place) for place in range(len(circuit.bank(kind)))]) for kind in also}
        return Gradient(conductances, loss(point.outputs)[0], point.outputs, others, point)

    def inexact(self, circuit: Circuit) -> str | None:
        """None, whatever the circuit."""
        return None

    def cost(self, circuit: Circuit) -> int:
        """Four settlings for each trainable resistor, and one for the loss."""
        return 1 + len(STENCIL) * int(np.count_nonzero(circuit.mask))
