"""Hardware linearization: the circuit itself computes the gradient, by settling twice.

Settle; freeze every diode at its incremental conductance; zero the sources; inject the loss gradient at the outputs
as currents; settle again. The product of a resistor's two branch voltages is then the gradient of its conductance.
Name and use for training: Chaffey, arXiv:2509.13793; the products: Director & Rohrer, IEEE Trans. Circuit Theory
16(3), 1969.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.kinds import OWN
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
    others = {kind: _products(circuit, kind, point, adjoint).sum(axis=0) for kind in also}
    return Gradient(conductances, value, outputs, others, point)


def _products(circuit: Circuit, kind: str, point: OperatingPoint, adjoint: AdjointSolution) -> Floats:
    """dℓ/d(value) of every part of a kind, float64[B, n]: what changes with the value is the part's own stamp, so
    ``-x̂ᵀ (∂A/∂value) x`` is a sum of products at its terminals (Director & Rohrer). The currents of its adjoint are
    those of the kind that stands for it in the transposed circuit."""
    spec, ends = KINDS[kind], circuit.bank(kind).terminals

    def at(places: tuple[int, ...], volts: Floats, currents: Mapping[str, Floats], of: str) -> Floats:
        return currents[of] if OWN in places else volts[:, ends[:, places[0]]] - volts[:, ends[:, places[1]]]

    found = np.zeros((len(point.node_voltages), len(ends)))
    for flow in spec.stamp:
        if flow.valued:
            left = at(flow.out, adjoint.node_voltages, adjoint.branch_currents, spec.adjoint.kind)
            found -= flow.sign * left * at(flow.control, point.node_voltages, point.branch_currents, kind)
    return found
