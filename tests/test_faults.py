"""What goes wrong around a command, from full disks to nonsense in options: one sentence, nothing half-done."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rich_click as click

from circuits import DRIVES, plain
from diodeq import archives, files, tables
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.cli.main import COMMANDS, main
from diodeq.devices import catalogue
from diodeq.devices.vendor.file import read_parts
from diodeq.errors import DiodeqError, InputError, SimulationError
from diodeq.learning import checkpoint, datasets
from diodeq.learning.records import read_metrics
from diodeq.learning.run_folder import FILES
from diodeq.netlist.reading import import_deck
from diodeq.network import weights
from diodeq.simulators.ngspice import NgspiceSimulator

TRAIN = ["train", "xor", "--simulator", "wave", "--hidden", "2", "--seed", "3"]


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence that a command ended in."""
    said = capsys.readouterr().err
    assert said.startswith("diodeq: "), said
    assert said.count("\n") == 1, said
    assert "a bug" not in said
    return said


def started(*arguments: object, **options: object) -> subprocess.Popen[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-m", "diodeq", *map(str, arguments)], text=True, **streams)


def learned(run: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(run / "metrics.jsonl")]


# --- disks --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main([*TRAIN, "--epochs", "2", "--out", str(run)]) == 0
    return run


@pytest.mark.parametrize("room", range(11))
def test_a_disk_that_fills_up_leaves_a_run_that_goes_on(
    room: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is full at each write in turn; with room again, the run ends as if it had always been there."""
    run, left, sync = tmp_path / "run", [room], os.fsync

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code = main([*TRAIN, "--epochs", "2", "--out", str(run)])
    if left[0] >= 0:
        assert code == 0
        return
    assert code == 3
    assert "No space left on device" in sentence(capsys)
    assert {path.name for path in run.iterdir()} <= set(FILES)
    again = [*TRAIN, "--epochs", "2", "--out", str(run)]
    assert main([*again, "--resume" if (run / "checkpoint.npz").exists() else "--overwrite"]) == 0
    assert learned(run) == learned(whole)
    assert np.array_equal(*(Circuit.load(each / "circuit.npz").conductances for each in (run, whole)))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 kB."""
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(path)], capture_output=True)
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_disk_that_is_full(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (disk / "c.npz").write_text("old")
    (disk / "ballast").write_bytes(bytes(24000))
    with pytest.raises(InputError, match="No space left"):
        files.write_atomically(disk / "c.npz", bytes(20000))
    assert sorted(path.name for path in disk.iterdir()) == ["ballast", "c.npz"]
    assert (disk / "c.npz").read_text() == "old"
    assert main([*TRAIN, "--out", str(disk / "run")]) == 3
    sentence(capsys)


def test_a_disk_that_is_read_only(disk: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(whole, disk / "run", ignore=shutil.ignore_patterns("training.svg", "netlist.cir"))
    before = {path.name: path.read_bytes() for path in (disk / "run").iterdir()}
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for arguments in (
        [*TRAIN, "--out", str(disk / "new")],
        [*TRAIN, "--out", str(disk / "run"), "--overwrite"],
        ["train", "xor", "--out", str(disk / "run"), "--resume"],
        ["export", str(disk / "run/circuit.npz"), "--to", "ngspice", "-o", str(disk / "x.cir")],
    ):
        assert main(arguments) == 3
        sentence(capsys)
    assert {path.name: path.read_bytes() for path in (disk / "run").iterdir()} == before


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "c.npz"
    target.write_text("old")
    code = (
        "import os, signal, sys\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from diodeq.files import write_atomically\n"
        f"write_atomically({str(target)!r}, 'new' * 1000)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    files.write_atomically(tmp_path / "other", "x")
    assert len(list(tmp_path.iterdir())) == 3
    files.write_atomically(target, "newer")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.npz", "other"]
    assert target.read_text() == "newer"


def test_a_writer_at_work_is_not_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, sync, depth = tmp_path / "c.npz", os.fsync, [0]

    def nested(handle: int) -> None:
        depth[0] += 1
        if depth[0] == 1:
            files.write_atomically(target, "second")
        sync(handle)

    monkeypatch.setattr(os, "fsync", nested)
    files.write_atomically(target, "first")
    assert target.read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


# --- things that are not files ------------------------------------------------------------------------------------

READERS = {
    "weights.npz": weights.load,
    "weights.safetensors": weights.load,
    "weights.pt": weights.load,
    "weights.onnx": weights.load,
    "circuit.npz": Circuit.load,
    "checkpoint.npz": checkpoint.read_document,
    "x.csv": lambda path: tables.read_matrix(path, ("a", "b", "c")),
    "y.csv": lambda path: datasets.load(f"csv:{path}"),
    "y.npz": lambda path: datasets.load(f"npz:{path}"),
    "part.lib": read_parts,
    "deck.cir": import_deck,
    "devices.toml": catalogue.read,
    "metrics.jsonl": read_metrics,
}
STRANGE = {
    "nothing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "random": lambda path: path.symlink_to("/dev/urandom"),
    "circle": lambda path: path.symlink_to(path.name),
    "dangling": lambda path: path.symlink_to("none"),
    "sparse": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    if kind == "sparse" and name.endswith(".csv"):
        pytest.skip("tables are as long as they like")
    if (name == "metrics.jsonl" and kind in ("nothing", "dangling", "pipe")) or (name, kind) == (
        "devices.toml",
        "pipe",
    ):
        pytest.skip("it may be empty")
    STRANGE[kind](tmp_path / name)
    signal.alarm(20)
    try:
        with pytest.raises(DiodeqError) as caught:
            READERS[name](tmp_path / name)
    finally:
        signal.alarm(0)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1,2,3\n")
    os.close(writing)
    assert tables.read_matrix(f"/dev/fd/{reading}", "abc").tolist() == [[1, 2, 3]]
    os.close(reading)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, U0=np.zeros((6000, 8000)), b0=np.zeros(6000))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="unpacks to"):
        archives.read(path)
    np.savez_compressed(path, U0=np.zeros(1 << 26, np.int8))
    with pytest.raises(InputError, match="unpacks to"):
        archives.read(path)
    np.savez_compressed(path, U0=np.eye(500))
    assert np.array_equal(archives.read(path)["U0"], np.eye(500))


# --- processes, signals, streams ----------------------------------------------------------------------------------


def test_a_second_process_is_refused_and_a_lock_dies_with_its_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    first = started(*TRAIN, "--epochs", "100000", "--out", run)
    wait_for(run / "metrics.jsonl")
    for arguments in (["train", "xor", "--resume"], [*TRAIN, "--overwrite"]):
        assert main([*arguments, "--out", str(run)]) == 3
        assert "another diodeq process is training in" in sentence(capsys)
    first.kill()
    first.communicate()
    assert main([*TRAIN, "--epochs", "1", "--out", str(run), "--overwrite"]) == 0


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.3, 0.8, 1.6])
def test_a_signal_at_any_moment_leaves_a_run_that_goes_on(number: signal.Signals, delay: float, tmp_path: Path) -> None:
    """Python itself needs a moment before it listens: it prints one byte when it does."""
    run = tmp_path / "my run"
    code = (
        "import sys\n"
        "from diodeq.__main__ import run\n"
        "print('+', flush=True)\n"
        f"sys.argv = ['diodeq', *{TRAIN!r}, '--epochs', '100000', '--out', {str(run)!r}]\n"
        "run()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.read(1)
    time.sleep(delay)
    process.send_signal(number)
    try:
        _, error = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in error
    assert error.count("\n") <= 1
    if not run.exists():
        return
    for path in run.glob("*.npz"):
        assert (Circuit.load if path.name == "circuit.npz" else checkpoint.read_document)(path)
    if (run / "checkpoint.npz").exists():
        epochs = len(learned(run))
        again = started("train", "xor", "--out", run, "--resume")
        deadline = time.monotonic() + 60
        while len(learned(run)) <= epochs:
            assert time.monotonic() < deadline
            assert again.poll() is None
            time.sleep(0.01)
        again.kill()
        again.communicate()


@pytest.mark.parametrize(
    "meanwhile",
    [
        "class Lossy:\n    def __del__(self):\n        interrupt()\nLossy()\ntime.sleep(60)",
        "try:\n    interrupt()\nexcept BaseException as error:\n    raise ImportError('broken') from error",
    ],
)
def test_an_interruption_that_got_lost_or_became_something_else(meanwhile: str) -> None:
    """As in imports: in a destructor Python prints it and forgets it, extension modules make an ImportError of it."""
    code = (
        "import os, signal, time\n"
        "from diodeq import interrupts\n"
        "def interrupt():\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(0.1)\n"
        "interrupts.end_at_once()\n"
        "interrupts.listen()\n"
        f"try:\n    exec({meanwhile!r})\n"
        "except BaseException as error:\n"
        "    print(interrupts.received(error), interrupts.received(ValueError()))\n"
        "time.sleep(1.5 * interrupts.AGAIN)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True False\n", "")


def test_an_interruption_that_the_shell_ignores_stays_ignored() -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from diodeq import interrupts\n"
        "for step in (interrupts.end_at_once, interrupts.listen, interrupts.end_at_once):\n"
        "    step()\n    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_a_reader_that_leaves_and_streams_that_are_closed(tmp_path: Path) -> None:
    show = [sys.executable, "-m", "diodeq", "devices", "show", "1N4148"]
    command = " ".join(show)

    def shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **variables}
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {script}"], capture_output=True, text=True, timeout=300, env=environment,
            check=False,
        )  # fmt: skip

    for script in (f"{command} | true", f"{command} >&- <&-", f"{command} 2>&-"):
        done = shell(script)
        assert (done.returncode, done.stderr) == (0, ""), script
    done = shell(f"{command} >/dev/full")
    assert done.returncode == 3
    assert done.stderr.startswith("diodeq: ")
    assert done.stderr.count("\n") == 1
    done = shell(f"{sys.executable} -m diodeq devices list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stderr == ""
    done = shell(f"{sys.executable} -m diodeq devices show µ", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 2
    assert "there is no diode called" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_little_memory_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join(["1,2,3"] * 100_000))
    plain().save(tmp_path / "c.npz")

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1200 << 20, 1200 << 20))

    process = started(
        "simulate", tmp_path / "c.npz", "--inputs", tmp_path / "x.csv", "--simulator", "wave", preexec_fn=little,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    _, error = process.communicate(timeout=300)
    assert process.returncode in (0, 3)
    assert "Traceback" not in error
    assert process.returncode == 0 or error.count("\n") == 1


@pytest.mark.parametrize("name", ["with space", "ünï-☃", "a\nb", "-dash", "x" * 200, "a'b\"c", "%s{}$HOME"])
def test_any_name_of_a_folder(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / name
    (tmp_path / "x.csv").write_text("1,2\n")
    arguments = [*TRAIN, "--epochs", "1", "--out", str(run)]
    assert main(arguments) == 0
    assert main(["simulate", str(run / "circuit.npz"), "--inputs", str(tmp_path / "x.csv"), "--simulator", "wave"]) == 0
    capsys.readouterr()
    assert main(arguments) == 2
    sentence(capsys)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 30), "none/none"])
