"""`diodeq import` of LTspice's schematics: nets by geometry, symbols in every turn, and what diodeq draws itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from decks import run_ngspice, run_ngspice_as_ltspice
from diodeq.circuit import KINDS
from diodeq.cli.main import main
from diodeq.netlist.dialects import full_deck
from diodeq.netlist.reading import import_deck
from diodeq.netlist.reading.schematic import schematic_deck
from test_import_deck import ALL, TestControlledSources, voltages

HEAD = "Version 4\nSHEET 1 880 680\n"
NONE = np.zeros((1, 0))


def wires(*ends: str) -> str:
    return "".join(f"WIRE {each}\n" for each in ends)


def flags(**places: str) -> str:
    return "".join(f"FLAG {place} {name.lstrip('_')}\n" for name, place in places.items())


def symbol(kind: str, name: str, place: str, value: str, turn: str = "R0", **more: str) -> str:
    lines = [f"SYMBOL {kind} {place} {turn}", f"SYMATTR InstName {name}", f"SYMATTR Value {value}"]
    return "\n".join([*lines, *(f"SYMATTR {key} {text}" for key, text in more.items()), ""])


def lines(text: str) -> list[str]:
    deck, _ = schematic_deck(HEAD + text, "x.asc")
    assert deck.lines[-1].text == ".backanno"
    return [line.text for line in deck.lines[:-1]]


# A clipper as LTspice saves it.
CLIP = (
    HEAD
    + wires("96 96 32 96", "256 96 176 96", "32 144 32 96", "256 144 256 96")
    + "FLAG 32 224 0\nFLAG 256 208 0\nFLAG 256 96 out\n"
    + symbol("voltage", "V1", "32 128", "5")
    + symbol("res", "R1", "192 80", "10k", "R90")
    + "WINDOW 0 0 56 VBottom 2\n"
    + symbol("diode", "D1", "240 144", "1N4148")
    + symbol("cap", "C1", "240 144", "1µ")
    + "TEXT 32 272 Left 2 !.op\nTEXT 32 300 Left 2 ;über alles\nLINE Normal 0 0 16 16\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_a_clipper(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.asc"
    path.write_bytes(CLIP.replace("\n", "\r\n").encode(encoding))
    imported = import_deck(path, outputs=["out"])
    plain = (
        "t\nv1 a 0 5\nr1 a out 10k\nd1 out 0 dd\n.model dd d(is=2.52n rs=.568 n=1.752)\n" + TestControlledSources.TAIL
    )
    wanted = run_ngspice(plain, tmp_path)["out"]
    assert wanted == pytest.approx(0.54776, abs=5e-6)
    assert voltages(imported.circuit, NONE)["out"][0] == pytest.approx(wanted, abs=1e-9)
    assert imported.circuit.title == "clip"
    said = " ".join(imported.notes)
    for words in ("catalogue: 1N4148", "c1"):
        assert words in said


def test_the_command_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clip.asc").write_text(CLIP)
    ports = ["--input", "v1", "--output", "out"]
    assert main(["import", str(tmp_path / "clip.asc"), "-o", str(tmp_path / "c.npz"), *ports]) == 0
    assert "inputs: v1" in capsys.readouterr().out


# Where the four pins of `e` and the two of `res` are for a symbol at 0 0, as in LTspice.
E_PINS = {
    "R0": ((0, 16), (0, 96), (-48, 32), (-48, 80)),
    "R90": ((-16, 0), (-96, 0), (-32, -48), (-80, -48)),
    "R180": ((0, -16), (0, -96), (48, -32), (48, -80)),
    "R270": ((16, 0), (96, 0), (32, 48), (80, 48)),
    "M0": ((0, 16), (0, 96), (48, 32), (48, 80)),
    "M90": ((16, 0), (96, 0), (32, -48), (80, -48)),
    "M180": ((0, -16), (0, -96), (-48, -32), (-48, -80)),
    "M270": ((-16, 0), (-96, 0), (-32, 48), (-80, 48)),
}
RES_PINS = {
    "R0": ((16, 16), (16, 96)),
    "R90": ((-16, 16), (-96, 16)),
    "R180": ((-16, -16), (-16, -96)),
    "R270": ((16, -16), (96, -16)),
    "M0": ((-16, 16), (-16, 96)),
    "M90": ((16, 16), (96, 16)),
    "M180": ((16, -16), (16, -96)),
    "M270": ((-16, -16), (-96, -16)),
}


@pytest.mark.parametrize("turn", E_PINS)
@pytest.mark.parametrize(("kind", "pins"), [("e", E_PINS), ("res", RES_PINS)])
def test_every_turn(kind: str, pins: dict[str, tuple[tuple[int, int], ...]], turn: str) -> None:
    named = "".join(f"FLAG {100 + x} {y - 30} p{k}\n" for k, (x, y) in enumerate(pins[turn]))
    (line,) = lines(named + symbol(kind, "E1" if kind == "e" else "R1", "100 -30", "2", turn))
    assert line.split()[1:-1] == [f"p{k}" for k in range(len(pins[turn]))]


@pytest.mark.parametrize(
    ("kind", "pins"),
    [
        ("RES", ((16, 16), (16, 96))),
        ("res2", ((16, 0), (16, 64))),
        ("Misc\\\\EuropeanResistor", ((16, 16), (16, 96))),
        ("cap", ((16, 0), (16, 64))),
        ("polcap", ((16, 0), (16, 64))),
        ("ind", ((16, 16), (16, 96))),
        ("ind2", ((16, 16), (16, 96))),
        ("diode", ((16, 0), (16, 64))),
        ("schottky", ((16, 0), (16, 64))),
        ("zener", ((16, 0), (16, 64))),
        ("LED", ((16, 0), (16, 64))),
        ("voltage", ((0, 16), (0, 96))),
        ("Misc\\battery", ((0, 16), (0, 96))),
        ("Misc\\\\cell", ((0, 0), (0, 64))),
        ("current", ((0, 0), (0, 80))),
        ("e2", ((0, 16), (0, 96), (-48, 80), (-48, 32))),
        ("f", ((0, 0), (0, 80))),
        ("g", ((0, 96), (0, 16), (-48, 32), (-48, 80))),
        ("g2", ((0, 96), (0, 16), (-48, 80), (-48, 32))),
    ],
)
def test_every_symbol(kind: str, pins: tuple[tuple[int, int], ...]) -> None:
    named = "".join(f"FLAG {x} {y} p{k}\n" for k, (x, y) in enumerate(pins))
    (line,) = lines(named + symbol(kind, "part", "0 0", "2"))
    assert line.split()[1 : 1 + len(pins)] == [f"p{k}" for k in range(len(pins))]


class TestNets:
    """Two resistors from a and from b to ground's side; are a and b one net?"""

    PARTS = symbol("res", "R1", "-16 -16", "1k") + symbol("res", "R2", "184 -16", "2k") + "FLAG 0 80 0\nFLAG 200 80 0\n"

    @pytest.mark.parametrize(
        ("drawn", "joined"),
        [
            ("", False),
            (wires("0 0 200 0"), True),
            (wires("200 0 0 0"), True),
            (wires("0 0 100 0", "100 0 200 0"), True),
            (wires("0 0 110 0", "90 0 200 0"), True),  # they overlap
            (wires("0 0 90 0", "110 0 200 0"), False),
            (wires("-50 0 250 0"), True),  # pins on a wire's middle
            (wires("0 0 0 -100", "200 0 200 -100", "-50 -100 250 -100"), True),  # ends on a wire's middle
            (wires("0 0 0 -100", "200 0 200 -100", "-50 -50 250 -50"), False),  # crossings
            (wires("0 0 0 -100", "0 -100 200 -100", "200 -100 200 0"), True),
            (wires("0 0 100 -100", "100 -100 200 0"), True),
            (wires("0 0 200 0", "50 0 100 0"), True),  # a wire upon a longer one
            (wires("0 0 200 -200", "100 -100 200 0"), True),  # an end on a slanted wire
            (wires("0 0 200 -200", "101 -100 200 0"), False),
            (wires("0 0 0 0", "0 -16 0 16", "200 0 200 0"), False),
            ("FLAG 0 0 net\nFLAG 200 0 NET\n", True),
            ("FLAG 0 0 net\nFLAG 200 0 nets\n", False),
            (wires("0 0 0 -100", "200 0 200 -100") + "FLAG 0 -50 net\nFLAG 200 -60 net\n", True),  # on a wire's middle
            ("FLAG 0 0 x\nFLAG 0 0 y\nFLAG 200 0 y\n", True),
        ],
    )
    def test_joins_what_touches(self, drawn: str, joined: bool) -> None:
        first, second = (line.split() for line in lines(drawn + self.PARTS))
        assert (first[1].lower() == second[1].lower()) == joined
        assert first[2] == second[2] == "0"

    def test_pins_that_touch_are_one_net(self) -> None:
        first, second = (
            line.split() for line in lines(symbol("res", "R1", "0 0", "1") + symbol("res", "R2", "0 80", "1"))
        )
        assert first[2] == second[1] != first[1]

    def test_labels(self, tmp_path: Path) -> None:
        drawn = "FLAG 0 0 first\nFLAG 0 0 second\nFLAG 200 0 other\n" + wires("200 0 200 80")
        first, second = (line.split() for line in lines(drawn + self.PARTS.replace("184 -16", "184 -216")))
        assert first[1:3] == ["first", "0"]
        assert second[1:3] == ["N001", "N002"]
        _, notes = schematic_deck(HEAD + drawn + self.PARTS, "x.asc")
        said = " ".join(notes.sentences())
        assert "second is first" in said
        assert "other is 0" in said

    def test_unnamed_nets_are_counted_from_the_top_as_in_ltspice(self) -> None:
        places = {"R1": "0 300", "R2": "500 0", "R3": "100 0"}
        parts = "".join(symbol("res", name, place, "1") for name, place in places.items())
        named = [line.split()[1:3] for line in lines(parts + "FLAG 516 96 n003\n")]
        assert named == [["N005", "N006"], ["N002", "n003"], ["N001", "N004"]]


