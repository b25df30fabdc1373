"""Equilibrium propagation: nudge the outputs down the loss by a small current and compare the two equilibria.

The circuit minimises its co-content ½ Σ G Δv² + …; a current -β ∂ℓ/∂v into the outputs adds β ℓ to it, and the change
of ½ Δv² per β is then the gradient of a resistor's conductance. Scellier & Bengio, Frontiers in Computational
Neuroscience 11:24, 2017; for circuits of resistors and diodes Kendall et al., arXiv:2006.01981; with nudges to both
sides Laborieux et al., Frontiers in Neuroscience 15:633674, 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.nudges import with_nudges
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution, positive
from diodeq.learning.rules.nudges import contrast, nonreciprocal, output_conductance
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EquilibriumPropagation:
    """Free and nudged equilibria compared; the loss gradient at the free one is the nudge's direction.

    ``beta`` is the nudge in V² for a loss without unit: the current is -β g ∂ℓ/∂v with g the ``output_conductance``,
    which moves an output by about -β ∂ℓ/∂v. ``centered`` nudges to both sides: the error falls as β² instead of β.

    Raises:
        UsageError: ``beta`` is not positive.
    """

    beta: float = 0.01
    centered: bool = True
    name: ClassVar[str] = "equilibrium-propagation"
    finds_others: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("beta", self.beta)

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient, exact in the limit of small ``beta`` on reciprocal circuits."""
        caution(self, circuit, also)
        nudged, still = with_nudges(circuit), np.zeros((len(drives), len(circuit.outputs)))
        free = simulator.operate(nudged, np.hstack([drives, still]))
        value, slopes = loss(free.outputs)
        # The loss is a mean; every sample gets the nudge of its own loss.
        push = -self.beta * output_conductance(circuit) * len(drives) * slopes
        if self.centered:
            both = simulator.operate(nudged, np.vstack([np.hstack([drives, push]), np.hstack([drives, -push])]))
            first, second = np.split(both.node_voltages, 2)
        else:
            first, second = simulator.operate(nudged, np.hstack([drives, push])).node_voltages, free.node_voltages
        apart = (2 if self.centered else 1) * self.beta * output_conductance(circuit) * len(drives)
        point = replace(free, circuit=circuit, drives=drives)
        return Gradient(contrast(circuit, first, second) / apart, value, free.outputs, point=point)

    def inexact(self, circuit: Circuit) -> str | None:
        """Gyrators, buffers and mirrors: the error does not travel back the way the signal came."""
        return nonreciprocal(circuit)

    def cost(self, circuit: Circuit) -> int:
        """The free equilibrium and one or two nudged ones."""
        return 3 if self.centered else 2
