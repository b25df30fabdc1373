"""Where commands write: never over what they read, never over a device; and in which unit an amount is."""

import os
from pathlib import Path

import numpy as np
import pytest

from diodeq.api.making import layered
from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.cli.options import Amount
from diodeq.errors import InputError
from diodeq.files import demand_place, write_atomically


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("w.npz", U0=[[0.2, -0.1]], b0=[0.1], activation0="relu")
    layered((2, 3, 2), seed=0).save("c.npz")
    (tmp_path / "x.csv").write_text("1,-1\n")
    assert main(["export", "c.npz", "--to", "ngspice", "-o", "c.cir"]) == 0
    os.symlink("w.npz", "link.npz")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("compile w.npz -o w.npz", "w.npz"),
        ("compile link.npz -o w.npz", "w.npz"),
        ("compile w.npz --inputs x.csv -o x.csv", "x.csv"),
        ("export c.npz --to ngspice -o c.npz", "c.npz"),
        ("export c.npz --to ngspice --at x.csv -o x.csv", "x.csv"),
        ("extract c.npz -o c.npz", "c.npz"),
        ("import c.cir -o c.cir", "c.cir"),
        ("simulate c.npz --inputs x.csv --simulator wave -o x.csv", "x.csv"),
        ("report c.npz --weights w.npz --inputs x.csv -o w.npz", "w.npz"),
    ],
)
def test_what_is_read_is_not_written_over(files, capsys, words, kept):
    before = Path(kept).read_bytes()
    capsys.readouterr()
    assert main(words.split()) == 3
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"diodeq: {kept} is what is read, and would be lost; choose another place\n")
    assert Path(kept).read_bytes() == before


def test_a_circuit_may_be_changed_in_place(files):
    assert main(["prune", "c.npz", "--parts", "12", "--simulator", "wave", "-o", "c.npz"]) == 0
    assert len(Circuit.load("c.npz").resistors) == 12


def test_what_is_no_file_stays_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in (
        (pipe, "a device or a pipe"),
        ("/dev/null", "a device or a pipe"),
        (tmp_path, "Is a directory"),
    ):
        for write in (demand_place, lambda path: write_atomically(path, "text")):
            with pytest.raises(InputError, match=words):
                write(path)
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        ("watts", "10mW", 0.01),
        ("watts", "1Watt", 1.0),
        ("farads", "1pF", 1e-12),
        ("ohms", "10MegOhm", 1e7),
        ("ohms", "1kΩ", 1e3),
        ("hertz", "1ghz", 1e9),
        ("V", "5mvolts", 5e-3),
        ("A", "2mamp", 2e-3),
        ("1", "100meg", 1e8),
        ("watts", "1kg", None),
        ("watts", "10mm", None),
        ("watts", "5mA", None),
        ("hertz", "1mil", 25.4e-6),
    ],
)
def test_an_amount_is_in_its_own_unit(unit, text, value):
    if value is None:
        with pytest.raises(InputError, match="give watts"):
            Amount(unit).read(text)
    else:
        assert Amount(unit).read(text) == pytest.approx(value, rel=1e-12)
