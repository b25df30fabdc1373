"""Transistors with two pins: random ones against ngspice -b, in circuits, in every dialect, from files."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from circuits import DRIVES, everything, plain
from decks import run_ngspice, run_ngspice_as_ltspice, run_python, run_xyce_in_ngspice
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.cli.devices import devices
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.devices.one_ports import forward_voltage, from_json, one, one_ports
from diodeq.devices.transistor.model import TransistorModel
from diodeq.devices.transistor.parameters import KINDS
from diodeq.devices.two_pin import definition
from diodeq.devices.vendor.file import read_parts
from diodeq.errors import DiodeqError, InputError, UsageError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.netlist.dialects import full_deck
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.variation import vary

TEMPERATURES = (-20.0, 27.0, 85.0)
CURRENTS = (1e-6, 1e-3, 1e-2)
OPTIONS = ".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12"


@pytest.fixture(scope="module")
def waved():
    with WaveSimulator() as engine:
        yield engine


def drawn(polarity, random):
    """A transistor of random parameters."""
    letter = KINDS[polarity].letter
    tnom = random.uniform(15.0, 35.0)
    if letter == "m":
        given = {
            "vto": random.uniform(-2.0, 2.0),
            "kp": 10.0 ** random.uniform(-5, -3),
            "gamma": random.choice([0.0, random.uniform(0.0, 1.0)]),
            "phi": random.uniform(0.5, 0.9),
            "lambda": random.choice([0.0, random.uniform(0.0, 0.1)]),
            "is": 10.0 ** random.uniform(-16, -12),
            "ld": 1e-7,
            "w": 10.0 ** random.uniform(-6, -3),
            "l": 2e-6,
        }
    elif letter == "q":
        given = {
            "is": 10.0 ** random.uniform(-16, -11),
            "bf": random.uniform(5.0, 300.0),
            "nf": random.uniform(0.9, 1.4),
            "ikf": random.choice([0.0, 10.0 ** random.uniform(-3, 0)]),
            "var": random.choice([0.0, random.uniform(3.0, 60.0)]),
            "ise": random.choice([0.0, 10.0 ** random.uniform(-15, -12)]),
            "ne": random.uniform(1.2, 2.0),
            "xtb": random.uniform(0.0, 2.0),
            "xti": random.uniform(2.0, 4.0),
            "eg": random.uniform(0.7, 1.2),
            "area": random.uniform(0.5, 4.0),
        }
    else:
        given = {
            "vto": random.uniform(-4.0, 0.5),
            "beta": 10.0 ** random.uniform(-4, -2),
            "lambda": random.uniform(0.0, 0.1),
            "is": 10.0 ** random.uniform(-16, -11),
            "tcv": random.uniform(-1e-3, 3e-3),
            "bex": random.uniform(-1.0, 0.0),
            "xti": random.choice([0.0, 3.0]),
            "area": random.uniform(0.5, 4.0),
        }
    values = {key: float(value) for key, value in {**given, "tnom": tnom, "m": random.integers(1, 4)}.items()}
    return TransistorModel("drawn", polarity, values)


def in_ngspice(model, volts, folder, celsius):
    """The currents by ``ngspice -b``: what is printed of the model, and a source for each voltage."""
    lines = ["currents", *definition(model).splitlines()]
    for k, v in enumerate(volts):
        lines += [f"vs{k} n{k} 0 {float(v)!r}", f"x{k} n{k} 0 {model.spice_name}"]
    lines += [f"{OPTIONS} temp={celsius!r}", ".control", "op", "set numdgt=15"]
    lines += [*(f"print i(vs{k})" for k in range(len(volts))), ".endc", ".end"]
    (folder / "c.cir").write_text("\n".join(lines))
    said = subprocess.run(["ngspice", "-b", "c.cir"], cwd=folder, capture_output=True, text=True, check=False).stdout
    found = [-float(line.split("=")[1]) for line in said.splitlines() if line.startswith("i(vs")]
    assert len(found) == len(volts), said
    return np.array(found)


# --- the law ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("celsius", TEMPERATURES)
@pytest.mark.parametrize("polarity", KINDS)
def test_the_law_is_ngspices(polarity, celsius, tmp_path):
    """Random transistors, both directions: to 1e-9 of the current, and to a microvolt at three currents."""
    random = np.random.default_rng([list(KINDS).index(polarity), int(celsius) + 100])
    for _ in range(5):
        model = drawn(polarity, random)
        ports = one(model, celsius)
        v = np.concatenate([np.linspace(-6.0, 6.0, 49), random.uniform(-1.0, 1.0, 30)])
        v = v[np.abs(ports.current(v)) < 1.0]
        found, wanted = ports.current(v), in_ngspice(model, v, tmp_path, celsius)
        # ngspice's bulk diode has a step of IS/e³ at three thermal voltages.
        step = 0.05 * ports.groups[0].constants["saturation"][0] if KINDS[polarity].letter == "m" else 0.0
        assert np.all(np.abs(found - wanted) <= 1e-9 * np.abs(wanted) + 1e-20 + step), (model, v, found, wanted)
        at = np.array([forward_voltage(ports, current) for current in CURRENTS])
        known = at < 20.0
        off = (
            in_ngspice(model, at[known], tmp_path, celsius) - np.array(CURRENTS)[known] if known.any() else np.zeros(0)
        )
        assert np.all(np.abs(off) <= 1e-6 * ports.conductance(at[known]))


@pytest.mark.parametrize("polarity", KINDS)
def test_conductance_is_the_derivative_and_never_negative(polarity):
    random = np.random.default_rng(list(KINDS).index(polarity))
    for _ in range(20):
        ports = one(drawn(polarity, random))
        v = random.uniform(-3.0, 0.6, 200) if KINDS[polarity].letter != "m" else random.uniform(-0.6, 3.0, 200)
        h = 1e-6
        low, high = ports.current(v - h), ports.current(v + h)
        g = ports.conductance(v)
        noise = 1e-15 * np.abs(ports.current(v)) / h
        # At the corners of a square law the slope is bent.
        bent = np.abs(ports.conductance(v + h) - ports.conductance(v - h))
        assert np.all(np.abs((high - low) / (2 * h) - g) <= 1e-6 * g + bent + noise)
        assert np.all(g >= 0.0)
        least, largest = ports.chord(np.minimum(v, v[::-1]), np.maximum(v, v[::-1]))
        assert np.all((least <= g * (1 + 1e-12)) & (g <= largest * (1 + 1e-12)))


@pytest.mark.parametrize(
    ("polarity", "given"),
    [
        ("NMOS", {"vto": -4.0, "kp": 1e-4, "lambda": 0.5, "gamma": 0.3, "is": 1e-60}),
        ("PMOS", {"vto": 4.0, "kp": 1e-4, "lambda": 0.4, "is": 1e-60}),
        ("NJF", {"vto": -4.0, "beta": 1e-3, "lambda": 0.3}),
        ("PJF", {"vto": -3.0, "beta": 1e-3, "lambda": 0.5}),
    ],
)
def test_no_conductance_between_two_voltages_is_beyond_their_bounds(polarity, given):
    """Open at rest, and so much more with the voltage that the conductance is largest in between (where no bulk's diode
    hides that)."""
    ports = one(TransistorModel("x", polarity, given))
    ends = np.sort(np.random.default_rng(5).uniform(-3.0, 3.0, (2, 200)), axis=0)
    least, largest = ports.chord(*ends)
    g = ports.conductance(np.linspace(*ends, 300))
    assert np.all(least <= g.min(axis=0) * (1 + 1e-9))
    assert np.all(g.max(axis=0) <= largest * (1 + 1e-9))
    assert np.any(g.max(axis=0) > 1.01 * np.maximum(g[0], g[-1]))


def test_beyond_every_current_numbers_do_not_end():
    models = tuple(TransistorModel("x", polarity) for polarity in KINDS)
    ports = one_ports(models, np.arange(6), 27.0)
    v = np.array([-1e9, -1e3, -100.0, 100.0, 1e3, 1e9])[:, None] * np.ones(6)
    i, g = ports.evaluate(v)
    assert np.isfinite([i, g]).all()
    assert np.all(i * v > 0.0)
    across, _, _ = ports.load_line(v, 1e3)
    assert np.all(np.diff(across, axis=0) > 0.0)


def test_polarities_mirror_each_other():
    v = np.linspace(-0.8, 4.0, 99)
    for n, p, parameters in (
        ("NMOS", "PMOS", {"vto": 1.0}),
        ("NPN", "PNP", {"bf": 70.0}),
        ("NJF", "PJF", {"vto": -1.0}),
    ):
        mirrored = {**parameters, "vto": -1.0} if p == "PMOS" else parameters
        found = one(TransistorModel("p", p, mirrored)).current(v)
        np.testing.assert_allclose(found, one(TransistorModel("n", n, parameters)).current(v), rtol=1e-12)


def test_a_temperature_that_makes_no_sense_is_refused():
    hot = TransistorModel("hot", "NMOS", {"phi": 0.3})
    with pytest.raises(InputError, match="makes no sense at 300 °C"):
        one(hot, 300.0)
    with pytest.raises(InputError, match="not a temperature"):
        one(hot, -300.0)


# --- circuits ---------------------------------------------------------------------------------------------------------


def of(circuit, *names):
    """The circuit with its one-ports following these parts of the catalogue in turn."""
    which = np.arange(len(circuit.diodes), dtype=np.int32) % len(names)
    return replace(circuit, models=tuple(map(catalogue.get, names)), diodes=circuit.diodes.with_values(which))


CIRCUITS = {
    "mosfets": of(plain(), "NMOS-1V", "PMOS-1V"),
    "bipolar": of(plain(), "NPN-generic", "PNP-generic"),
    "limiters": of(plain(), "NJF-2V", "PJF-2V"),
    "everything": of(everything(), "NMOS-1V", "1N4148", "NPN-generic", "NJF-2V"),
}


@pytest.mark.parametrize("name", CIRCUITS)
def test_engines_agree(name, ngspice, reference, waved):
    circuit = CIRCUITS[name]
    wanted = ngspice.operate(circuit, DRIVES)
    for engine in (reference, waved):
        found = engine.operate(circuit, DRIVES)
        assert found.node_voltages == pytest.approx(wanted.node_voltages, rel=0, abs=1e-8), engine.name


@pytest.mark.parametrize("name", CIRCUITS)
def test_gradients_are_exact(name, ngspice, waved):
    circuit = CIRCUITS[name]  # one resistor in three, of every group
    circuit = replace(circuit, trainable=np.arange(len(circuit.resistors)) % 3 == 0)
    wanted = RULES["finite-difference"](waved, circuit, DRIVES, half_mean_square).conductances
    for engine in (ngspice, waved):
        found = RULES["hardware-linearization"](engine, circuit, DRIVES, half_mean_square).conductances
        assert np.abs(found - wanted).max() <= 1e-6 * np.abs(wanted).max(), engine.name


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_dialect_prints_the_same_circuit(name, waved, tmp_path):
    circuit = CIRCUITS[name]
    runs = {
        "ngspice": run_ngspice,
        "ltspice": run_ngspice_as_ltspice,
        "xyce": run_xyce_in_ngspice,
        "pyspice": run_python,
    }
    wanted = waved.operate(circuit, DRIVES[:1]).node_voltages[0, 1:]
    for dialect, run in runs.items():
        text = full_deck(circuit, dialect, DRIVES[0]).text
        assert "transistor" in text
        found = run(text, tmp_path)
        assert [found[node] for node in circuit.nodes[1:]] == pytest.approx(wanted, rel=0, abs=1e-8), dialect


def test_circuits_settle_with_them(ngspice):
    """``.tran`` reads their currents from the source inside."""
    circuit = CIRCUITS["bipolar"]
    farads = np.full(len(circuit.nodes), 1e-12)
    (wave,) = ngspice.transient(circuit, farads, DRIVES[:1], DRIVES[1:2], 1e-6, 1e-3)
    assert wave.diode_currents.shape[1] == len(circuit.diodes)
    final = ngspice.operate(circuit, DRIVES[1:2])
    ends = circuit.diodes.terminals
    across = final.node_voltages[0, ends[:, 0]] - final.node_voltages[0, ends[:, 1]]
    wanted = one_ports(circuit.models, circuit.diodes.values, circuit.temperature).current(across)
    assert wave.diode_currents[-1] == pytest.approx(wanted, rel=1e-2, abs=1e-9)


def test_circuits_survive_their_files_and_boards_deviate(tmp_path, waved):
    circuit = CIRCUITS["everything"]
    circuit.save(tmp_path / "circuit.npz")
    assert Circuit.load(tmp_path / "circuit.npz").models == circuit.models
    board = vary(circuit, Technology(variation=Variation(saturation=0.3, emission=0.02)), np.random.default_rng(0))
    assert len(set(board.models)) == len(circuit.diodes)
    assert np.isfinite(waved.operate(board, DRIVES).outputs).all()
    nmos = TransistorModel("n", "NMOS", {"vto": 1.0})
    assert dict(nmos.deviating("m", 2.0, 1.5).parameters)["vto"] == 1.5
    assert one(nmos.deviating("m", 2.0, 1.0)).current(np.array([2.0])) == pytest.approx(
        2.0 * one(nmos).current(np.array([2.0])), rel=1e-6
    )


# --- data and files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("polarity", "parameters", "said"),
    [
        ("NMOS", {"level": 3.0}, "no law with LEVEL = 3"),
        ("NMOS", {"rd": 1.0}, "no law with RD = 1"),
        ("NMOS", {"nsub": 1e15}, "no law with NSUB"),
        ("NMOS", {"tox": 1e-8}, "KP is to come from TOX"),
        ("NMOS", {"w": 0.0}, "W = 0 is out of range; give above 0"),
        ("NMOS", {"l": 1e-6, "ld": 1e-6}, "nothing is left of its length"),
        ("NMOS", {"vto": 1.0, "vt0": 1.0}, "VTO is given twice"),
        ("NMOS", {"beta": 1.0}, "BETA is not part of the law"),
        ("NPN", {"rb": 10.0}, "no law with RB = 10"),
        ("NPN", {"nkf": 0.7}, "no law with NKF"),
        ("NPN", {"var": 1.0}, "VAR = 1 V is out of range"),
        ("NPN", {"bf": float("nan")}, "not a finite number"),
        ("NPN", {"bf": True}, "not a finite number"),
        ("NJF", {"b": 0.5}, "no law with B = 0.5"),
        ("NJF", {"is": -1.0}, "IS = -1 is out of range"),
        ("BJT", {}, "of type 'BJT'"),
    ],
)
def test_what_has_no_law_is_refused_by_a_sentence(polarity, parameters, said):
    with pytest.raises(InputError) as refused:
        TransistorModel("x", polarity, parameters)
    whole = f"{refused.value.problem}; {refused.value.remedy}"
    assert said in whole
    if "no law" in said or "TOX" in said:
        assert "diodeq devices measure" in whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"polarity": 3}, "polarity of transistor"),
        ({"parameters": 3}, "no table"),
        ({"extra": 1}, "unknown entry"),
        ({"name": "?"}, "cannot be called"),
        ({"parameters": {"kp": "much"}}, "not a finite number"),
    ],
)
def test_documents_that_describe_none(change, said):
    document = TransistorModel("x", "NMOS", {"kp": 1e-4}).to_json()
    assert from_json(json.loads(json.dumps(document))) == TransistorModel("x", "nmos", {"KP": 1e-4})
    with pytest.raises(InputError, match=said):
        from_json({**document, **change})


def test_files_are_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "devices.toml"))
    (tmp_path / "devices.toml").touch()
    (tmp_path / "v.lib").write_text(
        "* parts\n.param k=100u\n"
        ".model n1 NMOS(LEVEL=1 VTO=0.7 KP={k} LAMBDA=0.02 CGSO=1p)\n"
        ".model q1 NPN(IS=1e-15 BF=200 Vceo=40 mfg=Some One)\n"
        ".model q2 PNP(IS=1e-15 RB=10)\n"
        ".model n8 NMOS(LEVEL=8)\n"
        ".model j1 NJF(VTO=-1.5 BETA=1m)\n"
        ".model d1 D(IS=1n)\n"
    )

    def said(*arguments):
        done = CliRunner().invoke(devices, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    found = json.loads(said("import", str(tmp_path / "v.lib"), "--json"))
    assert [part["name"] for part in found["parts"]] == ["n1", "q1", "j1", "d1"]
    assert [phrase[:7] for phrase in found["skipped"]] == ["line 5:", "line 6:"]
    assert all("diodeq devices measure" in phrase for phrase in found["skipped"])
    assert found["parts"][0]["forward_voltages"][0]["volts"] == pytest.approx(0.7 + np.sqrt(2e-2), rel=1e-2)
    # A limiter of 2.25 mA without a slope: its 10 mA come at no voltage.
    assert forward_voltage(one(catalogue.get("j1")), 1e-2) > 1e6
    assert "V_f" in said("import", str(tmp_path / "v.lib"), "--only", "n1", "--name", "big", "--instance", "w=1m l=1u")
    assert dict(catalogue.get("big").parameters)["w"] == 1e-3
    shown = said("show", "big")
    assert "drain a, gate a, source c, bulk c" in shown
    assert ".model transistor nmos(level=1" in json.loads(said("show", "big", "--json"))["card"]
    assert "big" in said("list")
    drawn = json.loads(said("plot", "big", "-o", str(tmp_path / "big.svg"), "--json"))
    assert drawn["largest_relative_current_deviation"] < 1e-6
    for only, instance in (("d1", "area=2"), ("n1", "q=1"), ("n1", "w"), ("n1", "w={1}"), ("n1", "w=-1u")):
        arguments = ["import", str(tmp_path / "v.lib"), "--only", only, "--name", "z", "--instance", instance]
        assert isinstance(CliRunner().invoke(devices, arguments).exception, DiodeqError)


def test_a_file_of_transistors_without_a_law_points_to_measuring(tmp_path):
    (tmp_path / "v.lib").write_text(".model q2 PNP(IS=1e-15 RB=10)\n")
    with pytest.raises(InputError, match="diodeq devices measure"):
        read_parts(tmp_path / "v.lib")


def test_what_needs_a_diode_says_so():
    with pytest.raises(UsageError, match="has no diode's parameters"):
        catalogue.diode("NMOS-1V")


def test_the_bulk_jumps_to_its_end_as_in_ngspice(tmp_path):
    """At 120 degrees its saturation current is what a node behind 10 megohms settles by."""
    model = TransistorModel("m", "NMOS", {"vto": 1.0, "kp": 1e-3})
    circuit = Circuit(
        ("0", "in", "d"),
        resistors=bank("resistors", [(1, 2, 1e-7)]),
        diodes=bank("diodes", [(2, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(model,),
        inputs=Inputs(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1), ("u",)),
        outputs=np.array([(2, 0)], np.int32),
        temperature=120.0,
    )
    ports = one(model, 120.0)
    for volts in (0.05, 0.1, 0.12, 0.3):
        wanted = run_ngspice(full_deck(circuit, "ngspice", np.array([volts])).text, tmp_path)["d"]
        assert ports.load_line(np.array([volts]), 1e7)[0][0] == pytest.approx(wanted, abs=1e-8)
    assert ports.chord(np.array([0.0]), np.array([1.0]))[1][0] == np.inf
