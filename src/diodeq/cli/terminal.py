"""What commands say in words: it goes through here, so that nothing they quote steers the terminal."""

from __future__ import annotations

import os
import sys

import rich_click as click

from diodeq.printable import printable

PROGRAM = "diodeq"
# What a command's context remembers: the rows of its file, counted from 1, that are the samples of every batch.
ROWS = "rows"


def say(text: str) -> None:
    """Lines of text on stdout."""
    click.echo(printable(text, keep="\n"))


def complain(sentence: str) -> None:
    """What went wrong, as one sentence on stderr."""
    _tell(sentence, "red")


def mention(sentence: str) -> None:
    """What is worth knowing though nothing went wrong, as one sentence on stderr."""
    _tell(f"note: {sentence}", "yellow")


def _tell(sentence: str, colour: str) -> None:
    head = f"{PROGRAM}:"
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        head = click.style(head, fg=colour)
    print(f"{head} {printable(sentence)}", file=sys.stderr)
