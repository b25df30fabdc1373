"""What is left of a step when a node is read before it has settled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.capacitance import wired
from diodeq.devices.one_ports import OnePorts, one_ports
from diodeq.simulators.base import OperatingPoint
from diodeq.simulators.bench.channels import Channels

Floats = NDArray[np.float64]


def charged(circuit: Circuit, channels: Channels) -> Floats:
    """Farads from each node to ground float64[N] beside the one-ports' own, as the description says: of a circuit with
    the nodes and parts of the one on the bench."""
    own = channels.description.settling
    farads = wired(circuit, own.wiring)
    farads[channels.read] += own.load
    return farads


def unsettled(point: OperatingPoint, channels: Channels, ports: OnePorts | None = None) -> tuple[Floats, Floats]:
    """The part of a step that is left when each channel is read, [B, n_reads], every node by its own time, its
    capacitance over what conducts there; and by how much that falls with each siemens more at the node. ``ports`` are
    the laws of the circuit's one-ports, for who has them."""
    circuit, own, read = point.circuit, channels.description, channels.read
    size, ends = len(circuit.nodes), circuit.diodes.terminals
    siemens = np.bincount(circuit.resistors.terminals.ravel(), np.repeat(circuit.conductances, 2), minlength=size)
    farads = charged(circuit, channels)
    conducting, charges = (np.tile(each, (len(point.node_voltages), 1)) for each in (siemens, farads))
    if len(ends):
        if ports is None:
            ports = one_ports(circuit.models, circuit.diodes.values, circuit.temperature)
        volts = point.node_voltages[:, ends[:, 0]] - point.node_voltages[:, ends[:, 1]]
        stored = ports.capacitance(volts)
        for side in (0, 1):
            np.add.at(conducting.T, ends[:, side], point.diode_conductances.T)
            np.add.at(charges.T, ends[:, side], stored.T)
    when = own.settling.seconds + channels.positions * own.reads.seconds
    slow = charges[:, read] > 0
    rate = np.divide(conducting[:, read], charges[:, read], out=np.full(slow.shape, np.inf), where=slow)
    left = np.exp(-when * rate)
    return left, left * np.divide(when, charges[:, read], out=np.zeros(slow.shape), where=slow)
