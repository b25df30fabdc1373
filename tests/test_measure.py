"""Parts measured in ngspice: random ones against ngspice itself, what no curve describes, and files of strangers."""

import contextlib
import json
import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from circuits import DRIVES, plain
from decks import run_ngspice, run_ngspice_as_ltspice, run_python
from diodeq.cli.devices import devices
from diodeq.devices import catalogue
from diodeq.devices.diode.law import law
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.devices.one_ports import forward_voltage, from_json, one
from diodeq.devices.original import checked, is_plain
from diodeq.devices.two_pin import EXPORTED, NGSPICE, definition
from diodeq.devices.vendor.foreign import WIRING, is_card, read_library, wired
from diodeq.errors import DiodeqError, InputError, SimulationError, UsageError
from diodeq.netlist.dialects import full_deck
from diodeq.simulators.ngspice.measure import measure
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.variation import vary

ZENER = ".model z D(IS=1f N=1.03 RS=0.1 BV=3.3)"


@pytest.fixture(scope="module", autouse=True)
def _workers(ngspice):
    POOL[:] = [ngspice.pool]


POOL: list = []


def alone(card):
    """In a worker of its own: what ends ngspice ends it for all later jobs."""
    return measure("part", wired(read_library(card), None), (27.0,))[0]


def measured(card, temperatures=(27.0,), pins=(), instance="", part=None, **more):
    found = measure("part", wired(read_library(card), part, pins, instance), temperatures, pool=POOL[0], **more)
    return found[0] if len(found) == 1 else found


def in_ngspice(original, volts, folder, celsius=27.0):
    """The currents by ``ngspice -b``: a part and a source for each voltage."""
    lines = ["currents", ".subckt part a c", *original, ".ends"]
    for k, v in enumerate(volts):
        lines += [f"v{k} n{k} 0 {float(v)!r}", f"x{k} n{k} 0 part"]
    lines += [f".options reltol=1e-9 vntol=1e-12 abstol=1e-15 gmin=1e-12 temp={celsius!r}", ".control", "op"]
    lines += ["set numdgt=15", *(f"print i(v{k})" for k in range(len(volts))), ".endc", ".end"]
    (folder / "c.cir").write_text("\n".join(lines))
    said = subprocess.run(["ngspice", "-b", "c.cir"], cwd=folder, capture_output=True, text=True, check=False).stdout
    found = [-float(line.split("=")[1]) for line in said.splitlines() if line.startswith("i(v")]
    assert len(found) == len(volts), said
    return np.array(found)


# --- what is measured -------------------------------------------------------------------------------------------------

random = np.random.default_rng(11)
PARTS = {
    "diode": (f".model x D(IS={random.uniform(1e-15, 1e-8):.3g} N={random.uniform(1, 2):.3g} RS=3)", "", (-5, 0.6)),
    "zener": (ZENER.replace("z D", "x D"), "", (-3.42, 0.8)),
    "npn": (f".model x NPN(IS={random.uniform(1e-16, 1e-14):.3g} BF=80 VAF=50 IKF=0.1 RB=10 RC=1)", "", (-5, 0.7)),
    "pnp": (".model x PNP(IS=1e-15 BF=40)", "", (-5, 0.7)),
    "nmos": (f".model x NMOS(LEVEL=1 VTO={random.uniform(0.4, 1.5):.3g} KP=1m)", "w=20u l=2u", (-0.6, 5)),
    "level 2": (".model x NMOS(LEVEL=2 VTO=1 TOX=20n NSUB=1e16 UO=600)", "w=20u l=2u", (-0.6, 5)),
    "bsim4": (".model x NMOS(LEVEL=14)", "w=10u l=1u", (-0.5, 1.5)),
    "pjf": (".model x PJF(VTO=-2 BETA=1m LAMBDA=0.01)", "", (-0.7, 5)),
    "mesfet": (".model x NMF(VTO=-1.5 BETA=2m)", "", (-0.5, 5)),
    "vdmos": (".model x VDMOS(NCHAN VTO=2 KP=0.5 RD=0.1 mfg=Some One type=fast)", "", (-0.6, 2.5)),
    "subcircuit": (
        ".param r0=10\n.subckt x p q\n.model d1 D(IS=1e-12)\nd1 p m d1\nr1 m q {r0*2}\nd2 q p d1\n.ends",
        "",
        (-0.6, 2.0),
    ),
    "source": (".subckt x p q\nb1 p q i=1m*tanh(3*v(p,q))\n.ends", "", (-5, 5)),
}


