"""Operational amplifiers: the catalogue, the macromodel in both engines, and circuits that are compiled with them."""

import json
import math
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from decks import run_gnucap, run_neospice, run_ngspice, run_ngspice_as_ltspice
from diodeq.analysis.certificate import certify_circuit, doubt
from diodeq.analysis.feasibility import feasibility
from diodeq.circuit import Circuit, Inputs, check
from diodeq.circuit.amplifiers import amplifiers, inside
from diodeq.circuit.graph import deaf
from diodeq.circuit.survey import Survey
from diodeq.cli.main import main
from diodeq.devices import amplifier
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.technology import get as get_technology
from diodeq.errors import InputError, NotRealizableError, UsageError
from diodeq.learning import datasets
from diodeq.learning.tuning import Answers, tune
from diodeq.netlist.bom import rows
from diodeq.netlist.dialects import full_deck
from diodeq.network import Activation, Network, Stage
from diodeq.network.solve import solve
from diodeq.network.weights import save
from diodeq.simulators import create
from diodeq.synthesis.amplifiers import AmplifierParts
from diodeq.synthesis.cheapest import cheapest
from diodeq.synthesis.compile import compile_network
from diodeq.synthesis.parts import Parts
from diodeq.synthesis.pruning import kept
from diodeq.synthesis.quantize import scaled_impedance


@pytest.fixture
def cli(capsys):
    """What a command that succeeds prints."""

    def run(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments)])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


NAMES = ["ideal", "MCP6004", "TLV9064", "LM358", "TL074", "OPA4277", "OPA4192"]


def test_the_catalogue_has_its_parts_each_with_a_source():
    assert list(amplifier.parts()) == NAMES
    for part in amplifier.parts().values():
        assert part.source
        assert part.description
        assert part.name == "ideal" or "[unconfirmed]" in part.source


def test_names_are_found_in_any_case_and_near_ones_proposed():
    assert amplifier.get("tl074").channels == 4
    with pytest.raises(UsageError, match="did you mean TL074"):
        amplifier.get("TL07")


def test_a_users_own_amplifier_wins(tmp_path, monkeypatch):
    own = tmp_path / "mine.toml"
    own.write_text("[TL074]\nsupply = [7.0, 36.0]\nswing = [1.5, 1.5]\ngain = 123.0\n")
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(own))
    assert amplifier.get("TL074").gain == 123.0
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match=r"none\.toml cannot be read"):
        amplifier.parts()


FAULTS = {
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]": "has no gain",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e9": "at most 1e7",
    "supply = [5.0, 1.0]\nswing = [0.0, 0.0]\ngain = 1e5": "the least and the most",
    "supply = [1.0]\nswing = [0.0, 0.0]\ngain = 1e5": "must be two volts",
    "supply = [1.0, 5.0]\nswing = [0.0, inf]\ngain = 1e5": "swing = .* must be finite",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = true": "gain = True is not possible",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e5\ncolour = 1": "unknown entry 'colour'",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e5\nchannels = 0": "from 1 to 64",
    "supply = [1.0, 5.0]\nswing = [0.0, 0.0]\ngain = 1e5\noffset = nan": "offset = nan is not possible",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_no_amplifier_is_refused_with_the_file(text, tmp_path, monkeypatch):
    own = tmp_path / "mine.toml"
    own.write_text(f"[mine]\n{text}\n")
    monkeypatch.setenv("DIODEQ_AMPLIFIERS", str(own))
    with pytest.raises(InputError, match=FAULTS[text]) as refused:
        amplifier.parts()
    assert "mine.toml" in refused.value.problem


def test_supplies_default_to_what_an_amplifier_bears():
    assert amplifier.get("TL074").rail(None) == 12.0
    assert amplifier.get("TLV9064").rail(None) == 2.5
    assert amplifier.get("TLV9064").reach(2.5) == pytest.approx(2.48)
    with pytest.raises(NotRealizableError, match=r"works on 1\.8 to 5\.5 V"):
        amplifier.get("TLV9064").rail(12.0)
    with pytest.raises(NotRealizableError, match="no room"):
        Amplifier("mine", (0.0, 36.0), (2.0, 2.0), 1e5).rail(1.0)


