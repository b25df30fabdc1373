"""Whether a circuit can be soldered: what it asks of supplies and parts over samples, solved by a simulator."""

from __future__ import annotations

from dataclasses import replace

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.feasibility import Feasibility
from diodeq.circuit.saturation import Saturation
from diodeq.circuit.survey import Survey
from diodeq.simulators.base import Simulator, batches


def feasibility(
    simulator: Simulator, circuit: Circuit, drives: Floats, survey: Survey | None = None, clipped: int = 0
) -> Feasibility:
    """What ``circuit`` asks for over input volts ``drives`` float64[B, n_in], within the limits of a ``survey`` of it;
    ``clipped`` values of theirs were beyond the circuit's limit.

    Raises:
        SimulationError: a sample has no operating point.
    """
    survey = Survey(circuit) if survey is None else survey
    saturation = Saturation(circuit)
    for point in batches(simulator, circuit, drives):
        survey.add(point.drives, point.node_voltages, point.branch_currents)
        saturation.add(point.node_voltages)
    return replace(survey.feasibility(clipped), saturated=saturation.found())