@pytest.mark.parametrize("name", PARTS)
def test_the_curve_is_ngspices_own(name, tmp_path):
    card, instance, (low, high) = PARTS[name]
    more = {"low": -0.5, "high": 1.5} if name == "bsim4" else {}  # ngspice takes milliseconds a point for it
    found = measured(card, instance=instance, part="x", **more)
    assert len(found.model.volts) <= 200
    v = np.sort(np.random.default_rng(3).uniform(low, high, 60 if name != "bsim4" else 10))
    wanted = in_ngspice(found.model.original, v, tmp_path)
    got = one(found.model).current(v)
    largest = np.abs(found.model.amperes).max()
    assert np.all(np.abs(got - wanted) <= 2e-3 * np.abs(wanted) + 2e-8 * largest)
    # What is said of the error holds elsewhere, too.
    assert np.abs(got - wanted).max() <= 2.0 * found.error + 1e-9 * largest
    assert found.share < 1e-3
    for amperes, volts, off in found.forward:
        assert off < 5e-4
        assert in_ngspice(found.model.original, [volts], tmp_path) == pytest.approx(amperes, rel=1e-2)


def test_many_diodes_to_ten_microvolts(tmp_path):
    """The forward voltages of random diodes, against diodeq's own law of them."""
    random = np.random.default_rng(5)
    for _ in range(4):
        parameters = {"is": 10 ** random.uniform(-15, -8), "n": random.uniform(1, 2), "rs": random.uniform(0, 5)}
        found = measured(f".model x D({' '.join(f'{k}={float(v)!r}' for k, v in parameters.items())})")
        exact = law(catalogue.DiodeModel("x", tuple(parameters.items())))
        for current in (1e-6, 1e-3, 1e-2):
            assert forward_voltage(one(found.model), current) == pytest.approx(
                forward_voltage(exact, current), abs=1e-5
            )


def test_what_a_coarse_curve_is_off_by_is_said_in_volts():
    parameters = {"is": 1e-9, "n": 1.5, "rs": 1.0}
    found = measured(".model x D(IS=1e-9 N=1.5 RS=1)", points=30)
    exact = law(catalogue.DiodeModel("x", tuple(parameters.items())))
    actual = np.array([abs(forward_voltage(exact, amperes) - volts) for amperes, volts, _ in found.forward])
    said = np.array([off for *_, off in found.forward])
    assert actual.max() > 1e-5
    assert said == pytest.approx(actual, rel=0.2)


def test_temperatures_make_parts_of_their_own():
    cold, warm = measured(ZENER, (-20.0, 85.0))
    assert (cold.model.name, warm.model.name) == ("part_m20C", "part_85C")
    ends = [forward_voltage(one(each.model, each.model.temperature), 1e-3) for each in (cold, warm)]
    assert 0.1 < ends[0] - ends[1] < 0.3
    with pytest.raises(InputError, match="measured at 85 °C and says nothing about 27 °C"):
        one(warm.model)


def test_the_range_ends_at_the_current_and_where_it_is_asked_to():
    found = measured(ZENER, low=-2.0, high=3.0, current=1e-3)
    assert found.model.volts[0] == -2.0
    assert 0.9e-3 < found.model.amperes[-1] <= 1e-3
    few = measured(ZENER, points=20)
    assert len(few.model.volts) <= 20
    assert few.error > found.error


