"""`diodeq import` of KiCad's schematics, against the netlist that KiCad itself makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import kicad_drawings
from decks import run_ngspice
from diodeq.cli.main import main
from diodeq.errors import InputError
from diodeq.netlist.reading import import_deck
from diodeq.netlist.reading.kicad import kicad_deck
from diodeq.netlist.reading.kicad.values import spice_value
from diodeq.netlist.reading.names import legal
from diodeq.spice.numbers import number
from kicad import Drawing, quoted
from kicad_drawings import DRAWINGS, HALF, X, Y, row, upright, write
from test_import_deck import voltages

NONE = np.zeros((1, 0))


def lines(d: Drawing, folder: Path) -> list[str]:
    path = folder / "x.kicad_sch"
    path.write_text(d.written())
    return [line.text for line in kicad_deck(path.read_text(), path)[0].lines]


def refusal(d: Drawing | str, folder: Path) -> str:
    path = folder / "x.kicad_sch"
    path.write_text(d if isinstance(d, str) else d.written())
    with pytest.raises(InputError) as refused:
        import_deck(path, outputs=["*"])
    assert str(refused.value).startswith(f"{path}, line ")
    return str(refused.value)


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_settles_as_what_kicad_makes_of_it(name: str, tmp_path: Path) -> None:
    """All nets that have a name, in ngspice on KiCad's netlist and here."""
    path = write(name, tmp_path)
    netlist = (Path(kicad_drawings.__file__).parent / "schematics" / f"{name}.cir").read_text()
    wanted = run_ngspice(netlist, tmp_path)
    imported = import_deck(path, outputs=["*"])
    circuit = imported.circuit
    drives = [wanted_drive(netlist, source) for source in circuit.inputs.names]
    found = voltages(circuit, np.array([drives]) if drives else NONE)
    compared = 0
    for net, volts in wanted.items():
        if not net.startswith(("net-", "unconnected-", "x", "l")) and "#" not in net:
            node = legal([net], "", set())[0]
            assert found[node][0] == pytest.approx(volts, abs=1e-7, rel=1e-9), net
            compared += 1
    assert compared > 0


def wanted_drive(netlist: str, source: str) -> float:
    """What KiCad gives a source in direct current."""
    (line,) = re.findall(rf"^{source} \S+ \S+ (.*)$", netlist, re.MULTILINE | re.IGNORECASE)
    words = re.sub(r"[(),]", " ", line).lower().split()
    if words[0] == "dc":
        words = words[2:] if words[1] == "dc" else words[1:]
        return 0.0 if words[0].isalpha() else number(words[0])
    return number(words[2 if words[0] == "pwl" else 1])


def test_notes_say_what_was_left_out(tmp_path: Path) -> None:
    said = " | ".join(import_deck(write("left-out", tmp_path), outputs=["out"]).notes)
    for words in ("excluded from simulation were left out: R3", "does not simulate were left out: R4", "not fitted"):
        assert words in said
    said = " | ".join(import_deck(write("hierarchy-9", tmp_path), outputs=["result"]).notes)
    assert "other sheets, beside it, were read too: stage.kicad_sch" in said


