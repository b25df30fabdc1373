"""`diodeq import`: what diodeq writes is read back, decks drawn by hand are read, the rest is refused by line."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import decks
from circuits import CIRCUITS, DRIVES
from decks import run_ngspice
from diodeq.circuit import KINDS, Circuit, Inputs
from diodeq.cli.main import main
from diodeq.devices import DiodeModel
from diodeq.devices.diode.model import PARAMETERS
from diodeq.errors import PlacedError, SimulationError
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.reading import import_deck
from diodeq.simulators.ngspice import NgspiceSimulator
from oracle import Oracle

ALL = {**CIRCUITS, **{f"decks-{name}": build for name, (build, _) in decks.CIRCUITS.items()}, "catalogue": decks.parts}
SPICE = [name for name in DIALECTS if DIALECTS[name].suffix == ".cir"]


def voltages(circuit: Circuit, drives: np.ndarray) -> dict[str, np.ndarray]:
    solved = Oracle().operate(circuit, drives).node_voltages
    return dict(zip(circuit.nodes, solved.T, strict=True))


def same(found: Circuit, wanted: Circuit, found_drives: np.ndarray, drives: np.ndarray) -> None:
    there, here = voltages(found, found_drives), voltages(wanted, drives)
    assert there.keys() == here.keys()
    for node, volts in here.items():
        np.testing.assert_allclose(there[node], volts, rtol=0, atol=1e-9, err_msg=node)


def read(text: str, folder: Path, **ports: list[str]) -> Circuit:
    (folder / "deck.cir").write_text(text)
    return import_deck(folder / "deck.cir", **ports).circuit


def _meaning(model: DiodeModel) -> tuple[str, ...]:
    return (model.spice_name, *(repr(model.get(key)) for key in PARAMETERS))


@pytest.mark.parametrize("dialect", SPICE)
@pytest.mark.parametrize("name", ALL)
def test_exported_decks_read_back(name: str, dialect: str, tmp_path: Path) -> None:
    circuit = ALL[name]()
    drives = np.random.default_rng(3).normal(size=(3, len(circuit.inputs)))
    back = read(full_deck(circuit, dialect, drives[0]).text, tmp_path)
    for kind in KINDS:
        assert len(back.bank(kind)) == len(circuit.bank(kind)), kind
    assert back.inputs.names == circuit.inputs.names
    assert back.output_names == tuple(circuit.output_names)
    assert back.temperature == circuit.temperature
    # A dialect may print a default, such as NBV, that the model leaves out.
    assert {_meaning(model) for model in back.models} <= {_meaning(model) for model in circuit.models}
    same(back, circuit, drives, drives)
    outputs = [Oracle().operate(each, drives).outputs for each in (back, circuit)]
    np.testing.assert_allclose(*outputs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_what_pyspice_prints_reads_back(name: str, tmp_path: Path) -> None:
    circuit = ALL[name]()
    back = read(str(circuit.to_pyspice()), tmp_path, outputs=["*"])
    for kind in KINDS:
        assert len(back.bank(kind)) == len(circuit.bank(kind)), kind
    assert back.inputs.names == ()
    same(back, circuit, np.zeros((1, 0)), np.zeros((1, len(circuit.inputs))))


@pytest.mark.parametrize("dialect", SPICE)
def test_reading_what_was_read_changes_nothing(dialect: str, tmp_path: Path) -> None:
    once = read(full_deck(CIRCUITS["everything"](), dialect).text, tmp_path)
    twice = read(full_deck(once, dialect).text, tmp_path)
    assert twice.nodes == once.nodes
    assert twice.models == once.models
    for kind in KINDS:
        assert twice.bank(kind).names == once.bank(kind).names
        assert np.array_equal(twice.bank(kind).terminals, once.bank(kind).terminals)
        np.testing.assert_allclose(twice.bank(kind).values, once.bank(kind).values, rtol=1e-15)


def test_a_gain_with_many_digits_survives(tmp_path: Path) -> None:
    circuit = CIRCUITS["layered"]()
    inputs = replace(circuit.inputs, gain=circuit.inputs.gain / 3)
    names = ("petal length (cm)", "b + input c (0)", "c times 2")
    circuit = replace(circuit, inputs=Inputs(inputs.source, inputs.column, inputs.gain, (names[0], "b", names[2])))
    back = read(full_deck(circuit, "ngspice", DRIVES[0]).text, tmp_path)
    assert back.inputs.names == (names[0], "b", names[2])
    same(back, circuit, DRIVES, DRIVES)


# A deck as LTspice writes it, with every liberty that a person takes.
HAND = """* C:\\Users\\me\\Draft1.asc
R1 in N001 4.7k tol=5
R§2 N001 0 10k
D1 N001 out 1N4148
R3 OUT 0 {load}
V1 in 0 SINE(0 1 1K) AC 1
V2 vcc 0 5
R4 vcc N001 47k
C1 out 0 10µ
G1 out 0 in out+ 1m
G2 0 out+ n001 out -.2m
R5 out+ 0 1k
L1 out+ tail 1m
R6 tail 0 1Meg
X1 out 0 clamp params: rser={load/11}
X2 0 n001 outer
.subckt clamp a k rser=10
D1 a m DSPECIAL ; a comment
R1 m k {rser}
.model DSPECIAL D(Is=1n N=1.7 mfg=Nobody)
.ends clamp
.subckt outer p q
X1 p mid clamp
R1 mid q 1k
.ends
.model D D
.lib C:\\Users\\me\\AppData\\Local\\LTspice\\lib\\cmp\\standard.dio
.param load = 2*11k/2
.tran 10m
.backanno
.end
this is beyond the end
"""

# The same for ngspice, in its plainest words: models from the catalogue, subcircuits spelled out.
PLAIN = """the same
.save all
r1 in n001 4700
r2 n001 0 10000
d1 n001 out d1n4148
r3 out 0 11000
v1 in 0 1.25
v2 vcc 0 5
r4 vcc n001 47000
g1 out 0 in out_p 1e-3
g2 0 out_p n001 out -2e-4
r5 out_p 0 1000
v3 out_p tail 0
r6 tail 0 1e6
dx1 out x1_m special
rx1 x1_m 0 1000
dx2 0 x2_m special
rx2 x2_m mid 10
rx3 mid n001 1000
.model d1n4148 d(is=2.52e-9 rs=0.568 n=1.752)
.model special d(is=1e-9 n=1.7)
.options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12
.op
.end
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_a_deck_drawn_by_hand(encoding: str, tmp_path: Path, ngspice: NgspiceSimulator) -> None:
    (tmp_path / "hand.net").write_bytes(HAND.replace("\n", "\r\n").encode(encoding))
    imported = import_deck(tmp_path / "hand.net", outputs=["out", "d=N001:out+"], trainable=["r?"])
    circuit = imported.circuit
    assert circuit.inputs.names == ("v1",)
    assert circuit.output_names == ("out", "d")
    names = list(circuit.part_names("resistors"))
    assert [name for name, free in zip(names, circuit.mask, strict=True) if free] == ["r1", "r3", "r4", "r5", "r6"]
    solved = ngspice.operate(circuit, np.array([[1.25]])).node_voltages
    found = dict(zip(circuit.nodes, solved.T, strict=True))
    wanted = run_ngspice(PLAIN, tmp_path)
    for node in ("in", "n001", "out", "vcc", "out_p", "tail", "x1_m"):
        assert found[node][0] == pytest.approx(wanted[node], abs=1e-8), node
    assert found["x2_mid"][0] == pytest.approx(wanted["mid"], abs=1e-8)
    said = " ".join(imported.notes)
    for part in (
        "standard.dio (line 27)",
        "1N4148",
        "c1 (line 9)",
        "l1 (line 13)",
        "g1 (line 10)",
        "v1 (line 6)",
        "mfg",
    ):
        assert part in said, part


