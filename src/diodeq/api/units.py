"""Inputs and labels in the user's units, as volts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.api.things import demand_circuit
from diodeq.arrays import whole
from diodeq.circuit import Circuit
from diodeq.errors import UsageError
from diodeq.measures import Labels

Floats = NDArray[np.float64]
UNITS = ("network", "volts")


def labels_in(circuit: Circuit, labels: ArrayLike | None, units: str = "network") -> Labels | None:
    """Class numbers as they are, of quantities the volts of the outputs that stand for them."""
    if labels is None or not circuit.scaling.regresses:
        return None if labels is None else whole("the labels", labels, np.int64)
    values = np.asarray(labels, np.float64)
    values = values.reshape(len(values), -1)
    return circuit.scaling.target_volts(values) if units == "network" else values


def volts_of(circuit: Circuit, inputs: ArrayLike, units: str) -> Floats:
    """Input volts float64[B, n_in]; raises ``UsageError`` for units that there are not and for what is no circuit,
    ``CircuitError`` or its base ``InputError`` for inputs that do not fit."""
    if units not in UNITS:
        raise UsageError(f"there are no units {units!r}", f"choose {' or '.join(UNITS)}")
    demand_circuit(circuit)
    rows = circuit.input_rows("the inputs", inputs)
    return circuit.scaling.to_volts(rows) if units == "network" else rows
