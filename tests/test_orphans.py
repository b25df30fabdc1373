"""However a command ends, its processes and theirs are gone within 3 s."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import circuits

GONE = 3.0  # seconds
MONTECARLO = ("montecarlo", "c.npz", "--inputs", "x.csv", "--technology", "temperature=0:70", "--samples", "100000")


def processes(marker):
    """Command lines of the processes that have the marker in their environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"DIODEQ_TEST_MARKER={marker}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Start a command whose processes have a marker; whatever is left of it in the end is ended."""
    monkeypatch.chdir(tmp_path)
    circuits.plain().save(tmp_path / "c.npz")
    np.savetxt("x.csv", circuits.DRIVES, delimiter=",")
    marker, started = f"{os.getpid()}-{tmp_path.name}", []
    # What ignores SIGHUP, as under nohup, hands that down.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "diodeq", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DIODEQ_TEST_MARKER": marker},
            start_new_session=True,
        )
        started.append(process)
        return process, marker

    yield start
    signal.signal(signal.SIGHUP, before)
    for process in started:
        process.kill()
        process.wait()
    for left in processes(marker):
        os.kill(left, signal.SIGKILL)


def ended(process, marker, busy, number):
    """What is left of a command 3 s after a signal that it got when ``busy(command lines)`` had become true."""
    while not busy(list(processes(marker).values())):
        assert process.poll() is None, "it ended of itself"
        time.sleep(0.05)
    process.send_signal(number)
    process.wait()
    deadline = time.monotonic() + GONE
    while (left := processes(marker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.returncode == -number
    return left


def at_work(workers, *, engines):
    """Whether boards come in, from spawned processes and, for ngspice, from theirs."""

    def busy(lines):
        spawned = sum("spawn_main" in line for line in lines)
        own = sum("diodeq.worker" in line for line in lines)
        return os.path.exists("boards.jsonl") and spawned >= workers and own >= engines

    return busy


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("engine", ["wave", "ngspice"])
def test_a_study_on_processes(engine, number, command):
    process, marker = command(*MONTECARLO, "--simulator", engine, "--workers", "2", "--out", "boards.jsonl")
    assert not ended(process, marker, at_work(2, engines=engine == "ngspice"), number)


def test_a_study_on_dask(command):
    pytest.importorskip("distributed")
    process, marker = command(*MONTECARLO, "--cluster", "local:2", "--out", "boards.jsonl")
    assert not ended(process, marker, at_work(2, engines=1), signal.SIGKILL)


def test_training(command):
    process, marker = command("train", "iris", "--hidden", "3", "--epochs", "100000", "--workers", "2", "--out", "run")
    metrics = Path("run/metrics.jsonl")
    assert not ended(process, marker, lambda lines: metrics.exists() and len(lines) >= 3, signal.SIGTERM)


BUSY = """
from diodeq.pool import Pool
from poolwork import Hold
pool = Pool("poolwork:Session", 1)
print(pool.version, *pool.pids, flush=True)
pool.map([Hold()])
"""


def test_a_worker_that_lets_no_thread_of_its_own_run_leaves_too():
    """The kernel ends it: a watching thread would not come to its turn."""
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    stat = Path(f"/proc/{process.stdout.readline().split()[1]}/stat")
    idle = used(stat)
    while used(stat) < idle + 20:  # ticks
        time.sleep(0.05)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + GONE
    while used(stat) is not None:
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def used(stat):
    """Processor time in ticks; None where the process has ended."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[11])
