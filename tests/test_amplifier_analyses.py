"""What operational amplifiers cost and how they move: watts, time, noise, spread, and the errors by their causes."""

import json
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from diodeq.analysis.noise import output_noise
from diodeq.analysis.sensitivity import rank
from diodeq.analysis.settling import settle
from diodeq.analysis.verify import verify
from diodeq.circuit import Inputs, bank, check
from diodeq.circuit.amplifiers import groups_of, inside
from diodeq.circuit.capacitance import capacitances
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.power import dissipated, dissipation
from diodeq.circuit.supplies import Supplied
from diodeq.circuit.survey import Survey
from diodeq.cli.main import main
from diodeq.devices import amplifier
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.errors import InputError
from diodeq.learning.power import power_gradient
from diodeq.netlist.listing import tolerances_for
from diodeq.simulators import create
from diodeq.synthesis.amplifiers import AmplifierParts
from diodeq.synthesis.compile import compile_network
from diodeq.synthesis.parts import Parts
from diodeq.synthesis.variation import vary
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
    assert survey.feasibility().watts_max == pytest.approx(wanted[0], rel=1e-4)
    survey = Survey(circuit)
    survey.add(point.drives, point.node_voltages)
    assert survey.feasibility().watts_max == pytest.approx(wanted[0], rel=1e-4)


def test_outputs_give_what_current_sources_take_from_them(wave):
    """A follower's - input is its output, and takes its bias current there."""
    circuit = follower(replace(PART, current=np.inf, bias=2e-3), 12.0, 1e3)
    point = wave.operate(circuit, np.array([[5.0], [-3.0]]))
    (found,) = Supplied.of(circuit)
    amperes = found.amperes(point.node_voltages)
    assert amperes[:, 0] == pytest.approx([7e-3, -1e-3], rel=1e-4)
    assert found.watts(point.node_voltages, amperes) == pytest.approx([24e-3 + 49e-3, 24e-3 + 9e-3], rel=1e-4)


@pytest.mark.parametrize(("name", "times"), [("TL074", 1.0), ("TL074", 4.0), ("ideal", 1.0)])
def test_the_gradient_of_watts_goes_through_supplies(name, times, wave):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier=name, inputs=inputs).circuit
    volts = times * circuit.scaling.to_volts(inputs[1:3])
    found = power_gradient(wave, wave.operate(circuit, volts))

    def watts(conductances):
        point = wave.operate(circuit.with_conductances(conductances), volts)
        return float(dissipated(circuit.with_conductances(conductances), point.node_voltages).mean())

    g = circuit.conductances
    assert found.watts == pytest.approx(watts(g), rel=1e-12)
    trained = np.flatnonzero(circuit.mask)
    largest = np.abs(found.gradient * g[trained]).max()
    for place in range(0, len(trained), 9 if times == 1.0 else 27):
        step = 1e-4 * g[trained[place]] * (np.arange(len(g)) == trained[place])
        slope = (watts(g + step) - watts(g - step)) / 2e-4
        assert found.gradient[place] * g[trained[place]] == pytest.approx(slope, abs=2e-6 * largest)


def test_ngspice_is_asked_for_no_currents_below_what_rounding_makes_of_gains(wave, ngspice):
    """With a gain of millions no current is known to 1e-18 A, and a search for it is what takes time."""
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="OPA4192", inputs=inputs).circuit
    volts = circuit.scaling.to_volts(np.concatenate([inputs[:8], 3.0 * inputs[:1]]))
    folded = FoldPlan.of(circuit).fold(circuit).circuit
    assert dict(tolerances_for(folded))["abstol"] == "1e-12"
    assert dict(tolerances_for(replace(folded, buffers=bank("buffers"))))["abstol"] == "1e-18"
    apart = ngspice.operate(circuit, volts).node_voltages - wave.operate(circuit, volts).node_voltages
    assert np.abs(apart[:, [not node.endswith("_a") for node in circuit.nodes]]).max() < 1e-8


CATALOGUE = """
[quick]
supply = [0.0, 36.0]
swing = [1.0, 1.0]
gain = 1e5
bandwidth = 1e6
slew = 20e6
quiescent = 1e-3
current = 20e-3
noise_volts = 20e-9
noise_amperes = 3e-12
[slow]
supply = [0.0, 36.0]
swing = [1.0, 1.0]
gain = 1e5
bandwidth = 10e6
slew = 1e6
"""


@pytest.fixture
def parts(tmp_path, monkeypatch):
    own = tmp_path / "own.toml"
    own.write_text(CATALOGUE)
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(own))
    return amplifier.parts()


