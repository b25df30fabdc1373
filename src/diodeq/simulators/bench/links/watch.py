"""The process of a guard (``guard.py``)."""

from __future__ import annotations

import json
import sys

from diodeq.simulators.bench.links import opened
from diodeq.simulators.bench.links.guard import DONE
from diodeq.simulators.bench.links.spans import Span, Spans


def watch() -> None:
    """Wait for the end of stdin, and put the bench that its first line names to rest, unless the second says that it
    is there already."""
    document = json.loads(sys.stdin.buffer.readline())
    if sys.stdin.buffer.readline() != DONE:
        opened(document["link"], Spans(*(Span(*numbers) for numbers in document["spans"]))).close()
