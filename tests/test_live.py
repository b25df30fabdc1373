"""``diodeq train --live``: what the dashboard shows, on a real terminal and without one."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from diodeq.cli.train_live import BARS, Dashboard, duration, sparkline
from diodeq.learning.datasets import Dataset, load
from diodeq.learning.metrics import Metrics
from diodeq.learning.run_folder import opened
from diodeq.simulators.base import Health, Monitored
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.selftest import one_diode


def test_sparklines_rise_with_their_values():
    assert sparkline(range(8), 8) == BARS
    assert sparkline([3.0, 3.0], 8) == BARS[0] * 2
    assert sparkline([], 8) == ""
    assert sparkline([0.0, float("-inf"), 1.0], 8) == f"{BARS[0]} {BARS[-1]}"
    many = sparkline(range(1000), 20)
    assert len(many) == 20
    assert list(many) == sorted(many)
    assert (many[0], many[-1]) == (BARS[0], BARS[-1])


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59.0, "59 s"), (185.0, "3 min 5 s"), (7800.0, "2 h 10 min"), (-1.0, "0 s")]
)
def test_durations_are_read_at_a_glance(seconds, words):
    assert duration(seconds) == words


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def drawn(dashboard):
    console = Console(file=io.StringIO(), width=110, force_terminal=False)
    console.print(dashboard)
    return console.file.getvalue()


def test_the_dashboard_counts_on_from_a_resumed_run(tmp_path):
    clock, data = Clock(), load("iris")
    with opened(tmp_path / "run") as folder:
        for k in range(3):
            folder.append(Metrics(k + 1, 1.0 / (k + 1), 0.5 + 0.1 * k, 0.6 + 0.1 * k, 100.0, 1.0 * k))
    dashboard = Dashboard(10, tmp_path / "run", clock)
    assert "is starting" in drawn(dashboard)
    dashboard.start(one_diode(), data, 2)
    shown = drawn(dashboard)
    assert "time left unknown" in shown
    assert "70.00 %, best 70.00 %" in shown  # the third line is not of this run: its checkpoint was never written
    clock.now += 3.0
    dashboard.batch(3, 56, 0.25)  # half of the 112 samples
    shown = drawn(dashboard)
    assert "0.2500" in shown
    assert "epoch 3 of 10, 45 s left" in shown  # half an epoch in 3 s, seven and a half to go
    assert "19 samples/s" in shown
    dashboard.epoch(Metrics(3, 0.125, 0.7, 0.65, 40.0, 6.0))
    clock.now += 5.0
    shown = drawn(dashboard)
    assert "65.00 %, best 70.00 %" in shown
    assert "40 samples/s" in shown
    assert "last answer checked 5 s ago" in shown
    assert isinstance(data, Dataset)


def test_health_counts_workers_that_died():
    with NgspiceSimulator(workers=2) as engine:
        assert isinstance(engine, Monitored)
        assert engine.health == Health(0, 0, 0)
        circuit = one_diode()
        assert engine.version
        assert engine.health == Health(2, 2, 0)
        os.kill(engine.pool.pids[0], signal.SIGKILL)
        while engine.health.alive == 2:
            time.sleep(0.01)
        assert engine.health == Health(1, 2, 0)
        engine.operate(circuit, [[0.5]] * 32)
        assert engine.health == Health(2, 2, 1)


COMMAND = [sys.executable, "-m", "diodeq.cli.main", "train", "iris", "--hidden", "3", "--live", "--simulator", "wave"]


def test_without_a_terminal_it_is_one_line_an_epoch(tmp_path):
    done = subprocess.run(
        [*COMMAND, "--epochs", "3", "--out", tmp_path / "run"], capture_output=True, text=True, timeout=300, check=True
    )
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["epoch 1", "epoch 2", "epoch 3"]


def test_on_a_terminal_it_draws_and_gives_way_to_an_interrupt(tmp_path):
    run = tmp_path / "run"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--epochs", "100000", "--out", run],
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "110"},
    )
    os.close(theirs)
    shown, sent = b"", False
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:
            break
        if not part:
            break
        shown += part
        if not sent and b"epoch 3" in shown and "█".encode() in shown:
            process.send_signal(signal.SIGINT)
            sent = True
    os.close(ours)
    assert process.wait(timeout=300) == 130
    text = shown.decode()
    for wanted in ("112 samples to learn", "held out", "samples/s", "wave, every answer checked", " left", "▁", "█"):
        assert wanted in text, wanted
    assert "go on with: diodeq train iris --out" in text
    assert "\x1b[?25h" in text  # the cursor is back
    assert (run / "checkpoint.npz").exists()
