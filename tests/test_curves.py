"""Measured curves: their files, their law, and a circuit of them through both engines, all dialects and training."""

import json
import re
import subprocess
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.interpolate import PchipInterpolator

from circuits import DRIVES, everything, plain
from decks import run_ngspice, run_ngspice_as_ltspice, run_python, run_xyce_in_ngspice
from diodeq.circuit import Circuit
from diodeq.cli.devices import devices
from diodeq.devices import catalogue
from diodeq.devices.curve.file import pooled, read_curve
from diodeq.devices.curve.law import knot_slopes
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.law import law
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.devices.one_ports import forward_voltage, one, one_ports
from diodeq.devices.two_pin import NGSPICE, definition
from diodeq.errors import CircuitError, InputError, UsageError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.netlist.batched import element_lines
from diodeq.netlist.dialects import full_deck
from diodeq.netlist.listing import circuit_digest
from diodeq.network import Activation, Network, Stage
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.compile import compile_network
from diodeq.synthesis.variation import vary

SILICON = law(catalogue.get("1N4148"), gmin=0.0)
VOLTS = np.unique([*np.linspace(-5.0, -0.25, 20), *np.linspace(-0.2, 0.9, 180), 0.0])
SAMPLED = CurveModel("1N4148 on a bench", tuple(VOLTS.tolist()), tuple(SILICON.current(VOLTS).tolist()), "bench 3")
BENT = CurveModel("bent", (-2.0, -0.5, 0.1, 0.4, 3.0), (-2e-3, -1e-5, 2e-6, 4e-5, 1e-3))


@pytest.fixture(scope="module")
def waved():
    with WaveSimulator() as engine:
        yield engine


def curved(circuit, *models):
    """The circuit with its one-ports following these models in turn."""
    which = np.arange(len(circuit.diodes), dtype=np.int32) % len(models)
    return replace(circuit, models=models, diodes=circuit.diodes.with_values(which))


CIRCUITS = {
    "sampled": curved(plain(), SAMPLED),
    "two": curved(plain(), SAMPLED, BENT),
    "beside a diode": curved(plain(), BENT, catalogue.get("BAT54")),
    "everything": curved(everything(), BENT, SAMPLED, catalogue.get("1N4148")),
}


# --- the law ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_monotone_cubic_that_scipy_knows(seed):
    random = np.random.default_rng(seed)
    v = np.sort(random.normal(size=12))
    i = np.cumsum(random.exponential(size=12) ** 4 * (random.uniform(size=12) > 0.2))
    known = PchipInterpolator(v, i)
    assert knot_slopes(v, i) == pytest.approx(known.derivative()(v), rel=1e-12, abs=1e-12)
    v -= v[5]
    i -= i[5]
    curve = one_ports((CurveModel("c", tuple(v), tuple(i)),), [0], 27.0, gmin=0.0)
    at = np.linspace(v[0], v[-1], 999)
    assert curve.current(at[:, None])[:, 0] == pytest.approx(PchipInterpolator(v, i)(at), rel=1e-11, abs=1e-14)
    assert np.all(np.diff(curve.current(at[:, None])[:, 0]) >= -1e-15 * np.abs(i).max())


def test_beyond_its_knots_it_is_straight_and_smooth_everywhere():
    curve = one(BENT)
    for edge in (-2.0, -0.5, 0.0, 0.4, 3.0):
        near = curve.conductance(np.array([edge - 1e-12, edge, edge + 1e-12]))
        assert near == pytest.approx(np.full(3, near[1]), rel=1e-6)
    v = np.array([3.0, 13.0, 103.0])
    assert np.diff(curve.current(v)) == pytest.approx(np.diff(v) * curve.conductance(v)[0], rel=1e-12)


def test_200_points_of_a_diode_are_the_diode():
    """Between -5 and 0.9 V, conducting to 3e-5 of the current; a node behind a resistor to 2 microvolts."""
    curve = one_ports((SAMPLED,), [0], 27.0, gmin=0.0)
    v = np.linspace(-5.0, 0.9, 20001)
    off = np.abs(curve.current(v[:, None])[:, 0] - SILICON.current(v))
    assert off.max() <= 3e-6 * SILICON.current(0.9)
    conducting = v > 0.3
    assert np.max(off[conducting] / SILICON.current(v[conducting])) <= 3e-5
    x = np.linspace(-5.0, 0.9, 501)
    for resistance in (1e3, 1e5):
        exact, found = SILICON.load_line(x, resistance)[0], curve.load_line(x[:, None], resistance)[0][:, 0]
        assert np.abs(found - exact).max() < 2e-6