class TestConnections:
    """Two resistors with free upper pins; are these one net, as KiCad has it?"""

    @pytest.mark.parametrize(
        ("wires", "joined"),
        [
            ([], False),
            ([(0, 0, 20, 0)], True),
            ([(0, 0, 10, 0), (10, 0, 20, 0)], True),
            ([(-2, 0, 22, 0)], False),  # pins on a wire's middle
            ([(0, 0, 0, -4), (20, 0, 20, -4), (-2, -4, 22, -4)], False),  # ends on a wire's middle
            ([(0, 0, 0, -6), (20, 0, 20, -4), (-2, -4, 20, -4)], False),  # crossings
            ([(0, 0, 10, -10), (10, -10, 20, 0)], True),
            ([(0, 0, 20, 0), (20, 0, 0, 0)], True),  # twice the same
        ],
    )
    def test_wires(self, wires: list[tuple[int, int, int, int]], joined: bool, tmp_path: Path) -> None:
        d = Drawing(9)
        upright(d, "Device:R", "R1", "1k", X, "", "GND")
        upright(d, "Device:R", "R2", "1k", X + 25.4, "", "GND")
        for x0, y0, x1, y1 in wires:
            d.wire(*((round(X + x * 1.27, 2), round(Y - HALF + y * 1.27, 2)) for x, y in ((x0, y0), (x1, y1))))
        first, second = (line.split()[1] for line in lines(d, tmp_path))
        assert (first == second) == joined

    @pytest.mark.parametrize(
        ("first", "second", "joined"),
        [
            ("a label", "a label", True),
            ("a label", "A label", False),
            ("a label", "a global_label", True),  # on one sheet
            ("a hierarchical_label", "a label", True),
            ("~{a} label", "a label", False),
            ("GND power", "GND label", True),
            ("GND power", "GND global_label", True),
        ],
    )
    def test_names(self, first: str, second: str, joined: bool, tmp_path: Path) -> None:
        d = Drawing(9)
        row(d, ("Device:R", "R1", "1k", "", "+5V"), ("Device:R", "R2", "1k", "", "+5V"))
        for k, name in enumerate((first, second)):
            text, kind = name.split()
            at = (round(X + 12.7 * k, 2), round(Y - HALF, 2))
            d.power(text, *at) if kind == "power" else d.label(text, *at, kind)
        if first.lower() == second.lower() and first != second:
            assert "have one name in SPICE" in refusal(d, tmp_path)
            return
        one, other = (line.split()[1] for line in lines(d, tmp_path))
        assert (one == other) == joined

    def test_a_label_belongs_to_what_ends_there(self, tmp_path: Path) -> None:
        d = Drawing(9)
        row(d, ("Device:R", "R1", "1k", "", "GND"), ("Device:R", "R2", "1k", "", "GND"))
        d.wire((X - 5.08, round(Y - HALF, 2)), (X + 12.7, round(Y - HALF, 2)))
        d.label("a", X, round(Y - HALF, 2))
        assert [line.split()[1] for line in lines(d, tmp_path)] == ["/a", "N001"]

    def test_what_only_looks_joined_is_said(self, tmp_path: Path) -> None:
        d = Drawing(9)
        row(d, ("Device:R", "R1", "1k", "", "GND"), ("sim:V", "V1", "1", "in", "GND"))
        d.wire((X - 5.08, round(Y - HALF, 2)), (X + 5.08, round(Y - HALF, 2)))
        d.label("in", X - 5.08, round(Y - HALF, 2))
        (tmp_path / "x.kicad_sch").write_text(d.written())
        _, notes = kicad_deck(d.written(), tmp_path / "x.kicad_sch")
        assert "does not join it in KiCad: at 50.8 46.99 mm (line" in " ".join(notes.sentences())

    def test_a_net_with_two_grounds(self, tmp_path: Path) -> None:
        """Ground wins, whatever KiCad's order of names is."""
        d = Drawing(9)
        row(d, ("Device:R", "R1", "1k", "+5V", "GND"))
        d.power("+5V", X, round(Y + HALF, 2))
        assert lines(d, tmp_path) == ["R1 GND GND 1k"]


@pytest.mark.parametrize(
    ("text", "infix", "spelled"),
    [
        ("4k7", True, "4.7k"),
        ("4k7", False, "4k7"),  # KiCad reads it so in a value only
        ("-4k7", True, "-4k7"),
        ("-1M", True, "-1Meg"),
        ("1m", True, "1m"),
        ("2M2", True, "2.2Meg"),
        ("10 µF", True, "10u"),
        ("0R1", True, "0.1"),
        ("1,5k", True, "1.5k"),
        ("10,000", True, "10,000"),  # thousands to KiCad; refused where it is read
        (".5M", True, "0.5Meg"),
        ("1F", True, "1F"),
        ("5 V", True, "5"),
        ("1P", True, "1000T"),
        ("R47", True, "R47"),
        ("{r*2}", True, "{r*2}"),
        ("1e3", True, "1e3"),
        ("١k", True, "١k"),
    ],
)
def test_values(text: str, infix: bool, spelled: str) -> None:
    assert spice_value(text, infix) == spelled


def test_beyond_kicad(tmp_path: Path) -> None:
    """Diodes by their value, tolerances, connectors, pads: what KiCad's simulator does nothing with."""
    d = Drawing(6)
    row(d, ("old:V", "V1", "2", "in", "GND"), ("Device:R", "R1", "1k 1%", "in", "out"))
    row(d, ("Connector:two", "J1", "x", "out", "GND"), first=76.2)
    d.part("sim:pad", "H1", "x", 127, Y)
    d.part("old:D", "D1", "1N4148", 101.6, Y, 180)
    d.label("out", 97.79, Y)
    d.power("GND", 105.41, Y)
    assert lines(d, tmp_path) == ["V1 /in GND DC 2", "R1 /in /out 1k", "D1 /out GND 1N4148"]
    said = " | ".join(import_deck(tmp_path / "x.kicad_sch", outputs=["out"]).notes)
    for words in ("tolerances of values", "connectors and what has one pin were left out: J1", "value names: D1"):
        assert words in said


def test_texts_are_filled_in_from_fields(tmp_path: Path) -> None:
    d = Drawing(9)
    row(d, ("Device:R", "R1", "${Ohms}k", "a", "GND"), Ohms="3")
    assert lines(d, tmp_path) == ["R1 /a GND 3k"]