def test_the_command_lists_and_shows_them(cli):
    listed = json.loads(cli("devices", "amplifiers", "--json"))
    assert [part["name"] for part in listed] == NAMES
    assert listed[0]["bandwidth"] is None
    shown = cli("devices", "amplifiers", "OPA4192")
    assert "20 MV/s" in shown
    assert "4 in a package" in shown
    assert math.isclose(json.loads(cli("devices", "amplifiers", "lm358", "--json"))["bias"], 20e-9)


def follower(part, rail, ohms=1e4):
    """A voltage follower with a load, driven by its one input."""
    parts = Parts()
    amplifiers = AmplifierParts(parts, part, rail)
    x, y = parts.nodes(["x", "y"])
    (source,) = parts.add("voltage_sources", "input", [x], 0, values=0.0)
    amplifiers.add([x], [y], [y])
    parts.add("resistors", "load", y, 0, values=1.0 / ohms)
    one = np.zeros(1, np.int32)
    return check(parts.circuit(inputs=Inputs(one + source, one, np.ones(1), ("x",)), outputs=[[y, 0]]))


@pytest.fixture(scope="module")
def wave():
    with create("wave") as engine:
        yield engine


def test_a_follower_is_off_by_its_offset_and_by_one_over_its_gain(wave):
    part = Amplifier("mine", (0.0, 36.0), (1.5, 1.0), 1e4, offset=3e-3, bias=1e-9, current=20e-3, resistance=100.0)
    point = wave.operate(follower(part, 12.0), np.array([[-5.0], [2.0]]))
    # The input is at a source, which no input current moves; the output's resistance, bent a little, is in the loop.
    loop = 1e4 * 1e4 / (1e4 + 100.0)
    assert point.outputs[:, 0] == pytest.approx((np.array([-5.0, 2.0]) + 3e-3) * loop / (1.0 + loop), abs=2e-6)


def test_an_input_current_flows_through_what_feeds_the_input(wave):
    part = Amplifier("mine", (0.0, 36.0), (1.5, 1.0), 1e6, bias=1e-6)
    parts = Parts()
    amplifiers = AmplifierParts(parts, part, 12.0)
    x, y = parts.nodes(["x", "y"])
    parts.add("resistors", "source", x, 0, values=1e-5)
    amplifiers.add([x], [y], [y])
    circuit = check(parts.circuit(outputs=[[y, 0]]))
    assert wave.operate(circuit, np.zeros((1, 0))).outputs == pytest.approx(-0.1, rel=1e-5)


@pytest.mark.parametrize("engine", ["wave", "ngspice"])
def test_outputs_stay_within_swing_and_current(engine):
    part = Amplifier("mine", (0.0, 36.0), (1.5, 1.0), 1e5, current=20e-3, resistance=10.0)
    with create(engine) as simulator:
        volts = np.array([[-20.0], [-10.0], [10.0], [20.0]])
        light = simulator.operate(follower(part, 12.0, 1e6), volts).outputs[:, 0]
        heavy = simulator.operate(follower(part, 12.0, 100.0), volts).outputs[:, 0]
    # A clamp carries up to 1e5 times 9 V over 1e8 Ω: 27 mV beyond its rail.
    assert light[[1, 2]] == pytest.approx([-10.0, 10.0], rel=2e-5)
    assert light[[0, 3]] == pytest.approx([-11.0, 10.5], abs=0.05)
    assert heavy == pytest.approx([-2.0, -2.0, 2.0, 2.0], rel=1e-3)


def mondeq():
    """A stage with an asymmetric W and a read-out, and 40 inputs."""
    random = np.random.default_rng(3)
    A, P = random.normal(size=(2, 4, 4)) / 3.0
    W = 0.7 * np.eye(4) - A.T @ A + P - P.T
    hidden = Stage(random.normal(size=(4, 3)), random.normal(size=4), W)
    read = Stage(random.normal(size=(2, 4)), random.normal(size=2), None, Activation("identity"))
    return Network((hidden, read)), random.uniform(-1.0, 1.0, (40, 3))