def test_what_stands_in_a_schematic_beside_values(tmp_path: Path) -> None:
    """Directives of several lines, attributes of every kind, names of any letter, a subcircuit behind a symbol."""
    drawn = (
        flags(a="0 0", _0="0 80", b="216 0", m="316 0", gnd="316 64")
        + "FLAG 416 0 b\nFLAG 416 64 0\nFLAG 500 0 c\nFLAG 500 80 0\nFLAG 600 16 c\nFLAG 600 96 m\n"
        + "FLAG 552 32 b\nFLAG 552 80 0\nFLAG 716 16 a\nFLAG 716 96 b\nFLAG 816 16 b\nFLAG 816 96 m\n"
        + "FLAG 916 16 c\nFLAG 916 96 0\n"
        + symbol("voltage", "bias", "0 -16", '""', Value2="AC 1", SpiceLine="Rser=100")
        + symbol("diode", "LED1", "200 0", "clamp r=20", Prefix="X").replace("SYMBOL", "FLAG 216 64 m\nSYMBOL")
        + symbol("schottky", "D2", "300 0", "DS")
        + symbol("LED", "D3", "400 0", "x").replace("SYMATTR Value x\n", "")
        + symbol("current", "I1", "500 0", "{2*k}")
        + symbol("e", "E1", "600 0", "1.5")
        + symbol("res", "R1", "700 0", "1k", SpiceLine="tol=5% pwr=.25")
        + symbol("res", "load", "800 0", "{k*1000000}")
        + symbol("res", "R3", "900 0", "500")
        + "TEXT 0 300 Left 2 !.param k=1m\\n.model DS D(Is=1n\\n+ N=1.5)\nTEXT 0 330 VLeft 2 !.subckt clamp p q r=1\\n"
        "R1 p x {r}\\nD1 x q DS\\n.ends clamp\nTEXT 0 360 Left 0 !.dc bias 0 1 .1\n"
    )
    plain = """t
v1 a0 0 2
r0 a0 a 100
r9 b x 20
d9 x m ds
d2 m 0 ds
d3 b 0 dd
i1 c 0 2m
e1 c m b 0 1.5
r1 a b 1k
r2 b m 1k
r3 c 0 500
.model ds d(is=1n n=1.5)
.model dd d
"""
    (tmp_path / "x.asc").write_text(HEAD + drawn)
    imported = import_deck(tmp_path / "x.asc", inputs=["u=v*"], outputs=["b", "m", "c"])
    wanted = run_ngspice(plain + TestControlledSources.TAIL, tmp_path)
    found = voltages(imported.circuit, np.array([[2.0]]))
    for node in ("a", "b", "m", "c"):
        assert found[node][0] == pytest.approx(wanted[node], abs=1e-8), node


