"""What commands show by rich: tables, bars and dashboards, in which a name is a name, neither markup nor control."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from diodeq.cli.options import print_json
from diodeq.files import write_atomically
from diodeq.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

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


def document_out(
    document: dict[str, Any],
    path: Path,
    picture: Path | None,
    figure: Callable[[dict[str, Any]], Figure],
    table: Callable[[dict[str, Any]], Table] | None,
) -> None:
    """Write what many runs came to as JSON to ``path`` and as a ``figure`` to ``picture``, where it is wanted; show its
    ``table``, or print the JSON where there is none."""
    write_atomically(path, json.dumps(document, indent=2) + "\n")
    if picture is not None:
        from diodeq.report.figures import render

        write_atomically(picture, render(figure(document), picture))
    if table is None:
        print_json(document)
    else:
        Terminal(least=WIDE).print(table(document))


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


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while so many of something come in, told how many are done; nothing where it is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Terminal(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