def error_of(compiled, inputs, engine):
    """By how much outputs are off, as a share of the largest, and the operating points."""
    circuit = compiled.circuit
    point = engine.operate(circuit, circuit.scaling.to_volts(inputs))
    wanted = solve(compiled.network, inputs, tolerance=1e-12).outputs
    found = circuit.scaling.from_volts(point.outputs)
    return float(np.abs(found - wanted).max() / np.abs(wanted).max()), point


@pytest.mark.parametrize("name", NAMES)
def test_active_rectifiers_compute_a_network_as_well_as_is_expected_of_them(name, wave):
    network, inputs = mondeq()
    diode = "ideal" if name == "ideal" else "1N4148"
    compiled = compile_network(network, "precision", diode=diode, amplifier=name, inputs=inputs)
    error, point = error_of(compiled, inputs, wave)
    expected = compiled.report.choice.error
    assert error < 0.02
    assert 0.2 * expected < error < 2.0 * expected + 1e-6
    rail = amplifier.get(name).rail(None)
    outside = [k for k, node in enumerate(compiled.circuit.nodes) if not node.endswith("_a")]
    assert np.abs(point.node_voltages[:, outside]).max() <= rail
    counts = compiled.report.amplifiers
    assert counts == {name: len(amplifiers(compiled.circuit)[name])}


def test_kilovolts_are_not_asked_for_where_parts_are_ideal():
    network, inputs = mondeq()
    compiled = compile_network(network, "precision", diode="ideal", inputs=100.0 * inputs)
    assert compiled.report.highest_volts == 12.0


REALIZED = ["precision", "buffered", "transformer-gyrator"]


@pytest.mark.parametrize("name", ["TL074", "TLV9064"])
@pytest.mark.parametrize("realization", REALIZED[1:])
def test_any_weights_are_built_of_followers_inverters_and_pumps(realization, name, wave):
    network, inputs = mondeq()
    compiled = compile_network(network, realization, diode="BAT54", amplifier=name, inputs=inputs)
    circuit, report = compiled.circuit, compiled.report
    error, point = error_of(compiled, inputs[:8], wave)
    assert 0.2 * report.choice.error < error < 1.6 * report.choice.error
    assert set(report.parts) == {"resistors", "diodes", "voltage_sources"} | {"current_sources"} & set(report.parts)
    assert report.parts["resistors"] == sum(stage.parts["resistors"] for stage in report.stages)
    assert report.amplifiers == {name: sum(stage.parts["amplifiers"] for stage in report.stages)}
    outside = [k for k, node in enumerate(circuit.nodes) if not node.endswith("_a")]
    assert np.abs(point.node_voltages[:, outside]).max() <= amplifier.get(name).rail(None)
    assert not deaf(circuit)
    assert not circuit.mask[[label.endswith("gains") for label, n in circuit.resistors.groups for _ in range(n)]].any()


def test_pumps_have_room_for_all_that_units_can_be(wave):
    """With every unit at its most, of whatever sign, a pump's output is within its reach."""
    network, inputs = mondeq()
    compiled = compile_network(network, "transformer-gyrator", diode="BAT54", amplifier="OPA4192", inputs=inputs)
    circuit = compiled.circuit
    point = wave.operate(circuit, circuit.scaling.to_volts(inputs[:8]))
    outs = [circuit.nodes.index(f"s0_{i}_o") for i in range(4)]
    assert np.abs(point.node_voltages[:, outs]).max() < 0.75 * amplifier.get("OPA4192").reach(12.0)


@pytest.mark.parametrize("realization", REALIZED)
def test_saturation_is_said_of_each_amplifier(realization, wave):
    network, inputs = mondeq()
    compiled = compile_network(network, realization, diode="BAT54", amplifier="TL074", inputs=inputs)
    circuit = compiled.circuit
    fine, beyond = (feasibility(wave, circuit, circuit.scaling.to_volts(times * inputs[:4])) for times in (1.0, 4.0))
    assert set(fine.saturated.values()) == {0}
    assert "no amplifier saturates" in fine.sentence()
    assert len(beyond.saturated) == sum(compiled.report.amplifiers.values())
    worst = max(beyond.saturated, key=beyond.saturated.get)
    assert 0 < beyond.saturated[worst] <= 4
    assert f"saturate, the one at {worst} in {beyond.saturated[worst]} of 4 samples" in beyond.sentence()
    assert beyond.to_json()["saturated"] == beyond.saturated


