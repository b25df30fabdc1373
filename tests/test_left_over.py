"""What decks, libraries and models say beside the parts: first runs, gains at rest, islands, files without words."""

import time

import numpy as np
import pytest

from diodeq.cli.main import main
from diodeq.devices.vendor.foreign import read_library, wired
from diodeq.errors import InputError, UsageError
from diodeq.netlist.reading import import_deck
from diodeq.simulators import create


def imported(folder, text, **options):
    path = folder / "deck.cir"
    path.write_text("title\n" + text + "\n.end\n")
    return import_deck(path, **{"outputs": ["out"], **options})


def volts(found, inputs=()):
    with create("wave", workers=1) as engine:
        return float(engine.operate(found.circuit, np.array([inputs], float)).outputs[0, 0])


LOAD = "\nR1 in out 1k\nR2 out 0 {r}"


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("V1 in 0 3" + LOAD + "\n.step param r list 2k 5k", 2.0, "first value of its steps: r=2k"),
        ("V1 in 0 3" + LOAD + "\n.step oct param r 500 5k 3", 1.0, "first value of its steps: r=500"),
        ("V1 in 0 3" + LOAD + "\n.step param r 1k 3k 1k\n.param r=2k", 2.0, "its .param value holds: r=2k"),
        ("V1 in 0 {r/1k}\nR1 in out 1k\nR2 out 0 1k tc=1e-2\n.param r=3k\n.step temp 127 0 50", 2.0, "first value"),
        ("V1 in 0 3\nR1 in out 1k\nR2 out 0 1k tc=1e-2\n.temp 127 27", 2.0, "first run's: 127"),
        ("V1 in 0 3\nE1 out 0 in 0 Laplace=2/(1+s*1m)**2\nR1 out 0 1k", 6.0, "at s = 0: e1 2"),
        ("V1 in 0 3\nE1 out 0 LAPLACE {V(in)-1} {4/(2+s)}\nR1 out 0 1k", 4.0, "at s = 0: e1 2"),
        ("V1 in 0 3\nG1 0 out in 0 Laplace={a}*exp(-1u*s)\nR1 out 0 1k\n.param a=1m", 3.0, "at s = 0: g1 0.001"),
        ("V1 out 0 PWL REPEAT FOREVER (0 2 1m 5) ENDREPEAT\nR1 out 0 1k", None, "a waveform is not read"),
        ("V1 out 0 2 AC {nothing}\nR1 out 0 1k", None, ""),
        (
            "V1 out 0 2\nR1 out 0 1k\nC1 out a 1u\nR3 a b 1k\nI1 a b AC 1",
            2.0,
            "left out: r3 (line 5), i1 (line 6)",
        ),
        ("V1 out 0 2\nR1 out 0 1k\nC1 out a 1u\nI1 0 a AC 1", 2.0, "were left out: i1 (line 5)"),
        ("V1 out 0 2\nR1 out 0 1k\n.save V(out) I(R1) @r1[i]", 2.0, "left out: I(R1) (line 4), @r1[i] (line 4)"),
        ("V1 in 0 3" + LOAD + "\n.param n=1.5\n.param r table(n, 1,1k, 2,3k)", 2.0, ""),
        ("V1 in 0 3" + LOAD + "\n.param r={table(5, 1,1k, 2,500)}", 1.0, ""),
        ("V1 out 0 wavefile=.\\\\x.wav chan=1\nR1 out 0 1k", None, "the source is an input: v1"),
        ("V1 out 0 PWL file=x.csv Rser=1m\nR1 out 0 1e9", None, "the source is an input: v1"),
        ("V1 out 0 SINE(0 1 10) TRIGGER V(a)>0.5\nR1 out 0 1k", None, "the source is an input: v1"),
        ("V1 in 0 file" + LOAD + "\n.param r=1k file=4", 2.0, ""),
        ("V1 in 0 3\nR1 in out 1k\nR2 out 0 -3k", 4.5, "below 0 ohm"),
        ("V1 a 0 1\nE2 b 0 a 0 2\nR1 b 0 1k\nF1 0 out E2 -3\nR2 out 0 1k", 6.0, ""),
        (
            "V1 in 0 SINE(0 5 50)\nL1 in 0 1m\nV2 a 0 3\nR1 a out 1k\nR2 out 0 2k",
            2.0,
            "inductors join were left out: v1",
        ),
        ("V1 0 0 AC 1\nV2 out 0 2\nR1 out 0 1k", 2.0, "both ends on one node"),
        ("V1 out 0 2\nR1 out 0 1k\n.meassure tran t when V(out)=1\n.fourrier 5k V(out)", 2.0, ""),
        (".function y(x) {2*x}\n.parameter r=1k\nV1 in 0 2" + LOAD, 1.0, ""),
    ],
)
def test_what_is_read_otherwise_is_said(text, value, said, tmp_path):
    found = imported(tmp_path, text)
    assert said in "\n".join(found.notes)
    if value is None:
        assert volts(imported(tmp_path, text, inputs=["v1"]), [2.0]) == pytest.approx(2.0, abs=1e-9)
    else:
        assert volts(found, [0.0] * len(found.circuit.inputs)) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("V1 in 0 3\nE1 out 0 in 0 Laplace=1/s\nR1 out 0 1k", "line 3: LAPLACE of 'E1' has no value in direct current"),
        ("V1 out 0 2\nR1 out 0 1k\nR3 a b 1k\nV3 a b 1\nE1 c 0 a b 2\nR4 c 0 1k", "has no path to ground"),
        ("V1 out 0 2\nR1 out 0 1k\nI1 0 a 1m\nC1 a 0 1u", "has no path to ground"),
        ("V1 x out 2\nR1 x out 1k", "has no path to ground"),
        ("V1 out 0\nL1 out 0 1\nR1 out 0 1k\n.dc V1 0 5 1", "form a loop through nodes"),
        ("V1 out 0 2\nL1 out 0 1\nR1 out 0 1k", "form a loop through nodes"),
        (
            "E2 out 0 1 0 2\nV1 1 0 1\nB1 b 0 V=I(R1)\nR1 b 0 1",
            "line 4: b1 follows the current of r1, which is no",
        ),
        ("V1 out 0 1\nB1 out 0 I=I(Vx)", "line 3: b1 follows the current of vx, which is not there; correct the name"),
    ],
)
def test_what_has_no_answer_is_refused(text, said, tmp_path):
    with pytest.raises(InputError) as refused:
        imported(tmp_path, text, outputs=["*"])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("PWL(0 2 repeat forever (1m 5 2m 7) endrepeat)", 2.0),
        ("PWL(-1 1 1 3 repeat for 4 (2 5 3 7) endrepeat 9 9)", 2.0),
        ("PWL REPEAT FOREVER (0 2 +1m 5 +1n 0) ENDREPEAT", 2.0),
        ("PWL(1m 2 +1m 5 +0.1m 7)", 2.0),
    ],
)
def test_a_waveform_begins_where_the_time_does(source, value, tmp_path):
    found = imported(tmp_path, f"V1 out 0 {source}\nR1 out 0 1k\nI1 0 out 0", inputs=["i1"])
    assert volts(found, [0.0]) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("wavefile=x.wav", "line 2: what v1 is in direct current, a file or an event decides; make it an input"),
        ("PWL(-1 1 repeat forever (0 5 1 7) endrepeat)", "line 2: a PWL that repeats what begins before 0 s"),
        ("PWL(-1 1 +2 3)", "line 2: a PWL with + before what follows a time below 0 s"),
    ],
)
def test_a_waveform_that_says_no_constant_is_an_input_or_refused(source, said, tmp_path):
    with pytest.raises(InputError) as refused:
        imported(tmp_path, f"V1 out 0 {source}\nR1 out 0 1k\nI1 0 out 0", inputs=["i1"])
    assert said in str(refused.value)


