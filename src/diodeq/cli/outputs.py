"""The forms in which ``diodeq simulate`` gives its answers, block by block: rows of numbers, JSON, a table to see."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import rich_click as click
from rich.cells import cell_len, set_cell_size

from diodeq.cli.terminal import say
from diodeq.printable import printable
from diodeq.tables import Floats, format_matrix, shortest


class Rows:
    """Comma-separated numbers without a header."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write

    def add(self, outputs: Floats, engine: str) -> None:
        """Write float64[B, n_out]."""
        self._write(format_matrix(outputs))

    def end(self) -> None:
        """There is nothing more to write."""


class Document:
    """One JSON document on stdout, the same as if it were printed at once; null is no answer."""

    def __init__(self, head: dict[str, Any]) -> None:
        self._head, self._begun = head, False

    def add(self, outputs: Floats, engine: str) -> None:
        """Print float64[B, n_out]; the engine's version is known when the first come."""
        text = ",\n".join(_indented(row) for row in outputs.tolist())
        if not self._begun:
            head = json.dumps({"simulator": engine, **self._head}, indent=2).removesuffix("\n}")
            text = f'{head},\n  "outputs": [\n{text}'
        else:
            text = f",\n{text}"
        self._begun = True
        click.echo(text, nl=False)

    def end(self) -> None:
        """Close it."""
        click.echo("\n  ]\n}")


def _indented(row: list[float]) -> str:
    if not row:
        return "    []"
    values = ",\n".join(f"      {'null' if math.isnan(value) else repr(value)}" for value in row)
    return f"    [\n{values}\n    ]"


class Seen:
    """A table for a terminal: a row a sample under the outputs' names, and the class of the highest."""

    def __init__(self, names: Sequence[str], classes: Sequence[str]) -> None:
        self._classes = [printable(name) for name in classes]
        self._head = ["row", *map(printable, names), *(["class"] if classes else [])]
        self._widths = [cell_len(name) for name in self._head]
        self._rows = 0

    def add(self, outputs: Floats, engine: str) -> None:
        """Print float64[B, n_out]; columns grow where a number is longer than those above."""
        lines = [] if self._rows else [self._head]
        for row in outputs.tolist():
            self._rows += 1
            line = [str(self._rows), *map(shortest, row)]
            if self._classes:
                line.append("" if any(map(math.isnan, row)) else self._classes[row.index(max(row))])
            lines.append(line)
        for line in lines:
            self._widths = [max(width, cell_len(cell)) for width, cell in zip(self._widths, line, strict=True)]
        last = len(self._head) - 1 if self._classes else None
        for line in lines:
            say("  ".join(cell if at == last else _right(cell, self._widths[at]) for at, cell in enumerate(line)))

    def end(self) -> None:
        """There is nothing more to print."""


def _right(text: str, width: int) -> str:
    return set_cell_size("", width - cell_len(text)) + text