@pytest.mark.parametrize("name", ALL)
def test_what_diodeq_draws_comes_back(name: str, tmp_path: Path) -> None:
    circuit = ALL[name]()
    drives = np.random.default_rng(3).normal(size=(3, len(circuit.inputs)))
    path = tmp_path / "drawn.asc"
    path.write_text(full_deck(circuit, "ltspice-asc", drives[0]).text)
    imported = import_deck(path)
    back = imported.circuit
    assert imported.notes == ()
    for kind in KINDS:
        assert len(back.bank(kind)) == len(circuit.bank(kind)), kind
    assert back.inputs.names == circuit.inputs.names
    assert len(back.output_names) == len(circuit.output_names)
    assert back.temperature == circuit.temperature
    assert set(back.nodes) == set(circuit.nodes)
    there, here = voltages(back, drives), voltages(circuit, drives)
    for node, volts in here.items():  # values are drawn with nine digits
        np.testing.assert_allclose(there[node], volts, rtol=1e-7, atol=1e-7, err_msg=node)


def test_it_is_the_netlist_that_ltspice_makes(tmp_path: Path) -> None:
    """The same lines for ngspice in LTspice's manner as for the circuit."""
    deck, _ = schematic_deck(CLIP, "clip.asc")
    text = "\n".join(
        ["t", *(line.text for line in deck.lines), ".model 1N4148 D(Is=2.52n Rs=.568 N=1.752)", ".end", ""]
    )
    assert run_ngspice_as_ltspice(text, tmp_path)["out"] == pytest.approx(0.54776, abs=1e-5)


