"""Hardware linearization: the circuit itself computes the gradient, by settling twice.

Settle; freeze every diode at its incremental conductance; zero the sources; inject the loss gradient at the outputs
as currents; settle again. The product of a resistor's two branch voltages is then the gradient of its conductance.
Name and use for training: Chaffey, arXiv:2509.13793; the products: Director & Rohrer, IEEE Trans. Circuit Theory
16(3), 1969.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.products import branch_products
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HardwareLinearization:
    """The exact gradient from two settlings of the circuit, whatever the number of resistors."""

    name: ClassVar[str] = "hardware-linearization"
    finds_others: ClassVar[bool] = True

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient; exact on every circuit."""
        point = simulator.operate(circuit, drives)
        return read_adjoint(simulator, point, point, loss, also)

    def inexact(self, circuit: Circuit) -> str | None:
        """None, whatever the circuit."""
        return None

    def cost(self, circuit: Circuit) -> int:
        """One settling forward and one linearized."""
        return 2


def read_adjoint(
    simulator: Simulator, point: OperatingPoint, frozen: OperatingPoint, loss: Loss, also: Sequence[str] = ()
) -> Gradient:
    """The gradient at ``point`` with the diodes frozen as in ``frozen``, usually the same."""
    circuit, outputs = point.circuit, point.outputs
    value, injections = loss(outputs)
    adjoint = simulator.small_signal(frozen, injections)
    conductances = branch_products(circuit, point.node_voltages, adjoint.node_voltages)
    others = {kind: PRODUCTS[kind](circuit, point, adjoint).sum(axis=0) for kind in also}
    return Gradient(conductances, value, outputs, others)


# The local products of the other elements (Director & Rohrer), float64[B, n]. The adjoint of a buffer is a mirror and
# the other way round, which is where their adjoint currents are.
PRODUCTS: dict[str, Callable[[Circuit, OperatingPoint, AdjointSolution], Floats]] = {
    # v1 = n v2, i2 = -n i1: dℓ/dn = v̂2 i1 + î1 v2
    "transformers": lambda circuit, point, adjoint: (
        _across(circuit, "transformers", 1, adjoint) * point.branch_currents["transformers"]
        + adjoint.branch_currents["transformers"] * _across(circuit, "transformers", 1, point)
    ),
    # i1 = g v2, i2 = -g v1: dℓ/dg = v̂2 v1 - v̂1 v2
    "gyrators": lambda circuit, point, adjoint: (
        _across(circuit, "gyrators", 1, adjoint) * _across(circuit, "gyrators", 0, point)
        - _across(circuit, "gyrators", 0, adjoint) * _across(circuit, "gyrators", 1, point)
    ),
    # v_out = a v_ctrl: dℓ/da = î_out v_ctrl
    "buffers": lambda circuit, point, adjoint: (
        adjoint.branch_currents["mirrors"] * _across(circuit, "buffers", 1, point)
    ),
    # i_out = a i_sense: dℓ/da = -v̂_out i_sense
    "mirrors": lambda circuit, point, adjoint: (
        -_across(circuit, "mirrors", 0, adjoint) * point.branch_currents["mirrors"]
    ),
}


def _across(circuit: Circuit, kind: str, port: int, solution: OperatingPoint | AdjointSolution) -> Floats:
    """Voltages across the first (0) or second (1) port of a kind's elements, float64[B, n]."""
    ends, volts = circuit.bank(kind).terminals, solution.node_voltages
    return volts[:, ends[:, 2 * port]] - volts[:, ends[:, 2 * port + 1]]
