"""The command line by hand: each command once, and every bad input ends in one sentence and its exit code."""

import importlib.metadata
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits import DRIVES, gyrator, plain
from diodeq.cli.doctor import extras, ngspice_command
from diodeq.cli.main import COMMANDS, main
from diodeq.cli.main import cli as root
from oracle import Oracle


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with a circuit and inputs for it."""
    monkeypatch.chdir(tmp_path)
    plain().save("circuit.npz")
    np.savetxt("X.csv", DRIVES, delimiter=",")
    return tmp_path


def test_simulate_prints_the_outputs(here, capsys):
    assert main(["simulate", "circuit.npz", "--inputs", "X.csv"]) == 0
    printed = np.loadtxt(io.StringIO(capsys.readouterr().out), delimiter=",")
    assert np.allclose(printed, Oracle().operate(plain(), DRIVES).outputs, rtol=0, atol=2e-9)


def test_simulate_takes_a_header_and_the_users_units(here, capsys):
    circuit = plain()
    units = replace(
        circuit.scaling, offset=np.array([1.0, 2.0, 3.0]), scale=np.array([2.0, 4.0, 0.5]), output_scale=10.0
    )
    replace(circuit, units=units).save("units.npz")
    features = DRIVES / units.scale + units.offset
    with open("features.csv", "w") as file:
        file.write("X0,x1,x2\n")
        np.savetxt(file, features, delimiter=",")
    command = ["simulate", "units.npz", "--inputs", "features.csv", "--units", "network"]
    assert main([*command, "-o", "Y.csv"]) == 0
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = 10.0 * Oracle().operate(circuit, DRIVES).outputs
    assert np.allclose(np.loadtxt("Y.csv", delimiter=","), expected, rtol=0, atol=2e-8)
    assert np.allclose(document["outputs"], expected, rtol=0, atol=2e-8)
    assert document["output_names"] == ["y0", "y1"]


@pytest.mark.parametrize("make", [plain, gyrator])
def test_gradcheck(make, here, capsys):
    make().save("c.npz")
    assert main(["gradcheck", "c.npz", "--inputs", "X.csv", "--limit", "6", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parameters"] == 6
    assert report["ac"]["max_relative_error"] <= 1e-8
    assert report["finite_difference"]["max_relative_error"] <= 1e-6
    assert report["finite_difference"]["cosine"] > 1 - 1e-9


def test_gradcheck_says_when_a_tolerance_is_missed(here, capsys):
    assert main(["gradcheck", "circuit.npz", "--inputs", "X.csv", "--limit", "2", "--tolerance", "1e-20"]) == 7
    assert "is off by" in capsys.readouterr().err


def test_doctor_runs_a_real_circuit(capsys):
    assert main(["doctor", "--json"]) == 0
    engine = json.loads(capsys.readouterr().out)["engines"]["ngspice"]
    assert engine["works"]
    assert engine["version"].startswith("ngspice-")


def test_doctor_names_the_command_and_its_version(capsys, monkeypatch, tmp_path):
    """The command of the path, apart from the library; a command that does not answer is told as such."""
    real = shutil.which("ngspice")
    said = subprocess.run([real, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"ngspice-[\d.]+\d|ngspice-\d+", said)[0]
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ngspice_command"] == {"path": real, "version": version, "remedy": None}
    assert main(["doctor"]) == 0
    assert f"command ngspice: {real}, {version}\n" in capsys.readouterr().out
    (tmp_path / "ngspice").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "ngspice").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = ngspice_command()
    assert (found["path"], found["version"]) == (str(tmp_path / "ngspice"), None)
    assert "--version" in found["remedy"]
    (tmp_path / "ngspice").unlink()
    assert ngspice_command()["path"] is None
    # Exported decks are run by hand, so its absence is told and is no failure.
    assert main(["doctor"]) == 0
    assert "command ngspice: not installed; install it with 'apt-get install ngspice'" in capsys.readouterr().out


def test_doctor_names_the_extras(capsys, monkeypatch):
    """Those of pyproject.toml but the developers', each with what it needs and how to get what is missing."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    own = ("docs", "lint", "test")
    offered = {name: needs for name, needs in project["optional-dependencies"].items() if name not in own}
    have = {"numba": "0.60.0", "onnx": "1.2", "torch": "2.9.0", "dask": "2026.1.0"}

    def version(name):
        if name not in have:
            raise importlib.metadata.PackageNotFoundError(name)
        return have[name]

    monkeypatch.setattr("diodeq.cli.doctor.importlib.metadata.version", version)
    found = extras()
    assert {name: set(entry["packages"]) for name, entry in found.items()} == {
        name: {re.match(r"[\w-]+", need)[0] for need in needs} for name, needs in offered.items()
    }
    assert found["numba"] == {"installed": True, "packages": {"numba": "0.60.0"}, "remedy": None}
    # 1.2 is older than 1.15, which diodeq takes.
    assert found["onnx"] == {"installed": False, "packages": {"onnx": None}, "remedy": "pip install 'diodeq[onnx]'"}
    assert found["torch"]["packages"] == {"safetensors": None, "torch": "2.9.0"}
    assert not found["torch"]["installed"]
    monkeypatch.undo()
    monkeypatch.setattr("diodeq.cli.doctor.extras", lambda: {name: found[name] for name in ("numba", "torch")})
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "extra numba: numba 0.60.0\n" in out
    assert "extra torch: torch 2.9.0; without safetensors: pip install 'diodeq[torch]'\n" in out


