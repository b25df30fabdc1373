"""A circuit's nonlinear one-ports: where they are, their laws, and which of them move nodes at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.bank import Ints
from diodeq.circuit.graph import components
from diodeq.circuit.kinds import KINDS, nonlinear_kinds
from diodeq.devices.one_ports import OnePorts, one_ports

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit


def one_port_ends(circuit: Circuit) -> Ints:
    """The two nodes int32[D, 2] of each, in the equations' order."""
    return np.concatenate([circuit.bank(kind).terminals for kind in nonlinear_kinds()])


def one_port_models(circuit: Circuit) -> Ints:
    """Which of the circuit's models each follows, int32[D], in the equations' order."""
    return np.concatenate([circuit.bank(kind).values for kind in nonlinear_kinds()])


def laws_of(circuit: Circuit) -> OnePorts:
    """The laws of a circuit's one-ports, in the equations' order."""
    return one_ports(circuit.models, one_port_models(circuit), circuit.temperature)


def apart(circuit: Circuit) -> NDArray[np.bool_]:
    """Which one-ports move nodes: not those straight across parts that are ``stiff``, whose exponentials may give any
    current, all of which comes back through these parts."""
    held = [circuit.bank(k).terminals[:, list(spec.holds)] for k, spec in KINDS.items() if spec.holds and spec.stiff]
    _, island = components(len(circuit.nodes), np.concatenate(held))
    ends = one_port_ends(circuit)
    return np.asarray(island[ends[:, 0]] != island[ends[:, 1]])


def without_idle(circuit: Circuit, moving: NDArray[np.bool_]) -> Circuit:
    """The circuit with only those one-ports that are ``moving``, as ``apart`` says."""
    if moving.all():
        return circuit
    ends = np.cumsum([len(circuit.bank(kind)) for kind in nonlinear_kinds()])
    chosen = zip(nonlinear_kinds(), np.split(moving, ends[:-1]), strict=True)
    return circuit.with_banks({kind: circuit.bank(kind).some(kept) for kind, kept in chosen})