def test_a_follower_settles_as_its_bandwidth_lets_it(parts, ngspice):
    circuit = follower(parts["quick"], 12.0, 1e4)
    farads = capacitances(circuit, 0.0, 1e-15)
    found = settle(ngspice, circuit, farads, np.zeros((1, 1)), np.array([[1.0]]), 1e-2)
    assert found.times[0, 0] == pytest.approx(np.log(100.0) / (2.0 * np.pi * 1e6), rel=0.01)
    # 1 mA from ±12 V, and what the load draws from the positive one meanwhile.
    t, tau = found.times[0, 0], 1.0 / (2.0 * np.pi * 1e6)
    assert found.energy[0] == pytest.approx(24e-3 * t + 12.0 * 1e-4 * (t - 0.99 * tau), rel=0.01)


def test_a_large_step_takes_as_long_as_the_slew_rate_says(parts, ngspice):
    circuit = follower(parts["slow"], 12.0, 1e4)
    farads = capacitances(circuit, 0.0, 1e-15)
    found = settle(ngspice, circuit, farads, np.array([[-5.0]]), np.array([[5.0]]), 1e-2)
    assert found.times[0, 0] == pytest.approx(9.9e-6, rel=0.01)


def inverting(part, ohms, times):
    """An inverting amplifier of a gain, and a resistor after it."""
    made = Parts()
    amplifiers = AmplifierParts(made, part, 12.0)
    x, minus, y, z = made.nodes(["x", "minus", "y", "z"])
    (source,) = made.add("voltage_sources", "input", [x], 0, values=0.0)
    made.add("resistors", "input", x, minus, values=times / ohms)
    made.add("resistors", "feedback", minus, y, values=1.0 / ohms)
    made.add("resistors", "after", y, z, values=1e-5)
    amplifiers.add([0], [minus], [y])
    one = np.zeros(1, np.int32)
    return check(made.circuit(inputs=Inputs(one + source, one, np.ones(1), ("x",)), outputs=[[z, 0]]))


def test_an_inverting_amplifier_moves_as_ngspice_has_it(parts, ngspice, tmp_path):
    """The deck is written by hand: the gain, a pole, a follower, two resistors, and two capacitors."""
    circuit = inverting(replace(parts["quick"], current=np.inf), 1e4, 4.0)
    farads = capacitances(circuit, 0.0, 2e-12)
    farads[circuit.nodes.index("minus")] = 5e-12
    found = settle(ngspice, circuit, farads, np.zeros((1, 1)), np.array([[0.5]]), 1e-3)
    deck = f"""by hand
vx x 0 pwl(0 0 1n 0.5)
r1 x m 2500
r2 m y 10000
e1 a 0 0 m 1e5
rp a b 1e8
cp b 0 {1e5 / 1e8 / (2.0 * np.pi * 1e6):.17g}
e2 y 0 b 0 1
r3 y z 1e5
cm m 0 5p
cz z 0 2p
.options reltol=1e-6 abstol=1e-14 vntol=1e-10
.tran 1n 20u 0 2n
.measure tran settled when v(z)=-1.998 cross=last
.end
"""
    (tmp_path / "own.cir").write_text(deck)
    said = subprocess.run(["ngspice", "-b", "own.cir"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    (seconds,) = re.findall(r"^settled\s*=\s*(\S+)", said.stdout, re.MULTILINE)
    assert found.times[0, 0] == pytest.approx(float(seconds), rel=0.01)


def test_the_noise_of_amplifiers_is_that_of_their_figures(parts, ngspice):
    kelvin = 300.15
    heat = 4.0 * 1.380649e-23 * kelvin
    quick = parts["quick"]
    circuit = follower(quick, 12.0)
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 0.0), np.zeros((1, 1)))
    assert found.rms[0, 0] == pytest.approx(20e-9 * np.sqrt(np.pi / 2.0 * 1e6), rel=5e-3)
    # Behind 10 kΩ, by the noise gain of 5 and the input's current through the feedback; the pole is at a fifth.
    circuit = inverting(quick, 1e4, 4.0)
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 0.0), np.zeros((1, 1)))
    density = 25.0 * 20e-9**2 + (3e-12 * 1e4) ** 2 + heat * (1e4 + 16.0 * 2500.0) + heat * 1e5
    assert found.spectrum.densities[0, 0] == pytest.approx(density, rel=1e-4)


def test_boards_have_offsets_input_currents_and_gains_of_their_own():
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    technology = Technology(variation=Variation(amplifiers=1.0, tolerance=0.01, saturation=0.1))
    boards = [vary(circuit, technology, np.random.default_rng(k)) for k in range(60)]
    (group,) = groups_of(circuit)

    def found(kind, purpose):
        return np.concatenate([board.bank(kind).values[group.at(kind, purpose)] for board in boards])

    offsets, gains = found("voltage_sources", "offset"), found("buffers", "gain")
    assert np.std(offsets) == pytest.approx(3e-3, rel=0.1)
    assert abs(np.mean(offsets)) < 5e-4
    assert np.std(np.log(gains / 2e5)) == pytest.approx(0.3, rel=0.1)
    assert np.std(np.log(found("current_sources", "minus") / 65e-12)) == pytest.approx(0.5, rel=0.1)
    # What makes up the model is no part that anybody bought.
    for kind in ("resistors", "diodes"):
        own = inside(circuit, kind)
        for board in boards[:2]:
            same = [board.models[k] for k in board.diodes.values[own]] if kind == "diodes" else board.conductances[own]
            drawn = [circuit.models[k] for k in circuit.diodes.values[own]] if kind == "diodes" else 1e-8
            assert np.all(same == drawn)