def test_doctor_without_ngspice(capsys, monkeypatch):
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/nowhere/libngspice.so")
    assert main(["doctor"]) == 5
    assert one_sentence(capsys) == (
        "the engine ngspice does not work here: NGSPICE_LIBRARY_PATH names /nowhere/libngspice.so, "
        "which does not exist; unset or correct it"
    )


def test_help_tells_every_command_without_loading_what_it_needs(capsys):
    program = "import sys, diodeq; from diodeq.cli.main import main; main(['--help']); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in told.splitlines()[-1].split()}
    assert not loaded & {"numpy", "scipy", "sklearn", "matplotlib", "networkx", "jinja2"}
    described = COMMANDS.described()
    assert {name: each.help for name, each in described.items()} == {
        name: inspect.cleandoc(each.help or "") for name, each in COMMANDS.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    assert main([name, "--help"]) == 0
    command = COMMANDS[name]
    subcommands = getattr(command, "commands", {}).values()
    for each in subcommands or [command]:
        assert "Example: diodeq" in (each.help or ""), each.name
        assert (each.help or "").splitlines()[0].endswith("."), "lists of commands show the first line"
        assert any("--json" in option.opts for option in each.params), each.name


def test_options_come_from_flag_then_environment_then_file_then_default(here, capsys, monkeypatch):
    def limit(*flags):
        assert main(["gradcheck", "circuit.npz", "--inputs", "X.csv", "--json", *flags]) == 0
        return json.loads(capsys.readouterr().out)["parameters"]

    (here / "diodeq.toml").write_text("[gradcheck]\nlimit = 3\n")
    assert limit() == 3
    monkeypatch.setenv("DIODEQ_GRADCHECK_LIMIT", "4")
    assert limit() == 4
    assert limit("--limit", "5") == 5


# --- bad input -------------------------------------------------------------------------------------------------------


def one_sentence(capsys):
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("diodeq: ")
    return lines[0].removeprefix("diodeq: ")


BAD_CSV = {
    "missing": (None, "there is no file X.csv"),
    "empty": ("", "is empty"),
    "header only": ("x0,x1,x2\n", "no rows"),
    "not a number": ("1,2,3\n4,x,6\n", "line 2, column 2 is 'x'"),
    "nan": ("1,2,nan\n", "line 1, column 3 is 'nan'"),
    "infinite": ("1,-inf,3\n", "line 1, column 2 is '-inf'"),
    "empty cell": ("1,,3\n", "line 1, column 2 is empty"),
    "ragged": ("1,2,3\n4,5\n", "line 2 has 2 columns where the first row has 3"),
    "too wide": ("1,2,3,4\n", "has 4 columns but the circuit has 3 inputs"),
    "binary": (b"\xff\xfe\x00\x01", "not a text file"),
}


@pytest.mark.parametrize("kind", BAD_CSV)
@pytest.mark.parametrize("command", [["simulate"], ["gradcheck"]])
def test_bad_inputs_files(kind, command, here, capsys):
    content, said = BAD_CSV[kind]
    os.unlink("X.csv")
    if content is not None:
        (here / "X.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main([*command, "circuit.npz", "--inputs", "X.csv"]) == 3
    assert said in one_sentence(capsys)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["simulate", "none.npz", "--inputs", "X.csv"], 3, "none.npz does not exist"),
        (["simulate", "X.csv", "--inputs", "X.csv"], 3, "X.csv is not a diodeq circuit"),
        (["simulate", ".", "--inputs", "X.csv"], 3, "is a folder"),
        (["simulate", "floating.npz", "--inputs", "X.csv"], 3, "island has no path to ground"),
        (["simulate", "circuit.npz", "--inputs", "X.csv", "-o", "no/such/Y.csv"], 3, "no/such/Y.csv cannot be written"),
        (["gradcheck", "none.npz", "--inputs", "X.csv"], 3, "none.npz does not exist"),
        (["gradcheck", "frozen.npz", "--inputs", "X.csv"], 3, "no trainable"),
        (["devices", "show", "1N4184"], 2, "1N4148"),
        (["export", "none.npz", "--to", "ngspice", "-o", "x.cir"], 3, "none.npz does not exist"),
        (["export", "circuit.npz", "--to", "ngspice", "-o", "no/x.cir"], 3, "no/x.cir cannot be written"),
    ],
)
def test_bad_arguments(command, code, said, here, capsys):
    circuit = plain()
    replace(circuit, nodes=(*circuit.nodes, "island")).save("floating.npz")
    replace(circuit, trainable=None).save("frozen.npz")
    before = sorted(os.listdir(here))
    assert main(command) == code
    assert said in one_sentence(capsys)
    assert sorted(os.listdir(here)) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("limit = ", "cannot be read"),
        ("[nonsense]\n", "'nonsense'"),
        ("[gradcheck]\nlimits = 3\n", "'limits'"),
    ],
)
def test_bad_configuration(content, said, here, capsys):
    (here / "diodeq.toml").write_text(content)
    assert main(["doctor"]) == 3
    assert said in one_sentence(capsys)


