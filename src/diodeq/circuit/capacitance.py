"""Where a circuit's capacitance is, and what its linearized nodes answer to a tone."""

from __future__ import annotations

import math

import numpy as np

from diodeq.circuit.amplifiers import Index, groups_of
from diodeq.circuit.bank import Floats
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.kinds import KINDS
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError, SimulationError

ENTRIES = 1 << 22
"""Numbers of stacked matrices that are solved together"""


def capacitances(circuit: Circuit, wiring: float, load: float) -> Floats:
    """float64[N] farads from each node to ground.

    Args:
        circuit: the circuit; its diodes' own capacitances are in their models.
        wiring: farads that every connected end of a part (not of a source) adds to its node: a pad and its piece of
            wire, so that a node with a thousand parts has a thousand times the wire. What is inside of an operational
            amplifier has none.
        load: farads at every node that an output reads.

    Raises:
        InputError: one of them is negative or not finite.
    """
    for name, value in (("wiring", wiring), ("load", load)):
        if not 0.0 <= value < np.inf:
            raise InputError(f"a {name} capacitance of {value:g} F is impossible", "give farads of at least 0")
    farads = wired(circuit, wiring)
    farads[np.unique(circuit.outputs)] += load
    farads[0] = farads[inner(circuit)] = 0.0
    return farads


def wired(circuit: Circuit, farads: float) -> Floats:
    """float64[N] where every connected end of a part (not of a source) adds ``farads`` to its node."""
    ends = [circuit.bank(kind).terminals.ravel() for kind, spec in KINDS.items() if not spec.source]
    return farads * np.bincount(np.concatenate(ends), minlength=len(circuit.nodes)).astype(np.float64)


def inner(circuit: Circuit) -> Index:
    """The nodes inside of amplifiers: those before the gain's inputs, which offsets make, and from there to the output
    but for it."""
    found = [np.zeros(0, np.int64)]
    for group in groups_of(circuit):
        gain, out = (circuit.buffers.terminals[group.at("buffers", end)] for end in ("gain", "out"))
        found += [gain[:, 0].astype(np.int64), out[:, 2].astype(np.int64)]
        for kind, purpose in (("voltage_sources", "offset"), ("diodes", "out")):
            at = group.at(kind, purpose)
            found.append(circuit.bank(kind).terminals[at[at >= 0], 0])
    return np.unique(np.concatenate(found))


def toned(circuit: Circuit, volts: Floats, frozen: Floats, injected: Floats, farads: Floats, hertz: float) -> Floats:
    """What is in phase with the currents of a tone, float64[B, N]: the real part of what the nodes of the linearized,
    transposed circuit answer to ``injected`` float64[B, N].

    The circuit is linearized at node voltages ``volts`` float64[B, N], where its one-ports conduct ``frozen``
    float64[B, D]; ``farads`` float64[N] are from each node to ground beside the one-ports' own.

    Raises:
        SimulationError: the equations determine no answer.
        InputError: a model has no capacitance at the circuit's temperature.
    """
    folded = FoldPlan.of(circuit).fold(circuit)
    plan = EquationsPlan.of(folded.circuit)
    matrix, ports, free = plan.fill(folded.circuit).matrix.toarray().T, plan.ports.toarray(), folded.plan.free
    nodes, charges = plan.nodes, np.zeros_like(frozen)
    if len(circuit.diodes):
        ends = circuit.diodes.terminals
        laws = one_ports(circuit.models, circuit.diodes.values, circuit.temperature)
        charges = laws.capacitance(volts[:, ends[:, 0]] - volts[:, ends[:, 1]])
    admittances = frozen + 2j * math.pi * hertz * charges
    grounded = np.zeros(len(matrix), complex)
    grounded[:nodes] = 2j * math.pi * hertz * farads[free]
    right = np.zeros((len(injected), len(matrix)), complex)
    right[:, :nodes] = injected[:, free]
    found = np.zeros_like(volts)
    step = max(1, ENTRIES // max(1, matrix.size))
    for at in range(0, len(right), step):
        part = slice(at, at + step)
        whole = matrix + np.diag(grounded) + np.einsum("dn,bd,dm->bnm", ports, admittances[part], ports, optimize=True)
        try:
            answers = np.linalg.solve(whole, right[part][..., None])[..., 0]
        except np.linalg.LinAlgError:
            raise SimulationError("the circuit answers a tone with no voltage that its equations determine") from None
        found[part][:, free] = answers[:, :nodes].real
    return found
