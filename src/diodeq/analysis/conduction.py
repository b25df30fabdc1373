"""Which diodes conduct at an operating point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.simulators.base import OperatingPoint


def conducting(point: OperatingPoint) -> NDArray[np.bool_]:
    """bool[B, n_diodes]: a diode is on where its own conductance exceeds that of the resistors it competes with.

    Those are the resistors at its terminal; of two terminals off ground, the one with less conductance counts. A diode
    that is off leaves the node to its resistors, a diode that is on holds it.
    """
    circuit = point.circuit
    loads = np.zeros(len(circuit.nodes))
    for end in circuit.resistors.terminals.T:
        loads += np.bincount(end, circuit.conductances, minlength=len(loads))
    loads[0] = np.inf
    rival = loads[circuit.diodes.terminals].min(axis=1, initial=np.inf)
    return np.asarray(point.diode_conductances > rival)