def test_imported_decks_simulate_train_and_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A two-class circuit as a person would draw it, from deck to training and back to a deck."""
    monkeypatch.chdir(tmp_path)
    lines = ["two inputs, both signs, four diodes, two outputs"]
    for name in ("x0", "x1"):
        lines += [f"V{name}p {name}p 0 0", f"V{name}n {name}n 0 0"]
    lines += ["Vb bias 0 4", "Vc cold 0 -4", ".param r=20k"]
    for unit in range(4):
        feeds = ("x0p", "x0n", "x1p", "x1n", "bias", "cold")
        lines += [f"Rw{unit}_{k} {node} h{unit} {{r*{1 + (3 * unit + 5 * k) % 7}}}" for k, node in enumerate(feeds)]
        lines.append(f"D{unit} " + (f"0 h{unit}" if unit % 2 else f"h{unit} 0") + " 1N4148")
        lines += [f"Rv{unit}_{k} h{unit} y{k} {10 + unit + 3 * k}k" for k in range(2)]
    Path("net.cir").write_text("\n".join([*lines, ".end", ""]))
    ports = ["--input", "x0=vx0p,-vx0n", "--input", "x1=vx1p,-vx1n", "--output", "y0,y1", "--train", "rw*,rv*"]
    assert main(["import", "net.cir", "-o", "net.npz", *ports]) == 0
    Path("x.csv").write_text("x0,x1\n1,-1\n0.5,2\n")
    assert main(["simulate", "net.npz", "--inputs", "x.csv", "-o", "y.csv", "--units", "volts"]) == 0
    wanted = Oracle().operate(Circuit.load("net.npz"), np.array([[1, -1], [0.5, 2]])).outputs
    np.testing.assert_allclose(np.loadtxt("y.csv", delimiter=","), wanted, rtol=0, atol=2e-9)
    train = ["train", "moons", "--from", "net.npz", "--out", "run", "--epochs", "2", "--simulator", "wave"]
    assert main(train) == 0
    trained = Circuit.load("run/circuit.npz")
    assert (trained.conductances != Circuit.load("net.npz").conductances).all()
    for dialect in SPICE:
        same(read(full_deck(trained, dialect).text, tmp_path), trained, DRIVES[:, :2], DRIVES[:, :2])


class TestControlledSources:
    """Each against ngspice, which is given the very text."""

    TAIL = ".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12\n.op\n.end\n"
    BASE = "title\nva a 0 2\nra a b 1k\nrb b 0 2k\nrc c 0 3k\nrd d 0 4k\nre c d 5k\n"

    @pytest.mark.parametrize(
        ("lines", "kinds"),
        [
            ("vs b x 0\ne1 x 0 c d 0.7\nf1 c d vs -0.7\n", {"transformers": 1}),
            ("vs x b 0\ne1 0 x d c 0.7\nf1 c d vs 0.7\n", {"transformers": 1}),
            ("vs x b 0\ne1 0 x c d 0.7\nf1 d c vs 0.7\n", {"transformers": 1}),
            ("vs b x 0\ne1 x 0 c d 0.7\nf1 c d vs 0.7\n", {"buffers": 1, "mirrors": 1}),
            ("vs b x 0\ne1 x 0 c d 0.7\nf1 c d vs -0.7\nrx x d 1k\n", {"buffers": 1, "mirrors": 1}),
            ("g1 b 0 c d 1m\ng2 c d b 0 -1m\n", {"gyrators": 1}),
            ("g1 b 0 d c 1m\ng2 c d b 0 1m\n", {"gyrators": 1}),
            ("g1 b 0 c d 1m\ng2 c d b 0 1m\n", {"buffers": 2, "mirrors": 2}),
            ("g1 b d c 0 1m m=2\n", {"buffers": 1, "mirrors": 1}),
            ("g1 b d c 0 -1m\n", {"buffers": 1, "mirrors": 1}),
            ("g1 b d b d 1m\n", {}),
            ("g1 b d d b -1m\n", {}),
            ("g1 b d b d -.1m\n", {"buffers": 1, "mirrors": 1}),
            ("g1 b d c 0 0\n", {}),
            ("f1 c 0 va 0.5\nf2 d 0 va -0.25\n", {"mirrors": 2}),
            ("f1 c 0 vs 0.5\nf2 d b vs -0.25\nvs b y 0\nry y 0 1k\n", {"mirrors": 2}),
            ("f1 c 0 vs 0.5\nvs b y 0.3\nry y 0 1k\n", {"mirrors": 1}),
            ("e1 y 0 c b -3\nry y d 1k\n", {"buffers": 1}),
        ],
    )
    def test_reads_exactly(self, lines: str, kinds: dict[str, int], tmp_path: Path) -> None:
        text = self.BASE + lines + self.TAIL
        circuit = read(text, tmp_path, outputs=["b"])
        assert {kind: len(circuit.bank(kind)) for kind in KINDS if kind in kinds} == kinds
        found, wanted = voltages(circuit, np.zeros((1, 0))), run_ngspice(text, tmp_path)
        for node in ("a", "b", "c", "d"):
            assert found[node][0] == pytest.approx(wanted[node], abs=1e-9), node

    def test_a_source_that_is_sensed_can_be_an_input(self, tmp_path: Path) -> None:
        circuit = read(self.BASE + "f1 c 0 va 0.5\n" + self.TAIL, tmp_path, inputs=["va"], outputs=["c"])
        wanted = run_ngspice(self.BASE + "f1 c 0 va 0.5\n" + self.TAIL, tmp_path)
        assert voltages(circuit, np.array([[2.0]]))["c"][0] == pytest.approx(wanted["c"], abs=1e-9)


SOURCES = [
    ("5", 5.0),
    ("DC 5 AC 1 90", 5.0),
    ("dc=5", 5.0),
    ("PULSE(1 5 0 1n 1n)", 1.0),
    ("1.5 PULSE(1 5 0 1n 1n)", 1.5),
    ("SIN(2 1 1k 0 0 90)", 3.0),
    ("SIN(2 1 1k 0 0 30)", 2.5),
    ("SIN(2 1 1k 30 30)", 2.0),  # a delay and a damping are no phase
    ("SINE(2 1 1k 1m 500 30)", 2.5),
    ("SINE(0.5 -2 1k 0 0 210 3)", 1.5),  # LTspice's number of cycles comes last
    ("1.5 SIN(2 1 1k 0 0 90)", 1.5),
    ("PWL(0 4 1m 5)", 4.0),
    ("EXP(2 3 1u)", 2.0),
    ("{half*3} Rser=0", 4.5),
    ("'half+1'", 2.5),
    ("AC 1", 0.0),
    ("", 0.0),
]


@pytest.mark.parametrize(("source", "volts"), SOURCES)
def test_a_sources_value_in_direct_current(source: str, volts: float, tmp_path: Path) -> None:
    text = f"title\nv1 a 0 {source}\nr1 a b 1k\nr2 b 0 1k\n.param half=1.5\n"
    circuit = read(text, tmp_path, inputs=["none=v1"], outputs=["b"])
    assert circuit.voltage_sources.values[0] == 0.0
    assert circuit.inputs.names == ("none",)
    again = import_deck(tmp_path / "deck.cir", outputs=["b"])
    driven = len(again.circuit.inputs)
    assert driven == any(word in source for word in ("AC", "PULSE", "SIN", "PWL", "EXP"))
    if not driven:
        assert again.circuit.voltage_sources.values[0] == volts


@pytest.mark.parametrize(("source", "volts"), SOURCES)
def test_a_source_that_is_no_input_keeps_its_value(source: str, volts: float, tmp_path: Path) -> None:
    """At direct current, as ngspice takes it."""
    text = f"title\nv1 a 0 {source}\nv2 c 0 0\nr1 a b 1k\nr2 b c 1k\n.param half=1.5\n"
    circuit = read(text, tmp_path, inputs=["x=v2"], outputs=["b"])
    assert circuit.inputs.names == ("x",)
    assert circuit.voltage_sources.values[0] == pytest.approx(volts, rel=1e-15)
    assert voltages(circuit, np.zeros((1, 1)))["b"][0] == pytest.approx(volts / 2, abs=1e-12)
    if "Rser" not in source:  # LTspice's
        assert run_ngspice(text + TestControlledSources.TAIL, tmp_path)["b"] == pytest.approx(volts / 2, abs=1e-9)


def test_temperatures(tmp_path: Path) -> None:
    text = "title\nv1 a 0 1\nr1 a b 1k\nd1 b 0 dd\n.model dd d(is=1n eg=1)\n.options temp=50 tnom=25\n"
    tail = TestControlledSources.TAIL
    circuit = read(text, tmp_path, outputs=["b"])
    assert circuit.temperature == 50.0
    assert voltages(circuit, np.zeros((1, 0)))["b"][0] == pytest.approx(
        run_ngspice(text + tail, tmp_path)["b"], abs=1e-9
    )
    assert read("title\nv1 a 0 1\nr1 a 0 1k\n.temp -40\n.save v(a)\n", tmp_path).temperature == -40.0


DIVIDER = "title\nv1 in 0 4\nr2 out 0 1k\n.param r=1k\n"


@pytest.mark.parametrize(
    "lines",
    [
        ".subckt top a b\n.param\tr=3k s=1\nr1 a b {r*s}\n.ends\nx1 in out top\n",
        ".subckt top a b\n.param\t \ts\t=\t3\tr=1k\nr1 a b {r*s}\n.ends\nx1 in out top\n",
        ".subckt top a b\n.param\n+ r=3k\nr1 a b {r}\n.ends\nx1 in out top\n",
        ".subckt top a b\n.params r=3k\nr1 a b {r}\n.ends\nx1 in out top\n",
        ".subckt top a b params:r=3k\nr1 a b {r}\n.ends\nx1 in out top\n",
        ".subckt\ttop\ta\tb\tPARAMS:\tr\t=\t3k\nr1\ta\tb\t{\tr\t}\n.ends\ttop\nx1\tin\tout\ttop\n",
        ".subckt top a b params: r=1k\nr1 a b {r}\n.ends\nx1 in out top params:r=3k\n",
        "r1\tin\tout\tr\t=\t3k\n",
    ],
)
def test_white_space_of_any_kind_parts_words(lines: str, tmp_path: Path) -> None:
    text = DIVIDER + lines + ".op\n.end\n"
    assert run_ngspice(text, tmp_path)["out"] == pytest.approx(1.0, abs=1e-12)
    assert voltages(read(text, tmp_path, outputs=["out"]), np.zeros((1, 0)))["out"][0] == pytest.approx(1.0, abs=1e-12)


def test_a_control_block_is_skipped_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deck = tmp_path / "x.cir"
    block = ".Control\nset x = 1\n+ 2\nr1 = 3\n* r3 a 0 1\nalter r2 = 5\nshell touch pwned\n.end\nquit\n.ENDC\n"
    deck.write_text(DIVIDER + "r1 in out {3*r}\n" + block + "r3 out 0 1k\n.save v(out)\n.end\n.control\n")
    imported = import_deck(deck)
    assert voltages(imported.circuit, np.zeros((1, 0)))["out"][0] == pytest.approx(4 / 7, abs=1e-12)
    assert any("never run" in note and "10 lines (line 6)" in note for note in imported.notes)
    assert main(["import", str(deck), "-o", str(tmp_path / "c.npz")]) == 0
    captured = capsys.readouterr()
    assert "never run" in captured.err
    assert "never run" not in captured.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.npz", "x.cir"]


def test_ratings_tolerances_and_what_they_are_not(tmp_path: Path, ngspice: NgspiceSimulator) -> None:
    lines = """title
