"""Warnings on the command line: one sentence each on stderr, and each only once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diodeq.errors import InexactRuleWarning


@contextmanager
def spoken() -> Iterator[None]:
    """Within this, an ``InexactRuleWarning`` is printed the first time it comes; other warnings go their own way."""
    said: set[str] = set()
    with warnings.catch_warnings():
        elsewhere = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, InexactRuleWarning):
                elsewhere(message, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                print(f"diodeq: {message}", file=sys.stderr)

        warnings.simplefilter("always", InexactRuleWarning)
        warnings.showwarning = show
        yield