def test_units_are_proved_to_stay_within_their_swing_where_they_do(wave):
    network, inputs = mondeq()
    compiled = compile_network(network, "precision", diode="BAT54", amplifier="OPA4192", inputs=inputs)
    circuit, random = compiled.circuit, np.random.default_rng(1)
    drawn = random.uniform(inputs.min(axis=0), inputs.max(axis=0), (20, 3))
    point = wave.operate(circuit, circuit.scaling.to_volts(drawn))
    for k, (stage, swing) in enumerate(zip(network.stages, compiled.report.swing, strict=True)):
        units = point.node_voltages[:, [circuit.nodes.index(f"s{k}_{i}") for i in range(stage.size)]]
        assert np.all((units >= swing.low - 1e-2) & (units <= swing.high + 1e-2))
        assert np.all(swing.most >= swing.seen * (1.0 - 1e-9))
        assert swing.sure == (swing.most <= swing.reach).sum()
    assert len(compiled.report.to_json()["swing"][0]["proved_high_volts"]) == 4


def test_buffers_are_off_by_their_gain_times_the_offset_and_by_one_over_the_loops(wave):
    network, inputs = mondeq()
    part = Amplifier("mine", (0.0, 36.0), (1.5, 1.5), 1e4, offset=2e-3)
    compiled = compile_network(network, "buffered", diode="BAT54", amplifier=part, inputs=inputs)
    circuit, gain = compiled.circuit, compiled.report.stages[0].gain
    volts = wave.operate(circuit, circuit.scaling.to_volts(inputs[:4])).node_voltages
    checked = 0
    for i in range(4):
        names = [f"s0_{i}", f"f0_{i}_p", f"f0_{i}_n"]
        if set(names) <= set(circuit.nodes):
            unit, straight, inverted = (volts[:, circuit.nodes.index(name)] for name in names)
            assert straight == pytest.approx((unit + 2e-3) * gain / (1.0 + gain / 1e4), abs=1e-5)
            assert inverted == pytest.approx((2.0 * 2e-3 - straight) / (1.0 + 2.0 / 1e4), abs=1e-5)
            checked += 1
    assert checked


@pytest.mark.parametrize("realization", REALIZED)
def test_other_programs_agree_where_they_can_read_an_amplifier(realization, wave, tmp_path):
    """gnucap does not converge behind the largest gains; neospice leaves the curve of a current limit out."""
    network, inputs = mondeq()
    part = Amplifier("mine", (0.0, 36.0), (1.5, 1.5), 1e4, offset=1e-3, bias=1e-9, quiescent=1e-3)
    circuit = compile_network(network, realization, diode="1N4148", amplifier=part, inputs=inputs).circuit
    volts = circuit.scaling.to_volts(inputs[0])
    text = full_deck(circuit, "ltspice", volts).text
    point = wave.operate(circuit, volts[None]).node_voltages[0]
    for run, within in ((run_ngspice_as_ltspice, 1e-8), (run_gnucap, 1e-4), (run_neospice, 1e-6)):
        found = run(text, tmp_path)
        for node in ("s0_0", "s0_3", "s1_0", "s1_1"):
            assert found[node] == pytest.approx(point[circuit.nodes.index(node)], abs=within), (run.__name__, node)


def test_leaky_units_and_curves_are_built_where_no_rectifier_is(wave):
    network, inputs = mondeq()
    for activation in (Activation("leaky-relu", 0.2), Activation("tanh")):
        own = Network((replace(network.stages[0], activation=activation), network.stages[1]))
        compiled = compile_network(own, diode="BAT54", amplifier="OPA4192", inputs=inputs)
        error, _ = error_of(compiled, inputs[:8], wave)
        assert f"not precision, as stage 0 has the activation {activation}, " in compiled.report.why
        assert error < 1.6 * compiled.report.choice.error + 1e-4
        assert error < 0.03


