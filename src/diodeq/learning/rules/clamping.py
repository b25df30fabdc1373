"""What coupled and contrastive learning share: the free circuit against the one whose outputs are clamped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.nudges import with_clamps
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient
from diodeq.learning.rules.nudges import contrast, output_conductance
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


def demand_clamps(simulator: Simulator, circuit: Circuit) -> None:
    """Raises ``InputError`` where the simulator is a bench that cannot hold outputs, before it drives anything."""
    demand = getattr(simulator, "demand_holds", None)
    if demand is not None:
        demand(circuit)


def clamped_contrast(
    simulator: Simulator,
    circuit: Circuit,
    drives: Floats,
    loss: Loss,
    part: float,
    centered: bool = False,
    chopped: bool = False,
) -> Gradient:
    """½ (Δv_clamped² - Δv_free²) of every trainable resistor, over ``part`` and the output conductance.

    Outputs are held at the part of the way from where they are to where the loss wants them: one step down its
    gradient of 1 V², v - ∂ℓ/∂v, which for the squared error is the target itself. ``centered``: against outputs held
    as far on the other side, so that what is wrong with every clamp leaves nothing. ``chopped``: every second sample is
    held on the other side, so that it leaves nothing on average.
    """
    demand_clamps(simulator, circuit)
    free = simulator.operate(circuit, drives)
    value, slopes = loss(free.outputs)
    held = free.outputs - part * len(drives) * slopes
    holding = with_clamps(circuit)
    turned = chopped & (np.arange(len(drives)) % 2 == 1)[:, None]
    held = np.where(turned, 2.0 * free.outputs - held, held)
    clamped = simulator.operate(holding, np.hstack([drives, held])).node_voltages
    other = free.node_voltages
    if centered:
        other = simulator.operate(holding, np.hstack([drives, 2.0 * free.outputs - held])).node_voltages
    # The power a clamp costs is about g (v_clamped - v_free)² / 2; over g it has the unit of the squared error.
    apart = (1 + centered) * part * output_conductance(circuit) * len(drives)
    found = contrast(circuit, np.where(turned, other, clamped), np.where(turned, clamped, other)) / apart
    return Gradient(found, value, free.outputs, point=free)