def test_diodes_in_a_row_are_as_many_diodes(tmp_path):
    card = "\n.model DD D(IS=2n N=1.7 RS=.8)"
    rows = "D1 out x DD m=2\nD2 x y DD m=2\nD3 y 0 DD m=2"
    wanted = volts(imported(tmp_path, "V1 in 0 3\nR1 in out 100\n" + rows + card))
    found = imported(tmp_path, "V1 in 0 3\nR1 in out 100\nD1 out 0 DD n=3 m=2" + card)
    assert "diodes with n= are so many in a row: d1 n=3 (line 4)" in found.notes
    assert volts(found) == pytest.approx(wanted, abs=1e-9)
    assert wanted > 1.5


def test_an_output_at_parts_that_were_left_out_says_so(tmp_path):
    text = "V1 out 0 2\nR1 out 0 1k\nC1 out a 1u\nR3 a b 1k\nR4 a b 2k"
    for wanted in ("a", "x=a:out", "out:a"):
        with pytest.raises(UsageError, match="no path joins a to ground, and the parts at it were left out"):
            imported(tmp_path, text, outputs=[wanted])
    with pytest.raises(UsageError, match="no node is called so"):
        imported(tmp_path, text, outputs=["c"])


SHEET = "Version 4\nSHEET 1 880 680\nFLAG 0 16 in\nFLAG 20 16 in\nFLAG 0 96 0\nFLAG 100 16 out\nFLAG 100 96 0\n"


def part(kind, name, place, value, turn="R0"):
    return f"SYMBOL {kind} {place} {turn}\nSYMATTR InstName {name}\nSYMATTR Value {value}\n"


@pytest.mark.parametrize(
    ("parts", "value", "said"),
    [
        (
            part("res", "R1", "116 0", "4k7", "R90") + part("res", "R2", "84 0", "2k35"),
            1.0,
            "is its point, as in LTspice",
        ),
        (part("ind", "L1", "116 0", "1", "R90") + part("res", "R2", "84 0", "2m"), 2.0, "the 1 milliohm"),
        (
            part("ind", "L1", "116 0", "1", "R90")
            + part("res", "R2", "84 0", "2m")
            + "TEXT 0 0 Left 2 !K1 L1 L2 0.9\nSYMBOL ind 500 500 R0\nSYMATTR InstName L2\nFLAG 516 516 0\n",
            3.0,
            "became sources of 0 V: l1",
        ),
        (
            part("res", "R1", "116 0", "1k", "R90")
            + part("res", "R2", "84 0", "{r}")
            + "TEXT 0 0 Left 2 !.param r=2k0\\n.param unused={2^3}\n",
            2.0,
            "is its point",
        ),
    ],
)
def test_a_schematic_has_what_ltspice_gives_it(parts, value, said, tmp_path):
    path = tmp_path / "sheet.asc"
    path.write_text(SHEET + part("voltage", "V1", "0 0", "3") + parts)
    found = import_deck(path, outputs=["out"])
    assert said in "\n".join(found.notes)
    assert volts(found) == pytest.approx(value, abs=1e-9)


def test_an_exclusive_or_is_refused_where_it_counts(tmp_path):
    text = "V1 out 0 {a}\nR1 out 0 1k\n.param a={2^3}\n.backanno"
    with pytest.raises(InputError, match=r"line 2: \^ is an exclusive or in LTspice"):
        imported(tmp_path, text)
    squared = "V1 in 0 3\nE1 out 0 in 0 Laplace=2/(1+s/9)^2\nR1 out 0 1k\n.backanno"
    assert volts(imported(tmp_path, squared)) == pytest.approx(6.0, abs=1e-9)


def test_nested_subcircuits_that_would_fill_memory_are_refused_at_once(tmp_path):
    levels = [f".subckt s{k} a b\n" + "\n".join(f"x{i} a b s{k + 1}" for i in range(30)) + "\n.ends" for k in range(9)]
    begun = time.process_time()
    with pytest.raises(InputError, match="parts, more than 3,000,000"):
        imported(tmp_path, "x1 out 0 s0\nV1 out 0 1\n" + "\n".join(levels) + "\n.subckt s9 a b\nr1 a b 1\n.ends")
    assert time.process_time() - begun < 5


def test_an_included_file_may_be_empty(tmp_path):
    (tmp_path / "none.lib").write_text("\n")
    (tmp_path / "words.lib").write_text("* nothing\n")
    text = ".include none.lib\n.lib words.lib\nV1 out 0 2\nR1 out 0 1k"
    assert "files that are empty: none.lib (line 2)" in "".join(imported(tmp_path, text, include=[tmp_path]).notes)


LIBRARY = """.model good D(IS=2n)
.include other.lib
Q1 1 2 3 what
.model sw1 VSWITCH(RON=1)
.subckt bad 1 2
A1 1 2 model
.ends
.subckt uses 1 2
X1 1 2 bad
.ends
"""


def test_one_fault_of_a_library_spoils_no_other_part(tmp_path):
    path = tmp_path / "parts.lib"
    path.write_text(LIBRARY)
    library = read_library(str(path))
    assert wired(library, "GOOD")[0] == ".model good D(IS=2n)"
    for part, said in ((None, "line 2: '.include'"), ("sw1", "line 4: "), ("uses", "line 5: 'A1'"), ("bad", "line 5")):
        with pytest.raises(InputError, match=said):
            wired(library, part)
    path.write_text(".temp 50\n" + LIBRARY)
    with pytest.raises(InputError, match=r"line 1: '.temp' changes what the parts are"):
        read_library(str(path))


def test_a_second_import_changes_nothing_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "new" / "devices.toml"))
    path = tmp_path / "parts.lib"
    path.write_text(".model one D(IS=2n)\n.model two D(LEVEL=2 IS=1n)\n.model z D(IS=1f BV=5.1 IBV=1m)\n")
    assert main(["devices", "import", str(path)]) == 0
    written = (tmp_path / "new" / "devices.toml").read_bytes()
    capsys.readouterr()
    assert main(["devices", "import", str(path)]) == 0
    said = capsys.readouterr()
    assert "imported 0, skipped 2, left out 1" in said.out
    assert "one is in the catalogue already" in said.err
    assert (tmp_path / "new" / "devices.toml").read_bytes() == written
    assert main(["devices", "show", "z"]) == 0
    assert "breakdown: 5.1 V at 1 mA" in capsys.readouterr().out