def test_pins_in_another_way(tmp_path):
    """A transistor's base and emitter alone, and a subcircuit of three pins."""
    junction = measured(".model q NPN(IS=1e-15 BF=100)", pins=("c", "a", "c", "c"))
    v = np.linspace(0.3, 0.7, 9)
    assert one(junction.model).current(v) == pytest.approx(
        in_ngspice(junction.model.original, v, tmp_path), rel=1e-3, abs=2e-10
    )
    three = ".subckt t x y z\nr1 x y 1k\nr2 y z 2k\n.ends"
    assert one(measured(three, pins=("a", "c", "a")).model).current(np.array([1.0])) == pytest.approx(1.5e-3)
    with pytest.raises(UsageError, match="3 terminals"):
        measured(three)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (".subckt t a c\nb1 a c i=1e-3*v(a,c)*(1-v(a,c))*(1-v(a,c))\n.ends", "falls from"),
        (".subckt t a c\nv1 a x 1\nr1 x c 1k\n.ends", "gives no power"),
        (".subckt t a c\nr1 a 0 1k\nr2 a c 1k\n.ends", "tied to ground"),
        (".subckt t a c\ns1 a c a c m\nr1 a c 1k\n.model m sw(vt=1 vh=0.5 ron=500 roff=1meg)\n.ends", "has a memory"),
        (".subckt t a c\nc1 a c 1u\n.ends", "conducts no more than"),
        (".subckt t a c\nx1 a c nothing\n.ends", "unknown subckt"),
        (".model d D(IS=blah)", "ngspice finds no current"),
    ],
)
def test_what_no_curve_describes(card, said):
    with pytest.raises((InputError, SimulationError)) as refused:
        alone(card)
    assert said in f"{refused.value.problem}; {refused.value.remedy}"


# --- files of strangers -----------------------------------------------------------------------------------------------