BROKEN: dict[str, tuple[str, int, str]] = {
    "a transistor": ("SYMBOL npn 0 0 R0\nSYMATTR InstName Q1\n", 3, "'npn'"),
    "an operational amplifier": (symbol("Opamps\\\\opamp", "U1", "0 0", "x"), 3, r"opamps\\opamp"),
    "a block": (symbol("preamp", "X1", "0 0", "x"), 3, "'preamp' is no symbol that can be read"),
    "another's resistor": (symbol("mine\\\\res", "R1", "0 0", "1"), 3, "known are res"),
    "a bus": (wires("0 0 1 0") + "BUSTAP 0 0 16 0\n", 4, "bus"),
    "an odd turn": (symbol("res", "R1", "0 0", "1", "R45"), 3, "'R45'"),
    "a wire without an end": ("WIRE 0 0 16\n", 3, "WIRE"),
    "a wire to nowhere": (f"WIRE 0 0 {'9' * 5000} 0\n", 3, "WIRE"),
    "an attribute of nothing": ("SYMATTR Value 1\n", 3, "before any symbol"),
    "no name": ("SYMBOL res 0 0 R0\nSYMATTR Value 1k\n", 3, "no name"),
    "a name of two words": (symbol("res", "R 1", "0 0", "1"), 3, "no name"),
    "a label of two nodes": ("FLAG 0 0 a(b)\n", 3, "'a(b)'"),
    "a comment as a label": ("FLAG 0 0 //x\n", 3, "'//x'"),
    "a second sheet": ("SHEET 2 880 680\n", 3, "one sheet"),
    "wires of every direction": ("".join(f"WIRE 0 0 {k} 101\n" for k in range(100)), 1, "directions"),
    "a word": ("GARBAGE\n", 3, "'GARBAGE'"),
    "a bad value": (CLIP.removeprefix(HEAD).replace("10k", "10x"), 13, "'10x'"),
    "a bad directive": (CLIP.removeprefix(HEAD) + "TEXT 0 0 Left 2 !.include x\\n.op\n", 26, "no file is ever opened"),
    "no value": ("SYMBOL res 0 0 R0\nSYMATTR InstName R1\n", 3, "'R'"),
    "a backquote": (symbol("res", "R1", "0 0", "`touch pwned`"), 3, "backquote"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_named_with_its_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text, line, evidence = BROKEN[name]
    Path("bad.asc").write_text(HEAD + text)
    assert main(["import", "bad.asc", "-o", "c.npz", "--output", "*"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"diodeq: bad.asc, line {line}: ")
    assert evidence in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.asc"]


def test_another_programs_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.asc").write_text("!PADS-POWERPCB-V9.0-BASIC!\n*PART*\n")
    assert main(["import", str(tmp_path / "x.asc"), "-o", str(tmp_path / "c.npz")]) == 3
    assert "no schematic of LTspice's" in capsys.readouterr().err
