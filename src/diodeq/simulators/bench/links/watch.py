"""The process of a guard (``guard.py``)."""

from __future__ import annotations

import json
import sys
import time

from diodeq.errors import BenchLostError
from diodeq.simulators.bench.links import opened
from diodeq.simulators.bench.links.guard import DONE
from diodeq.simulators.bench.links.spans import Span, Spans

TRIED = 60.0
"""Seconds in which a bench that cannot be reached may come back, to be put to rest"""
AGAIN = 0.5


def watch() -> None:
    """Wait for the end of stdin, and put the bench that its first line names to rest, unless the second says that it
    is there already."""
    document = json.loads(sys.stdin.buffer.readline())
    if sys.stdin.buffer.readline() == DONE:
        return
    spans = Spans(*(Span(*numbers) for numbers in document["spans"]))
    end = time.monotonic() + TRIED
    while True:
        try:
            opened(document["link"], spans).close()
        except BenchLostError:
            if time.monotonic() > end:
                raise
            time.sleep(AGAIN)
        else:
            return