HOSTILE = [
    ".control\nshell touch ran\n.endc\n.model d D(IS=1f)",
    "*# shell touch ran\n.model d D(IS=1f)",
    "*#shell touch ran\n.model d D(IS=1f)",
    ".include ran.cir\n.model d D(IS=1f)",
    '.lib "ran.lib" tt\n.model d D(IS=1f)',
    ".model d D(IS=`touch ran`)",
    ".subckt t a c\na1 [a] c code\n.model code filesource(file=ran)\n.ends",
    ".subckt t a c\n.control\nshell touch ran\n.endc\nr1 a c 1\n.ends",
    ".subckt t a c\nr1 a c 1\n.ends\n.option x=1",
    '.subckt t a c\nb1 a c i=table("ran")\n.ends',
    ".subckt t a c\nv1 a c pwl file=ran\n.ends",
    ".subckt t a c\nn1 a c osdi\n.ends",
    ".subckt t a c\nr1 a c 1; shell touch ran\n.ends\nshell touch ran",
    ".model d D(IS=1f)\nshell touch ran",
    ".model d D(IS=1f)\n+ \n.save all\n.print op v(1)",
    ".model d numd(ic.file=ran)",
    ".subckt t a c\nr1 a c 1\n",
    ".ends\n.model d D(IS=1f)",
    ".subckt t a c\nr1 a c 1$x\n.ends",
    ".model d D(IS=1f",
    ".subckt t a c\nx1 a c t\n.ends",
    ".subckt t a c\nX1 a c u\n.ends\n.subckt u a c\nx1 a c T\n.ends",
    "".join(f".subckt t{k} a c\n" + f"x1 a c t{k + 1}\nx2 a c t{k + 1}\n" * 4 + ".ends\n" for k in range(7))
    + ".subckt t7 a c\nr1 a c 1\n.ends",
    ".param x=1",
    ".model",
    ".model d",
    "+",
    "",
    ".model d D(IS=1f)\n.model D D(IS=2f)",
    ".subckt t a c\n" * 20 + "r1 a c 1\n" + ".ends\n" * 20,
    ".model d D(IS=1f)\n" + "".join(f".param x{k}=1\n" for k in range(9000)),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_files_of_strangers_run_nothing(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.lib").write_text(text)
    (tmp_path / "ran.cir").write_text(".model d D(IS=1f)\n")
    (tmp_path / "ran.lib").write_text(".lib tt\n.model d D(IS=1f)\n.endl\n")
    before = sorted(os.listdir())
    with pytest.raises((InputError, UsageError)) as refused:
        measured("part.lib")
    assert len(refused.value.problem) < 400
    assert "\n" not in refused.value.problem
    assert sorted(os.listdir()) == before


def test_calls_that_never_end_are_counted():
    for lines in (
        [".subckt t a c", "x1 a c t", ".ends", "x1 a c t"],
        [".subckt t a c", "X1 a c U k=1", ".ends", ".subckt u a c", "x1 a c T", ".ends", "x1 a c t"],
        [".subckt t a c", *(f"r{k} a c 1" for k in range(101)), ".ends", *(f"x{k} a c t" for k in range(101))],
    ):
        with pytest.raises(InputError, match="call each other"):
            checked(lines)
    assert checked([".subckt t a c", "r1 a c 1", ".ends", "x1 a c t"])


def test_subcircuits_go_eight_deep_and_no_deeper():
    def nested(depth):
        return [*(f".subckt t{k} a c" for k in range(depth)), "r1 a c 1", *[".ends"] * depth]

    assert checked(nested(8))
    with pytest.raises(InputError, match="do not match"):
        checked(nested(9))


@pytest.mark.parametrize("instance", ["w=1u\n.control", "w", "w={1}", "w=1u; x", "$x=1"])
def test_words_of_an_instance_are_checked(instance):
    with pytest.raises(UsageError, match="not a list of NAME=VALUE"):
        wired(read_library(".model n NMOS(LEVEL=1)"), None, (), instance)


def test_a_catalogue_or_a_circuit_cannot_smuggle_lines():
    document = measured(ZENER).model.to_json()
    assert from_json(document) == measured(ZENER).model
    for line in (".control", ".include x", "*# shell ls", "r1 a c 1\nshell ls", "a1 a c x", 3, ""):
        with pytest.raises(InputError):
            from_json({**document, "original": [line]})
    with pytest.raises(InputError, match="not a list of lines"):
        from_json({**document, "original": "r1 a c 1"})
    for warm in ("hot", float("nan"), -300.0, True):
        with pytest.raises(InputError, match="as its temperature"):
            from_json({**document, "temperature": warm})


def test_random_lines_are_checked_or_refused_by_a_sentence():
    random = np.random.default_rng(9)
    words = [
        ".model",
        ".subckt",
        ".ends",
        ".param",
        "d1",
        "a",
        "c",
        "x",
        "D(IS=1)",
        "*#",
        "+",
        "{",
        "}",
        "=",
        "\t",
        "ü",
    ]
    for _ in range(2000):
        lines = [" ".join(random.choice(words, 5)) for _ in range(random.integers(1, 5))]
        with contextlib.suppress(DiodeqError):
            assert checked(lines) == tuple(lines)
            is_plain(lines)
        with contextlib.suppress(DiodeqError):
            wired(read_library("." + "\n".join(lines)), None)


def test_no_measuring_leaves_a_log(tmp_path, monkeypatch):
    """BSIM3 writes one where it is."""
    monkeypatch.chdir(tmp_path)
    measured(".model x NMOS(LEVEL=8)", instance="w=10u l=1u", points=10, low=0.0, high=1.5)
    assert os.listdir() == []


# --- netlists and commands --------------------------------------------------------------------------------------------


def parts():
    yield measured(ZENER).model
    yield measured(".model j NJF(VTO=-2 BETA=1m)").model


def test_netlists_print_the_part_itself(tmp_path):
    first, second = parts()
    circuit = plain()
    which = np.arange(len(circuit.diodes), dtype=np.int32) % 2
    models = first, replace(second, name="other")
    circuit = replace(circuit, models=models, diodes=circuit.diodes.with_values(which))
    with WaveSimulator() as engine:
        wanted = engine.operate(circuit, DRIVES[:1]).node_voltages[0, 1:]
    runs = {"ngspice": run_ngspice, "ltspice": run_ngspice_as_ltspice, "pyspice": run_python}
    for dialect, run in runs.items():
        text = full_deck(circuit, dialect, DRIVES[0]).text
        assert ZENER in text, dialect
        assert "b1 a c" not in text, dialect
        found = run(text, tmp_path)
        # The part itself, and so only as near as the curve is to it.
        assert [found[node] for node in circuit.nodes[1:]] == pytest.approx(wanted, rel=0, abs=1e-4), dialect
    assert ZENER not in full_deck(circuit, "xyce", DRIVES[0]).text


def test_what_ltspice_spells_in_another_way_is_printed_as_a_curve():
    assert is_plain(measured(ZENER).model.original)
    strange = measured(PARTS["source"][0]).model
    assert not is_plain(strange.original)
    assert "tanh" in definition(strange, EXPORTED)
    assert "tanh" not in definition(strange, NGSPICE)
    assert not is_plain([".model n nmos(level=8)"])
    assert is_plain([".model n nmos(level=1)", "m1 a a c c n"])
    assert is_plain([".model n nmos(level=1.0)"])
    assert not any(is_plain([f".model n nmos(level={other})"]) for other in ("14", "1.5", "1e1", "{1}"))


def test_engines_agree_about_it(ngspice):
    circuit = plain()
    model = measured(ZENER).model
    diodes = circuit.diodes.with_values(np.zeros(len(circuit.diodes), np.int32))
    circuit = replace(circuit, models=(model,), diodes=diodes)
    with WaveSimulator() as waved:
        found = waved.operate(circuit, DRIVES).node_voltages
    assert np.abs(found - ngspice.operate(circuit, DRIVES).node_voltages).max() < 1e-8
    board = vary(circuit, Technology(variation=Variation(saturation=0.3)), np.random.default_rng(0))
    assert all(not model.original for model in board.models)


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "devices.toml"))
    (tmp_path / "devices.toml").touch()
    (tmp_path / "z.lib").write_text(f"* zeners\n{ZENER}\n.model y D(IS=1f)\n")

    def said(*arguments, code=0):
        done = CliRunner().invoke(devices, arguments)
        assert done.exit_code == code, (done.output, done.exception)
        return done

    found = json.loads(said("measure", str(tmp_path / "z.lib"), "--only", "z", "--name", "mine", "--json").stdout)
    (part,) = found["parts"]
    assert part["largest_error_share"] < 1e-3
    assert catalogue.get("mine").original == (ZENER, "d1 a c z")
    assert "d1 a c z" in said("show", "mine").stdout
    assert ZENER in json.loads(said("show", "mine", "--json").stdout)["card"]
    assert "V_f" in said("measure", ZENER, "--name", "two", "--temperature=-20,85", "--points", "50").stdout
    assert [each["temperature"] for each in json.loads(said("list", "--json").stdout)[-2:]] == [-20.0, 85.0]
    for arguments, words in (
        ((str(tmp_path / "z.lib"), "--name", "a"), "choose one with --only"),
        ((str(tmp_path / "z.lib"), "--name", "a", "--only", "q"), "no part called"),
        ((ZENER, "--name", "a b"), "no name for a part"),
        ((ZENER, "--name", "a", "--temperature", "27,27"), "repeats one"),
        ((ZENER, "--name", "a", "--from", "1"), "has no 0 V inside"),
        ((ZENER, "--name", "mine"), "called mine already"),
        ((ZENER, "--name", "a", "--pins", "a,b"), "each is to be tied to a or c"),
    ):
        done = CliRunner().invoke(devices, ["measure", *arguments])
        assert isinstance(done.exception, DiodeqError), (arguments, done.output, done.exception)
        assert words in str(done.exception), arguments


def test_every_type_has_as_many_pins_as_terminals():
    for letter, terminals, pins in WIRING.values():
        assert len(letter) == 1
        assert len(terminals.split()) == len(pins.split())
        assert set(pins.split()) == {"a", "c"}


def test_a_function_that_calls_another_is_refused_before_ngspice_sees_it():
    for lines in (
        [".func f(x) {f(x)+1}", "b1 a c i=f(v(a,c))"],
        [".func f(x) {g(x)}", ".func G(x) {x}", "b1 a c i=f(v(a,c))"],
    ):
        with pytest.raises(InputError, match=r"its \.func 'f' calls a \.func; write out"):
            checked(lines)
    assert checked([".func f(x) {sinh(x)}", "b1 a c i=f(v(a,c))"])


def test_a_file_whose_path_begins_with_a_dot_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d 1.lib").write_text(".model d1 D(IS=1n)\n")
    assert not is_card("./d 1.lib")
    assert is_card(".model d1 D(IS=1n)")
    assert not is_card("./d1.lib")
    assert is_card(".model " + "x" * 5000 + " D()")
