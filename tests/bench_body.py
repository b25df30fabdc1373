"""A small bench for tests of links: it computes in whole numbers, and remembers what it was told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from diodeq.errors import SimulationError
from diodeq.simulators.bench.links.desk import Desk
from diodeq.simulators.bench.links.instrument import Instrument
from diodeq.simulators.bench.links.server import Server
from diodeq.simulators.bench.links.spans import Span, Spans
from diodeq.simulators.bench.links.staged import Staged

SPANS = Spans(
    Span(40, 0, 256, 128),
    Span(6, 0, 4095, 2048),
    Span(2, 0, 4095, 2048),
    Span(2, 0, 4095),
    Span(7, -99999, 99999),
)


class Small:
    """Reads a mixture of everything, and never the same twice."""

    identity = "small, of tests 1; 40 taps"

    def __init__(self) -> None:
        self.codes = np.full(40, 128, np.int64)
        self.readings, self.settings, self.rests = 0, 0, 0
        self.rows: list[list[int]] = []
        self.broken = ""

    def set_taps(self, codes):
        self.codes = SPANS.taps.demand("tap", codes)
        self.settings += 1

    def taps(self):
        return self.codes.copy()

    def read(self, drives, injections, holds=None):
        drives, injections, holds = SPANS.demand_row(drives, injections, holds)
        if self.broken:
            raise SimulationError(self.broken, "repair it")
        found = []
        for k in range(len(drives)):
            self.readings += 1
            held = 0 if holds is None else int(holds[k].sum()) + 1
            whole = int(drives[k] @ np.arange(1, 7)) + 3 * int(injections[k] @ [1, 5]) + 7 * held
            whole += int(self.codes @ np.arange(40)) + 11 * self.readings
            self.rows.append([*drives[k].tolist(), *injections[k].tolist()])
            found.append([(whole * (n + 3)) % 9001 - 4500 for n in range(7)])
        return np.array(found, np.int64).reshape(-1, 7)

    def tone(self, drives, injections, millihertz):
        return self.read(drives, injections) - millihertz % 100

    def rest(self):
        self.rests += 1

    def close(self):
        self.rest()


@contextmanager
def served(
    how: str, body: Small | None = None, silence: float = 5.0, spans: Spans = SPANS
) -> Iterator[tuple[Server, Small, list[str]]]:
    """The server, its body and what it complained of; ``how`` is ``pty``, ``tcp`` or ``scpi``."""
    body, said = body or Small(), []
    staged = Staged(body, spans, silence, said.append)
    server = Server(Instrument(staged) if how == "scpi" else Desk(staged))
    server = server.on_terminal() if how == "pty" else server.on_port("127.0.0.1", 0)
    done = threading.Event()
    thread = threading.Thread(target=server.run, args=(done.is_set,))
    thread.start()
    try:
        yield server, body, said
    finally:
        done.set()
        thread.join()
        server.close()


def link(how: str, where: str) -> dict[str, object]:
    """The ``[link]`` of what is served."""
    if how == "pty":
        return {"kind": "serial", "port": where}
    if how == "tcp":
        return {"kind": "tcp", "address": where}
    return {"kind": "scpi", "resource": f"TCPIP::{where.replace(':', '::')}::SOCKET"}


class Noisy:
    """A cable that loses, damages and doubles lines, both ways."""

    def __init__(self, inner, seed):
        self.where, self._inner, self._random = inner.where, inner, np.random.default_rng(seed)
        self.close = inner.close

    def write(self, line):
        self._inner.write(self._spoiled(line))

    def line(self, deadline):
        found = self._inner.line(deadline)
        return None if found is None else self._spoiled(found)

    def _spoiled(self, line):
        kind = self._random.integers(12)
        if kind == 0:
            return b"" if line.endswith(b"\n") else b"\xff"
        if kind == 1:
            at = self._random.integers(len(line))
            return line[:at] + bytes([line[at] ^ (1 << self._random.integers(7))]) + line[at + 1 :]
        return line * 2 if kind == 2 and line.endswith(b"\n") else line