def test_names_that_cannot_be(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain().save(tmp_path / "c.npz")
    circuit = str(tmp_path / "c.npz")
    path = str(tmp_path / name)
    for arguments in (
        ["export", circuit, "--to", "ngspice", "-o", path],
        ["simulate", circuit, "--inputs", path],
        ["simulate", path, "--inputs", path],
        ["compile", f"{path}.npz", "-o", circuit],
        ["devices", "import", path],
        ["import", path, "-o", circuit],
        ["report", path],
        ["train", f"csv:{path}", "--out", str(tmp_path / "run")],
        ["train", f"idx:{path}", "--out", str(tmp_path / "run")],
    ):
        assert main(arguments) == 3, arguments
        sentence(capsys)
    assert [each.name for each in tmp_path.iterdir()] == ["c.npz"]


# --- clocks -------------------------------------------------------------------------------------------------------


def test_a_clock_that_goes_backwards(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", iter(range(10**9, 0, -1000)).__next__)
    run = tmp_path / "run"
    assert main([*TRAIN, "--epochs", "2", "--out", str(run), "--live"]) == 0
    assert learned(run) == learned(whole)
    os.utime(run / "checkpoint.npz", (0, 0))
    assert main([*TRAIN, "--epochs", "2", "--out", str(run), "--resume"]) == 0
    assert learned(run) == learned(whole)
    assert json.loads((run / "summary.json").read_text())["seconds"] > 0


# --- an ngspice that answers nonsense -----------------------------------------------------------------------------


class Lying:
    """A job whose session answers with something done to ngspice's vectors."""

    def __init__(self, job: object, lie: str) -> None:
        self.job, self.lie = job, lie

    def run(self, session: object) -> object:
        lie = self.lie

        class Session:
            def __getattr__(self, name: str) -> object:
                return getattr(session, name)

            def sweep(self, *arguments: object) -> object:
                found, reason = session.sweep(*arguments)  # type: ignore[attr-defined]
                rng = np.random.default_rng(0)
                lied = {
                    name: {
                        "noise": lambda v: rng.normal(size=v.shape),
                        "zero": np.zeros_like,
                        "shifted": lambda v: v + 1e-3,
                        "reversed": lambda v: v[::-1].copy(),
                        "stuck": lambda v: np.full_like(v, v[0]),
                    }[lie](values)
                    for name, values in found.items()
                }
                return lied, reason

        return self.job.run(Session())  # type: ignore[attr-defined]


@pytest.mark.parametrize("lie", ["noise", "zero", "shifted", "reversed", "stuck"])
def test_vectors_of_nonsense_are_mended_or_refused(
    lie: str, ngspice: NgspiceSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = ngspice.operate(plain(), DRIVES).node_voltages
    real = ngspice.pool.attempt
    asked: list[object] = []
    monkeypatch.setattr(
        ngspice.pool, "attempt", lambda jobs: asked.extend(jobs) or real([Lying(job, lie) for job in jobs])
    )
    with contextlib.suppress(SimulationError):
        assert np.abs(ngspice.operate(plain(), DRIVES).node_voltages - right).max() < 1e-8
    assert asked


class Babbling:
    """A job that makes its worker write ``words`` in place of an answer."""

    def __init__(self, words: bytes) -> None:
        self.words = words

    def run(self, session: object) -> None:
        handle = int(sys.argv[1])
        os.write(handle, len(self.words).to_bytes(4, "big") + self.words)
        time.sleep(600)


@pytest.mark.parametrize("words", [b"junk", b"\x80\x04K\x01."], ids=["no pickle", "no answer"])
def test_a_worker_that_babbles_is_replaced(words: bytes) -> None:
    with NgspiceSimulator(workers=1) as engine:
        with pytest.raises(SimulationError, match="twice on the same samples"):
            engine.pool.map([Babbling(words)])
        assert engine.operate(plain(), DRIVES).outputs.shape == (4, 2)


# --- every option of every command --------------------------------------------------------------------------------

NONSENSE = [
    *(
        "",
        "nonsense",
        "-1",
        "nan",
        "1e999",
        "9" * 20,
        "folder",
        "none/none",
        "text",
        "a\nb",
        "\x1b[31m",
        "²",
        "a=b:c",
        "*",
    )
]
# For what starts an engine each time.
NUMBERS = ["nonsense", "-1", "nan", "1e999", "9" * 20]
# Sound values, up to the one that keeps a command from doing much.
SOUND = {
    "inputs": "X.csv",
    "weights": "w.npz",
    "data": "csv:none.csv",
    "name": "none",
    "deck": "text",
    "file": "text",
    "to": "ngspice",
    "subject": "folder",
    "circuit": "none.npz",
    "series": "E24",
}


def commands(
    found: dict[str, click.Command], before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in found.items():
        if isinstance(command, click.Group):
            yield from commands(command.commands, (*before, name))
        else:
            yield (*before, name), command


ALL = {" ".join(path): (path, command) for path, command in commands(COMMANDS)}


def tiny() -> Circuit:
    """A divider with a diode: the least that every command works on."""
    return Circuit(
        ("0", "x", "h"),
        resistors=bank("resistors", [(1, 2, 1e-4), (2, 0, 1e-5)]),
        diodes=bank("diodes", [(0, 2, 0)]),
        models=(catalogue.get("1N4148"),),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[[2, 0]],
        trainable=np.ones(2, bool),
    )


@pytest.mark.parametrize(
    ("name", "circuit"),
    [
        (name, circuit)
        for name, (_, command) in ALL.items()
        for circuit in ("none.npz", "c.npz")
        if circuit == "none.npz" or any(each.name == "circuit" for each in command.params)
    ],
)
def test_nonsense_in_every_option(
    name: str, circuit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a circuit that is not there, and of one that is."""
    path, command = ALL[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIODEQ_DEVICES", "parts.toml")
    monkeypatch.setenv(f"DIODEQ_{'_'.join(path).upper()}_SIMULATOR", "wave")
    (tmp_path / "folder").mkdir()
    Path("text").write_text("hello\n")
    Path("X.csv").write_text("1\n")
    Path("parts.toml").write_text("")
    np.savez("w.npz", U0=np.ones((1, 1)), b0=np.zeros(1), activation0="relu")
    tiny().save("c.npz")
    before = sorted(os.listdir())
    sound = {**SOUND, "circuit": circuit}
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option) and not each.is_flag]
    for parameter in [*arguments, *options]:
        for value in NONSENSE if circuit == "none.npz" else NUMBERS:
            words = list(path)
            for each in options:
                if each is parameter or each.required:
                    given = value if each is parameter else sound.get(each.name or "", "out")
                    words += [each.opts[-1], *[given] * each.nargs]
            words += ["--", *(value if each is parameter else sound.get(each.name or "", "none") for each in arguments)]
            code = main(words)
            said = capsys.readouterr().err
            assert code in (0, 2, 3, 4, 6, 7), (words, said)
            assert "Traceback" not in said, words
            assert "a bug" not in said, (words, said)
            assert "\x1b[31m" not in said, words
            if code in (3, 4, 6, 7):
                assert said.splitlines()[-1].startswith("diodeq: "), (words, said)
            if code:
                assert sorted(os.listdir()) == before, words
            for made in set(os.listdir()) - set(before):
                (shutil.rmtree if Path(made).is_dir() else os.unlink)(made)