def test_wrong_options_are_usage_errors(here, capsys):
    assert main(["simulate", "circuit.npz"]) == 2
    assert main(["simulate", "circuit.npz", "--inputs", "X.csv", "--simulator", "hspice"]) == 2
    assert main(["nonsense"]) == 2
    for tolerance in ("nan", "-1", "inf"):
        assert main(["gradcheck", "circuit.npz", "--inputs", "X.csv", "--tolerance", tolerance]) == 2
    assert main(["devices", "plot", "1N4148", "-o", "x.svg", "--alpha", "nan"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_ngspice_on_the_machine(here):
    """As a user meets it: another process, no library, exit code 5, the sentence says what to install."""
    code = (
        "import ctypes.util, sys; ctypes.util.find_library = lambda name: None\n"
        "from diodeq.worker import serve\n"
        "from diodeq.simulators.ngspice.session import find_library\n"
        "from diodeq.errors import DiodeqError\n"
        "try: find_library()\n"
        "except DiodeqError as error: print(error); sys.exit(error.exit_code)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 5
    assert "apt-get install libngspice0" in run.stdout
    broken = {**os.environ, "NGSPICE_LIBRARY_PATH": os.path.abspath("X.csv")}
    run = subprocess.run(
        [sys.executable, "-m", "diodeq", "simulate", "circuit.npz", "--inputs", "X.csv"],
        capture_output=True, text=True, timeout=300, check=False, env=broken,
    )  # fmt: skip
    assert run.returncode == 5
    assert "cannot be loaded" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_bug_is_told_as_one(here, capsys, monkeypatch):
    monkeypatch.setattr("diodeq.circuit.Circuit.load", lambda path: 1 / 0)
    assert main(["simulate", "circuit.npz", "--inputs", "X.csv"]) == 1
    assert "a bug: ZeroDivisionError" in one_sentence(capsys)
    monkeypatch.setattr("diodeq.circuit.Circuit.load", interrupted)
    assert main(["simulate", "circuit.npz", "--inputs", "X.csv"]) == 130


def interrupted(path):
    raise KeyboardInterrupt


def test_the_registry_is_the_command_line():
    assert list(root.commands) == list(COMMANDS)
    assert all(COMMANDS[name].name == name for name in COMMANDS)


def test_a_command_loads_no_other():
    program = "import sys; from diodeq.cli.main import main; main(['simulate', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "diodeq.cli.simulate" in loaded
    assert not {"diodeq.cli.train", "diodeq.synthesis", "networkx", "scipy.optimize"} & set(loaded)
