"""Hardware linearization with switches: every diode is frozen as open or short, as if it were ideal.

What is left of Chaffey's rule (arXiv:2509.13793) on a board that can tell whether a diode conducts but not how well;
the derivative of ReLU taken literally.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.elements import nearly_ideal
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution
from diodeq.learning.rules.hardware_linearization import read_adjoint
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]

# Open and short, as parts of the conductance around the diode: the answer is off by about as much as this.
OPEN, SHORT = 1e-7, 1e7


@dataclass(frozen=True)
class FrozenSwitch:
    """Two settlings; a diode is short where it conducts better than the resistors at its nodes, else open."""

    name: ClassVar[str] = "frozen-switch"
    finds_others: ClassVar[bool] = True
    linearizes: ClassVar[bool] = True

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient in the limit of ideal diodes."""
        caution(self, circuit, also)
        point = simulator.operate(circuit, drives)
        around = _around(circuit)
        shorted = point.diode_conductances > around
        switched = replace(point, diode_conductances=np.where(shorted, SHORT * around, OPEN * around))
        return read_adjoint(simulator, point, switched, loss, also)

    def inexact(self, circuit: Circuit) -> str | None:
        """A real diode: it is a resistor, neither open nor short."""
        used = np.unique(circuit.diodes.values).astype(int).tolist()
        real = [circuit.models[k].name for k in used if not nearly_ideal(circuit.models[k])]
        return f"a {real[0]} is neither open nor short where it bends" if real else None

    def cost(self, circuit: Circuit) -> int:
        """One settling forward and one linearized."""
        return 2


def _around(circuit: Circuit) -> Floats:
    """Siemens for each diode: the conductances of the resistors at its two nodes, in series, all other nodes held."""
    ends = circuit.resistors.terminals
    weights = np.repeat(circuit.conductances, 2)
    at = np.bincount(ends.ravel(), weights=weights, minlength=len(circuit.nodes))
    at[at == 0] = circuit.conductances.mean()
    at[0] = np.inf
    found: Floats = 1.0 / (1.0 / at[circuit.diodes.terminals]).sum(axis=1)
    return found
