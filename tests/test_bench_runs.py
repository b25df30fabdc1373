"""Training on a bench at the other end of a link: the bits of the twin in process, and what becomes of a run whose
cable is pulled, whose process is killed, or whose line has garbage on it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.learning import checkpoint, datasets, snapshots, trainer
from diodeq.learning.initial import fresh, technology_of
from diodeq.learning.recipe import Recipe
from diodeq.simulators import create
from diodeq.simulators.bench import described
from diodeq.simulators.bench.serving import serving

DESCRIPTION = """
seed = 7
[reads]
noise = 1e-3
offset = 2e-3
[taps]
part = "MCP4251"
ohms = 100e3
series = 2490.0
tolerance = 0.2
drift = 1e-3
[temperature]
low = 15.0
high = 35.0
[reading]
pause = 1.0
"""
WAYS = {"pty": "", "tcp": "127.0.0.1:0", "scpi": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, the description of a twin, and a run on it in this process."""
    folder = tmp_path_factory.mktemp("bench")
    random = np.random.default_rng(0)
    x = random.choice([-1.0, 1.0], (64, 2)) + 0.2 * random.standard_normal((64, 2))
    np.savez(folder / "xor.npz", X=x, y=(x[:, 0] * x[:, 1] < 0).astype(int))
    (folder / "twin.toml").write_text(DESCRIPTION)
    assert train(folder, "twin", "run") == 0
    return folder


def words(folder, bench, out, *more):
    given = ["--simulator", f"bench:{folder / bench}.toml", "--epochs", "2", "--hidden", "4", "--batch-size", "8"]
    return ["train", f"npz:{folder / 'xor.npz'}", *given, "--out", str(folder / out), *more]


def train(folder, bench, out, *more):
    return main(words(folder, bench, out, *more))


@contextmanager
def on_link(folder, way, name, where=""):
    """The twin served, ``name``.toml that finds it, and what it was told; it can be unplugged."""
    told = []
    circuit = Circuit.load(folder / "run" / "circuit.npz")
    with serving(described(str(folder / "twin.toml")), circuit, way, where or WAYS[way], 0.5, told.append) as found:
        server, link = found
        entries = "".join(f'{key} = "{value}"\n' for key, value in link.items())
        (folder / f"{name}.toml").write_text(f"{DESCRIPTION}\n[link]\npatience = 1.0\n{entries}")
        pulled = threading.Event()

        def serve():
            server.run(pulled.is_set)
            server.close()  # a pseudo-terminal hangs up

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield link, pulled, told
        finally:
            pulled.set()
            thread.join()


@pytest.mark.parametrize("way", WAYS)
def test_a_run_has_the_same_bits_on_every_link(place, way):
    with on_link(place, way, way):
        assert train(place, way, f"run-{way}") == 0
    one, other = (Circuit.load(place / name / "circuit.npz") for name in ("run", f"run-{way}"))
    np.testing.assert_array_equal(one.conductances, other.conductances)
    summaries = [json.loads((place / name / "summary.json").read_text()) for name in ("run", f"run-{way}")]
    for key in ("train_accuracy", "test_accuracy", "best_loss"):
        assert summaries[0][key] == summaries[1][key]


def test_a_pulled_cable_is_one_sentence_and_the_run_goes_on(place, capsys):
    """The twin is another one afterwards, so its taps are not where they were left."""
    name = place / "board"
    with on_link(place, "pty", "cut", str(name)) as (_, pulled, _told):
        saved = place / "run-cut" / "checkpoint.npz"

        def pull():
            while not (saved.exists() and checkpoint.read_document(saved).get("taps")):
                time.sleep(0.005)
            pulled.set()

        thread = threading.Thread(target=pull)
        thread.start()
        assert train(place, "cut", "run-cut") == 5
        thread.join()
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "has gone" in said[0]
    assert said[0].endswith(f"--out {place / 'run-cut'} --resume")
    with on_link(place, "pty", "cut", str(name)):
        assert main(["train", f"npz:{place / 'xor.npz'}", "--out", str(place / "run-cut"), "--resume"]) == 0
    assert "are not where the run left them (tap 0 is at" in capsys.readouterr().err
    assert (place / "run-cut" / "summary.json").exists()


def test_a_killed_run_goes_on_within_its_epoch(place):
    with on_link(place, "tcp", "killed"):  # four steps an epoch
        saved = place / "run-killed" / "checkpoint.npz"
        command = [sys.executable, "-m", "diodeq", *words(place, "killed", "run-killed", "--epochs", "2")]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as process:
            while not (saved.exists() and checkpoint.read_document(saved).get("taps")):
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        before = checkpoint.read_document(saved)
        assert main(["train", f"npz:{place / 'xor.npz'}", "--out", str(place / "run-killed"), "--resume"]) == 0
    assert len(before["taps"]) == Circuit.load(place / "run" / "circuit.npz").mask.sum()
    epochs = [json.loads(line)["epoch"] for line in (place / "run-killed" / "metrics.jsonl").read_text().splitlines()]
    assert epochs == list(range(1, 3))


