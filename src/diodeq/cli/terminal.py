"""What commands say in words: it goes through here, so that nothing they quote steers the terminal."""

from __future__ import annotations

import sys

import rich_click as click

from diodeq.printable import printable

# What a command's context remembers: the rows of its file, counted from 1, that are the samples of every batch.
ROWS = "rows"


def say(text: str) -> None:
    """Lines of text on stdout."""
    click.echo(printable(text, keep="\n"))


def complain(sentence: str) -> None:
    """One sentence of the program on stderr."""
    print(f"diodeq: {printable(sentence)}", file=sys.stderr)
