"""The reference route: the full circuit, one sample at a time, ngspice's own ``op`` and small-signal ``ac`` analyses.

Nothing here folds, batches or freezes on behalf of ngspice, so it checks the production route that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.arrays import real
from diodeq.circuit import Circuit, linearize, transpose
from diodeq.circuit.bank import Floats
from diodeq.circuit.check import check
from diodeq.circuit.equations import Equations
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.one_ports import apart, without_idle
from diodeq.circuit.proof import attainable, promised_adjoint
from diodeq.netlist.listing import tolerances_for
from diodeq.netlist.point import PointDeck, point_deck
from diodeq.simulators.base import AdjointSolution, OperatingPoint, demand_injections
from diodeq.simulators.demands import demand_answers
from diodeq.simulators.ngspice.jobs import LOOSER, Answer, answered, joined, judge_of, next_marker, none, work
from diodeq.simulators.ngspice.session import Session
from diodeq.simulators.ngspice.simulator import NgspiceBase


@dataclass(frozen=True)
class PointForward:
    """``op`` of a full circuit at one sample."""

    circuit: Circuit
    sources: Floats

    @property
    def work(self) -> float:
        """How many times more than a usual job."""
        return work(self.circuit, 1)

    def run(self, session: Session) -> Answer:
        """The first rung of tolerances whose answer, after Newton's corrections, is proved."""
        judge = judge_of(self.circuit)
        right = judge.equations.driven(self.sources[None])
        answer = none(self.circuit, None)
        for tolerances in (tolerances_for(self.circuit), *LOOSER):
            deck = point_deck(self.circuit, self.sources, next_marker(), tolerances=tolerances)
            unknowns, reason = _point(session, deck, judge.equations, tolerances is LOOSER[-1])
            x, g, error = judge.settle(unknowns, right, anew=False)
            answer = answered(judge.equations, x, g, error, reason)
            if error[0] <= attainable(answer.node_voltages)[0]:
                break
        return answer


@dataclass(frozen=True)
class PointAdjoint:
    """``ac`` of a full circuit at one sample with AC currents into its nodes; its one-ports are at ``conductances``."""

    circuit: Circuit
    sources: Floats
    injections: Floats
    conductances: Floats

    @property
    def work(self) -> float:
        """How many times more than a usual job."""
        return work(self.circuit, 1)

    def run(self, session: Session) -> Answer:
        """The first rung of tolerances whose answer, after corrections, is proved."""
        judge = judge_of(self.circuit)
        right, frozen = judge.equations.right_side(self.injections[None]), self.conductances[None]
        answer = none(self.circuit, None)
        for tolerances in (tolerances_for(self.circuit), *LOOSER):
            deck = point_deck(self.circuit, self.sources, next_marker(), self.injections, tolerances)
            unknowns, reason = _point(session, deck, judge.equations, tolerances is LOOSER[-1])
            x, error = judge.newton.polish_linear(unknowns, right, frozen, judge.promised_adjoint)
            answer = answered(judge.equations, x, frozen, error, reason)
            if error[0] <= judge.promised_adjoint(x)[0]:
                break
        return answer


def _point(session: Session, deck: PointDeck, equations: Equations, transient: bool) -> tuple[Floats, str | None]:
    """Unknowns float64[1, n] of a deck, NaN where it gives none, and why."""
    names = [*deck.nodes, *(name for group in deck.branches.values() for name in group)]
    found, reason = session.sweep(deck.text, deck.marker, [deck.marker, *names], 1, transient)
    if not len(found[deck.marker]):
        return np.full((1, equations.size), np.nan), reason
    values = [found[name][0].real for name in deck.nodes]
    branches = [found[name][0].real for kind in equations.branches for name in deck.branches[kind]]
    return np.array([[*values, *branches]]), reason


class NgspiceReference(NgspiceBase):
    """ngspice behind the ``Simulator`` protocol by the reference route; slow, for checking.

    A reciprocal circuit (no gyrators, buffers or mirrors) gets its own ``ac`` analysis, diodes linearized by ngspice;
    any other, and one that ngspice cannot linearize, is transposed first, its diodes frozen at the conductances of the
    operating point.
    """

    name = "ngspice-reference"

    def operate(self, circuit: Circuit, drives: Floats) -> OperatingPoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        check(circuit)
        jobs = [PointForward(circuit, sources) for sources in circuit.source_values(drives)]
        found = joined(self.pool.map(jobs)) if jobs else none(circuit, None)
        volts = np.atleast_2d(real("the input volts", drives))
        point = OperatingPoint(circuit, volts, found.node_voltages, found.conductances, found.branch_currents)
        demand_answers(point, point, found.error, attainable(point.node_voltages), found.reasons)
        return point

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs, and ``nodes``
        float64[B, N] into any nodes."""
        circuit = operating_point.circuit
        sources = circuit.source_values(operating_point.drives)
        given, spread = demand_injections(operating_point, injections, nodes)
        currents = spread(given)
        moving, conductances = apart(circuit), operating_point.diode_conductances
        bare = without_idle(circuit, moving)

        def frozen(row: int) -> PointAdjoint:
            reverse = transpose(linearize(bare, conductances[row, moving]))
            return PointAdjoint(reverse, np.zeros_like(sources[row]), currents[row], np.zeros(0))

        answers: dict[int, Answer] = {}
        if all(spec.reciprocal for spec in kinds_of(circuit).values()):
            own = [PointAdjoint(circuit, sources[k], currents[k], each) for k, each in enumerate(conductances)]
            for row, found in enumerate(self.pool.map(own)):
                if found.error[0] <= promised_adjoint(found.node_voltages)[0]:
                    answers[row] = found
        left = [row for row in range(len(conductances)) if row not in answers]
        answers.update(zip(left, self.pool.map([frozen(row) for row in left]), strict=True))
        found = joined([answers[row] for row in sorted(answers)]) if answers else none(circuit, None)
        solution = AdjointSolution(found.node_voltages, found.branch_currents)
        demand_answers(solution, operating_point, found.error, promised_adjoint(solution.node_voltages), found.reasons)
        return solution