def test_garbage_on_the_line_changes_nothing(place):
    name = place / "noisy"
    with on_link(place, "pty", "garbage", str(name)):
        done = threading.Event()

        def shout():
            random = np.random.default_rng(1)
            with open(name, "wb", buffering=0) as line:
                while not done.is_set():
                    line.write(random.bytes(40) + b"\n")
                    time.sleep(0.003)

        thread = threading.Thread(target=shout)
        thread.start()
        try:
            assert train(place, "garbage", "run-garbage") == 0
        finally:
            done.set()
            thread.join()
    one, other = (Circuit.load(place / each / "circuit.npz") for each in ("run", "run-garbage"))
    np.testing.assert_array_equal(one.conductances, other.conductances)


def test_an_epoch_goes_on_in_the_same_bits_from_any_of_its_steps(place, tmp_path):
    data = datasets.load(f"npz:{place / 'xor.npz'}")
    recipe = Recipe(epochs=2, hidden=(4,), batch_size=8, noise=0.05)
    technology = technology_of(recipe, "1N4148")
    circuit = fresh(recipe, "1N4148", data, technology)
    begun, within = snapshots.start(circuit, recipe, technology), []

    def run(snapshot, keep):
        given = (circuit, data, create("wave"), recipe, technology, snapshot)
        return list(trainer.train(*given, on_step=keep))[-1]

    whole, metrics = run(begun, within.append)
    assert len(within) == 2 * (math.ceil(len(data.x_train) / 8) - 1)
    for step in (within[0], within[-1]):
        checkpoint.save(tmp_path / "step.npz", step, {})
        loaded = checkpoint.load(tmp_path / "step.npz", begun)
        assert loaded.partial.done == step.partial.done
        found, theirs = run(loaded, None)
        np.testing.assert_array_equal(found.parameters, whole.parameters)
        assert (theirs.loss, theirs.train) == (metrics.loss, metrics.train)


def test_a_log_is_replayed_on_the_twin(place, monkeypatch, capsys, tmp_path):
    log, run = tmp_path / "session.jsonl", place / "run" / "circuit.npz"
    monkeypatch.setenv("DIODEQ_BENCH_LOG", str(log))
    assert train(place, "twin", "run-logged", "--epochs", "1") == 0
    monkeypatch.delenv("DIODEQ_BENCH_LOG")
    with log.open("a") as file:
        file.write('{"taps":[1,')  # its process was killed
    command = ["bench", "replay", str(log), str(place / "twin.toml"), "--circuit", str(run), "--json"]
    capsys.readouterr()
    assert main(command) == 0
    same = json.loads(capsys.readouterr().out)
    assert same["samples"] > 100
    assert all(each["worst"] == 0.0 for each in same["channels"])
    assert main([*command[:3], f"{place / 'twin.toml'}:no-offsets", *command[4:]]) == 0
    apart = json.loads(capsys.readouterr().out)["channels"]
    assert np.mean([abs(each["mean"]) for each in apart]) == pytest.approx(1.6e-3, rel=0.5), "those of the description"
    assert main(command[:-1]) == 0
    assert capsys.readouterr().out.count("root mean square 0 V") == len(apart)


WROTE = "; give a file that DIODEQ_BENCH_LOG had written"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no readings"),
        ("x\n", f"line 1 of {{}} is no entry of a bench's log: Expecting value{{}}{WROTE}"),
        ("[]\n", f"it says something else{WROTE}"),
        ('{"epoch":1,"loss":0.5}\n', f"it says something else{WROTE}"),
        ('{"taps":[0.5]}\n', f"taps are something else than codes{WROTE}"),
        ('{"taps":[[1],[1,2]]}\n', f"taps are something else than codes{WROTE}"),
        ('{"readings":1e400}\n', f"readings cannot be Infinity{WROTE}"),
        ('{"drives":[[1,1]],"reads":[[1]]}\n', f"drives, injections and reads do not go together{WROTE}"),
        ('{"drives":[[1,1]],"injections":[[0,0],[0,0]],"reads":[[1]]}\n', f"do not go together{WROTE}"),
        ('{"taps":[' + " " * (1 << 24), f"it is too long{WROTE}"),
        ('{"taps":[1]}\n', "cannot be replayed: 1 taps are set on a bench of"),
        ('{"drives":[[1,1]],"injections":[[0,0]],"reads":[[1]]}\n', "cannot be replayed: it reads 1 channels, not"),
    ],
)
def test_what_is_no_log_is_one_sentence(place, tmp_path, capsys, text, words):
    (tmp_path / "log").write_text(text)
    run = str(place / "run" / "circuit.npz")
    assert main(["bench", "replay", str(tmp_path / "log"), str(place / "twin.toml"), "--circuit", run]) == 3
    said = capsys.readouterr().err
    assert all(part in said for part in words.split("{}")), said


