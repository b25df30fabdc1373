"""Coupled learning: clamp the outputs a little nearer to what is wanted and compare powers with the free circuit.

Stern, Hexner, Rocks & Liu, Physical Review X 11, 021045, 2021, equation 6 for resistor networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.errors import UsageError
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution
from diodeq.learning.rules.clamping import clamped_contrast
from diodeq.learning.rules.nudges import nonreciprocal
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CoupledLearning:
    """Free against gently clamped; ``eta`` is how far the clamp goes of the way to the target, above 0 to 1.

    ``centered`` compares with a clamp as far on the other side instead: offsets of what holds the outputs, which a
    gentle clamp drowns in, then cancel. ``chopped`` holds every second sample of a batch on the other side instead:
    offsets cancel on average, without a third settling.

    Raises:
        UsageError: ``eta`` is out of range, or clamps are both centered and chopped.
    """

    eta: float = 0.01
    centered: bool = False
    chopped: bool = False
    name: ClassVar[str] = "coupled-learning"
    finds_others: ClassVar[bool] = False
    clamps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.eta <= 1:
            raise UsageError(f"eta = {self.eta:g} is not possible", "give a number above 0 and at most 1")
        if self.centered and self.chopped:
            raise UsageError("clamps on both sides leave nothing to chop", "leave centered or chopped out")

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The rule's step, in the units of a gradient."""
        caution(self, circuit, also)
        return clamped_contrast(simulator, circuit, drives, loss, self.eta, self.centered, self.chopped)

    def inexact(self, circuit: Circuit) -> str | None:
        """Always: outputs that are harder to move weigh more."""
        return nonreciprocal(circuit) or (
            "it lowers the power that clamping the outputs costs, not the loss"
            " (with one output, sample by sample, its direction is right)"
        )

    def cost(self, circuit: Circuit) -> int:
        """The free and the clamped equilibrium, or two."""
        return 3 if self.centered else 2
