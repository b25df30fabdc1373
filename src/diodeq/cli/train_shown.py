"""Which display of a training fits: a live one on a terminal, plain lines elsewhere if asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.live import Live

from diodeq.cli.console import Terminal
from diodeq.cli.train_progress import Lines, Progress, Screen


@contextmanager
def shown(epochs: int, verbose: bool, dashboard: bool, out: Path) -> Iterator[Progress]:
    """The display that fits stderr; ``out`` is the run's folder, whose earlier epochs a dashboard shows too."""
    if not sys.stderr.isatty():
        yield Lines() if verbose or dashboard else Progress()
        return
    console = Terminal(stderr=True)
    if dashboard:
        from diodeq.cli.train_live import Dashboard

        screen = Dashboard(epochs, out)
        with Live(screen, console=console, refresh_per_second=4):
            yield screen
        return
    with Live(console=console, refresh_per_second=8, transient=not verbose) as live:
        yield Screen(epochs, live)
