"""How training looks while it runs, on stderr: plain lines, or a bar and the latest figures."""

from __future__ import annotations

import sys

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from diodeq.circuit import Circuit
from diodeq.learning.datasets import Dataset
from diodeq.learning.metrics import Metrics
from diodeq.measures import ACCURACY
from diodeq.printable import counted
from diodeq.simulators.base import Simulator


class Progress:
    """Receives what ``conduct`` reports and does nothing with it."""

    def engine(self, simulator: Simulator) -> None:
        """The engine is ready."""

    def start(self, circuit: Circuit, data: Dataset, done: int) -> None:
        """Training begins after ``done`` epochs."""

    def batch(self, epoch: int, samples: int, loss: float) -> None:
        """A batch was learned; ``samples`` of the epoch so far."""

    def epoch(self, metrics: Metrics) -> None:
        """An epoch is on disk."""


class Lines(Progress):
    """One plain line an epoch."""

    def epoch(self, metrics: Metrics) -> None:
        """Print it."""
        print(words(metrics), file=sys.stderr, flush=True)


class Screen(Progress):
    """A bar and the latest figures, redrawn in place."""

    def __init__(self, epochs: int, live: Live) -> None:
        self._epochs, self._live = epochs, live
        self._samples, self._latest = 0, "starting the simulator"

    def start(self, circuit: Circuit, data: Dataset, done: int) -> None:
        """Say what is trained."""
        self._samples, self._latest = len(data.x_train), ""
        self._live.console.print(subject(circuit, data))
        self._draw(done, 0.0)

    def batch(self, epoch: int, samples: int, loss: float) -> None:
        """Move the bar."""
        part = samples / self._samples
        if part < 1:
            self._draw(epoch - 1 + part, loss)

    def epoch(self, metrics: Metrics) -> None:
        """Show its figures."""
        self._latest = words(metrics)
        self._draw(metrics.epoch, metrics.loss)

    def _draw(self, done: float, loss: float) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            ProgressBar(total=self._epochs, completed=done, width=30), f"{done:.1f}/{self._epochs}  loss {loss:.4f}"
        )
        self._live.update(grid if not self._latest else _stack(grid, self._latest))


def subject(circuit: Circuit, data: Dataset) -> str:
    """What is trained, in a line."""
    return (
        f"{data.name}: {counted(len(data.x_train), 'sample')} to learn, {len(data.x_test)} held out; "
        f"{counted(len(circuit.resistors), 'resistor')}, {counted(len(circuit.diodes), 'diode')}"
    )


def words(metrics: Metrics) -> str:
    """An epoch in a line."""
    named = "" if metrics.measure is ACCURACY else f"{metrics.measure.name} "
    return (
        f"epoch {metrics.epoch}: loss {metrics.loss:.4f}, {named}training {metrics.measure.said(metrics.train)}, "
        f"held out {metrics.measure.said(metrics.test)}, {metrics.samples_per_second:.0f} samples/s"
    )


def _stack(grid: Table, text: str) -> Table:
    both = Table.grid()
    both.add_row(grid)
    both.add_row(text)
    return both