def test_load_lines_across_steep_pieces():
    """A jump of a milliampere in a microvolt, and a flat piece, at any resistance."""
    model = CurveModel("steep", (-1.0, -1e-6, 0.0, 1.0, 1.000001, 3.0), (-1e-3, -1e-3, 0.0, 0.0, 1e-3, 1e-3))
    curve = one(model)
    random = np.random.default_rng(0)
    s, r = random.uniform(-5, 5, 5000), 10.0 ** random.uniform(-6, 12, 5000)
    v, i, g = (each[:, 0] for each in curve.load_line(s[:, None], r[:, None]))
    assert np.abs(v + r * i - s).max() <= 8 * 2.0**-52 * np.max(np.abs(s) + np.abs(v) + np.abs(r * i))
    assert i == pytest.approx(curve.current(v), rel=1e-6, abs=1e-12)
    assert g.min() >= 1e-12


def test_temperature_is_declared_to_change_nothing():
    v = np.linspace(-3.0, 3.0, 50)[:, None]
    cold, hot = (one_ports((BENT,), [0], celsius).current(v) for celsius in (-40.0, 120.0))
    np.testing.assert_array_equal(cold, hot)


@pytest.mark.parametrize("current", [1e-9, 1e-4, 3e-2])
def test_forward_voltages(current):
    assert one(SAMPLED).current(np.array([forward_voltage(one(SAMPLED), current)])) == pytest.approx(current, rel=1e-9)


@pytest.mark.parametrize(
    ("volts", "amperes", "said"),
    [
        ((0.0,), (0.0,), "has 1 points"),
        ((0.0, 1.0), (0.0,), "as many volts as amperes"),
        ((0.0, 0.0), (0.0, 1.0), "volts that do not rise"),
        ((0.0, 1.0), (0.0, -1.0), "a current that falls"),
        ((0.0, float("nan")), (0.0, 1.0), "nan among its volts"),
        ((0.0, 1.0), (0.0, float("inf")), "inf among its amperes"),
        ((0.0, True), (0.0, 1.0), "True among its volts"),
        ((0.0, 1.0), (1e-3, 2e-3), "does not pass through 0 A at 0 V"),
        ((0.0, 1e-300), (0.0, 1e9), "too close"),
        (tuple(range(10001)), tuple(range(10001)), "10,001 points"),
    ],
)
def test_what_is_no_curve_is_refused(volts, amperes, said):
    document = {"kind": "curve", "name": "bad", "volts": list(volts), "amperes": list(amperes)}
    with pytest.raises(InputError, match=re.escape(said)):
        CurveModel.from_json(document)


# --- files ------------------------------------------------------------------------------------------------------------


def read(tmp_path, text, name="c"):
    path = tmp_path / "curve.csv"
    path.write_text(text)
    return read_curve(path, name)


def test_a_file_of_two_points_with_or_without_a_header(tmp_path):
    for text in ("0,0\n1,1e-3\n", "volts, amperes\n1,1e-3\n0,0\n", "Current (A),Voltage (V)\n1e-3,1\n0,0\n"):
        found = read(tmp_path, text)
        assert (found.model.volts, found.model.amperes, found.notes) == ((0.0, 1.0), (0.0, 1e-3), ())


def test_repeated_volts_are_averaged_and_the_origin_is_added(tmp_path):
    found = read(tmp_path, "-1,-1e-3\n1,1e-3\n1,3e-3\n2,4e-3\n")
    assert found.model.volts == (-1.0, 0.0, 1.0, 2.0)
    assert found.model.amperes == (-1e-3, 0.0, 2e-3, 4e-3)
    assert found.notes[0] == "1 of 4 points repeat a voltage and were averaged"
    assert "0 A at 0 V was added" in found.notes[-1]


