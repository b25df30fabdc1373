"""What commands say in words: it goes through here, so that nothing they quote steers the terminal."""

from __future__ import annotations

import sys

import rich_click as click

from diodeq.printable import printable


def say(text: str) -> None:
    """Lines of text on stdout."""
    click.echo(printable(text, keep="\n"))


def complain(sentence: str) -> None:
    """One sentence of the program on stderr."""
    print(f"diodeq: {printable(sentence)}", file=sys.stderr)
