"""The reference route: the full circuit, one sample at a time, ngspice's own ``op`` and small-signal ``ac`` analyses.

Nothing here folds, batches or freezes on behalf of ngspice, so it checks the production route that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit, linearize, transpose
from diodeq.circuit.bank import Floats
from diodeq.circuit.check import check
from diodeq.devices.law import law
from diodeq.netlist.point import point_deck
from diodeq.simulators.base import AdjointSolution, OperatingPoint
from diodeq.simulators.ngspice.jobs import next_marker
from diodeq.simulators.ngspice.session import Session
from diodeq.simulators.ngspice.simulator import NgspiceBase


@dataclass(frozen=True)
class PointForward:
    """``op`` of a full circuit: (node voltages float64[N], terminal diode conductances float64[n_diodes])."""

    circuit: Circuit
    sources: Floats

    def run(self, session: Session) -> tuple[Floats, Floats]:
        deck = point_deck(self.circuit, self.sources, next_marker())
        found = session.run(deck.text, deck.marker, [*deck.nodes, *deck.diode_gd], 1)
        junction = np.array([found[name][0] for name in deck.diode_gd])
        series = np.array([law(model, self.circuit.temperature).resistance for model in self.circuit.models])
        resistance = series[self.circuit.diodes.values.astype(int)] if len(junction) else junction
        return np.array([0.0, *(found[name][0] for name in deck.nodes)]), junction / (1 + resistance * junction)


@dataclass(frozen=True)
class PointAdjoint:
    """``ac`` of a full circuit with AC currents into its nodes: real parts of the node voltages, float64[N]."""

    circuit: Circuit
    sources: Floats
    injections: Floats

    def run(self, session: Session) -> Floats:
        deck = point_deck(self.circuit, self.sources, next_marker(), self.injections)
        found = session.run(deck.text, deck.marker, deck.nodes, 1)
        return np.array([0.0, *(found[name][0].real for name in deck.nodes)])


class NgspiceReference(NgspiceBase):
    """ngspice behind the ``Simulator`` protocol by the reference route; slow, for checking.

    A reciprocal circuit (no gyrators, buffers or mirrors) gets its own ``ac`` analysis, diodes linearized by ngspice;
    any other is transposed first, its diodes frozen at the conductances that ``op`` reported.
    """

    name = "ngspice-reference"

    def operate(self, circuit: Circuit, drives: Floats) -> OperatingPoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        check(circuit)
        answers = self.pool.map([PointForward(circuit, sources) for sources in circuit.source_values(drives)])
        volts, conductances = (np.stack(column) for column in zip(*answers, strict=True))
        return OperatingPoint(circuit, np.atleast_2d(np.asarray(drives, dtype=np.float64)), volts, conductances)

    def small_signal(self, operating_point: OperatingPoint, injections: Floats) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs."""
        circuit = operating_point.circuit
        sources = circuit.source_values(operating_point.drives)
        currents = circuit.output_injections(np.asarray(injections, dtype=np.float64))
        jobs = []
        for k, frozen in enumerate(operating_point.diode_conductances):
            if len(circuit.gyrators) or len(circuit.buffers) or len(circuit.mirrors):
                jobs.append(PointAdjoint(transpose(linearize(circuit, frozen)), np.zeros_like(sources[k]), currents[k]))
            else:
                jobs.append(PointAdjoint(circuit, sources[k], currents[k]))
        return AdjointSolution(np.stack(self.pool.map(jobs)))
