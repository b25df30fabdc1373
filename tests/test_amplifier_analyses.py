"""What operational amplifiers cost and how they move: watts, time, noise, spread, and the errors by their causes."""

from dataclasses import replace

import numpy as np
import pytest

from diodeq.circuit import bank
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.power import dissipated, dissipation
from diodeq.circuit.survey import Survey
from diodeq.devices.amplifier import Amplifier
from diodeq.learning.power import heat
from diodeq.netlist.listing import tolerances_for
from diodeq.simulators import create
from diodeq.synthesis.compile import compile_network
from test_amplifiers import follower, mondeq

PART = Amplifier("mine", (0.0, 36.0), (1.5, 1.0), 1e6, quiescent=1e-3, current=20e-3, resistance=10.0)


@pytest.fixture(scope="module")
def wave():
    with create("wave") as engine:
        yield engine


@pytest.fixture(scope="module")
def ngspice():
    with create("ngspice", 1) as engine:
        yield engine


@pytest.mark.parametrize("limit", [20e-3, np.inf], ids=["limited", "unlimited"])
def test_watts_are_those_of_the_supplies_everywhere(limit, wave):
    circuit = follower(replace(PART, current=limit, resistance=10.0), 12.0, 1e3)
    point = wave.operate(circuit, np.array([[5.0], [-3.0]]))
    # 1 mA from ±12 V, and the load's current from one of the two, whatever of it becomes of use.
    wanted = 24e-3 + 12.0 * np.array([5e-3, 3e-3])
    assert dissipated(circuit, point.node_voltages) == pytest.approx(wanted, rel=1e-4)
    shares = {share.kind: share.watts for share in dissipation(circuit, point.node_voltages)}
    assert shares["resistors"] == pytest.approx([25e-3, 9e-3], rel=1e-4)
    survey = Survey(circuit)
    survey.add(point.drives, point.node_voltages, point.branch_currents)
    assert survey.found().watts_max == pytest.approx(wanted[0], rel=1e-4)
    survey = Survey(circuit)
    survey.add(point.drives, point.node_voltages)
    assert survey.found().watts_max == pytest.approx(wanted[0], rel=1e-4)


@pytest.mark.parametrize(("name", "times"), [("TL074", 1.0), ("TL074", 4.0), ("ideal", 1.0)])
def test_the_gradient_of_watts_goes_through_supplies(name, times, wave):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier=name, inputs=inputs).circuit
    volts = times * circuit.scaling.to_volts(inputs[1:3])
    found = heat(wave, wave.operate(circuit, volts))

    def watts(conductances):
        point = wave.operate(circuit.with_conductances(conductances), volts)
        return float(dissipated(circuit.with_conductances(conductances), point.node_voltages).mean())

    g = circuit.conductances
    assert found.watts == pytest.approx(watts(g), rel=1e-12)
    trained = np.flatnonzero(circuit.mask)
    largest = np.abs(found.gradient * g[trained]).max()
    for place in range(0, len(trained), 9):
        step = 1e-4 * g[trained[place]] * (np.arange(len(g)) == trained[place])
        slope = (watts(g + step) - watts(g - step)) / 2e-4
        assert found.gradient[place] * g[trained[place]] == pytest.approx(slope, abs=2e-6 * largest)


@pytest.mark.parametrize("name", ["OPA4192", "TLV9064"])
def test_ngspice_is_asked_for_no_currents_below_what_rounding_makes_of_gains(name, wave, ngspice):
    """With a gain of millions no current is known to 1e-18 A, and a search for it is what takes time."""
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier=name, inputs=inputs).circuit
    volts = circuit.scaling.to_volts(np.concatenate([inputs[:16], 3.0 * inputs[:2]]))
    folded = FoldPlan.of(circuit).fold(circuit).circuit
    assert dict(tolerances_for(folded))["abstol"] == "1e-12"
    assert dict(tolerances_for(replace(folded, buffers=bank("buffers"))))["abstol"] == "1e-18"
    apart = ngspice.operate(circuit, volts).node_voltages - wave.operate(circuit, volts).node_voltages
    assert np.abs(apart[:, [not node.endswith("_a") for node in circuit.nodes]]).max() < 1e-8
