"""Can it be soldered? Ratings against circuits worked out by hand, the bound of the power against a search for more."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from matplotlib.ticker import EngFormatter

from circuits import CIRCUITS, DRIVES
from diodeq.analysis.feasibility import feasibility
from diodeq.analysis.quantization import drawn_drives
from diodeq.circuit import Circuit, Inputs, Units, bank, check
from diodeq.circuit.power import dissipated
from diodeq.circuit.power_bound import power_bound
from diodeq.circuit.survey import Survey
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.composite.parts import CompositePart
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.hardware.ladder import ladder
from diodeq.devices.one_ports import from_json
from diodeq.devices.ratings import Ratings
from diodeq.errors import InputError, NotRealizableError, SimulationError
from diodeq.learning import datasets
from diodeq.network import Network, Stage
from diodeq.network.weights import save
from diodeq.printable import quantity
from diodeq.simulators import create
from diodeq.simulators.ngspice.jobs import judge_of
from diodeq.synthesis.layered import layered
from oracle import Oracle

DIODE = catalogue.get("1N4148")


@pytest.fixture(scope="module")
def wave():
    with create("wave") as engine:
        yield engine


def one_diode(ohms=1e3, limit=math.inf, diode=DIODE):
    """An input x, a resistor, and a diode from its other end to ground."""
    return check(
        Circuit(
            ("0", "s", "n"),
            resistors=bank("resistors", [(1, 2, 1.0 / ohms)]),
            diodes=bank("diodes", [(2, 0, 0)]),
            voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
            inputs=Inputs([0], [0], [1.0], ("x",)),
            models=(diode,),
            outputs=[(2, 0)],
            units=Units(np.zeros(1), np.ones(1), limit=limit),
        )
    )


def told(found):
    return [each.sentence() for each in found.exceeded]


# --- ratings ------------------------------------------------------------------------------------------------------


def test_nothing_is_exceeded_where_little_is_asked():
    found = feasibility(Oracle(), one_diode(limit=5.0), np.array([[5.0], [-5.0], [2.0]]))
    amperes = (5.0 - DIODE_DROP) / 1e3
    assert found.largest_source_amperes == pytest.approx(amperes, rel=1e-3)
    assert found.watts_max == pytest.approx(5.0 * amperes, rel=1e-3)
    assert found.watts_median == pytest.approx(2.0 * (2.0 - 0.6) / 1e3, rel=1e-2)
    assert (found.supply_volts, found.limited, found.excesses, found.unrated) == (5.0, True, 0, ())
    assert found.bound.watts == pytest.approx(25.0 / 1e3)  # all of the supply at the resistor
    assert found.sentence() == (
        "feasibility: ±5 V, 1 resistor of 1 kΩ, 2.8 mW in the median sample (21.7 mW worst of 3, at most 25 mW for any"
        " input), largest source current 4.35 mA (v1 at s); within all ratings"
    )


DIODE_DROP = 0.6549  # of the 1N4148 at 4.34 mA


def test_a_diode_in_reverse_is_held_against_its_data_sheet():
    found = feasibility(Oracle(), one_diode(ohms=1e6), np.array([[-120.0], [-30.0], [20.0]]))
    assert told(found) == ["reverse voltage of d1 (1N4148): 120 V of 75 V"]
    assert found.sentence().endswith("; exceeds: reverse voltage of d1 (1N4148): 120 V of 75 V")
    assert "±120 V (the highest seen), 1 resistor" in found.sentence()
    with pytest.raises(NotRealizableError, match=r"reverse voltage of d1 \(1N4148\): 120 V of 75 V; buy") as refused:
        found.demand("buy another")
    assert refused.value.parts == ("d1",)
    at_the_limit = feasibility(Oracle(), one_diode(ohms=1e6), np.array([[-75.0]]))
    assert at_the_limit.excesses == 0


def test_the_worst_comes_first_and_the_others_are_counted():
    found = feasibility(Oracle(), one_diode(ohms=500.0), np.array([[150.0]]))
    amperes = 150.0 / 500.0
    assert told(found) == [
        "power of r1 (0603): 44.4 W of 100 mW",
        "current of v1 (driver): 298 mA of 25 mA",
        "voltage of r1 (0603): 149 V of 75 V",
        "forward current of d1 (1N4148): 298 mA of 200 mA",
    ]
    assert found.largest_source_amperes == pytest.approx(amperes, rel=0.01)
    assert found.sentence().endswith("exceeds: power of r1 (0603): 44.4 W of 100 mW, and 3 more")


def test_constant_rails_come_from_a_supply_and_not_from_a_driver():
    circuit = Circuit(
        ("0", "p"),
        resistors=bank("resistors", [(1, 0, 1.0 / 50.0)] * 4),
        voltage_sources=bank("voltage_sources", [(1, 0, 2.0)]),
    )
    found = feasibility(Oracle(), circuit, np.zeros((1, 0)))
    assert (found.excesses, found.largest_source) == (0, "v1 at p")
    assert found.largest_source_amperes == pytest.approx(0.16)
    assert found.bound.watts == pytest.approx(found.watts_max, rel=1e-8) == pytest.approx(0.32)


def test_a_thousand_parts_beyond_their_ratings_are_counted_and_few_are_told():
    circuit = Circuit(
        ("0", "p"),
        resistors=bank("resistors", [(1, 0, 1e-3 * (1 + k)) for k in range(1000)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 10.0)]),
    )
    found = feasibility(Oracle(), circuit, np.zeros((1, 0)))
    assert (found.excesses, len(found.exceeded), found.exceeded[0].part) == (999, 20, "r1000")
    assert found.exceeded[0].value == pytest.approx(100.0)


def test_supplies_and_spans_are_demanded_where_asked_for():
    circuit, drives = one_diode(limit=6.0), np.array([[3.0], [-4.0]])
    found = feasibility(Oracle(), circuit, drives, Survey(circuit, supply=5.0))
    assert told(found) == ["supply of v1: 6 V of 5 V"]  # some input asks for it
    assert feasibility(Oracle(), circuit, drives, Survey(circuit, supply=6.0)).excesses == 0
    pots = ladder("AD5206").single
    assert feasibility(Oracle(), circuit, drives, Survey(circuit, made_of=pots)).excesses == 0
    found = feasibility(Oracle(), circuit, 1.5 * drives, Survey(circuit, made_of=pots))
    assert told(found) == ["span of the nodes (AD5206): 6 V of 5.5 V"]


def test_amplifiers_need_a_supply_too(wave):
    circuit = CIRCUITS["buffered"]()
    found = feasibility(wave, circuit, DRIVES[:, :3], Survey(circuit, supply=1.0))
    point = wave.operate(circuit, DRIVES[:, :3])
    out = circuit.buffers.terminals[:, 0]
    wanted = {f"e{k}": v for k, v in enumerate(np.abs(point.node_voltages[:, out]).max(axis=0), 1)}
    given_ = {each.part: each.value for each in found.exceeded if each.part in wanted}
    assert given_ == pytest.approx({name: value for name, value in wanted.items() if value > 1.0})
    assert not found.limited


def test_parts_without_ratings_are_not_said_to_be_within_them():
    found = feasibility(Oracle(), one_diode(diode=catalogue.get("ideal"), limit=5.0), np.array([[-4.0]]))
    assert found.unrated == ("ideal",)
    assert found.sentence().endswith("within all ratings that are known (none of ideal)")


def test_a_pair_of_zeners_bears_what_one_bears():
    circuit = layered((2, 2, 2), catalogue.get("BZX84C3V3"), 5.0, unit="zener-pair")
    assert circuit.models[0].ratings.known() == {"amperes": 0.2, "watts": 0.25}


# --- currents, batches, limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CIRCUITS)
def test_source_currents_are_those_of_the_equations(name, wave):
    circuit = CIRCUITS[name]()
    drives = DRIVES[:, : len(circuit.inputs)]
    judge = judge_of(circuit)
    right = judge.equations.driven(circuit.source_values(drives))
    found, _, _ = judge.settle(np.zeros((len(drives), judge.equations.size)), right, anew=True)
    wanted = {
        kind: np.abs(np.asarray(found[:, judge.equations.branches[kind]], float)).max(axis=0)
        for kind in ("voltage_sources", "buffers", "mirrors")
        if kind in judge.equations.branches
    }
    survey = Survey(circuit)
    point = wave.operate(circuit, drives)
    survey.add(point.drives, point.node_voltages, point.branch_currents)
    for kind, amperes in wanted.items():
        assert survey._sources[kind] == pytest.approx(amperes, rel=1e-6, abs=1e-12)
    assert survey.feasibility().watts_median == pytest.approx(
        np.median(dissipated(circuit, point.node_voltages)), rel=1e-9
    )


def test_sources_on_sources_and_a_floating_one_have_their_currents():
    """1 V on 2 V on ground, 3 V between two free nodes."""
    circuit = check(
        Circuit(
            ("0", "a", "b", "c", "d"),
            resistors=bank("resistors", [(2, 0, 1e-3), (2, 3, 1e-3), (4, 0, 2e-3), (1, 0, 5e-3)]),
            voltage_sources=bank("voltage_sources", [(1, 0, 2.0), (2, 1, 1.0), (3, 4, 3.0)]),
        )
    )
    # (3 - c) 1 mS = (c - 3) 2 mS, so c = 3 V, d = 0 V, and nothing flows through the floating source.
    survey = Survey(circuit)
    point = Oracle().operate(circuit, np.zeros((1, 0)))
    survey.add(point.drives, point.node_voltages)
    assert survey._sources["voltage_sources"] == pytest.approx([3e-3 + 10e-3, 3e-3, 0.0], abs=1e-12)
    assert power_bound(circuit, 0.0).reason == "a voltage source floats"


def test_an_engine_that_does_not_tell_currents_leaves_them_unknown(wave):
    circuit = CIRCUITS["mirror"]()
    survey = Survey(circuit)
    point = wave.operate(circuit, DRIVES[:, :3])
    survey.add(point.drives, point.node_voltages)
    found = survey.feasibility()
    assert found.largest_source_amperes is None
    assert "source current" not in found.sentence()


def test_resistors_ask_the_same_whichever_way_they_are_drawn(wave):
    """And as much as the largest voltage across each asks, wherever a rating is exceeded."""
    circuit = CIRCUITS["lateral"]()
    drives = np.random.default_rng(0).normal(size=(20, 3)) * 300.0
    volts = wave.operate(circuit, drives).node_voltages
    first, second = circuit.resistors.terminals.T
    watts = (volts[:, first] - volts[:, second]) ** 2 * circuit.conductances
    for points in (volts[:1], -volts[:1], volts):
        survey = Survey(circuit)
        survey.add(drives[: len(points)], points)
        found, most = survey._worst["resistors", "watts"], survey._resistor.known()["watts"]
        wanted = watts[: len(points)].max(axis=0)
        assert (wanted > most).any()
        np.testing.assert_allclose(found[wanted > most], wanted[wanted > most], rtol=1e-9)


def test_batches_come_to_the_same_as_the_whole(wave):
    circuit = CIRCUITS["lateral"]()
    drives = np.random.default_rng(0).normal(size=(50, 3)) * 30.0
    point = wave.operate(circuit, drives)
    whole, pieces = Survey(circuit), Survey(circuit)
    whole.add(drives, point.node_voltages)
    for at in range(0, 50, 7):
        pieces.add(drives[at : at + 7], point.node_voltages[at : at + 7])
    one, other = whole.feasibility().to_json(), pieces.feasibility().to_json()
    assert one["sentence"] == other["sentence"]
    assert one["ratings_exceeded"] > 0
    assert one["static_watts_median"] == pytest.approx(other["static_watts_median"])


def test_what_is_clipped_is_counted():
    units = Units(np.array([1.0, 0.0]), np.array([2.0, 0.0]), limit=4.0)
    rows = np.array([[3.0, 1e9], [3.1, 0.0], [-1.0, 0.0], [-7.0, 0.0]])
    assert units.clipped(rows) == 2
    assert Units(np.zeros(2), np.ones(2)).clipped(1e200 * rows) == 0
    circuit = one_diode(limit=1.5)
    assert np.abs(drawn_drives(circuit)).max() == 1.5
    assert Survey(circuit).feasibility(clipped=2).sentence().endswith("within all ratings; 2 values clipped")


def test_quantities_are_those_of_an_engineer():
    formatter = EngFormatter(unit="V", sep=" ", usetex=False)
    for value in (0.0, 1.0, -2.5e-3, 999.4, 999.96, 1e-30, 4.7e5, 12345.0, 1.005e-6, -999999.0):
        assert quantity(value, "V") == formatter(float(f"{value:.3g}")).replace("\N{MINUS SIGN}", "-")
    assert quantity(math.inf, "W") == "inf W"


# --- the bound of the power -----------------------------------------------------------------------------------------


def most(engine, circuit, reach, samples=30, seed=0):
    """The most watts that a search finds: at corners, and anywhere."""
    count = len(circuit.inputs)
    corners = itertools.islice(itertools.product((-reach, reach), repeat=count), 64)
    drawn = np.random.default_rng(seed).uniform(-reach, reach, (samples, count))
    drives = np.concatenate([np.array(list(corners)).reshape(-1, count), drawn])
    return float(dissipated(circuit, engine.operate(circuit, drives).node_voltages).max())


@pytest.mark.parametrize("lateral", [False, True])
@pytest.mark.parametrize("unit", ["diode", "pair", "pair:2.5", "clamp:1", "zener-pair"])
def test_no_input_takes_more_than_the_bound_of_a_trained_circuit(unit, lateral, wave):
    diode = catalogue.get("BZX84C3V3" if unit == "zener-pair" else "1N4148")
    circuit = layered((4, 6, 3), diode, 5.0, unit=unit, lateral=lateral, median=1e-4)
    bound, found = power_bound(circuit, 5.0), most(wave, circuit, 5.0)
    assert found <= bound.watts <= (1.7 if unit == "pair:2.5" else 1.03) * found


@st.composite
def meshes(draw):
    """Resistors and diodes anywhere between free nodes, two inputs, a constant rail and a source upon a source."""
    names = ("0", "x", "xn", "z", "k", "top", "a", "b", "c")
    node = st.integers(0, len(names) - 1)
    pairs = st.tuples(node, node).filter(lambda ends: ends[0] != ends[1])
    siemens = st.floats(-6.0, -2.0).map(lambda power: 10.0**power)
    free = [(k, draw(st.integers(0, k - 1)), draw(siemens)) for k in (6, 7, 8)]
    more = [(*ends, draw(siemens)) for ends in draw(st.lists(pairs, max_size=6))]
    diodes = [(*ends, 0) for ends in draw(st.lists(pairs, max_size=5))]
    constant, above = draw(st.floats(-6.0, 6.0)), draw(st.floats(-3.0, 3.0))
    return Circuit(
        names,
        resistors=bank("resistors", [*free, *more]),
        diodes=bank("diodes", diodes),
        voltage_sources=bank(
            "voltage_sources", [(1, 0, 0.5), (2, 0, 0.0), (3, 0, 0.0), (4, 0, constant), (5, 1, above)]
        ),
        inputs=Inputs([0, 1, 2, 4], [0, 0, 1, 1], [1.0, -1.0, 1.0, 0.5], ("x", "z")),
        models=(DIODE,) if diodes else (),
        outputs=[(6, 0)],
    )


@given(meshes(), st.sampled_from([0.5, 4.0]))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_input_takes_more_than_the_bound_of_any_mesh(wave, circuit, reach):
    try:
        found = most(wave, check(circuit), reach, samples=12)
    except SimulationError:
        assume(False)
    assert found <= power_bound(circuit, reach).watts


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("transformer", "it has transformers"),
        ("gyrator", "it has gyrators"),
        ("buffered", "it has buffers"),
        ("mirror", "it has mirrors"),
        ("everything", "it has current sources"),
    ],
)
def test_where_no_bound_is_known_it_is_said(name, reason, wave):
    circuit = CIRCUITS[name]()
    assert power_bound(circuit, 4.0).watts == math.inf
    found = feasibility(wave, circuit, DRIVES[:, : len(circuit.inputs)])
    assert f"no bound known, as {reason})" in found.sentence()
    assert found.to_json()["static_watts_bound"] is None


def test_a_one_port_that_gives_power_has_no_bound():
    battery = CompositeModel(
        "battery", (CompositePart("volts", "a", "m", 1.5), CompositePart("diode", "m", "c", diode=DIODE))
    )
    assert power_bound(one_diode(diode=battery), 1.0).reason == "a one-port gives power"


# --- ratings as data ------------------------------------------------------------------------------------------------


def test_ratings_are_stored_with_the_part_and_are_no_part_of_its_law(tmp_path, monkeypatch):
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "own.toml"))
    rated = Ratings(reverse_volts=40.0, watts=0.3, source='a "data sheet"')
    parts = [
        DiodeModel("mine", (("is", 1e-12),), ratings=rated),
        CurveModel("bent", (-1.0, 0.0, 1.0), (-1e-6, 0.0, 1e-3), ratings=rated),
    ]
    catalogue.add(parts)
    for part in parts:
        again = catalogue.get(part.name)
        assert again.ratings == rated == from_json(part.to_json()).ratings
        bare = {key: value for key, value in part.to_json().items() if key != "ratings"}
        assert from_json(bare) == part
    assert DIODE.ratings.parallel(3.0).known() == pytest.approx(
        {"reverse_volts": 75.0, "forward_amperes": 0.6, "watts": 1.5}
    )


@pytest.mark.parametrize(
    "entry",
    [
        "3",
        "{ volts = -1.0 }",
        "{ volts = true }",
        '{ watts = "many" }',
        "{ volt = 1.0 }",
        "{ source = 3 }",
        "{ watts = nan }",
    ],
)
def test_ratings_that_are_none_are_refused_by_name(entry, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(f"[mine]\nparameters = {{ is = 1e-12 }}\nratings = {entry}\n")
    with pytest.raises(InputError, match="mine"):
        catalogue.read(path)


def test_every_part_that_is_rated_says_by_whom():
    for name in catalogue.names():
        ratings = catalogue.get(name).ratings
        assert bool(ratings.known()) == bool(ratings.source) or name == "ideal"


# --- commands -------------------------------------------------------------------------------------------------------


def diodeq(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(its folder, what was printed): a run within ±5 V."""
    path = tmp_path_factory.mktemp("runs") / "run"
    options = ["--simulator", "wave", "--hidden", "3", "--epochs", "1", "--supply", "5"]
    options += ["--encode", "standard:1.5"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["train", "iris", "--out", str(path), *options]) == 0
    return path, out.getvalue()


FLAT = ("supply_volts", "static_watts_median", "static_watts_max", "static_watts_bound", "largest_source_amperes")
FLAT += ("smallest_ohms", "largest_ohms", "ratings_exceeded", "clipped_values")


def test_training_says_whether_the_circuit_can_be_built(run):
    path, out = run
    summary = json.loads((path / "summary.json").read_text())
    held_out, train = (datasets.load("iris", 0).x_test, datasets.load("iris", 0).x_train)
    clipped = int(np.sum(np.abs(held_out - train.mean(axis=0)) > 1.5 * train.std(axis=0)))
    assert clipped > 5
    assert f"; {clipped} values clipped\n" in out
    assert summary["feasibility"]["sentence"] in out.splitlines()
    assert "feasibility: ±5 V, " in out
    assert {name: summary[name] for name in FLAT} == {name: summary["feasibility"][name] for name in FLAT}
    assert (summary["supply_volts"], summary["ratings_exceeded"], summary["clipped_values"]) == (5.0, 0, clipped)
    assert summary["static_watts_median"] <= summary["static_watts_max"] <= summary["static_watts_bound"]


def test_a_run_that_asks_for_more_stays_and_fails(tmp_path, capsys):
    options = ["--simulator", "wave", "--hidden", "2", "--epochs", "1", "--encode", "unbounded", "--supply", "5"]
    code, out, error = diodeq(capsys, "train", "iris", "--out", tmp_path / "run", *options, "--strict", "--json")
    summary = json.loads(out)
    assert code == 4
    assert summary["ratings_exceeded"] == len(summary["feasibility"]["exceeded"]) == 8  # both rails of every feature
    assert error.startswith(
        f"diodeq: the run in {tmp_path / 'run'} asks for more than its parts are rated for: supply of v"
    )
    assert (tmp_path / "run" / "circuit.npz").exists()


