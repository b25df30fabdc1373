"""The times that a circuit's capacitance makes."""

from __future__ import annotations

import numpy as np

from diodeq.analysis.amplifiers import constants
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.graph import driven_nodes
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError

# What conducting one-ports are driven with, where their own times are looked at.
_VOLTS = 1.0


def time_constants(circuit: Circuit, farads: Floats) -> tuple[float, float]:
    """The shortest and the longest of C/G over the nodes that no source holds, and of the one-ports themselves.

    G is all the conductance of a node's resistors, C its capacitance with its one-ports' at 0 V. A one-port's own time
    is that of its charge where a volt behind its nodes' resistors makes it conduct, for most diodes TT; amplifiers have
    times too (``amplifiers.constants``). An estimate of the scale of time, not a bound: nodes are coupled. Both are 0
    where nothing takes time.

    Raises:
        InputError: a model has no capacitance at the circuit's temperature.
    """
    ends, nodes = circuit.diodes.terminals, len(circuit.nodes)
    siemens = np.bincount(circuit.resistors.terminals.ravel(), np.repeat(circuit.conductances, 2), minlength=nodes)
    ports = one_ports(circuit.models, circuit.diodes.values, circuit.temperature)
    total = farads + np.bincount(ends.ravel(), np.repeat(ports.capacitance(np.zeros(len(ports))), 2), minlength=nodes)
    held = driven_nodes(circuit)
    free = ~held & (total > 0) & (siemens > 0)
    ohms = np.divide(1.0, siemens, out=np.zeros(nodes), where=~held & (siemens > 0))[ends].sum(axis=1)
    v, _, g = ports.load_line(_VOLTS, ohms)
    own = ports.capacitance(v) / (g + np.divide(1.0, ohms, out=np.zeros(len(ohms)), where=ohms > 0))
    found = [*(total[free] / siemens[free]).tolist(), *own[own > 0].tolist(), *constants(circuit).tolist()]
    return min(found, default=0.0), max(found, default=0.0)


def demand_time(circuit: Circuit, longest: float) -> None:
    """Raise ``InputError`` where the longest time constant is 0."""
    if not longest > 0.0:
        raise InputError(
            f"nothing in circuit {circuit.title!r} has a capacitance, so nothing takes time", "give wiring or load"
        )