def test_boards_are_off_by_every_offset_times_its_gain_to_the_output(wave):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    volts = circuit.scaling.to_volts(inputs[:1])
    (group,) = groups_of(circuit)
    at = group.at("voltage_sources", "offset")
    values = np.array(circuit.voltage_sources.values)
    values[at] = 0.0
    drawn = wave.operate(circuit.with_values("voltage_sources", values), volts).outputs[0]
    slopes = []
    for k in at.tolist():
        moved = values + 1e-4 * (np.arange(len(values)) == k)
        slopes.append((wave.operate(circuit.with_values("voltage_sources", moved), volts).outputs[0] - drawn) / 1e-4)
    usual = Technology(variation=Variation(amplifiers=1.0))
    # What the ranking says of each is its share, nearly all of it of the offset.
    ranking = rank(wave, circuit, usual, volts, lambda found: (float(found.sum()), np.ones_like(found)))
    assert ranking.amplifiers["TL074"] == pytest.approx(3e-3 * np.abs(np.sum(slopes, axis=1)), rel=0.02, abs=1e-6)
    assert ranking.to_json()["amplifiers"] == [{"amplifier": "TL074", "count": 10, "share": 1.0}]
    board = vary(circuit, usual, np.random.default_rng(0))
    off = wave.operate(board, volts).outputs[0] - drawn
    assert off == pytest.approx(board.voltage_sources.values[at] @ slopes, rel=0.02)


def test_temperature_drifts_offsets_and_doubles_the_currents_of_fets(parts):
    circuit = compile_network(*mondeq()[:1], "precision", diode="1N4148", amplifier="TL074").circuit
    warm = vary(circuit, Technology(variation=Variation(coldest=47.0, hottest=47.0)), np.random.default_rng(0))
    (group,) = groups_of(circuit)
    assert warm.voltage_sources.values[group.at("voltage_sources", "offset")] == pytest.approx(3e-3 + 20.0 * 18e-6)
    assert warm.current_sources.values[group.at("current_sources", "minus")] == pytest.approx(4.0 * 65e-12)
    with pytest.raises(InputError, match="drifts is not known"):
        vary(follower(parts["quick"], 12.0), Technology(variation=Variation(coldest=0.0, hottest=0.0)), np.random)


def test_the_command_spreads_amplifiers_as_usual(tmp_path, capsys):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    circuit.save(tmp_path / "c.npz")
    np.savetxt(tmp_path / "X.csv", inputs[:4], delimiter=",")
    told = ["montecarlo", str(tmp_path / "c.npz"), "--inputs", str(tmp_path / "X.csv"), "--samples", "6", "--json"]
    assert main([*told, "--simulator", "wave", "--workers", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["variation"]["amplifiers"] == 1.0
    assert 1e-3 < found["rms_volts"]["mean"] < 0.1
    assert found["certificate"] is None
    assert found["ranking"]["amplifiers"][0]["share"] == 1.0


@pytest.mark.parametrize("times", [1.0, 3.0], ids=["in range", "saturated"])
def test_the_budget_says_what_gain_offset_and_swing_do(times, wave, ngspice):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    found = verify(wave, wave, circuit, network, times * inputs[:4]).budget(0)
    assert list(found) == ["resistors, diodes", "gain", "offset", "swing", "total"]
    assert found["resistors, diodes"]["max"] < 5e-4
    assert 1e-6 < found["gain"]["max"] < 1e-3
    assert 1e-3 < found["offset"]["max"] < 2e-2
    if times == 1.0:
        assert found["swing"]["max"] < 1e-4
        assert found["total"]["max"] == pytest.approx(found["offset"]["max"], rel=0.2)
    else:
        assert found["swing"]["max"] > 0.05
    assert max(entry["max"] for entry in found.values()) < 2.0


def test_what_saturates_settles_at_what_its_limited_input_gives(wave, ngspice):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TLV9064", inputs=inputs).circuit
    volts = 3.0 * circuit.scaling.to_volts(inputs[:1])
    found = settle(ngspice, circuit, capacitances(circuit, 1e-13, 1e-12), 0.0 * volts, volts, 1e-3)
    point = wave.operate(circuit, volts)
    beyond = [node.endswith("_b") for node in circuit.nodes]
    assert np.abs(point.node_voltages[:, beyond]).max() > 2.48
    # A clamp's volts are those of a smaller current: n V_T per factor of e, n = 0.05.
    assert found.outputs == pytest.approx(point.outputs, abs=0.01)
    assert 1e-7 < found.times.max() < 1e-5
