"""What has no watchdog of its own gets one on this side: a process that sees this one end and puts the bench to rest.

Instruments and Linux's converters keep what they were told when the process that told them is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from diodeq.errors import DiodeqError
from diodeq.simulators.bench.body import Body
from diodeq.simulators.bench.links.spans import Ints, Spans

DONE = b"done\n"


class Guarded:
    """``body``, opened by ``[link]``, which goes to rest when this process ends without ``close``, or lost its link."""

    def __init__(self, body: Body, link: Mapping[str, Any], spans: Spans) -> None:
        self._body = body
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from diodeq.simulators.bench.links.watch import watch; watch()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,  # Ctrl-C is not meant for it
        )
        document = {"link": dict(link), "spans": [astuple(span) for span in spans.every()]}
        self._tell(json.dumps(document).encode() + b"\n")

    @property
    def identity(self) -> str:
        """Of the body."""
        return self._body.identity

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        self._body.set_taps(codes)

    def taps(self) -> Ints:
        """The codes as they are read back, int64[n_taps]."""
        return self._body.taps()

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads]; see ``Body``."""
        return self._body.read(drives, injections, holds)

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """What is in phase with a tone, int64[B, n_reads]; see ``Body``."""
        return self._body.tone(drives, injections, millihertz)

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held."""
        self._body.demand_holds()

    def rest(self) -> None:
        """Drives at 0 V, injections at 0 A, holds released."""
        self._body.rest()

    def close(self) -> None:
        """At rest, the link released, and the guard sent away; where the bench cannot be put to rest the guard stays
        for a while and tries."""
        try:
            self._body.rest()
            resting = True
        except DiodeqError:
            resting = False
        self._body.close()
        if resting:
            self._tell(DONE)
        if self._process.stdin is not None:
            self._process.stdin.close()
        if resting:
            self._process.wait()

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:  # somebody ended it; the bench is no worse off than without
            return
