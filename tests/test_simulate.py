"""``diodeq simulate`` of any number of rows: in blocks, in few digits, with names on a terminal, and rows that fail."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from circuits import plain
from diodeq import files, tables
from diodeq.api import streams
from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.errors import InputError, SimulationError
from diodeq.simulators import create
from diodeq.simulators.base import OperatingPoint
from oracle import Oracle

COUNT = 23
X = np.random.default_rng(5).normal(size=(COUNT, 3)).round(3)


class Fake:
    """An engine whose answer to a row is a known function of it; rows whose first number is 99 have none."""

    version = "fake 1"

    def __init__(self, partial: bool = True) -> None:
        self.partial, self.batches = partial, list[int]()
        self.before: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def operate(self, circuit: Circuit, drives: Any) -> OperatingPoint:
        self.before()
        self.batches.append(len(drives))
        volts = np.zeros((len(drives), len(circuit.nodes)))
        volts[:, circuit.outputs[:, 0]] = outputs(drives)
        bad = np.flatnonzero(drives[:, 0] == 99)
        if not len(bad):
            return OperatingPoint(circuit, drives, volts, np.zeros((len(drives), 0)))
        error = SimulationError(f"sample {bad[0]} did not settle", "look at it")
        if self.partial:
            volts[bad] = np.nan
            error.failures = {int(row): f"it is odd ({row})" for row in bad}  # type: ignore[attr-defined]
            error.answered = OperatingPoint(circuit, drives, volts, np.zeros((len(drives), 0)))
        raise error


def outputs(drives: Any) -> Any:
    return np.stack([drives.sum(axis=1) / 3, drives[:, 0] * drives[:, 1]], axis=1)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    """A fake in the place of every engine, blocks of 5 rows, and a folder with a circuit and inputs."""
    made = Fake()
    monkeypatch.setattr(streams, "create", lambda name, workers, time_limit: made)
    monkeypatch.setattr(streams, "ROWS", 5)
    monkeypatch.setattr(streams, "rows_at_once", lambda circuit: streams.ROWS)
    monkeypatch.chdir(tmp_path)
    circuit = plain()
    # Outputs that are measured from ground.
    ends = np.stack([circuit.outputs[:, 0], np.zeros(2, int)], axis=1)
    replace(circuit, outputs=ends, output_names=("cat", "dog")).save("c.npz")
    np.savetxt("x.csv", X, delimiter=",", fmt="%g")
    return made


def run(*more: object) -> int:
    return main(["simulate", "c.npz", "--inputs", "x.csv", *map(str, more)])


# --- blocks -------------------------------------------------------------------------------------------------------


def test_blocks_answer_what_all_rows_at_once_would(engine: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    said = capsys.readouterr().out
    assert engine.batches == [5, 5, 5, 5, 3]
    assert said == "".join(f"{a!r},{b!r}\n" for a, b in outputs(X).tolist()).replace(".0,", ",").replace(".0\n", "\n")
    assert np.array_equal(np.loadtxt(io.StringIO(said), delimiter=","), outputs(X))
    assert run("-o", "y.csv") == 0
    assert capsys.readouterr().out == ""
    assert Path("y.csv").read_text() == said


def test_json_is_the_document_it_would_be_at_once(engine: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--units", "volts", "-o", "y.csv") == 0
    wanted = {
        "simulator": "fake 1",
        "units": "volts",
        "outputs_are": "volts",
        "output_names": ["cat", "dog"],
        "unique": True,
    }
    wanted["outputs"] = outputs(X).tolist()
    assert capsys.readouterr().out == json.dumps(wanted, indent=2) + "\n"
    assert np.array_equal(np.loadtxt("y.csv", delimiter=","), outputs(X))


def test_a_header_is_optional_and_blank_lines_count_for_nothing(engine: Fake) -> None:
    """Also where the header is all of what the first block would hold."""
    rows = Path("x.csv").read_text()
    for rows_at_once in (1, 5, 100):
        streams.ROWS = rows_at_once
        Path("x.csv").write_text("\n X0 , x1 ,x2\n\n" + rows.replace("\n", "\n\n"))
        assert run("-o", "y.csv") == 0
        assert np.array_equal(np.loadtxt("y.csv", delimiter=",", ndmin=2), outputs(X))


@pytest.mark.parametrize("header", ["x2,x0,x1", " X2 , X0,x1 "])
def test_columns_are_taken_by_the_names_of_the_inputs(header: str, engine: Fake) -> None:
    swapped = "\n".join(",".join(f"{row[k]:g}" for k in (2, 0, 1)) for row in X)
    Path("x.csv").write_text(f"{header}\n{swapped}\n")
    assert run("-o", "y.csv") == 0
    assert np.array_equal(np.loadtxt("y.csv", delimiter=","), outputs(X))
    labelled = Path("labelled.csv")
    labelled.write_text(f"{header},label\n1,2,3,4\n")
    assert tables.read_matrix(labelled, ("x0", "x1", "x2"), True).tolist() == [[2, 3, 1, 4]]
    with pytest.raises(InputError, match=r"4 columns but the circuit has 4 inputs and the class number needs a column"):
        tables.read_matrix(labelled, ("x0", "x1", "x2", "x3"), True)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("x0,x1,species,x2", "leave its column 3, 'species', out: it is no input, as a label is none"),
        ("1,2,3,setosa", "leave its column 4, 'setosa', out"),
        ("1,2,3,0", "give one column per input, without a label"),
        ("1,2,3,0,7", "give one column per input"),
    ],
)
def test_a_column_that_is_no_input_is_named(first: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{first}\n" + ",".join(["1"] * (first.count(",") + 1)) + "\n")
    with pytest.raises(InputError, match="but the circuit has 3 inputs") as told:
        tables.read_matrix(path, ("x0", "x1", "x2"))
    assert told.value.remedy.startswith(words)


def test_a_circuit_without_inputs_has_one_operating_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plain().save("c.npz")
    Path("fixed.cir").write_text("* a divider\nV1 in 0 2\nR1 in mid 1k\nR2 mid 0 1k\n.end\n")
    assert main(["import", "fixed.cir", "-o", "fixed.npz", "--output", "mid"]) == 0
    capsys.readouterr()
    assert main(["simulate", "fixed.npz", "--simulator", "wave"]) == 0
    assert capsys.readouterr().out == "1\n"
    assert main(["simulate", "fixed.npz", "--inputs", "x.csv"]) == 2
    assert "has no inputs for x.csv; leave the file out, or make inputs with diodeq import" in capsys.readouterr().err
    assert main(["simulate", "c.npz"]) == 2
    assert "has inputs; give --inputs X.csv" in capsys.readouterr().err


def test_rows_are_answered_while_others_are_still_to_come(engine: Fake, tmp_path: Path) -> None:
    """Of a pipe: its writer cannot be done when the first block is answered, for nobody has read what it writes."""
    reading, writing = os.pipe()
    count, done, state = 100_000, threading.Event(), list[bool]()

    def feed() -> None:
        with os.fdopen(writing, "w") as pipe:
            for row in range(count):
                pipe.write(f"{row}.5,2,1\n")
        done.set()

    feeder = threading.Thread(target=feed)
    engine.before = lambda: state.append(done.is_set())
    streams.ROWS = 1000
    feeder.start()
    assert main(["simulate", "c.npz", "--inputs", f"/dev/fd/{reading}", "-o", "y.csv", "--units", "volts"]) == 0
    feeder.join()
    os.close(reading)
    assert state[:50] == [False] * 50
    assert engine.batches == [1000] * 100
    assert np.array_equal(np.loadtxt("y.csv", delimiter=",")[:, 1], 2 * np.arange(count) + 1.0)


def test_a_file_is_whole_or_as_it_was(engine: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("y.csv").write_text("old")
    with open("x.csv", "a") as file:
        file.write("1,two,3\n")
    seen = list[str]()
    engine.before = lambda: seen.append(Path("y.csv").read_text())
    assert run("-o", "y.csv") == 3
    assert f"line {COUNT + 1}, column 2 is 'two'" in capsys.readouterr().err
    assert seen == ["old"] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.npz", "x.csv", "y.csv"]
    assert run("-o", "none/y.csv") == 3
    assert "none/y.csv cannot be written" in capsys.readouterr().err


def test_pieces_that_do_not_fit_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    def pieces(last: Callable[[], object]) -> None:
        with files.written("y.csv") as write:
            write("x")
            last()

    with pytest.raises(ZeroDivisionError):
        pieces(lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        pieces(lambda: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.csv is empty"),
        ("\n \n", "x.csv is empty"),
        ("x0,x1,x2\n", "has a header but no rows"),
        ("1,2\n", "has 2 columns but the circuit has 3 inputs"),
        ("1\n", "has 1 column but"),
        (
            "x0,x1,y\n1,2,3\n",
            "calls its column 3 'y', which is no input of the circuit; name the columns x0, x1, x2 in",
        ),
        ("x0,X1,x1\n1,2,3\n", "calls its column 3 'x1', as another before it"),
        ("a;b;c\n1,5;2,5;3\n", "line 2 has numbers that are not separated by commas"),
        ("1:2;3:4\t\n1;2,3\n", "line 2 has numbers that are not separated by commas"),
        ("a,b,c\n1,2,3\n", "calls its column 1 'a', which is no input of the circuit; name the columns x0, x1, x2 in"),
        ("# made, by, me\n1,2,3\n", "calls its column 1 'made', which is no input"),
        ("5k,1m,2V\n", "line 1, column 1 is '5k'; write plain numbers, here 5000"),
        ("x0,x1,x2\n1,2,3meg\n", "line 2, column 3 is '3meg'; write plain numbers, here 3e+06"),
        ("1,2,3\n" * 7 + "1,2\n", "line 8 has 2 columns where the first row has 3"),
        ("1,2,3\n" * 7 + "1,nan,3\n", "line 8, column 2 is 'nan'"),
        ("1,2,3\n" * 7 + "a,b,c\n", "line 8, column 1 is 'a'"),
        ("1,2,3\n" * 7 + "1,2,1e999\n", "line 8, column 3 is '1e999'"),
        ("1,2,3\n" * 7 + f"1,2,{'9' * 400}\n", "line 8, column 3 is '999"),
        ("1,2,3\n" * 7 + "1,,3\n", "line 8, column 2 is empty"),
    ],
)
def test_what_is_wrong_in_any_block_is_named_by_its_line(
    text: str, said: str, engine: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.csv").write_text(text)
    assert run("-o", "y.csv") == 3
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path("y.csv").exists()


@pytest.mark.parametrize(
    "command", ["simulate", "audit", "gradcheck", "settle", "noise", "montecarlo", "quantize", "export"]
)
def test_a_number_that_is_no_voltage_is_named(command: str, engine: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """Finite in the user's units, infinite at the input."""
    circuit = plain()
    replace(circuit, units=replace(circuit.scaling, scale=np.array([1.0, 1e10, 1.0]))).save("c.npz")
    Path("x.csv").write_text("1,2,3\n" * 6 + "1,1e300,3\n")
    more = {
        "montecarlo": ["--tolerance", "5%"],
        "quantize": ["--series", "E24", "-o", "y.npz"],
        "export": ["--to", "ngspice", "-o", "y.cir", "--row", "7"],
    }.get(command, [])
    given = "--at" if command == "export" else "--inputs"
    assert main([command, "c.npz", given, "x.csv", *more]) == 3
    assert "x.csv: row 7, column 2 is 1e+300, which is no finite voltage" in capsys.readouterr().err