def test_noise_is_pooled_and_said(tmp_path):
    random = np.random.default_rng(2)
    v = np.linspace(-1.0, 1.0, 300)
    i = 1e-3 * np.tanh(3.0 * v)
    text = "".join(
        f"{a!r},{b!r}\n" for a, b in zip(v.tolist(), (i + 2e-6 * random.normal(size=300)).tolist(), strict=True)
    )
    found = read(tmp_path, text)
    curve = one(found.model)
    assert np.abs(curve.current(v) - i).max() < 1e-5
    assert np.all(np.diff(curve.current(np.linspace(-2, 2, 5000))) >= 0.0)
    assert any("noise here: monotone regression pooled 300 points to" in note for note in found.notes)
    (share,) = [note for note in found.notes if note.startswith("the curve passes points by at most")]
    assert "of the largest current" in share


def test_pooling_is_monotone_regression():
    random = np.random.default_rng(7)
    v, i = np.arange(40.0), np.cumsum(random.normal(size=40) + 0.3)
    knots, currents = pooled(v, i, np.ones(40))
    from scipy.optimize import isotonic_regression

    fitted = isotonic_regression(i).x
    assert currents == pytest.approx(np.unique(np.round(fitted, 12)), abs=1e-9)
    assert np.all(np.diff(knots) > 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("volts,amperes\n", "0 points, and a curve has two or more"),
        ("0,0\n", "1 point, and a curve has two or more"),
        ("0,0\n1,nan\n", "line 2, column 2 is 'nan'"),
        ("0,0\n1,inf\n", "line 2, column 2 is 'inf'"),
        ("0,0\n1,lots\n", "line 2, column 2 is 'lots'"),
        ("0,0\n1,5m\n", "write plain numbers, here 0.005"),
        ("0;0\n1;1,5\n", "not separated by commas"),
        ("0,0,0\n1,1,1\n", "has 3 columns, not 2"),
        ("0,0\n1,1,1\n", "has 3 columns where the first row has 2"),
        ("V,I (mA)\n0,0\n1,1\n", "calls a column 'I (mA)'"),
        ("1,0\n1,1\n", "all points are at 1 V"),
        ("0,0\n1,-1\n2,-2\n", "does not rise"),
        ("-1,-1e-2\n0,-9e-3\n0.5,0\n0.6,1e-2\n", "gives no power"),
        ("".join(f"{k},{k}\n" for k in range(10002)), "more than 10,000 points"),
        ("0,0\n1,1e300\n", "1e+300 among its amperes"),
    ],
)
def test_bad_files_are_refused_by_a_sentence(tmp_path, text, said):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert said in f"{refused.value.problem}; {refused.value.remedy}"
    assert "curve.csv" in refused.value.problem


# --- netlists ---------------------------------------------------------------------------------------------------------


def choices(text):
    """The expression of a subcircuit."""
    return text.replace("\n+ ", "").splitlines()[1].split(" i=", 1)[1].replace("v(a,c)", "V")


