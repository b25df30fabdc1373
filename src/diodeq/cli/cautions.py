"""Warnings on the command line: one sentence each on stderr, and each only once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diodeq.cli.terminal import mention
from diodeq.errors import BenchWarning, InexactRuleWarning
from diodeq.printable import printable

SPOKEN = (InexactRuleWarning, BenchWarning)


@contextmanager
def spoken() -> Iterator[None]:
    """Within this, warnings that are ``SPOKEN`` are printed the first time they come; others go their own way."""
    said: set[str] = set()
    with warnings.catch_warnings():
        elsewhere = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, SPOKEN):
                text = printable(str(message), keep="\n")
                elsewhere(message if text == str(message) else text, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                mention(str(message))

        for category in SPOKEN:
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield
