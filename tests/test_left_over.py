"""What decks, libraries and models say beside the parts: first runs, gains at rest, islands, files without words."""

import time

import numpy as np
import pytest

from diodeq.cli.main import main
from diodeq.devices.vendor.foreign import read_library, wired
from diodeq.errors import InputError
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
