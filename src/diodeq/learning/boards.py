"""Learning on imperfect boards: every gradient is found on another one and pulled back to the drawn circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.technology import Technology
from diodeq.learning.losses import Loss
from diodeq.learning.rules import Gradient, Rule, gradient_of
from diodeq.simulators.base import Simulator
from diodeq.synthesis.variation import Board, draw


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
    gradient is multiplied by what its error multiplies the conductance by; additive errors leave it as it is. Where
    tolerances are ``worst`` the gradient of a first board, without them, says to which end each resistor goes.
    """
    spread = technology.variation
    if spread.shape != "worst":
        board = draw(circuit, technology, random, corners=True)
    else:
        others = replace(technology, variation=replace(spread, tolerance=0.0, shape="uniform"))
        board = draw(circuit, others, random, corners=True)
        rises = np.zeros(len(circuit.resistors))
        rises[circuit.mask] = np.sign(gradient_of(rule, simulator, board.circuit, drives, loss).conductances)
        factor = 1.0 / (1.0 - spread.tolerance * rises)
        board = Board(board.circuit.with_conductances(board.circuit.conductances * factor), board.slope * factor)
    found = gradient_of(rule, simulator, board.circuit, drives, loss, also)
    return replace(found, conductances=found.conductances * board.slope[circuit.mask])
