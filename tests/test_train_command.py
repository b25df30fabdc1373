"""``diodeq train`` as users meet it, in ngspice: its files, its refusals, and what survives a kill or Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.cli.train import PANELS, train
from diodeq.learning.run_folder import FILES

# Small and quick: 6 epochs of 112 samples.
QUICK = ["--hidden", "3", "--epochs", "6", "--batch-size", "16"]
KEYS = {
    *("data", "simulator", "simulator_version", "rule", "seed", "epochs", "seconds", "train_accuracy", "test_accuracy"),
    *("resistors", "diodes", "nodes", "samples_per_second"),
}


def diodeq(*arguments, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "diodeq.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def lines_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def learned(run: Path) -> list[tuple]:
    """What a run's metrics say apart from how long it took."""
    return [tuple(line[k] for k in ("epoch", "loss", "train_accuracy", "test_accuracy")) for line in lines_of(run)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run: its folder and what the command printed."""
    run = tmp_path_factory.mktemp("runs") / "run"
    process = diodeq("train", "iris", "--out", run, *QUICK, "--json", "--verify-with", "ngspice")
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return run, out, error


def test_a_run_leaves_its_files_and_one_json_document(finished):
    run, out, error = finished
    assert error == ""
    summary = json.loads(out)
    assert sorted(path.name for path in run.iterdir()) == sorted(FILES)
    assert json.loads((run / "summary.json").read_text()) == summary
    assert set(summary) >= KEYS
    assert summary["simulator_version"].startswith("ngspice-")
    assert (summary["data"], summary["epochs"], summary["diodes"], summary["resistors"]) == ("iris", 6, 3, 60)
    assert [line["epoch"] for line in lines_of(run)] == [1, 2, 3, 4, 5, 6]
    assert lines_of(run)[-1]["test_accuracy"] == summary["test_accuracy"]
    assert summary["verified"]["test_accuracy"] == summary["test_accuracy"]
    assert summary["verified"]["max_difference_volts"] == 0.0
    assert (run / "training.svg").read_text().startswith("<svg")
    assert "1n4148" in (run / "netlist.cir").read_text().lower()


def test_the_saved_circuit_is_the_one_the_summary_speaks_of(finished):
    from diodeq.learning import datasets, objective
    from oracle import Oracle

    run, out, _ = finished
    circuit, data = Circuit.load(run / "circuit.npz"), datasets.load("iris", 0)
    assert objective.score(Oracle(), circuit, data.x_test, data.y_test) == json.loads(out)["test_accuracy"]


def test_words_on_stdout_and_workers_change_no_bit(finished, tmp_path, capsys):
    run, _, _ = finished
    assert main(["train", "iris", "--out", str(tmp_path / "run"), *QUICK, "--workers", "2", "--verbose"]) == 0
    printed = capsys.readouterr()
    assert "38 held-out samples" in printed.out
    assert printed.err.count("\n") == 6
    assert np.array_equal(
        Circuit.load(tmp_path / "run/circuit.npz").conductances, Circuit.load(run / "circuit.npz").conductances
    )
    assert learned(tmp_path / "run") == learned(run)


def test_every_option_is_in_one_panel_of_its_help():
    options = [option for parameter in train.params for option in parameter.opts[:1] if option.startswith("-")]
    listed = [option for each in PANELS.values() for option in each]
    assert sorted(listed) == sorted([*options, "--help"])


def test_what_is_trained_is_said_and_what_nothing_reads(tmp_path, capsys):
    words = ["train", "digits", "--epochs", "1", "--simulator", "wave", "--out", str(tmp_path / "run")]
    assert main([*words, "--hidden", "9", "--topology", "local:2x2:stride3"]) == 0
    said = capsys.readouterr()
    assert "\n64-9-10: " in said.out
    assert "; learned in batches of 32 at a rate of 0.1\n" in said.out
    assert said.err.endswith("note: nothing reads 28 of 64 features: x2, x5, x10, x13, x16, x17, x18, x19 …\n")


@pytest.mark.parametrize("lines", [0, 1, 4])
def test_kill_and_resume_end_in_the_same_bits(finished, tmp_path, lines):
    run = tmp_path / "run"
    process = diodeq("train", "iris", "--out", run, *QUICK)
    wait_for_lines(process, run, lines)
    process.kill()
    process.communicate()
    assert not (run / "summary.json").exists(), "the kill came too late to show anything"
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 5, "loss"')  # as a crash in the middle of a line would leave it
    assert main(["train", "iris", "--out", str(run), "--resume"]) == 0
    assert np.array_equal(
        Circuit.load(run / "circuit.npz").conductances, Circuit.load(finished[0] / "circuit.npz").conductances
    )
    assert learned(run) == learned(finished[0])
    assert sorted(path.name for path in run.iterdir()) == sorted(FILES)


def test_ctrl_c_keeps_the_checkpoint(tmp_path):
    run = tmp_path / "my run"
    process = diodeq("train", "iris", "--out", run, "--hidden", "3", "--epochs", "500", start_new_session=True)
    wait_for_lines(process, run, 1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert error == f"diodeq: interrupted; go on with: diodeq train iris --out '{run}' --resume\n"
    epochs = len(lines_of(run))
    assert 1 <= epochs < 500
    with np.load(run / "checkpoint.npz") as archive:
        assert abs(json.loads(archive["header"].tobytes())["epoch"] - epochs) <= 1


def wait_for_lines(process: subprocess.Popen, run: Path, lines: int) -> None:
    deadline = time.monotonic() + 60
    path = run / ("metrics.jsonl" if lines else "checkpoint.npz")
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and (not lines or path.read_text().count("\n") >= lines):
            return
        time.sleep(0.002)
    raise AssertionError(f"training ended or hung: {process.communicate()}")


def test_training_goes_on_from_a_circuit(finished, tmp_path, capsys):
    start = finished[0] / "circuit.npz"
    arguments = ["train", "iris", "--out", str(tmp_path / "run"), "--from", str(start)]
    assert main([*arguments, "--epochs", "1", "--rate", "0.001"]) == 0
    assert lines_of(tmp_path / "run")[0]["loss"] < 0.7 * lines_of(finished[0])[0]["loss"]
    assert main([*arguments, "--overwrite", "--hidden", "4"]) == 2
    assert "leave --hidden or --from out" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--unit", "pair"]) == 2
    assert "leave --unit or --from out" in capsys.readouterr().err
    assert main(["train", "wine", "--out", str(tmp_path / "wine"), "--from", str(start)]) == 3
    assert "4 inputs but wine has 13 features" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--conductances", "1e-6", "1e-5"]) == 3
    assert "outside 1e-06 … 1e-05 S" in capsys.readouterr().err


def test_units_bring_the_part_that_suits_them(tmp_path, capsys):
    run = tmp_path / "run"
    words = ["train", "xor", "--out", str(run), "--hidden", "3", "--epochs", "1", "--simulator", "wave"]
    for unit, diode, count in (
        ("pair:0.5", "1N4148", 6),
        ("zener-pair", "BZX84C3V3-pair", 3),
        ("clamp:2", "1N4148", 6),
    ):
        assert main([*words, "--unit", unit, "--overwrite", "--json"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert (summary["diode"], summary["diodes"], summary["recipe"]["unit"]) == (diode, count, unit)
        assert main([*words[:4], "--resume", "--unit", "diode"]) == 2
        assert f"--unit was '{unit}'" in capsys.readouterr().err


def test_options_come_from_flag_then_environment_then_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("diodeq.toml").write_text('[train]\nepochs = 1\nhidden = ["2"]\nrate = 0.01\nseed = 5\n')
    monkeypatch.setenv("DIODEQ_TRAIN_RATE", "0.02")
    monkeypatch.setenv("DIODEQ_TRAIN_SEED", "6")
    assert main(["train", "xor", "--out", "run", "--seed", "7"]) == 0
    recipe = json.loads(Path("run/summary.json").read_text())["recipe"]
    assert (recipe["epochs"], recipe["hidden"], recipe["rate"], recipe["seed"]) == (1, [2], 0.02, 7)


def test_resuming_with_other_options_is_refused(finished, capsys):
    run = str(finished[0])
    before = (finished[0] / "checkpoint.npz").read_bytes()
    assert main(["train", "iris", "--out", run, "--resume", "--epochs", "9"]) == 2
    assert "--epochs was 6 when the run began, not 9" in capsys.readouterr().err
    assert main(["train", "wine", "--out", run, "--resume"]) == 2
    assert main(["train", "iris", "--out", run, "--resume", "--diode", "BAT54"]) == 2
    assert (finished[0] / "checkpoint.npz").read_bytes() == before
    assert main(["train", "--out", run, "--resume", "--epochs", "6"]) == 0


def test_resuming_with_other_data_is_refused(tmp_path, capsys):
    table = tmp_path / "data.csv"
    rows = [f"{k % 7},{k % 5},{'ab'[k % 2]}" for k in range(40)]
    table.write_text("\n".join(rows))
    run = tmp_path / "run"
    assert main(["train", f"csv:{table}", "--out", str(run), "--hidden", "2", "--epochs", "1"]) == 0
    table.write_text("\n".join([*rows, "9,9,b"]))
    assert main(["train", f"csv:{table}", "--out", str(run), "--resume"]) == 3
    assert "changed since the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["irsi"], 2, "did you mean iris"),
        (["iris", "--diode", "1N9999"], 2, "1N9999"),
        (["iris", "--hidden", "0"], 2, "0 hidden units"),
        (["iris", "--hidden", "many"], 2, "is not a width"),
        (["iris", "--unit", "pear"], 2, "no unit 'pear'; use one of diode, pair"),
        (["iris", "--unit", "clamp:-2"], 2, "leave no room"),
        (["iris", "--epochs", "0"], 2, "--epochs 0 is"),
        (["iris", "--rate", "-1"], 2, "--rate -1 is"),
        (["iris", "--conductances", "1", "0.1"], 2, "conductance range"),
        (["iris", "--seed", "-1"], 2, "--seed -1 is"),
        (["iris", "--simulator", "magic"], 2, "magic"),
        (["iris", "--simulator", "wave", "--verify-with", "bench:none"], 2, "there is no bench 'none'"),
        (["iris", "--resume"], 3, "no run"),
        (["--resume"], 3, "no run"),
        ([], 2, "DATA is missing; name a data set such as iris, or add --resume"),
        (["iris", "--power", "1e-20"], 2, "--power 1e-20 is not possible; give from 1e-15 to 1e+09"),
        (["iris", "--power-weight", "1e308"], 2, "--power-weight 1e+308 is not possible; give from 0 to 1e+30"),
        (["iris", "--supply", "1e300"], 2, "--supply 1e+300 is not possible; give from 0.001 to 1e+06"),
        (["iris", "--supply", "1e-300"], 2, "--supply 1e-300 is not possible; give from 0.001"),
        (["iris", "--series", "E25"], 2, "there is no series E25; use one of E3, E6"),
        (["iris", "--topology", "local:3x3:stride0"], 2, "stride0 is no stride; write stride1 or more"),
        (["iris", "--topology", "ring"], 2, "there is no topology 'ring'; use one of dense"),
        (["iris", "--batch-size", "0"], 2, "--batch-size 0 is not possible; give at least 1"),
        (["iris", "--rate", "nan"], 2, "--rate nan is not possible; give a positive number"),
        (["iris", "--robust", "tolerance=100%"], 2, "tolerance = 100 % leaves nothing; give less than 100 %"),
        (["iris", "--resume", "--overwrite"], 2, "exclude each other"),
        (["iris", "--from", "none.npz"], 3, "none.npz"),
        (["csv:none.csv"], 3, "there is no file none.csv"),
        (["npz:none.npz"], 3, "there is no file none.npz"),
        (["idx:none"], 3, "there is no folder none"),
    ],
)
def test_bad_requests_end_in_a_sentence_and_leave_nothing(tmp_path, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments, "--out", "run"]) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_and_untouched(tmp_path, capsys):
    run = tmp_path / "run"
    for make in (run.mkdir, lambda: (run.rmdir(), run.write_text("mine"))):
        make()
        assert main(["train", "iris", "--out", str(run)]) == 2
        assert "already exists" in capsys.readouterr().err
    assert run.read_text() == "mine"
    assert main(["train", "iris", "--out", str(run), "--overwrite"]) == 3
    assert main(["train", "iris", "--out", str(run / "below")]) == 3
    assert "cannot be used" in capsys.readouterr().err
    assert run.read_text() == "mine"


def test_a_read_only_folder_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("the superuser may write anywhere")
    assert main(["train", "iris", "--out", str(tmp_path / "run")]) == 3
    assert main(["train", "iris", "--out", str(tmp_path), "--overwrite"]) == 3
    assert capsys.readouterr().err.count("choose another place") == 2
    tmp_path.chmod(0o700)


def test_without_ngspice_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(tmp_path / "none.so"))
    for engines in ([], ["--simulator", "wave", "--verify-with", "ngspice"]):
        assert main(["train", "iris", "--out", str(tmp_path / "run"), *engines]) == 5
        assert "none.so" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_a_terminal_shows_progress(tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "diodeq.cli.main", "train", "xor", "--out", tmp_path / "run", "--epochs", "2"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says so at the end of a terminal
            break
        if not part:
            break
        shown += part
    os.close(ours)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert b"300 samples to learn" in shown
    assert b"epoch 2: loss" in shown
    assert b"\x1b" not in out
    assert b"held-out samples" in out
