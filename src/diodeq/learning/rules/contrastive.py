"""Contrastive learning: outputs clamped at their targets against outputs left free, squared voltages compared.

Huijzer, Chaffey, Besselink & van Waarde, arXiv:2503.00349: in networks of linear resistors this is projected gradient
descent on a convex function, the difference of the two powers. With one-ports it is, too, where the clamps hold every
node; with hidden nodes the function is convex in neither (``learning/holding.py``, guide/theory.md §9). The idea:
Movellan, Connectionist Models Summer School, 1991.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution
from diodeq.learning.rules.clamping import clamped_contrast
from diodeq.learning.rules.nudges import nonreciprocal
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contrastive:
    """Free against clamped at the target; coupled learning with η = 1."""

    name: ClassVar[str] = "contrastive"
    finds_others: ClassVar[bool] = False
    clamps: ClassVar[bool] = True

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The rule's step, in the units of a gradient."""
        caution(self, circuit, also)
        return clamped_contrast(simulator, circuit, drives, loss, 1.0)

    def inexact(self, circuit: Circuit) -> str | None:
        """Always: it descends a function of its own."""
        return (
            nonreciprocal(circuit)
            or "it lowers the power that holding the outputs at their targets costs, not the loss"
        )

    def cost(self, circuit: Circuit) -> int:
        """The free and the clamped equilibrium."""
        return 2