@pytest.mark.parametrize("realization", REALIZED)
def test_the_engines_agree(realization):
    network, inputs = mondeq()
    circuit = compile_network(network, realization, diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    volts = circuit.scaling.to_volts(np.concatenate([inputs[:3], 3.0 * inputs[:2]]))  # the last two saturate
    with create("wave") as first, create("ngspice") as second:
        points = [engine.operate(circuit, volts).node_voltages for engine in (first, second)]
    shown = [k for k, node in enumerate(circuit.nodes) if not node.endswith("_a")]
    assert np.abs(points[0][:, shown] - points[1][:, shown]).max() < 1e-8


@pytest.mark.parametrize("times", [1.0, 4.0], ids=["in range", "saturated"])
@pytest.mark.parametrize("realization", REALIZED)
def test_the_gradient_goes_through_amplifiers(realization, times, wave):
    network, inputs = mondeq()
    circuit = compile_network(network, realization, diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    volts = times * circuit.scaling.to_volts(inputs[1:3])
    point = wave.operate(circuit, volts)
    high = point.node_voltages[:, circuit.nodes.index("amp_high")].max()
    beyond = [k for k, node in enumerate(circuit.nodes) if node.endswith("_b")]
    assert (np.abs(point.node_voltages[:, beyond]).max() > high) == (times > 1.0)
    weights = np.array([[1.0, -0.5], [0.3, 2.0]])
    adjoint = wave.small_signal(point, weights).node_voltages
    ends = circuit.resistors.terminals
    across = [volts[:, ends[:, 0]] - volts[:, ends[:, 1]] for volts in (point.node_voltages, adjoint)]
    gradient = -(across[0] * across[1]).sum(axis=0)

    def loss(log_conductances):
        return float((weights * wave.operate(circuit.with_conductances(np.exp(log_conductances)), volts).outputs).sum())

    logs = np.log(circuit.conductances)
    largest = np.abs(gradient * circuit.conductances).max()
    for k in np.flatnonzero(circuit.mask)[::12].tolist():
        moved = np.zeros(len(logs))
        moved[k] = 1e-4
        slope = (loss(logs + moved) - loss(logs - moved)) / 2e-4
        assert gradient[k] * circuit.conductances[k] == pytest.approx(slope, abs=1e-6 * largest, rel=1e-6)


def test_small_weights_are_differences_and_ladders_leave_amplifiers_alone(wave):
    network, inputs = mondeq()
    narrow = replace(get_technology("discrete-e96"), low=1e-5, levels="")
    compiled = compile_network(network, "precision", amplifier="OPA4192", technology=narrow, inputs=inputs)
    assert sum(stage.pairs for stage in compiled.report.stages) > 0
    assert error_of(compiled, inputs, wave)[0] < 1e-3
    rounded = compile_network(
        network, "precision", amplifier="OPA4192", technology=get_technology("discrete-e96"), inputs=inputs
    ).circuit
    own = inside(rounded, "resistors")
    assert set(rounded.conductances[own]) == {1e-8}
    ladder = get_technology("discrete-e96").ladder
    assert rounded.conductances[~own] == pytest.approx(ladder.project(rounded.conductances[~own]), rel=1e-12)


def test_what_cannot_be_is_refused_with_a_remedy():
    network, _ = mondeq()
    tanh = Network((replace(network.stages[0], activation=Activation("tanh")),))
    leaky = Network((replace(network.stages[0], activation=Activation("leaky-relu", 0.1)),))
    loose = Network((replace(network.stages[0], W=2.0 * np.eye(4)),))
    for what, options, words in (
        (tanh, {}, "tanh"),
        (leaky, {}, "no active rectifier"),
        (loose, {}, "not above 0"),
        (network, {"technology": Technology(supply=30.0)}, r"works on 7 to 36 V"),
        (network, {"technology": Technology(low=2e-4, high=1e-2)}, "below the lowest"),
        (network, {"realization": "passive"}, "W is not symmetric"),
        (network, {"realization": "transformer-gyrator", "technology": Technology(low=2e-4)}, "times what TL074 can"),
        (tanh, {"realization": "auto", "technology": Technology(low=2e-4)}, "and not precision: .* tanh"),
    ):
        given = {"realization": "precision", "amplifier": "TL074", **options}
        with pytest.raises(NotRealizableError, match=words) as refused:
            compile_network(what, **given)
        assert refused.value.remedy


def test_no_certificate_is_given_for_one_ports_in_loops():
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", inputs=inputs).circuit
    with pytest.raises(InputError, match="in the loop of an amplifier"):
        certify_circuit(circuit)
    assert doubt(circuit)


@pytest.mark.parametrize("dialect", ["ngspice", "ltspice"])
def test_decks_have_an_instance_of_a_subcircuit_for_each_and_compute_the_same(dialect, wave, tmp_path):
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    volts = circuit.scaling.to_volts(inputs[0])
    text = full_deck(circuit, dialect, volts).text
    assert text.count(".subckt amp_tl074") == 1
    instances = re.findall(
        r"^x_(u\d+) 0 (\S+_n?sum) (\S+) amp_high amp_low amp_plus amp_minus amp_tl074$", text, re.MULTILINE
    )
    assert [number for number, *_ in instances] == [f"u{k}" for k in range(1, 11)]
    assert "d_u1" not in text.replace("d_u1_out_", "")
    found = (run_ngspice_as_ltspice if dialect == "ltspice" else run_ngspice)(text, tmp_path)
    point = wave.operate(circuit, volts[None])
    for node in ("s0_0", "s0_1_n", "s1_0", "s1_1"):
        assert found[node] == pytest.approx(point.node_voltages[0, circuit.nodes.index(node)], abs=1e-8), node


def test_a_changed_amplifier_has_a_subcircuit_of_its_own():
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", amplifier="LM358", inputs=inputs).circuit
    volts = np.array(circuit.voltage_sources.values)
    volts[circuit.voltage_sources.names.index("v_u3_offset")] = -2e-3
    text = full_deck(circuit.with_values("voltage_sources", volts)).text
    assert re.search(r"^x_u3 .* amp_lm358_2$", text, re.MULTILINE)
    assert text.count(" amp_lm358\n") == 9
    assert re.search(r"\.subckt amp_lm358_2 .*\n.*\nv_offset p inp -0\.002\n", text)


def test_the_parts_list_counts_packages():
    network, inputs = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=inputs).circuit
    listed = list(rows(circuit))
    assert ("U1-U3", "TL074", 3) in [(row.reference, row.value, row.count) for row in listed]
    assert not [row for row in listed if "U1_" in row.reference]
    assert sum(row.count for row in listed if row.part == "resistor") == int((~inside(circuit, "resistors")).sum())
    assert [row.count for row in listed if row.part == "1N4148"] == [8]


def test_power_counts_what_amplifiers_take_from_their_supplies(wave):
    part = Amplifier("mine", (0.0, 36.0), (1.5, 1.0), 1e6, quiescent=1e-3, current=20e-3, resistance=10.0)
    circuit = follower(part, 12.0, 1e3)
    survey = Survey(circuit, supply=12.0)
    point = wave.operate(circuit, np.array([[5.0]]))
    survey.add(point.drives, point.node_voltages, point.branch_currents)
    # 1 mA from ±12 V, and the load's 5 mA from the positive one, whatever of it becomes of use.
    assert survey.feasibility().watts_max == pytest.approx(24e-3 + 12.0 * 5e-3, rel=1e-4)
    assert survey.feasibility().supply_volts == 12.0


def test_the_cheapest_that_is_exact_enough_is_chosen_and_says_why():
    chain = np.array([[2.0, -0.9], [-0.9, 2.0]])
    passive = Stage(0.2 * np.eye(2), np.zeros(2), np.eye(2) - chain)
    network = Network((passive,))
    rough = cheapest(network, 0.9, "OPA4192", diode="1N4148")
    exact = cheapest(network, 0.001, "OPA4192", diode="1N4148")
    assert [each.report.stages[0].realization for each in (rough, exact)] == ["passive", "precision"]
    assert "passive is expected to be off by" in exact.report.why
    with pytest.raises(NotRealizableError, match="nothing is within"):
        cheapest(network, 1e-9, "LM358", diode="1N4148")


def test_compile_takes_an_amplifier_and_an_error(tmp_path, cli, capsys):
    network, inputs = mondeq()
    save(network, tmp_path / "w.npz")
    np.savetxt(tmp_path / "X.csv", inputs, delimiter=",")
    out = ["-o", tmp_path / "c.npz", "--diode", "1N4148", "--inputs", tmp_path / "X.csv"]
    told = cli("compile", tmp_path / "w.npz", *out, "--amplifier", "TL074", "--error", "2%")
    assert "10 amplifiers TL074" in told
    assert "the cheapest within 0.02" in told
    assert "certificate: none, as" in told
    verified = cli(
        "verify",
        tmp_path / "c.npz",
        "--weights",
        tmp_path / "w.npz",
        "--inputs",
        tmp_path / "X.csv",
        "--simulator",
        "wave",
    )
    assert "decides as the network on 100.00 %" in verified
    code = main([*map(str, ("compile", tmp_path / "w.npz", *out, "--amplifier", "TLV9064", "--supply", "12"))])
    assert code == 4
    assert "works on 1.8 to 5.5 V" in capsys.readouterr().err


def test_what_does_not_know_amplifiers_says_so():
    circuit = follower(amplifier.get("TL074"), 12.0)
    for ask in (
        lambda: kept(circuit, np.ones(len(circuit.resistors))),
        lambda: scaled_impedance(circuit, 2.0),
    ):
        with pytest.raises(InputError, match=r"has amplifiers TL074, and .* does not know them yet"):
            ask()


def test_compile_tunes_what_it_compiled(tmp_path, cli, capsys):
    random = np.random.default_rng(5)
    network, _ = mondeq()
    x = random.uniform(-1.0, 1.0, (200, 3))
    y = np.arange(200) % 2  # what is learned is the network, whatever the labels
    save(network, tmp_path / "w.npz")
    np.savez(tmp_path / "data.npz", X=x, y=y)
    out = ["-o", tmp_path / "c.npz", "--diode", "1N4148", "--amplifier", "TL074", "--tune", f"npz:{tmp_path}/data.npz"]
    found = json.loads(cli("compile", tmp_path / "w.npz", *out, "--json"))
    tuned = found["tuned"]
    assert (tuned["samples"], tuned["held_out"], tuned["epochs"], tuned["kept"]) == (150, 50, 1, True)
    assert tuned["after"]["rms"] < 0.9 * tuned["before"]["rms"]
    assert tuned["after"]["agreement"] == 1.0
    assert tuned["after"]["accuracy"] == tuned["network_accuracy"]
    circuit = Circuit.load(tmp_path / "c.npz")
    assert any("tuned on 150 samples" in note for note in circuit.notes)
    with create("wave") as engine:
        answers = circuit.scaling.from_volts(engine.operate(circuit, circuit.scaling.to_volts(x[:20])).outputs)
    wanted = solve(network, x[:20]).outputs
    assert np.sqrt(np.mean((answers - wanted) ** 2)) < 2.0 * tuned["after"]["rms"] * np.abs(wanted).max()
    capsys.readouterr()
    assert main([*map(str, ("compile", tmp_path / "w.npz", *out[:-1], "iris"))]) == 3
    assert "3 inputs but iris has 4 features" in capsys.readouterr().err


def test_what_would_be_tuned_to_worse_is_left_as_it_was(tmp_path, wave):
    network, x = mondeq()
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=x).circuit
    np.savez(tmp_path / "data.npz", X=x, y=np.arange(40) % 2)
    data = datasets.load(f"npz:{tmp_path / 'data.npz'}", 0)
    found = tune(wave, circuit, network, data, Technology(), rate=0.5)
    assert not found.better
    assert found.circuit is circuit
    assert found.after == found.before
    assert "it is left as it was" in found.sentence()


def test_answers_of_the_tuned_are_off_by_shares_of_the_largest_output():
    wanted = np.array([[4.0, 1.0], [0.0, 2.0], [3.0, 2.0], [1.0, 0.0]])
    found = wanted + np.array([[0.0, 0.4], [0.0, 0.0], [-1.2, 0.0], [0.0, 0.0]])
    answers = Answers.of(found, wanted, np.array([0, 0, 1, 1]))
    shares = {"error": 0.3, "rms": np.sqrt(0.2) / 4.0, "agreement": 0.75, "accuracy": 0.5}
    assert asdict(answers) == pytest.approx(shares)
