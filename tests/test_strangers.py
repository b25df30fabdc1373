"""Names, numbers and documents that strangers wrote: shown as text, bounded before they are read, never obeyed."""

from __future__ import annotations

import io
import json
import re
import shutil
import unicodedata
import xml.etree.ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rich_click as click

from circuits import plain
from diodeq import archives
from diodeq.analysis import board_log
from diodeq.analysis.montecarlo import Measured, Study
from diodeq.circuit import Bank, Circuit, Inputs, bank, check
from diodeq.cli.console import Terminal
from diodeq.cli.main import COMMANDS, main, read_config
from diodeq.cli.options import Written
from diodeq.cli.train_live import Dashboard
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.documents import DEEPEST, from_json, toml
from diodeq.errors import InputError, UsageError
from diodeq.learning import checkpoint, datasets
from diodeq.learning.losses import LOSSES
from diodeq.learning.records import read_metrics, read_summary
from diodeq.learning.run_folder import FILES, RunFolder
from diodeq.markup import card
from diodeq.network import Network, Stage, solve, weights
from diodeq.printable import printable
from diodeq.simulators import create
from diodeq.synthesis.layered import layered

# A colour and a bell, a window's title, another direction of writing, rich's markup, mathematics that is none,
# letters that no font has, markup of a page, half of a pair, a name without end.
NAMES = {
    "colour": "x\x1b[31mRED\x07",
    "title": "s\x1b]0;title\x07",
    "turned": "a\u202egnp.exe",
    "markup": "[red]x[/blue][/]",
    "mathematics": r"a$\frac$b$ $x",
    "letters": "数\U0001f9ff\ue000",
    "page": "</td><script>alert(1)</script>--><b>",
    "long": "l" * 5000,
}
ALL = " ".join(NAMES.values())
TRAIN = ["--simulator", "wave", "--hidden", "2", "--epochs", "1"]


def harmless(text: str) -> str:
    """The text, which must not steer a terminal."""
    odd = [letter for letter in text if not letter.isprintable() and letter != "\n"]
    assert {unicodedata.category(letter) for letter in odd} <= {"Zs"}, set(odd)
    return text


def harmless_svg(path: Path) -> None:
    text = harmless(path.read_text())
    root = xml.etree.ElementTree.fromstring(text)
    assert not [each for each in root.iter() if each.tag.endswith("script")]


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    """What a command says on both streams."""
    capsys.readouterr()
    found = main(list(map(str, words)))
    said = capsys.readouterr()
    assert found == code, said.err
    assert "a bug" not in said.err
    return harmless(said.out + said.err)


# --- names --------------------------------------------------------------------------------------------------------


def test_what_is_printable() -> None:
    assert printable("µA … 数 e\u0301") == "µA … 数 e\u0301"
    assert printable("a\x1b[2J\n\udcff\u202e\x85") == r"a\x1b[2J\n\udcff\u202e\x85"
    assert printable("a\nb\tc", keep="\n") == "a\nb\\tc"


