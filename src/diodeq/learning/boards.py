"""Learning on imperfect boards: every gradient is found on another one and pulled back to the drawn circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.technology import Technology
from diodeq.learning.losses import Loss
from diodeq.learning.rules import Gradient, Rule
from diodeq.simulators.base import Simulator
from diodeq.synthesis.variation import draw


def on_board(
    rule: Rule,
    technology: Technology,
    random: np.random.Generator,
    simulator: Simulator,
    circuit: Circuit,
    drives: Floats,
    loss: Loss,
    also: Sequence[str] = (),
) -> Gradient:
    """The gradient by ``rule`` on a board that ``random`` draws from the technology's variation, for the circuit.

    Temperatures are the corners of the technology's range and the circuit's own. By the chain rule each conductance's
    gradient is multiplied by what its error multiplies the conductance by; additive errors leave it as it is.
    """
    board = draw(circuit, technology, random, corners=True)
    found = rule(simulator, board.circuit, drives, loss, also=also)
    return replace(found, conductances=found.conductances * board.slope[circuit.mask])
