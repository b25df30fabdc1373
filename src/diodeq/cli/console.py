"""What commands show by rich: tables, bars and dashboards, in which a name is a name, neither markup nor control."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from diodeq.printable import printable

# Tables are as wide as they need in a window that is narrower.
WIDE = 110


Step = Callable[[int, int, str], None]


class Terminal(Console):
    """Rich's console for text of anybody's; colours come from ``Text`` and styles, not from markup."""

    def __init__(self, stderr: bool = False, least: int = 0) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        if least:
            self.width = max(self.width, least)

    def render_str(self, text: str, **named: Any) -> Text:
        """Spelled out before widths are computed, so that columns stay in line."""
        return super().render_str(printable(text, keep="\n"), **{**named, "markup": False, "emoji": False})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is shown, whoever made it."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text, keep="\n"), segment.style)


@contextmanager
def counting_bar() -> Iterator[Step | None]:
    """A bar on stderr, moved by ``step(done, total, label)``; None where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Terminal(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total, label: progress.update(task, completed=done, total=total, description=label)