V1 in 0 5 Rser=100 Cpar=1p
R1 in out 10k tol=1% pwr=0.1 mfg="A B" noiseless
R2 in out 40k tol={tol} pwr=0.1
D1 out 0 DM ic=.6
L1 out tail 1m Ipk=2 Rser=50 Rpar=150 mfg=Some Maker
L2 tail end 1m Rser=0 m=2
C1 end 0 1u V=50 Irms=1 Rpar=4k m=2 tol=10%
C2 end 0 1u V=50
V2 end x 0
.model DM D(Is=1n N=1.8)
X1 x s
.subckt s a
V1 a 0 0 Rser=1k
.ends
"""
    plain = """title
v1 in0 0 5
r0 in in0 100
r1 in out 8k
d1 out 0 dm
r2 out tail 37.5
v0 tail end 0
r3 end 0 2k
r4 end 0 1k
.model dm d(is=1n n=1.8)
.options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12
.op
.end
"""
    (tmp_path / "deck.cir").write_text(lines)
    imported = import_deck(tmp_path / "deck.cir", outputs=["*"])
    assert imported.circuit.mask.sum() == 2
    assert set(imported.circuit.part_names("resistors")) == {"r1", "r2", "r_v1", "r_l1", "r_c1", "r_x1_r_v1"}
    wanted = run_ngspice(plain, tmp_path)
    solved = ngspice.operate(imported.circuit, np.zeros((1, 0))).node_voltages[0]
    found = dict(zip(imported.circuit.nodes, solved, strict=True))
    for node in ("in", "out", "tail", "end"):
        assert found[node] == pytest.approx(wanted[node], abs=1e-8), node
    said = " ".join(imported.notes)
    for word in (
        "r1 tol",
        "r1 pwr",
        "r1 mfg",
        "r1 noiseless",
        "l1 Rser",
        "c1 Rpar",
        "c2",
        "v1 cpar",
    ):
        assert word in said, word


class TestTemperatures:
    DIODE = "title\nv1 a 0 2\nr1 a b 1k\nd1 b 0 dm\n.model dm d(is=1n n=1.8 rs=20)\n.param hot=85\n"

    @pytest.mark.parametrize(
        ("lines", "celsius"),
        [
            (".temp 85\n.options temp=50\n", 85),
            (".options temp=50\n.temp\t85\n", 85),
            (".temp 50\n.options temp=27\n.temp 85\n", 85),
            (".options temp=85\n.opt temp=50\n", 50),
            (".option temp=50 reltol=1u\n.opts\ttemp\t=\t85 tnom=27\n", 85),
            (".temp={hot}\n", 85),
            (".options temp={hot}\n", 85),
            (".temp 50\n.options tnom=85\n.options tnom=50\n", 50),
        ],
    )
    def test_as_ngspice_reads_them(self, lines: str, celsius: float, tmp_path: Path) -> None:
        text = self.DIODE + lines + TestControlledSources.TAIL
        circuit = read(text, tmp_path, outputs=["b"])
        assert circuit.temperature == celsius
        wanted = run_ngspice(text, tmp_path)["b"]
        assert voltages(circuit, np.zeros((1, 0)))["b"][0] == pytest.approx(wanted, abs=1e-9)

    def test_several_are_said(self, tmp_path: Path) -> None:
        (tmp_path / "x.cir").write_text(self.DIODE + ".temp 85\n.options temp=50\n")
        assert any("85 °C (line 7)" in note for note in import_deck(tmp_path / "x.cir", outputs=["b"]).notes)


def test_a_persons_comments_are_no_remarks_of_diodeqs(tmp_path: Path) -> None:
    text = "title\n* input stage (2)\nv1 a 0 1\nr1 a 0 1k\n* output stage = v(a)\n.save v(a)\n"
    circuit = read(text, tmp_path)
    assert circuit.inputs.names == ()
    assert circuit.output_names == ("a",)


def test_what_a_deck_asks_for_in_vain_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.cir").write_text("title\nv1 a 0 1\nr1 a 0 1k\nc1 a b 1n\n.save v(b) v(a)\n.options gmin=1n\n")
    imported = import_deck(tmp_path / "x.cir")
    assert imported.circuit.output_names == ("a",)
    assert any(note.endswith("has not: b") for note in imported.notes)
    assert any(note.startswith("gmin") for note in imported.notes)


class TestPorts:
    TEXT = (
        "title\nvp x_p 0 1\nvn x_n 0 -1\nib 0 y1_p 1m\nr1 x_p y0_p 1k\nr2 x_n y0_n 1k\n"
        "rw1 y0_p y1_p 1k\nrw2 y0_n y1_n 1k\nr3 y1_p 0 1k\nr4 y1_n 0 1k\n"
    )

    def test_patterns(self, tmp_path: Path) -> None:
        circuit = read(self.TEXT, tmp_path, inputs=["x=vp,-vn", "ib"], outputs=["y*_p:y*_n"], trainable=["rw*,R3"])
        assert circuit.inputs.names == ("x", "ib")
        assert circuit.output_names == ("y0_p-y0_n", "y1_p-y1_n")
        assert circuit.mask.sum() == 3
        assert circuit.source_values([3.0, 0.5])[0].tolist() == [3.0, -3.0, 0.5]
        assert read(self.TEXT, tmp_path, outputs=["*"]).output_names == circuit.nodes[1:]
        assert read(self.TEXT, tmp_path, outputs=["y0_p"], trainable=["none"]).mask.sum() == 0

    def test_one_option_may_name_several_columns(self, tmp_path: Path) -> None:
        circuit = read(self.TEXT, tmp_path, inputs=["x0=vp,-vn, x1 = ib"], outputs=["y0_p,d=Y1_P:y1_n,gnd0=y0_n:0"])
        assert circuit.inputs.names == ("x0", "x1")
        assert circuit.source_values([3.0, 0.5])[0].tolist() == [3.0, -3.0, 0.5]
        assert circuit.output_names == ("y0_p", "d", "gnd0")
        circuit = read(self.TEXT, tmp_path, inputs=["ib,x=vp"], outputs=["y0_p"])
        assert circuit.inputs.names == ("ib", "x")

    def test_defaults_come_from_the_deck(self, tmp_path: Path) -> None:
        circuit = read(
            self.TEXT + ".dc vp 0 1 .1\n.print dc v(y1_p,y1_n) V(Y0_P)\n.meas dc m find v(gnd,y1_n)\n", tmp_path
        )
        assert circuit.inputs.names == ("vp",)
        assert circuit.output_names == ("y1_p-y1_n", "y0_p", "gnd-y1_n")
        assert circuit.mask.all()

    @pytest.mark.parametrize(
        "ports",
        [
            {},
            {"outputs": ["nowhere"]},
            {"outputs": [","]},
            {"outputs": ["y0_p:nowhere"]},
            {"outputs": ["a=y0_p,a=y0_n"]},
            {"outputs": ["y0_p"], "inputs": ["v9"]},
            {"outputs": ["y0_p"], "inputs": ["x=vp,vp"]},
            {"outputs": ["y0_p"], "inputs": ["x=vp,,vn"]},
            {"outputs": ["y0_p"], "inputs": ["x=vp,y="]},
            {"outputs": ["y0_p"], "inputs": ["=vp"]},
            {"outputs": ["y0_p"], "inputs": ["x=y=vp"]},
            {"outputs": ["y0_p"], "inputs": ["x=vp,x=vn"]},
            {"outputs": ["y0_p"], "inputs": ["x=vp", "x=vn"]},
            {"outputs": ["y0_p"], "inputs": ["vp,-vn"]},
            {"outputs": ["y0_p,"]},
            {"outputs": ["y0_p:"]},
            {"outputs": [":y0_p"]},
            {"outputs": ["y0_p:y0_n:0"]},
            {"outputs": ["a=b=y0_p"]},
            {"outputs": ["y0_p"], "trainable": ["q*"]},
            {"outputs": ["y0_p"], "trainable": ["x=r1"]},
        ],
    )
    def test_what_does_not_match_is_a_usage_error(self, ports: dict[str, list[str]], tmp_path: Path) -> None:
        (tmp_path / "deck.cir").write_text(self.TEXT)
        options = {"inputs": "--input", "outputs": "--output", "trainable": "--train"}
        words = [word for key, values in ports.items() for value in values for word in (options[key], value)]
        assert main(["import", str(tmp_path / "deck.cir"), "-o", str(tmp_path / "c.npz"), *words]) == 2
        assert not (tmp_path / "c.npz").exists()


def test_names_that_no_netlist_of_diodeq_can_hold(tmp_path: Path) -> None:
    text = "title\nV+ 1 0 1\nR-1 1 n1 1k\nR:a n1 net/2 1k\nR§b NET-2 gnd 1k\nr_b net-2 in- 1k\nR0 in- net/2 1k\n"
    text += "Rg net_2 0 1\nRh net_2 1 1\n"
    circuit = read(text, tmp_path, outputs=["net/2", "in-"])
    assert circuit.nodes == ("0", "n1_2", "n1", "net_2_2", "net_2_3", "in_n", "net_2")
    assert len(set(circuit.part_names("resistors"))) == len(circuit.resistors)
    same(read(full_deck(circuit, "ngspice").text, tmp_path), circuit, np.zeros((1, 0)), np.zeros((1, 0)))


OK = "r1 a 0 1k\nv1 a 0 1\n.save v(a)\n"
BROKEN: dict[str, tuple[str, int, str]] = {
    "an open control block": (".control\nshell touch pwned\nr2 a 0 1\n", 5, "never ended"),
    "the end of no control block": (".endc\n", 5, "no .control"),
    "include": (".include /etc/passwd\n", 5, "--include"),
    "library": (".lib mine.lib\n", 5, "devices import mine.lib"),
    "backquote": ("r2 a 0 `touch pwned`\n", 5, "backquote"),
    "transistor": ("q1 a 0 0 bc547\n", 5, "bipolar"),
    "no value": ("r2 a 0\n", 5, "'r2'"),
    "zero across a source": ("r2 a 0 0\n", 3, "form a loop"),
    "word": ("r2 a 0 large\n", 5, "no constant called 'large'"),
    "a resistor's model": ("r2 a 0 1k rmod\n", 5, "'rmod'"),
    "unknown model": ("d1 a 0 1n414\n", 5, "did you mean"),
    "no diode": ("d1 a 0 q\n.model q npn(bf=1)\n", 6, "not a diode"),
    "bad model": ("d1 a 0 dd\n.model dd d(is=-1)\n", 6, "out of range"),
    "two of a name": ("R1 a 0 2k\n", 5, "line 2 already"),
    "shorted": ("v2 a A 2k\n", 5, "both ends"),
    "loop of sources": ("v2 a 0 2\n", 3, "form a loop"),
    "a node like a word of the sentence": ("r2 node 0 1\nr3 voltage 0 1\nv2 a 0 2\nr4 sources voltage 1\n", 3, "loop"),
    "an island of words": (
        "r2 node 0 1\nr3 a path 1\nr4 island no 2k\ne1 node path island 0 1\n",
        7,
        "node island has no path",
    ),
    "a node called like a part": ("r2 v2 0 1\nv2 a 0 2\n", 3, "form a loop"),
    "floating": ("r2 b c 2k\ng1 a 0 b 0 1\n", 5, "no path to ground"),
    "unknown subcircuit": ("x1 a 0 opamp\n", 5, "'opamp'"),
    "pins": ("x1 a s\n.subckt s 1 2\nr1 1 2 1\n.ends\n", 5, "2 pins"),
    "holds itself": ("x1 a s\n.subckt s 1\nx1 1 s\n.ends\n", 7, "holds itself"),
    "many of many": (
        "x1 a s0\n" + "".join(f".subckt s{k} 1\nx1 1 s{k + 1}\nx2 1 s{k + 1}\n.ends\n" for k in range(40)),
        43,
        "nested too deeply",
    ),
    "copies nothing": ("f1 a 0 v9 1\n", 5, "v9, which is not there"),
    "circular constant": (".param x={y} y={x}\nr2 a 0 {x}\n", 6, "depends on itself"),
    "two constants": (".param x=1\n.param x=2\n", 6, "twice"),
    "function": (".func f x\n", 5, ".func NAME"),
    "rkm": ("r2 a 0 4k7\n", 5, "4.7k"),
    "binary": ("\x00\x01\n", 5, "not text"),
    "no temperature": (".temp\n", 5, "one"),
    "two and a half diodes": ("d1 a 0 BAT54 n=2.5\n", 5, "2.5 diodes in a row"),
    "too many diodes in a row": ("d1 a 0 BAT54 n=1e9\n", 5, "whole number up to 100"),
    "an option given twice": ("r2 a 0 1k m=2 m=3\n", 5, "twice"),
    "a resistance of the source below 0": ("v2 b 0 1 rser=-1\nr2 b 0 1\n", 5, "0 or more"),
    "a temperature's name": (".param t=85\n.temp t\n", 6, "{NAME}"),
    "an option's bare name": (".param t=85\n.options temp=t\n", 6, "{t}"),
    "a temperature with a unit": (".temp 85C\n", 5, "'85C'"),
    "an option twice": (".options temp=50 temp=85\n", 5, "twice"),
    "an option without a value": (".options temp 85\n", 5, "without a value"),
    "a subcircuit's temperature": (".subckt s 1 2\n.temp 85\n.ends\n", 6, "one temperature"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_named_with_its_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines, line, evidence = BROKEN[name]
    Path("bad.cir").write_text("title\n" + OK + lines)
    assert main(["import", "bad.cir", "-o", "c.npz"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"diodeq: bad.cir, line {line}: ")
    assert evidence in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.cir"]


def test_a_place_is_named_once_however_long_the_path(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200) / ("u" * 200 + ".cir")
    path.parent.mkdir(parents=True)
    path.write_text("title\n" + OK + "d1 a 0 dd\n.model dd d(is=-1)\n")
    with pytest.raises(PlacedError) as caught:
        import_deck(path)
    assert str(caught.value).count(", line ") == 1


def test_errors_carry_what_they_speak_of(tmp_path: Path) -> None:
    with pytest.raises(PlacedError) as caught:
        read("title\nv1 a 0 1\nr1 b c 1\nr2 a 0 1\nv2 a 0 2\n", tmp_path, outputs=["a"])
    assert caught.value.parts == ("v1", "v2")
    assert set(caught.value.nodes) == {"a", "0"}
    with pytest.raises(PlacedError) as caught:
        read("title\nv1 a 0 1\nr2 a 0 1\nr1 b c 1\ng1 a 0 b 0 1\n", tmp_path, outputs=["a"])
    assert caught.value.nodes == ("b", "c")
    again = pickle.loads(pickle.dumps(SimulationError("no", "try", nodes=("a",), parts=("r1", "d2"), sample=3)))
    assert (again.nodes, again.parts, again.sample) == (("a",), ("r1", "d2"), 3)
    assert str(again) == "no; try"


@pytest.mark.parametrize("content", [None, "", "only a title\n"])
def test_decks_without_parts(content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        (tmp_path / "x.cir").write_text(content)
    assert main(["import", str(tmp_path / "x.cir"), "-o", str(tmp_path / "c.npz")]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_json_and_only_the_output_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.cir").write_text("title\n" + OK)
    assert main(["import", str(tmp_path / "x.cir"), "-o", str(tmp_path / "c.npz"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outputs"] == ["a"]
    assert document["resistors"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.npz", "x.cir"]


def test_a_hundred_thousand_resistors(tmp_path: Path) -> None:
    pairs = [(k % 300, (7 * k + k // 300 + 1) % 300) for k in range(100_000)]
    rows = [f"R{k} n{a} n{b} {1 + k % 97}k" for k, (a, b) in enumerate(pairs) if a != b]
    circuit = read("\n".join(["title", *rows, "v1 n0 0 1", ".save v(n7)", ""]), tmp_path)
    assert len(circuit.resistors) == len(rows)