def only(library: str, name: str, value: str = "x", **fields: str) -> Drawing:
    d = Drawing(9)
    row(d, (library, name, value, "a", "GND"), **fields)
    return d


def texts(words: str) -> Drawing:
    d = only("Device:R", "R1", "1k")
    d.text(words)
    return d


def drawn(raw: str) -> Drawing:
    d = only("Device:R", "R1", "1k")
    d.body.append(raw)
    return d


def sheet(file: str) -> Drawing:
    d = only("Device:R", "R1", "1k")
    d.sheet("inside", file, {"a": (127, 50.8)})
    return d


BROKEN: dict[str, tuple[Drawing | str, str]] = {
    "a transistor": (only("sim:four", "Q1", Sim_Device="NPN"), "'Q1' is simulated as 'NPN'"),
    "a chip": (only("sim:four", "U1", "LM358"), "'U1' ('sim:four') does not say how it is simulated"),
    "a chip of a file": (only("sim:four", "U1", Sim_Library="x.lib", Sim_Name="y"), "a model of another file"),
    "a potentiometer": (only("Device:R", "RV1", Sim_Device="R", Sim_Type="POT"), "two resistors"),
    "a subcircuit's pins": (
        only("sim:V", "X1", Sim_Device="SUBCKT", Sim_Library="x.lib", Sim_Name="y", Sim_Pins="1=a 2=b"),
        "named in another file",
    ),
    "a library": (only("Device:D", "D1", Sim_Library="x.lib", Sim_Name="y"), "no file is ever opened"),
    "a library's parameters": (
        only("Device:D", "D1", Sim_Library="x.lib", Sim_Name="y", Sim_Params="is=1n"),
        "of its own",
    ),
    "a value in a field": (only("Device:R", "R1", Sim_Device="R", Sim_Params="r=4k7"), "'4k7' is not a number"),
    "a word as a value": (only("Device:R", "R1", "DNP"), "'DNP'"),
    "thousands": (only("Device:R", "R1", "10,000"), "'000'"),
    "an expression": (
        only("Device:R", "R1", Sim_Device="R", Sim_Type="=", Sim_Params='r="v(a)"'),
        "'a' of 'R1' is not understood",
    ),
    "noise": (only("sim:V", "V1", Sim_Type="WHITENOISE", Sim_Params="rms=1"), "'WHITENOISE'"),
    "another type's parameter": (only("sim:V", "V1", Sim_Params="dc=1 ampl=3"), "'ampl'"),
    "a parameter twice": (only("sim:V", "V1", Sim_Params="dc=1 dc=2"), "dc is given twice"),
    "no pairs": (only("sim:V", "V1", Sim_Params="dc=1 what"), "no NAME=VALUE"),
    "another pin": (only("Device:R", "R1", "1k", Sim_Device="R", Sim_Pins="1=+ 2=base"), "'base'"),
    "a pin that is not there": (only("Device:R", "R1", "1k", Sim_Device="R", Sim_Pins="7=+"), "'7'"),
    "no pairs of pins": (only("Device:R", "R1", "1k", Sim_Device="R", Sim_Pins="1 2"), "NUMBER=PIN"),
    "a variable": (only("Device:R", "R1", "${OHMS}"), "stands for nothing"),
    "a part without a name": (only("Device:R", "", "1k"), "does not say how it is simulated"),
    "a name of two words": (only("Device:R", "R 1", "1k"), "no name that a part can have"),
    "a name of nothing": (only("Device:R", "R1;x", "1k"), "no name that a part can have"),
    "raw of nothing": (only("Device:R", "X1", Sim_Device="SPICE", Sim_Params='type="R"'), "does not say what it is"),
    "an old sequence": (only("old:V", "V1", Spice_Primitive="V", Spice_Node_Sequence="1 5"), "Spice_Node_Sequence"),
    "pins without an order": (
        only("old:V", "V1", "5").written().replace('(pin "1" (uuid', '(pin "9" (uuid', 1),
        "which pin of 'V1' is +",
    ),
    "a directive": (texts(".include x.lib"), "no file is ever opened"),
    "a text that continues": (texts("+ 5\n.op"), "join the two texts"),
    "a text of parts": (texts("a remark\n.op"), "'a' is a code model of XSPICE"),
    "a backquote": (texts(".param a=`id`"), "backquote"),
    "a bus": (drawn("(bus (pts (xy 0 0) (xy 1 1)))"), "a bus"),
    "a bus's label": (drawn('(label "D[0..7]" (at 0 0 0))'), "no name of one net"),
    "a group of nets": (drawn('(label "{USB}" (at 0 0 0))'), "no name of one net"),
    "a label of nothing": (drawn('(label "" (at 0 0 0))'), "no name of one net"),
    "a junction within a wire": (
        drawn("(wire (pts (xy 0 0) (xy 10 0)))\n(junction (at 5 0))"),
        "between its ends",
    ),
    "a label where wires cross": (
        drawn('(wire (pts (xy 0 0) (xy 10 0)))\n(wire (pts (xy 5 5) (xy 5 -5)))\n(label "x" (at 5 0 0))'),
        "two wires cross",
    ),
    "a derived symbol": (
        only("Device:R", "R1", "1k").written().replace('(symbol "Device:R"', '(symbol "Device:R" (extends "X")'),
        "not of KiCad 6 to 9",
    ),
    "wires upon each other": (
        drawn("(wire (pts (xy 0 0) (xy 10 0)))\n(wire (pts (xy 5 0) (xy 20 0)))"),
        "lie upon each other",
    ),
    "a wire of one end": (drawn("(wire (pts (xy 0 0)))"), "1 ends"),
    "a place that is none": (drawn("(junction (at nan 0))"), "'nan' is no place"),
    "a place far away": (drawn("(junction (at 1e300 0))"), "is no place"),
    "no place": (drawn("(junction)"), "without its place"),
    "an odd turn": (drawn('(symbol (lib_id "Device:R") (at 0 0 45))'), "turned in an unknown way"),
    "an unknown symbol": (drawn('(symbol (lib_id "Device:X") (at 0 0 0))'), "'Device:X' is not in the file"),
    "a sheet elsewhere": (sheet("../other.kicad_sch"), "only files beside the first are read"),
    "a sheet of the system": (sheet("/etc/passwd"), "only files beside the first are read"),
    "a sheet of another kind": (sheet("other.txt"), "only files beside the first are read"),
    "a missing sheet": (sheet("missing.kicad_sch"), "there is no file"),
    "itself": (sheet("x.kicad_sch"), "holds itself"),
    "an open bracket": ("(kicad_sch (version 20250114)\n(wire", "is never closed"),
    "a closed bracket": ("(kicad_sch))\n", "closes nothing"),
    "an open quote": ('(kicad_sch\n"abc)', "never ends"),
    "a deep one": ("(kicad_sch " + "(a" * 200 + ")" * 201, "too deeply"),
    "something after it": ("(kicad_sch) x", "no single bracket"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    d, evidence = BROKEN[name]
    assert evidence in refusal(d, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.kicad_sch"]


def test_an_error_in_a_sheet_names_its_file(tmp_path: Path) -> None:
    path = write("hierarchy-9", tmp_path)
    inside = tmp_path / "stage.kicad_sch"
    inside.write_text(inside.read_text().replace('"3k3"', '"3x3"'))
    with pytest.raises(InputError, match=rf"^{re.escape(str(inside))}, line \d+: '3x3'"):
        import_deck(path, outputs=["*"])
    inside.write_text("(kicad_sch (bus))")
    with pytest.raises(InputError, match=rf"^{re.escape(str(inside))}, line 1: a bus"):
        import_deck(path, outputs=["*"])


def test_many_sheets_are_refused_soon(tmp_path: Path) -> None:
    """Each of twenty sheets hangs twice in the one above: a million in all."""
    for k in range(20):
        d = Drawing(9) if k == 0 else Drawing(9, f"/{k}")
        for pin in range(2):
            d.sheet(f"s{pin}", f"s{k + 1}.kicad_sch", {"a": (127 + 25.4 * pin, 50.8)})
        (tmp_path / f"s{k}.kicad_sch").write_text(d.written())
    (tmp_path / "s20.kicad_sch").write_text(Drawing(9, "/end").written())
    with pytest.raises(InputError, match="too many sheets"):
        import_deck(tmp_path / "s0.kicad_sch", outputs=["*"])


def test_the_command_tells_the_kind_by_its_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write("divider", tmp_path).rename(tmp_path / "drawing.txt")
    assert main(["import", str(path), "-o", str(tmp_path / "c.npz"), "--input", "v1", "--output", "out"]) == 0
    assert "inputs: v1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("EESchema Schematic File Version 4\nLIBS:x\n", "KiCad 5"),
        ("(kicad_pcb (version 1))", "a board"),
        ("(kicad_symbol_lib (version 1))", "symbols"),
        ("Version 4\nSymbolType CELL\n", "a symbol"),
    ],
)
def test_other_files_of_the_same_programs(text: str, evidence: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match=evidence):
        import_deck(tmp_path / "x", outputs=["*"])


def test_nothing_in_a_text_becomes_a_line_of_its_own() -> None:
    """A name or a value with a line's end in it would be another part."""
    d = Drawing(9)
    row(d, ("Device:R", "R1", "1k\nV9 a b 5", "a\nV8 c d 5", "GND"))
    found = [line.text for line in kicad_deck(d.written(), "x.kicad_sch")[0].lines]
    assert not any(line.startswith(("V8", "V9")) for line in found)
    assert quoted("\n") == '"\\n"'
