"""What a worker is asked to do: arrays in, checked arrays out. Jobs hold no state, so any worker can redo one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.kirchhoff import branch_kinds, residual
from diodeq.devices.law import law
from diodeq.errors import SimulationError
from diodeq.netlist.batched import SweepDeck, sweep_deck
from diodeq.netlist.listing import TOLERANCES
from diodeq.simulators.ngspice.session import Session

# Kirchhoff's current law and the diode law, recomputed outside ngspice, must hold to this share of the currents.
RESIDUAL_LIMIT = 1e-6
RELTOL = float(dict(TOLERANCES)["reltol"])

_serial = itertools.count()


@dataclass(frozen=True)
class Solution:
    """Folded node voltages float64[B, N], terminal diode conductances float64[B, n_diodes], branch currents."""

    node_voltages: Floats
    diode_conductances: Floats
    branch_currents: dict[str, Floats]


@dataclass(frozen=True)
class Forward:
    """Operating points of a folded circuit: one sweep over the sample index."""

    circuit: Circuit
    injections: Floats
    source_voltages: Floats

    def run(self, session: Session) -> Solution:
        """Raises SimulationError when ngspice fails or its answer breaks Kirchhoff's laws or the diode law."""
        circuit = self.circuit
        deck = sweep_deck(circuit, self.injections, self.source_voltages, next_marker())
        found = _run(session, deck)
        volts = _node_voltages(found["nodes"], len(self.injections))
        _check_sources(circuit, volts, self.source_voltages)
        current, junction_conductance = found["diode_id"], found["diode_gd"]
        conductance = np.empty_like(current)
        across = _across_diodes(circuit, volts)
        for k, model in enumerate(circuit.models):
            own = circuit.diodes.values == k
            device = law(model, circuit.temperature)
            expected, slope = device.junction(across[:, own] - device.resistance * current[:, own])
            _check_diodes(expected, slope, current[:, own], model.name)
            # ngspice's own gd is not the derivative of its current for a diode with a recombination current (ISR).
            inner = slope if device.recombination else junction_conductance[:, own]
            conductance[:, own] = inner / (1 + device.resistance * inner)
        branches = {kind: found[kind] for kind in branch_kinds(circuit)}
        _check_kirchhoff(circuit, volts, self.injections, branches, current, junction_conductance)
        return Solution(volts, conductance, branches)


@dataclass(frozen=True)
class Adjoint:
    """Voltages of a folded, transposed circuit whose diodes are frozen at given conductances: one linear sweep."""

    circuit: Circuit
    injections: Floats
    conductances: Floats

    def run(self, session: Session) -> Solution:
        """Raises SimulationError when ngspice fails or its answer breaks Kirchhoff's laws."""
        circuit = self.circuit
        zero = np.zeros((len(self.injections), len(circuit.voltage_sources)))
        found = _run(session, sweep_deck(circuit, self.injections, zero, next_marker(), frozen=self.conductances))
        volts = _node_voltages(found["nodes"], len(self.injections))
        across = _across_diodes(circuit, volts)
        branches = {kind: found[kind] for kind in branch_kinds(circuit)}
        _check_kirchhoff(circuit, volts, self.injections, branches, across * self.conductances, self.conductances)
        return Solution(volts, self.conductances, branches)


def next_marker() -> str:
    """A node name that no other deck of this process has."""
    return f"k{next(_serial)}"


def _run(session: Session, deck: SweepDeck) -> dict[str, Floats]:
    names = [name for group in deck.vectors.values() for name in group]
    found = session.run(deck.text, deck.marker, names, deck.samples)
    empty = np.empty((deck.samples, 0))
    return {
        group: np.stack([found[name] for name in members], axis=1) if members else empty
        for group, members in deck.vectors.items()
    }


def _node_voltages(volts: Floats, samples: int) -> Floats:
    return np.concatenate([np.zeros((samples, 1)), volts], axis=1)


def _across_diodes(circuit: Circuit, volts: Floats) -> Floats:
    ends = circuit.diodes.terminals
    return volts[:, ends[:, 0]] - volts[:, ends[:, 1]]


def _check_sources(circuit: Circuit, volts: Floats, wanted: Floats) -> None:
    ends = circuit.voltage_sources.terminals
    wrong = np.abs(volts[:, ends[:, 0]] - volts[:, ends[:, 1]] - wanted) > 1e-9 * np.abs(wanted) + 1e-9
    if wrong.any():
        sample, source = np.argwhere(wrong)[0]
        node = circuit.nodes[ends[source, 0]]
        raise SimulationError(
            f"ngspice does not hold node {node} at its voltage in sample {sample}", "report this deck"
        )


def _check_diodes(expected: Floats, slope: Floats, current: Floats, name: str) -> None:
    # 1e-9 V of the junction voltage is what the sweep's own tolerance leaves.
    wrong = np.abs(expected - current) > RESIDUAL_LIMIT * np.abs(expected) + 1e-8 * slope + 1e-15
    if wrong.any():
        sample = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise SimulationError(
            f"ngspice's current of a {name} diode breaks the diode law in sample {sample} of a sweep",
            "check the model's parameters, or lower the drive voltages",
        )


def _check_kirchhoff(
    circuit: Circuit, volts: Floats, injections: Floats, branches: dict[str, Floats], diode: Floats, slopes: Floats
) -> None:
    # ngspice settles a node to RELTOL of its voltage; through a diode that rides on it, that much current is open.
    at = np.maximum(*(np.abs(volts[:, circuit.diodes.terminals[:, side]]) for side in (0, 1)))
    slack = at * slopes * RELTOL / RESIDUAL_LIMIT
    worst, sample, node = residual(circuit, volts, injections, branches, diode, slack)
    if worst > RESIDUAL_LIMIT:
        where = f"node {circuit.nodes[node]}, sample {sample}"
        raise SimulationError(
            f"ngspice's answer breaks Kirchhoff's current law by {worst:.1e} at {where}",
            "lower the drive voltages or narrow the conductance range",
        )
