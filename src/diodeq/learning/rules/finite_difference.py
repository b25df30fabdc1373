"""Central finite differences: every conductance is turned up and down and the whole circuit is simulated again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


def finite_difference(
    simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, *, step: float = 1e-3
) -> Gradient:
    """The gradient by central differences in log-conductance, 2 simulations per trainable resistor.

    ``step`` is relative: G·exp(±step). The error is of order step² from curvature, and of the simulator's own error
    divided by step. This is the oracle that other rules are compared with, far too slow to train anything big.
    """
    conductances = circuit.conductances
    places = np.flatnonzero(circuit.mask)
    outputs = simulator.operate(circuit, drives).outputs
    gradient = np.empty(len(places))
    for k, place in enumerate(places):
        values = []
        for sign in (1.0, -1.0):
            turned = conductances.copy()
            turned[place] *= np.exp(sign * step)
            values.append(loss(simulator.operate(circuit.with_conductances(turned), drives).outputs)[0])
        gradient[k] = (values[0] - values[1]) / (2.0 * step * conductances[place])
    return Gradient(gradient, loss(outputs)[0], outputs)
