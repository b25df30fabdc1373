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


def highest(outputs: Floats, classes: Sequence[str]) -> list[str]:
    """The class of the highest output of each row; "" where a row has no answer."""
    return ["" if any(map(math.isnan, row)) else classes[row.index(max(row))] for row in outputs.tolist()]


class Rows:
    """Comma-separated numbers without a header; at the end of each row the class of the highest, where there are
    ``classes``."""

    def __init__(self, write: Callable[[str], Any], classes: Sequence[str] = ()) -> None:
        self._write, self._classes = write, classes

    def add(self, outputs: Floats, engine: str) -> None:
        """Write float64[B, n_out]."""
        text = format_matrix(outputs)
        if self._classes:
            ends = map(_cell, highest(outputs, self._classes))
            text = "".join(f"{line},{end}\n" for line, end in zip(text.splitlines(), ends, strict=True))
        self._write(text)

    def end(self) -> None:
        """There is nothing more to write."""


class Document:
    """One JSON document on stdout, the same as if it were printed at once; null is no answer."""

    def __init__(self, head: dict[str, Any], classes: Sequence[str] = ()) -> None:
        self._head, self._begun, self._classes = head, False, classes
        self._decided: list[str | None] = []

    def add(self, outputs: Floats, engine: str) -> None:
        """Print float64[B, n_out]; the engine's version is known when the first come."""
        text = ",\n".join(_indented(row) for row in outputs.tolist())
        if not self._begun:
            head = json.dumps({"simulator": engine, **self._head}, indent=2).removesuffix("\n}")
            text = f'{head},\n  "outputs": [\n{text}'
        else:
            text = f",\n{text}"
        self._begun = True
        if self._classes:
            self._decided += [found or None for found in highest(outputs, self._classes)]
        click.echo(text, nl=False)

    def end(self) -> None:
        """Close it."""
        decided = json.dumps(self._decided, indent=2).replace("\n", "\n  ")
        click.echo(f'\n  ],\n  "decided": {decided}\n}}' if self._classes else "\n  ]\n}")


def _cell(text: str) -> str:
    """A cell of comma-separated text."""
    return f'"{text.replace(chr(34), 2 * chr(34))}"' if set(text) & {",", '"', "\n", "\r"} else text


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
        ends = [[found] for found in highest(outputs, self._classes)] if self._classes else [[]] * len(outputs)
        for row, end in zip(outputs.tolist(), ends, strict=True):
            self._rows += 1
            lines.append([str(self._rows), *map(shortest, row), *end])
        for line in lines:
            self._widths = [max(width, cell_len(cell)) for width, cell in zip(self._widths, line, strict=True)]
        last = len(self._head) - 1 if self._classes else None
        for line in lines:
            say("  ".join(cell if at == last else _right(cell, self._widths[at]) for at, cell in enumerate(line)))

    def end(self) -> None:
        """There is nothing more to print."""


def _right(text: str, width: int) -> str:
    return set_cell_size("", width - cell_len(text)) + text