def test_serve_says_where_and_leaves_nothing_behind(place, tmp_path):
    """On xor, whose board is known."""
    name = tmp_path / "board"
    command = [sys.executable, "-m", "diodeq", "bench", "serve", "xor", "--pty", "--name", str(name), "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            said = b""
            while b"\n}" not in said:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                said += line
            assert json.loads(said)["link"] == {"kind": "serial", "port": str(name)}
            assert name.is_symlink()
            process.send_signal(number)
            assert process.wait(20) == code
        assert not name.is_symlink()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "give one of --pty, --tcp and --scpi"),
        (["--pty", "--tcp", "127.0.0.1:0"], "give one of"),
        (["--tcp", "127.0.0.1:0", "--name", "x"], "--name has no meaning"),
        (["--tcp", "nowhere"], "'nowhere' is no address"),
        (["--scpi", "127.0.0.1:99999"], "is no address"),
    ],
)
def test_a_twin_that_cannot_be_served_is_one_sentence(capsys, more, words):
    assert main(["bench", "serve", "xor", *more]) == 2
    assert words in capsys.readouterr().err
    assert main(["bench", "serve", "iris", "--pty"]) == 2
    assert "takes any circuit; add --circuit" in capsys.readouterr().err


def test_a_run_that_is_refused_leaves_no_folder(tmp_path, capsys):
    """So the same name can be given with what the sentence asks for."""
    out = str(tmp_path / "run")
    asked = ["train", "xor", "--simulator", "bench:iris", "--hidden", "2", "--epochs", "1", "--out", out]
    assert main([*asked, "--supply", "9"]) == 4
    assert "lower --supply" in capsys.readouterr().err
    assert not os.path.exists(out)
    assert main(asked) == 0


def test_a_calibration_with_no_place_is_refused_before_anything_is_read(capsys):
    assert main(["bench", "calibrate", "iris", "none.npz", "--out", "/none/x.toml"]) == 3
    assert "/none" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run on a bench and a sample of its inputs."""
    folder = tmp_path_factory.mktemp("trained")
    assert main(["train", "iris", "--simulator", "bench:iris", "--epochs", "1", "--out", str(folder / "run")]) == 0
    (folder / "X.csv").write_text("5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        "certify run/circuit.npz --data iris --tolerance 1%",
        "montecarlo run/circuit.npz --data iris --tolerance 5% --samples 2",
        "gradcheck run/circuit.npz --inputs X.csv --units network",
        "quantize run/circuit.npz --series E24 -o new.npz",
        "quantize run/circuit.npz --bits 4",
        "crossbar run/circuit.npz --segment 2.5 -o new.npz",
        "board run/circuit.npz -o new",
        "export run/circuit.npz --to ngspice --linearized-at X.csv -o new.cir",
        "devices plot 1N4148 -o new.svg",
    ],
)
def test_what_is_about_the_circuit_itself_is_not_read_from_a_bench(trained, monkeypatch, capsys, command):
    monkeypatch.chdir(trained)
    before = {each.name for each in trained.iterdir()}
    assert main([*command.split(), "--simulator", "bench:iris"]) == 2
    assert "bench:iris reads a board that deviates from the circuit" in capsys.readouterr().err
    assert {each.name for each in trained.iterdir()} == before


def test_rules_are_audited_as_a_bench_reads_them(trained, monkeypatch, capsys):
    """Against what the circuit as it should be would answer; what a bench cannot do is one row of the table."""
    monkeypatch.chdir(trained)
    rules = "hardware-linearization,contrastive,frozen-switch"
    command = ["audit", "run/circuit.npz", "--inputs", "X.csv", "--units", "network", "--rules", rules, "--json"]
    found = {}
    for bench in ("iris:ideal", "iris"):
        assert main([*command, "--simulator", f"bench:{bench}"]) == 0
        found[bench] = {row["rule"]: row for row in json.loads(capsys.readouterr().out)["rules"]}
    errors = [each["hardware-linearization"]["overall"]["largest_error"] for each in found.values()]
    assert errors[0] < 1e-6 < 0.02 < errors[1]
    assert "cannot freeze diodes" in found["iris"]["frozen-switch"]["failed"]


def test_a_run_on_a_bench_is_reported_without_proofs(trained, monkeypatch, capsys):
    """What was read proves nothing of the circuit; its gradient is compared with the circuit's as it should be."""
    monkeypatch.chdir(trained)
    assert main(["report", "run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["certified"] is None
    assert found["gradient_error"] > 1e-3
    assert found["command"] == "diodeq train iris --out run-again --simulator bench:iris --epochs 1"
    page = (trained / "run" / "report.html").read_text()
    assert "as the bench reads it against the circuit as it should be" in page
    assert "made from Python" not in page
