"""Frequency propagation: the inputs are held, the error current oscillates, and every branch hears both at once.

The outputs get the current -γ ∂ℓ/∂v sin(ωt). A branch's mean voltage carries the activity, its component at ω the
error, and their product is the gradient of its conductance. Anisetti, Kandala, Scellier & Schwarz, Neural Computation
36(4), 2024 (arXiv:2208.08862).

The circuits here have no capacitors, so ω is slow and the circuit is in equilibrium at every moment: the oscillation
is simulated exactly as a row of equilibria. In the limit of small γ the component at ω is the small-signal response,
and on a reciprocal circuit the rule is hardware linearization with the error's frequency in place of a second
settling. At finite γ it is equilibrium propagation: two samples a half period are its centered form at β = γ/√2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.nudges import with_nudges
from diodeq.circuit.products import branch_products
from diodeq.errors import UsageError
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution, positive
from diodeq.learning.rules.nudges import nonreciprocal, output_conductance
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrequencyPropagation:
    """Mean times amplitude at the error's frequency, demodulated from ``samples`` equilibria of a half period.

    ``gamma`` is the amplitude of the nudge in V², in the units of ``EquilibriumPropagation.beta``. The circuit has no
    memory, so the other half of the period repeats the first.

    Raises:
        UsageError: ``gamma`` is not positive, or fewer than two samples.
    """

    gamma: float = 0.01
    samples: int = 4
    name: ClassVar[str] = "frequency-propagation"
    finds_others: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("gamma", self.gamma)
        if self.samples < 2:
            raise UsageError(f"samples = {self.samples} cannot resolve an oscillation", "give at least 2")

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient, exact in the limit of small ``gamma`` on reciprocal circuits."""
        caution(self, circuit, also)
        nudged, still = with_nudges(circuit), np.zeros((len(drives), len(circuit.outputs)))
        free = simulator.operate(nudged, np.hstack([drives, still]))
        value, slopes = loss(free.outputs)
        amplitude = self.gamma * output_conductance(circuit) * len(drives)
        # Evenly spaced moments of a half period from crest to trough: sums over them are exact Fourier coefficients
        # up to the harmonic 2 · samples - 1.
        sines = np.cos((np.arange(self.samples) + 0.5) * np.pi / self.samples)
        moments = np.vstack([np.hstack([drives, -sine * amplitude * slopes]) for sine in sines])
        volts = simulator.operate(nudged, moments).node_voltages.reshape(self.samples, len(drives), -1)
        mean, heard = volts.mean(axis=0), 2.0 / self.samples * np.tensordot(sines, volts, axes=1)
        point = replace(free, circuit=circuit, drives=drives)
        return Gradient(-branch_products(circuit, mean, heard / amplitude), value, free.outputs, point=point)

    def inexact(self, circuit: Circuit) -> str | None:
        """Gyrators, buffers and mirrors: the error does not travel back the way the signal came."""
        return nonreciprocal(circuit)

    def cost(self, circuit: Circuit) -> int:
        """The free equilibrium and the sampled ones."""
        return 1 + self.samples