# --- rows without an answer ---------------------------------------------------------------------------------------


def with_bad(*rows: int) -> np.ndarray[Any, Any]:
    x = X.copy()
    x[list(rows), 0] = 99
    np.savetxt("x.csv", x, delimiter=",", fmt="%g")
    wanted = outputs(x)
    wanted[list(rows)] = np.nan
    return wanted


def test_keep_going_names_rows_and_gives_the_others(engine: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = with_bad(1, 11, 12, 22)
    assert run("--keep-going") == 6
    said = capsys.readouterr()
    assert np.array_equal(np.loadtxt(io.StringIO(said.out), delimiter=","), wanted, equal_nan=True)
    assert said.err.splitlines() == [
        "diodeq: row 2 has no answer: it is odd (1)",
        "diodeq: row 12 has no answer: it is odd (1)",
        "diodeq: row 13 has no answer: it is odd (2)",
        "diodeq: row 23 has no answer: it is odd (2)",
        "diodeq: 4 of 23 rows have no answer; they are nan in what was written",
    ]
    assert run("--keep-going", "--json", "-o", "y.csv") == 6
    document = json.loads(capsys.readouterr().out)
    assert document["outputs"][1] == [None, None]
    assert np.array_equal(np.array(document["outputs"], float), wanted, equal_nan=True)
    assert np.array_equal(np.loadtxt("y.csv", delimiter=","), wanted, equal_nan=True)


def test_without_keep_going_the_first_row_without_an_answer_ends_it(
    engine: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    with_bad(12, 22)
    assert run("-o", "y.csv") == 6
    assert "row 13 has no answer: it is odd (2); look at it" in capsys.readouterr().err
    assert not Path("y.csv").exists()
    engine.partial = False  # an engine that does not say which rows it could answer
    for more in ([], ["--keep-going"]):
        assert run(*more) == 6
        assert "after row 10, from where samples count: sample 2 did not settle" in capsys.readouterr().err


def test_errors_name_rows_of_the_file(engine: Fake, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Counted from 1, in whatever block they are and whatever engine finds them."""
    np.savetxt(
        "x.csv", np.where(np.arange(COUNT)[:, None] == 6, 1e60, X), delimiter=",", header="x0,x1,x2", comments=""
    )
    monkeypatch.setattr(streams, "create", create)
    assert main(["simulate", "c.npz", "--inputs", "x.csv", "--units", "volts", "--simulator", "wave:float32"]) == 3
    assert "input volts of row 7 are too large for float32" in capsys.readouterr().err


# --- numbers ------------------------------------------------------------------------------------------------------


def test_numbers_have_the_fewest_digits_that_read_back() -> None:
    values = [0.1, 1.0, -0.0, 1e-7, 1e22, 5e-324, 1.7976931348623157e308, 1 / 3, float("nan"), 123456789012345680.0]
    wanted = "0.1,1,-0,1e-07,1e+22,5e-324,1.7976931348623157e+308,0.3333333333333333,nan,1.2345678901234568e+17\n"
    assert tables.format_matrix(np.array([values])) == wanted
    rng = np.random.default_rng(0)
    some = rng.integers(0, 2**64, 20000, dtype=np.uint64).view(np.float64)
    some = some[np.isfinite(some)]
    texts = tables.format_matrix(some[None]).rstrip("\n").split(",")
    assert np.array_equal([float(text) for text in texts], some)
    assert all(digits(text) <= digits(f"{value:.17g}") for text, value in zip(texts, some, strict=True))


def digits(text: str) -> int:
    return len(text.partition("e")[0].lstrip("-0.").replace(".", "").rstrip("0"))


# --- a terminal ---------------------------------------------------------------------------------------------------


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)


def test_a_terminal_shows_names(
    engine: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    Path("x.csv").write_text("1,2,3\n" * 5 + "99,2,3\n-0.5,10,3\n")
    assert run("--keep-going") == 6
    assert capsys.readouterr().out.splitlines() == [
        "row  cat  dog",
        *(f"  {k}    2    2" for k in range(1, 6)),
        "  6                nan  nan",
        "  7  4.166666666666667   -5",
    ]


def test_a_terminal_shows_classes_where_the_run_says_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    on_a_terminal(monkeypatch)
    rows = "\n".join(f"{k % 7},{k % 5},{'left' if k % 7 < 3 else 'right'}" for k in range(60))
    Path("sides.csv").write_text(rows)
    train = ["train", "csv:sides.csv", "--out", "run", "--simulator", "wave", "--hidden", "3", "--epochs", "3"]
    assert main(train) == 0
    capsys.readouterr()
    Path("x.csv").write_text("0,1\n6,2\n1,0\n5,4\n")
    command = ["simulate", "run/circuit.npz", "--inputs", "x.csv", "--simulator", "wave"]
    assert main(command) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    circuit = Circuit.load("run/circuit.npz")
    wanted = Oracle().operate(circuit, circuit.scaling.to_volts([[0, 1], [6, 2], [1, 0], [5, 4]])).outputs
    assert shown[0] == ["row", "y0", "y1", "class"]
    assert [line[-1] for line in shown[1:]] == [["left", "right"][k] for k in wanted.argmax(axis=1)]
    found = circuit.scaling.from_volts(wanted)
    assert np.allclose([[float(cell) for cell in line[1:3]] for line in shown[1:]], found, rtol=0, atol=1e-7)
    # A circuit of another shape in the same folder has no classes of the run's.
    plain().save("run/other.npz")
    Path("x.csv").write_text("0,1,2\n")
    assert main(["simulate", "run/other.npz", "--inputs", "x.csv", "--simulator", "wave"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["row", "y0", "y1"]
    summary = json.loads(Path("run/summary.json").read_text())
    Path("run/summary.json").write_text(json.dumps({**summary, "classes": ["a", "b", "c"]}))
    Path("x.csv").write_text("0,1\n")
    assert main(command) == 0
    assert "class" not in capsys.readouterr().out
