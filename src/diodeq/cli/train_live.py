"""The dashboard of ``diodeq train --live``: curves as sparklines, speed, the engine's health, time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from diodeq.circuit import Circuit
from diodeq.cli.train_progress import Progress, subject
from diodeq.learning.datasets import Dataset
from diodeq.learning.metrics import Metrics
from diodeq.learning.run_folder import RunFolder
from diodeq.measures import ACCURACY, measure_of
from diodeq.simulators.base import Monitored, Simulator

BARS = "▁▂▃▄▅▆▇█"


class Dashboard(Progress):
    """Collects what ``conduct`` reports and draws it whenever rich asks, also while a batch is under way.

    ``clock`` gives seconds.
    """

    def __init__(self, epochs: int, out: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._epochs, self._out, self._clock = epochs, out, clock
        self._simulator: Simulator | None = None
        self._version, self._title, self._samples = "", "", 0
        self._losses: list[float] = []
        self._training: list[float] = []
        self._held_out: list[float] = []
        self._first = self._done = 0.0
        self._loss, self._measure = math.nan, ACCURACY
        self._began = self._answered = clock()
        self._speed = 0.0

    def engine(self, simulator: Simulator) -> None:
        """Remember whose health to show."""
        self._simulator, self._version = simulator, simulator.version

    def start(self, circuit: Circuit, data: Dataset, done: int) -> None:
        """Say what is trained; a resumed run brings the curves of its epochs so far."""
        self._title, self._samples = subject(circuit, data), len(data.x_train)
        for line in RunFolder(self._out).metrics()[:done]:
            self._measure = measure_of(line)
            self._add(line["loss"], *(line[f"{each}_{self._measure.key}"] for each in ("train", "test")))
        self._first = self._done = float(done)
        self._began = self._answered = self._clock()

    def batch(self, epoch: int, samples: int, loss: float) -> None:
        """Every answer of the batch passed its checks, or the engine would have raised."""
        self._done, self._loss, self._answered = epoch - 1 + samples / self._samples, loss, self._clock()

    def epoch(self, metrics: Metrics) -> None:
        """One more point on every curve."""
        self._measure = metrics.measure
        self._add(metrics.loss, metrics.train, metrics.test)
        self._done, self._loss, self._speed = metrics.epoch, math.nan, metrics.samples_per_second

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._samples:
            yield Text(f"{self._version or 'the simulator'} is starting")
            return
        width = max(8, options.max_width - 54)
        curves = Table.grid(padding=(0, 2))
        logarithms = [math.log(loss) if loss > 0 else -math.inf for loss in self._losses]
        curves.add_row("loss", Text(sparkline(logarithms, width).ljust(width), "red"), self._loss_words())
        for name, values, colour in (
            ("training", self._training, "bright_black"),
            ("held out", self._held_out, "blue"),
        ):
            said = self._measure.said
            best = f"{said(values[-1])}, best {said(max(values))}" if values else ""
            curves.add_row(name, Text(sparkline(values, width).ljust(width), colour), best)
        speed = self._now()
        curves.add_row("speed", "", f"{speed:.0f} samples/s" if speed else "")
        curves.add_row("engine", "", self._health())
        course = Table.grid(padding=(0, 2))
        course.add_row(
            ProgressBar(total=self._epochs, completed=self._done, width=width + 10),
            f"epoch {min(math.floor(self._done) + 1, self._epochs)} of {self._epochs}, {self._left()}",
        )
        whole = Table.grid()
        whole.add_row(curves)
        whole.add_row(course)
        yield Panel(whole, title=Text(self._title), title_align="left", border_style="bright_black", expand=False)

    def _add(self, loss: float, training: float, held_out: float) -> None:
        self._losses.append(loss)
        self._training.append(training)
        self._held_out.append(held_out)

    def _loss_words(self) -> str:
        now = self._loss if math.isfinite(self._loss) else self._losses[-1] if self._losses else math.nan
        return f"{now:.4f}" if math.isfinite(now) else ""

    def _now(self) -> float:
        """Samples a second of the last epoch, or since the start while there is none."""
        passed = self._answered - self._began
        return self._speed or ((self._done - self._first) * self._samples / passed if passed > 0 else 0.0)

    def _left(self) -> str:
        """Time left at the pace so far, evaluation included."""
        learned, passed = self._done - self._first, self._clock() - self._began
        if self._done >= self._epochs:
            return "all learned"
        return (
            f"{duration((self._epochs - self._done) * passed / learned)} left" if learned > 0 else "time left unknown"
        )

    def _health(self) -> str:
        quiet = self._clock() - self._answered
        checked = f"last answer checked {quiet:.0f} s ago" if quiet >= 1 else "every answer checked"
        if not isinstance(self._simulator, Monitored):
            return f"{self._version.partition(' ')[0]}, {checked}"
        health = self._simulator.health
        if not health.workers:
            return f"{self._version}, stopped"
        return f"{self._version}, {health.alive}/{health.workers} workers, {health.restarts} restarts, {checked}"


def sparkline(values: Sequence[float], width: int) -> str:
    """The values as bars from their least to their greatest, in at most ``width`` characters.

    More values than characters are averaged in equal runs. What is not finite is a space.
    """
    count = min(width, len(values))
    runs = [values[k * len(values) // count : (k + 1) * len(values) // count] for k in range(count)]
    means = [sum(run) / len(run) for run in runs]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    return "".join(
        BARS[round((mean - low) / span * (len(BARS) - 1)) if span else 0] if math.isfinite(mean) else " "
        for mean in means
    )


def duration(seconds: float) -> str:
    """Such as ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