@pytest.mark.parametrize("name", [NAMES["colour"], NAMES["mathematics"], ALL], ids=["colour", "mathematics", "all"])
def test_names_of_a_device(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, name = tmp_path / "parts.toml", f"d {name}"
    quoted = json.dumps(name, ensure_ascii=False)
    path.write_text(f"[{quoted}]\nsource = {quoted}\ndescription = {quoted}\nparameters = {{is = 2.5e-9, n = 1.75}}\n")
    monkeypatch.setenv("DIODEQ_DEVICES", str(path))
    (known,) = catalogue.read(path)
    assert known.name == name
    if len(name) < 100:
        assert printable(name) in run(capsys, "devices", "show", name)
    run(capsys, "devices", "list")
    run(capsys, "devices", "list", "--json")
    run(capsys, "devices", "plot", name, "--simulator", "wave", "-o", tmp_path / "x.svg")
    harmless_svg(tmp_path / "x.svg")
    run(capsys, "devices", "plot", name, "--simulator", "wave", "-o", tmp_path / "x.png")
    run(capsys, "devices", "show", name + "?", code=2)


def test_names_of_classes_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A data set whose classes and file are called so, trained on and reported."""
    name = ALL
    data = tmp_path / f"{name.replace('/', '_')[:100]}.csv"
    rows = [f'{k % 7},{k % 5},"{name} {k % 2}"' for k in range(40)]
    data.write_text("\n".join(rows) + "\n")
    out = tmp_path / "run"
    run(capsys, "train", f"csv:{data}", "--out", out, *TRAIN, "--verbose")
    harmless_svg(out / "training.svg")
    run(capsys, "report", out, "--simulator", "wave")
    page = harmless((out / "report.html").read_text())
    assert "<script>alert" not in page
    harmless(RunFolder(out)._repr_html_())
    (tmp_path / "x.csv").write_text("1,2\n")
    run(capsys, "simulate", out / "circuit.npz", "--inputs", tmp_path / "x.csv", "--simulator", "wave")


def test_names_in_a_circuit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its title, notes, groups, ports and diodes, in everything that shows or draws a circuit."""
    circuit, name = plain(), ALL
    groups = tuple((f"{name} {k}", count) for k, (_, count) in enumerate(circuit.resistors.groups))
    named = replace(
        circuit,
        title=name,
        notes=(name,),
        resistors=replace(circuit.resistors, groups=groups),
        models=(replace(circuit.models[0], name=f"d {name}"),),
        inputs=replace(circuit.inputs, names=tuple(f"{name} {k}" for k in range(3))),
        output_names=(f"{name} 0", f"{name} 1"),
    )
    monkeypatch.chdir(tmp_path)
    named.save("c.npz")
    assert Circuit.load("c.npz").output_names == named.output_names
    Path("x.csv").write_text("1,2,3\n0,1,2\n2,0,1\n")
    given = ["c.npz", "--inputs", "x.csv", "--simulator", "wave"]
    run(capsys, "audit", *given, "--limit", "2", "--rules", "perturbation", "--plot", "audit.svg")
    run(capsys, "montecarlo", *given, "--samples", "2", "--tolerance", "5%", "--plot", "boards.svg")
    run(capsys, "quantize", *given, "--series", "E24", "-o", "q.npz", "--plot", "steps.svg")
    run(capsys, "export", "c.npz", "--to", "ngspice", "-o", "c.cir")
    for picture in ("audit.svg", "boards.svg", "steps.svg"):
        harmless_svg(Path(picture))
    harmless(named._repr_html_())
    harmless(named._repr_svg_())
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        said = run(capsys, "simulate", *given)
    assert said.startswith("row") or "row" in said.partition("\n")[0]


def test_a_dashboard_shows_names_as_they_are(tmp_path: Path) -> None:
    for name in NAMES.values():
        screen = Dashboard(3, tmp_path)
        screen.start(plain(), replace(datasets.load("xor"), name=name), 0)
        console = Terminal()
        console.file, console.width = io.StringIO(), 300
        console.print(screen)
        console.print(name, soft_wrap=True)
        shown = harmless(console.file.getvalue())
        assert printable(name)[:100] in shown


def test_names_on_a_card() -> None:
    shown = card("t\x1b[2J<b>", [("a\x07", "<i>")])
    assert "\x1b" not in shown
    assert "t\\x1b[2J&lt;b&gt;" in shown
    assert "a\\x07" in shown


def test_commands_print_through_the_doors_that_spell_names_out() -> None:
    """``click.echo`` is for numbers and JSON; a plain rich console obeys what it is given."""
    for path in Path(main.__code__.co_filename).parent.glob("*.py"):
        text = path.read_text()
        if path.name not in ("terminal.py", "outputs.py", "options.py", "simulate.py"):
            assert "click.echo(" not in text, path.name
        if path.name != "console.py":
            assert "Console(" not in text, path.name


def test_what_click_refuses_is_spelled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("diodeq.toml").write_text('[train]\nschedule = "\\u001b[31m[red]x[/blue]"\n')
    assert "[red]x[/blue]" in run(capsys, "train", "iris", "--out", "run", code=2)


# --- documents ----------------------------------------------------------------------------------------------------

DEEP = {
    "dotted": "a" + ".b" * 30000 + "=1",
    "spaced": "a" + " .\tb" * 30000 + "=1",
    "quoted": "a" + '."b"' * 30000 + "=1",
    "literal": "a" + ".'b.c'" * 30000 + "=1",
    "header": "[a" + ".b" * 30000 + "]",
    "tables": "[[a" + ".b" * 30000 + "]]",
    "inline": "a = {b" + ".b" * 30000 + " = 1}",
    "after a string": 's = "\\""\nt = """\n""\\""""\n#"\na' + ".b" * 30000 + "=1",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_toml_with_keys_that_fill_memory(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=f"more than {DEEPEST} parts"):
        toml(text.encode())
    monkeypatch.chdir(tmp_path)
    Path("diodeq.toml").write_text(text[:60000])
    Path("parts.toml").write_text(text)
    assert "parts joined by dots" in run(capsys, "--version", code=3)
    with pytest.raises(InputError, match="parts joined by dots"):
        catalogue.read(Path("parts.toml"))


def test_dots_that_are_no_keys() -> None:
    dots = "a." * 100
    text = f"s = \"{dots}\"\nl = '{dots}'\nm = \"\"\"\n{dots}\"\"\"\nn = '''{dots}'''\n# {dots}\nx = [1.5, 2.5]\n"
    text += "a.b.c = 1\n"
    assert toml(text.encode()) == {
        "s": dots, "l": dots, "m": dots, "n": dots, "x": [1.5, 2.5], "a": {"b": {"c": 1}},
    }  # fmt: skip
    deepest = ".".join("a" * DEEPEST)
    assert deepest.count(".") == DEEPEST - 1
    assert toml(f"{deepest} = 1".encode())["a"]


@pytest.mark.parametrize(
    "value", ["0x" + "f" * 5000, "1" * 4000, "[{b = " + "9" * 20 + "}]", "[" * 50000, "0b" + "1" * 64]
)
def test_numbers_and_depths_of_toml_that_are_too_large(value: str) -> None:
    with pytest.raises(ValueError, match=r"bits|nested"):
        toml(f"a = {value}".encode())


def test_numbers_and_depths_of_json_that_are_too_large() -> None:
    for text in ("1" * 5000, "[-" + "9" * 25 + "]", str(2**63), "[" * 100000):
        with pytest.raises(ValueError, match=r"bits|nested"):
            from_json(text)
    assert from_json(f"[{2**63 - 1}, -5, 1.5, true]") == [2**63 - 1, -5, 1.5, True]
    with pytest.raises(ValueError, match="repeats"):
        from_json('{"a": 1, "a": 2}', once=True)


# --- diodeq.toml names no output ----------------------------------------------------------------------------------

READ = {"circuit", "weights", "inputs", "start", "at", "linearized_at", "deck", "file", "include", "log", "name"}


def options() -> Iterator[tuple[str, click.Parameter]]:
    for name, command in COMMANDS.items():
        for below in [command, *getattr(command, "commands", {}).values()]:
            label = name if below is command else f"{name}.{below.name}"
            yield from ((label, parameter) for parameter in below.params)


def test_every_option_with_a_path_says_whether_it_writes() -> None:
    kinds = {(name, p.name): isinstance(p.type, Written) for name, p in options() if isinstance(p.type, click.Path)}
    written = {key for key, writes in kinds.items() if writes}
    assert {name for (_, name), writes in kinds.items() if not writes} <= READ
    assert {name for _, name in written} == {"out", "output", "picture", "subject", "file", "parasitics"}
    assert ("import", "file") in written
    assert {("train", "out"), ("simulate", "output"), ("montecarlo", "out"), ("settle", "picture")} < written


@pytest.mark.parametrize(
    ("command", "key"),
    sorted({(name, str(p.name)) for name, p in options() if isinstance(p.type, Written)}),
)
def test_a_diodeq_toml_that_names_an_output(
    command: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("diodeq.toml").write_text(f'[{command}]\n{key} = "victim"\n')
    said = run(capsys, *command.split("."), "--help", code=3)
    assert f"sets '{key}' for {command.replace('.', ' ')}, but a diodeq.toml never names a file to write" in said
    Path("diodeq.toml").write_text('[simulate]\ninputs = "X.csv"\n[bench.calibrate]\nno-check = 1\n')
    with pytest.raises(InputError, match="sets 'no-check' for bench calibrate, which has no such option"):
        read_config()
    Path("diodeq.toml").write_text('[simulate]\ninputs = "X.csv"\n[bench.probes]\nsamples = 8\n')
    assert read_config() == {"simulate": {"inputs": "X.csv"}, "bench": {"probes": {"samples": 8}}}


# --- the folder of a run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", "xor", "--out", str(out), "--simulator", "wave", "--hidden", "2", "--epochs", "2"]) == 0
    return out


HUGE = "9" * 400
DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "huge": lambda path: path.write_text(f'{{"epoch": {HUGE}, "data": {HUGE}}}\n'),
    "a line twice": lambda path: path.write_bytes(path.read_bytes() * 2),
}


READERS_OF = {
    "training.svg": ("train",),
    "netlist.cir": ("report",),
    "circuit.npz": ("train", "simulate", "montecarlo"),
    "summary.json": ("train", "report", "montecarlo"),
}


# Nobody looks into these.
UNREAD = ("netlist.cir", "training.svg")
DAMAGED = [
    (name, damage) for name in FILES for damage in DAMAGES if name not in UNREAD or damage in ("gone", "a folder")
]


@pytest.mark.parametrize(("name", "damage"), DAMAGED)
def test_a_damaged_file_in_the_folder_of_a_run(
    name: str, damage: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that reads the folder answers, or ends in one sentence."""
    (tmp_path / "x.csv").write_text("1,2\n0,1\n")
    circuit, inputs = tmp_path / "run/circuit.npz", tmp_path / "x.csv"
    readers: dict[str, list[object]] = {
        "train": ["xor", "--out", tmp_path / "run", "--resume", "--live"],
        "report": [tmp_path / "run"],
        "simulate": [circuit, "--inputs", inputs],
        "montecarlo": [circuit, "--data", "xor", "--samples", "1", "--tolerance", "1%"],
    }
    for command in READERS_OF.get(name, ("train", "report")):
        words = [command, *readers[command], *(["--simulator", "wave"] if command != "train" else [])]
        shutil.copytree(trained, tmp_path / "run")
        DAMAGES[damage](tmp_path / "run" / name)
        code = main(list(map(str, words)))
        said = capsys.readouterr().err
        assert code in (0, 2, 3), said
        assert "a bug" not in said
        if code:
            assert said.splitlines()[-1].startswith("diodeq: ")
        harmless(RunFolder(tmp_path / "run")._repr_html_() if name not in ("summary.json", "metrics.jsonl") else "")
        shutil.rmtree(tmp_path / "run")


def test_a_run_whose_metrics_were_lost(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The epochs that the checkpoint counts cannot be made up; the rest of the run stays as it was."""
    again = ["train", "xor", "--out", tmp_path / "run", "--resume"]
    lines = (trained / "metrics.jsonl").read_text().splitlines(keepends=True)
    for kept, lost in (([], 1), (lines[:1], 2), (lines[1:], 1), ([lines[1], lines[0]], 1)):
        shutil.copytree(trained, tmp_path / "run", dirs_exist_ok=True)
        (tmp_path / "run/metrics.jsonl").write_text("".join(kept))
        assert f"epoch {lost} is missing" in run(capsys, *again, code=3)
        assert (tmp_path / "run/circuit.npz").read_bytes() == (trained / "circuit.npz").read_bytes()
    (tmp_path / "run/metrics.jsonl").write_text("".join(lines) + lines[1].replace('"epoch": 2', '"epoch": 3') + '{"ep')
    run(capsys, *again)
    assert (tmp_path / "run/metrics.jsonl").read_text() == "".join(lines)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1.5], ids=str)
@pytest.mark.parametrize(("name", "read"), [("metrics.jsonl", read_metrics), ("summary.json", read_summary)])
def test_shares_in_the_folder_of_a_run_that_are_none(
    name: str, read: Callable[[Path], object], value: float, trained: Path, tmp_path: Path
) -> None:
    text = (trained / name).read_text()
    first, *rest = text.splitlines() if name == "metrics.jsonl" else [text]
    (tmp_path / name).write_text("\n".join([first, *rest]))
    read(tmp_path / name)
    (tmp_path / name).write_text("\n".join([json.dumps({**json.loads(first), "test_accuracy": value}), *rest]))
    with pytest.raises(InputError, match=name):
        read(tmp_path / name)


def test_counts_in_a_checkpoint_that_no_run_reaches(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    found = archives.read(trained / "checkpoint.npz")
    header = json.loads(found["header"].tobytes())
    for name, value in (("epoch", 10**30), ("steps", 10**4000), ("seconds", float("inf")), ("best_loss", float("nan"))):
        text = json.dumps({**header, name: value}).encode()
        np.savez(path, **{**found, "header": np.frombuffer(text, np.uint8)})
        with pytest.raises(InputError, match="not a readable checkpoint"):
            checkpoint.read_document(path)
    np.savez(path, **found)
    assert checkpoint.read_document(path) == header["document"]


BOARD = {"board": 0, "temperature": 27.0, "agreement": 1.0, "accuracy": 0.5, "rms": 0.1, "largest": 0.2}
BOARDS: dict[str, dict[str, object]] = {
    "words": {"temperature": "hot"},
    "too cold": {"temperature": -300.0},
    "a list": {"rms": []},
    "an endless share": {"accuracy": float("inf")},
    "a share of more": {"agreement": 1.5},
    "no share": {"accuracy": None},
    "no number": {"rms": float("nan")},
    "less than nothing": {"largest": -1.0},
    "another board": {"board": 1},
    "true": {"agreement": True},
    "failed and figures": {"failed": "no"},
    "another entry": {"colour": "red"},
}


@pytest.mark.parametrize("kind", BOARDS)
def test_a_log_of_boards_with_other_things_than_outcomes(kind: str, tmp_path: Path) -> None:
    labels = np.zeros(1, np.int64)
    study = Study(
        plain(), replace(Technology(), variation=Variation.parse("tolerance=1%")), np.zeros((1, 3)), labels, "wave"
    )
    path, failed = tmp_path / "boards.jsonl", {"board": 0, "temperature": 27.0, "failed": "why"}
    for good in (BOARD, failed):
        path.write_text("".join(json.dumps(line) + "\n" for line in (study.to_json(), good)) + "[" * 10000)
        assert board_log.begin(path, study, resume=True) == [Measured(**good)]  # type: ignore[arg-type]
    text = "".join(json.dumps(line) + "\n" for line in (study.to_json(), {**BOARD, **BOARDS[kind]}))
    path.write_text(text)
    with pytest.raises(InputError, match=r"boards\.jsonl, line 2 is not the outcome of board 0; remove this line"):
        board_log.begin(path, study, resume=True)
    assert path.read_text() == text


# --- arrays -------------------------------------------------------------------------------------------------------


def member(shape: tuple[int, ...], data: bytes = b"", descr: str = "<f8") -> bytes:
    """An array in numpy's format whose header says ``shape``, whatever numpy would say to that."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


SHAPES = {
    "100 dimensions": ((1,) * 100, bytes(8), "100 dimensions"),
    "100 empty dimensions": ((0,) * 100, b"", "100 dimensions"),
    "no column of many": ((10**12, 0), b"", "damaged"),
    "nothing of everything": ((0, 10**300), b"", "damaged"),
    "digits": ((10**4000,), b"", "damaged"),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_arrays_of_shapes_that_no_array_has(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    shape, data, said = SHAPES[kind]
    sound = tmp_path / "sound.npz"
    plain().save(sound)
    np.savez(tmp_path / "data.npz", X=np.eye(4), y=np.arange(4) % 2)
    np.savez(tmp_path / "w.npz", U0=np.ones((1, 1)), b0=np.zeros(1), activation0="relu")
    for source, name, read in (
        (sound, "resistors_values", Circuit.load),
        (sound, "outputs", Circuit.load),
        (tmp_path / "data.npz", "X", lambda path: datasets.load(f"npz:{path}")),
        (tmp_path / "w.npz", "U0", weights.load),
    ):
        path = tmp_path / "odd.npz"
        with zipfile.ZipFile(source) as before, zipfile.ZipFile(path, "w") as after:
            for each in before.namelist():
                after.writestr(each, member(shape, data) if each == f"{name}.npy" else before.read(each))
        with pytest.raises(InputError, match=said):
            read(path)


GIVEN: dict[str, Any] = {
    "text": [["a", "b", "c"]],
    "ragged": [[1, 2, 3], [1, 2]],
    "complex": np.ones((1, 3)) + 1j,
    "dates": np.array([["2020-01-01"] * 3], "M8[s]"),
    "spans": np.ones((1, 3), "m8[s]"),
    "objects": [[None, 0, 0]],
    "masked": np.ma.masked_array(np.ones((1, 3)), mask=[[1, 0, 0]]),  # type: ignore[no-untyped-call]
}


@pytest.mark.parametrize("kind", GIVEN)
def test_arguments_that_are_no_numbers(kind: str) -> None:
    given, network = GIVEN[kind], Network((Stage(np.ones((3, 3)), np.zeros(3)),))
    for name in ("wave", "ngspice"):
        with create(name, workers=1) as engine:
            point = engine.operate(plain(), np.zeros((1, 3)))
            with pytest.raises(InputError, match="input"):
                engine.operate(plain(), given)
            with pytest.raises(InputError, match="loss gradient"):
                engine.small_signal(point, given)
    with pytest.raises(InputError):
        check(plain().with_conductances(given))
    with pytest.raises(InputError):
        check(bank_of(given))
    with pytest.raises(InputError):
        solve(network, given)
    with pytest.raises(InputError):
        Stage(given, np.zeros(1))
    if kind != "masked":
        for loss in LOSSES.values():
            with pytest.raises(InputError, match="the targets cannot"):
                loss(given)
        with pytest.raises(InputError, match="the conductances cannot"):
            Technology().clip(given)


def bank_of(values: Any) -> Circuit:
    circuit = plain()
    return circuit.with_banks({"resistors": replace(circuit.resistors, values=values)})


def test_numbers_of_other_kinds_are_numbers() -> None:
    with create("wave") as engine:
        wanted = engine.operate(plain(), np.ones((1, 3))).outputs
        for same in ([[1, 1, 1]], np.ones(3, bool), np.ones(3, np.float32), [[Fraction(1), 1, np.float64(1)]]):
            assert np.array_equal(engine.operate(plain(), same).outputs, wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Inputs([0.5], [0], [1.0], ("x",)), "the driven sources cannot hold 0.5"),
        (lambda: Inputs([0], [2**40], [1.0], ("x",)), "the input columns cannot hold 1099511627776; give whole"),
        (lambda: bank("resistors", [(0.5, 1, 1.0)]), "the nodes of resistors cannot hold 0.5"),
        (lambda: bank("resistors", [(0, 1, "1k")]), "the values of resistors cannot hold"),
        (lambda: plain().with_values("diodes", [0.5] * len(plain().diodes)), "the values of diodes cannot hold 0.5"),
        (lambda: replace(plain(), trainable=np.full(len(plain().resistors), 2)), "cannot hold 2; give true and false"),
        (lambda: layered((2, 3, 2), "1N9999", volts=5.0), "there is no diode called '1N9999'"),
        (lambda: LOSSES["cross-entropy"]([0.5]), "the targets cannot hold 0.5"),
        (lambda: LOSSES["cross-entropy"]([[1]]), "one number per sample"),
        (lambda: LOSSES["cross-entropy"]([0], beta=float("nan")), "beta = nan is not possible"),
        (lambda: LOSSES["cross-entropy"]([0], smoothing=1.0), "smoothing = 1 is not possible"),
        (lambda: LOSSES["cross-entropy"]([0, -1])(np.ones((2, 2))), "target -1 of sample 1 is none of the 2 outputs"),
        (lambda: LOSSES["cross-entropy"]([7])(np.ones((1, 2))), "target 7 of sample 0 is none of the 2 outputs"),
    ],
)
def test_arguments_out_of_range(wrong: Callable[[], object], words: str) -> None:
    with pytest.raises((InputError, UsageError), match=re.escape(words)):
        wrong()


def test_whole_numbers_beyond_those_of_models_are_values() -> None:
    assert bank("resistors", [(0, 1, 10**12)]).values == Bank(np.array([[0, 1]]), np.array([10**12])).values == 1e12  # type: ignore[arg-type]


def test_a_circuit_whose_units_are_no_numbers(tmp_path: Path) -> None:
    circuit = plain()
    for units in (replace(circuit.scaling, output_scale=np.nan), replace(circuit.scaling, scale=np.full(3, np.inf))):
        replace(circuit, units=units).save(tmp_path / "c.npz")
        with pytest.raises(InputError, match="units are not finite"):
            Circuit.load(tmp_path / "c.npz")
