"""Warnings on the command line: one sentence each on stderr, and each only once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diodeq.cli.terminal import mention
from diodeq.errors import InexactRuleWarning
from diodeq.printable import printable


@contextmanager
def spoken() -> Iterator[None]:
    """Within this, an ``InexactRuleWarning`` is printed the first time it comes; other warnings go their own way."""
    said: set[str] = set()
    with warnings.catch_warnings():
        elsewhere = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, InexactRuleWarning):
                text = printable(str(message), keep="\n")
                elsewhere(message if text == str(message) else text, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                mention(str(message))

        warnings.simplefilter("always", InexactRuleWarning)
        warnings.showwarning = show
        yield