def test_quantize_says_it_and_writes_nothing_that_is_too_much(run, tmp_path, capsys):
    circuit = run[0] / "circuit.npz"
    options = ["--simulator", "wave", "-o", tmp_path / "out.npz"]
    code, out, _ = diodeq(capsys, "quantize", circuit, "--series", "E24", *options, "--strict", "--json")
    found = json.loads(out)["feasibility"]
    assert (code, found["supply_volts"], found["samples"], found["inputs_limited"]) == (0, 5.0, 200, True)
    (tmp_path / "out.npz").unlink()
    (tmp_path / "X.csv").write_text("5.1,3.5,1.4,0.2\n99,3.0,5.2,2.3\n")
    _, out, _ = diodeq(capsys, "quantize", circuit, "--series", "E24", "--inputs", tmp_path / "X.csv", *options)
    assert "worst of 2, " in out
    assert "within all ratings; 1 value clipped\n" in out
    (tmp_path / "out.npz").unlink()
    code, out, error = diodeq(capsys, "quantize", circuit, "--programmable", "AD5206", *options, "--strict")
    assert (code, out) == (4, "")
    assert error.startswith("diodeq: span of the nodes (AD5206): 10 V of 5.5 V; ")
    assert not (tmp_path / "out.npz").exists()


@pytest.fixture
def weights(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "weights.npz"
    stages = (
        Stage(U=random.normal(size=(4, 3)), b=random.normal(size=4), W=None),
        Stage(U=random.normal(size=(2, 4)), b=random.normal(size=2), W=None, activation="identity"),
    )
    save(Network(stages), path)
    return path


def test_compile_says_it_and_writes_nothing_that_is_too_much(weights, tmp_path, capsys):
    out_file = tmp_path / "c.npz"
    code, out, _ = diodeq(capsys, "compile", weights, "-o", out_file, "--diode", "1N4148", "--volts-per-unit", "5")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("feasibility: "))
    assert "worst of 64, no bound known, as it has buffers" in line
    out_file.unlink()
    options = ["--diode", "1N4148", "--volts-per-unit", "40", "--strict"]
    code, out, error = diodeq(capsys, "compile", weights, "-o", out_file, *options)
    assert (code, out, out_file.exists()) == (4, "", False)
    assert "; give fewer --volts-per-unit" in error