def evaluate(body, v):
    """A recursive-descent reader of ternaries, sums and products, in fractions."""
    position = 0

    def peek():
        return body[position : position + 1]

    def eat(letter):
        nonlocal position
        assert peek() == letter, body[position : position + 30]
        position += 1

    def factor():
        nonlocal position
        if peek() == "(":
            eat("(")
            found = add()
            if peek() == "<":
                eat("<")
                limit = add()
                eat("?")
                yes = add()
                eat(":")
                no = add()
                found = yes if found < limit else no
            eat(")")
            return found
        if peek() == "V":
            eat("V")
            return v
        number = re.match(r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?", body[position:])
        position += number.end()
        return Fraction(Decimal(number[0]))

    def multiply():
        found = factor()
        while peek() == "*":
            eat("*")
            found *= factor()
        return found

    def add():
        found = multiply()
        while peek() in ("+", "-") and peek():
            if peek() == "+":
                eat("+")
            found += multiply()
        return found

    found = add()
    assert position == len(body)
    return found


@pytest.mark.parametrize("model", [SAMPLED, BENT], ids=["sampled", "bent"])
def test_what_is_printed_is_the_law_itself(model):
    body = choices(definition(model, NGSPICE))
    curve = one(model)
    ends = np.array(model.volts)
    every = max(1, len(ends) // 12)
    for v in [*ends[::every], *(ends[:-1] + 0.3 * np.diff(ends))[::every], ends[-1], ends[0] - 7.0, ends[-1] + 7.0]:
        printed = float(evaluate(body, Fraction(float(v))))
        assert printed == pytest.approx(float(curve.current(np.array([v]))[0]), rel=1e-12, abs=1e-22)


def test_questions_are_as_many_as_the_logarithm():
    volts = np.linspace(-1.0, 1.0, 1001)
    text = definition(CurveModel("long", tuple(volts), tuple(volts**3)))
    depth = deepest = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    assert deepest <= 16
    assert max(map(len, text.splitlines())) < 400


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_dialect_prints_the_same_circuit(name, waved, tmp_path):
    circuit = CIRCUITS[name]
    wanted = waved.operate(circuit, DRIVES[:2]).node_voltages[:, 1:]
    runs = {
        "ngspice": run_ngspice,
        "ltspice": lambda text, folder: run_ngspice_as_ltspice(text, folder),
        "xyce": lambda text, folder: run_xyce_in_ngspice(in_ngspices_words(text), folder),
        "pyspice": run_python,
    }
    for dialect, run in runs.items():
        for drives, volts in zip(DRIVES[:2], wanted, strict=True):
            found = run(full_deck(circuit, dialect, drives).text, tmp_path)
            assert [found[node] for node in circuit.nodes[1:]] == pytest.approx(volts, rel=0, abs=1e-8), dialect


def in_ngspices_words(text):
    """Xyce's braces and IF as ngspice has them."""
    text = re.sub(r" i=\{(.*?)\}\n\.ends", r" i=\1\n.ends", text, flags=re.DOTALL)
    return text.replace("if(v(a,c)", "ternary_fcn(v(a,c)")


def test_the_printed_current_is_right_to_a_billionth(tmp_path):
    """ngspice's own current at 60 voltages, against the law."""
    v = np.linspace(-6.0, 1.0, 61)
    lines = ["currents", *definition(SAMPLED).splitlines()]
    lines += [f"v{k} n{k} 0 {x!r}\nx{k} n{k} 0 {SAMPLED.spice_name}" for k, x in enumerate(v.tolist())]
    lines += [".control", "op", "set numdgt=15", *(f"print i(v{k})" for k in range(len(v))), ".endc", ".end"]
    (tmp_path / "c.cir").write_text("\n".join(lines))
    said = subprocess.run(["ngspice", "-b", "c.cir"], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    found = [-float(line.split("=")[1]) for line in said.splitlines() if line.startswith("i(v")]
    wanted = one(SAMPLED).current(v)
    assert found == pytest.approx(wanted, rel=0, abs=1e-9 * np.abs(wanted).max())


def test_a_schematic_draws_it_as_a_call():
    text = full_deck(CIRCUITS["two"], "ltspice-asc", DRIVES[0]).text
    assert text.count("SYMATTR Prefix X") == 4
    assert text.count(".subckt curve_") == 2
    assert "SYMATTR InstName Xd1" in text


def test_two_curves_of_one_name_are_refused_in_a_netlist():
    other = replace(BENT, amperes=tuple(2 * i for i in BENT.amperes))
    with pytest.raises(CircuitError, match="two different"):
        full_deck(curved(plain(), BENT, other))
    assert circuit_digest(curved(plain(), BENT)) != circuit_digest(curved(plain(), other))
    assert any(line.startswith("xd1 ") for line in element_lines(curved(plain(), BENT)))


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A catalogue with ``bent`` in it, imported from a file."""
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "devices.toml"))
    (tmp_path / "devices.toml").touch()
    (tmp_path / "bent.csv").write_text("".join(f"{v!r},{i!r}\n" for v, i in zip(BENT.volts, BENT.amperes, strict=True)))
    return commanded("devices", "import", str(tmp_path / "bent.csv"), "--name", "bent", "--source", "bench 3", "--json")


def commanded(*arguments):
    done = CliRunner().invoke(devices, arguments[1:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


def test_a_curve_is_imported_shown_listed_and_drawn(known, tmp_path):
    assert known["notes"] == []
    (part,) = known["parts"]
    assert (part["kind"], part["source"]) == ("curve", "bench 3")
    assert part["volts"] == list(BENT.volts)
    # 1e-3 A is the last point; what was not measured has no forward voltage.
    assert [entry["volts"] is None for entry in part["forward_voltages"]] == [False, False, False]
    assert catalogue.get("BENT") == replace(BENT, source="bench 3", description=part["description"])
    shown = commanded("devices", "show", "bent", "--json")
    assert shown["card"].startswith(".subckt curve_bent a c\nb1 a c i=(v(a,c)<")
    assert "bench 3" in commanded("devices", "show", "bent")
    assert "bent" in commanded("devices", "list")
    drawn = commanded("devices", "plot", "bent", "-o", str(tmp_path / "bent.svg"), "--json")
    assert drawn["largest_relative_current_deviation"] < 1e-6
    assert drawn["largest_activation_deviation_volts"] < 1e-8
    with pytest.raises(UsageError, match="called bent already"):
        commanded("devices", "import", str(tmp_path / "bent.csv"), "--name", "bent")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "--name"),
        (("--name", "a b"), "no name for a part"),
        (("--name", "a", "--only", "b"), "--only and --strict"),
    ],
)
def test_an_import_that_is_asked_for_wrongly(known, tmp_path, more, said):
    with pytest.raises(UsageError) as refused:
        commanded("devices", "import", str(tmp_path / "bent.csv"), *more)
    assert said in str(refused.value)


def test_what_needs_an_exponential_refuses_a_curve(known):
    for activation in ("soft-threshold:0.1", "diode-relu:0.05"):
        network = Network((Stage(U=np.eye(2), b=np.zeros(2), activation=Activation.parse(activation)),))
        with pytest.raises(UsageError, match="only a diode has the thermal voltage"):
            compile_network(network, diode="bent")
    network = Network((Stage(U=np.eye(2), b=np.zeros(2), activation=Activation.parse("relu")),))
    assert compile_network(network, diode="bent").circuit.models == (catalogue.get("bent"),)
    with pytest.raises(UsageError, match="has no diode's parameters"):
        catalogue.diode("bent")


def test_boards_deviate_as_diodes_do():
    circuit = curved(plain(), BENT)
    spread = Technology(variation=Variation(saturation=0.3, emission=0.02))
    board = vary(circuit, spread, np.random.default_rng(0))
    assert len(set(board.models)) == len(circuit.diodes)
    for model in board.models:
        times, wider = model.amperes[-1] / BENT.amperes[-1], model.volts[-1] / BENT.volts[-1]
        drawn, own = one(model).current(np.array([wider * 0.7])), one(BENT).current(np.array([0.7]))
        assert drawn == pytest.approx(times * own, rel=1e-6)


# --- engines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CIRCUITS)
def test_engines_agree(name, ngspice, reference, waved):
    circuit = CIRCUITS[name]
    wanted = ngspice.operate(circuit, DRIVES)
    for engine in (reference, waved):
        found = engine.operate(circuit, DRIVES)
        assert found.node_voltages == pytest.approx(wanted.node_voltages, rel=0, abs=1e-8), engine.name
        assert found.diode_conductances == pytest.approx(wanted.diode_conductances, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", CIRCUITS)
def test_gradients_are_exact(name, ngspice, reference, waved):
    circuit = CIRCUITS[name]
    wanted = RULES["finite-difference"](waved, circuit, DRIVES, half_mean_square).conductances
    for engine in (ngspice, reference, waved):
        found = RULES["hardware-linearization"](engine, circuit, DRIVES, half_mean_square).conductances
        assert np.abs(found - wanted).max() <= 1e-6 * np.abs(wanted).max(), engine.name


def test_circuits_survive_their_files(tmp_path, waved):
    circuit = CIRCUITS["everything"]
    circuit.save(tmp_path / "circuit.npz")
    again = Circuit.load(tmp_path / "circuit.npz")
    assert again.models == circuit.models
    assert circuit_digest(again) == circuit_digest(circuit)
    assert np.array_equal(waved.operate(again, DRIVES).outputs, waved.operate(circuit, DRIVES).outputs)
