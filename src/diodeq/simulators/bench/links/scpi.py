"""A bench made of instruments that speak SCPI, through pyvisa and its back end in pure Python."""

from __future__ import annotations

import math
import re
import socket
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from diodeq.errors import BenchLostError, DiodeqError, InputError, SimulationError, SimulatorMissingError
from diodeq.simulators.bench.links import wire
from diodeq.simulators.bench.links.spans import Ints, Span, Spans, no_tone

AT_ONCE = 100
"""Spans of one command."""
NOTHING = 9.9e37
"""What SCPI has for no number, and all beyond."""
ERRORS = 32
"""Errors that an instrument keeps, at most."""
CHUNK, LONGEST, SLOW = 64, 1 << 20, 4.0
"""Bytes that are asked for at a time, bytes of an answer at most, and how often one may take as long as it should"""
FINE = re.compile(r"\s*[+-]?0\b")
_PLACE = re.compile(r"\{(code|value|channel|codes|values|list)(?::(\.[0-9]{1,2}[efg]))?\}")
_EACH = re.compile(r"\{(?:code|value|channel)\b")


@dataclass(frozen=True)
class Group:
    """How the channels of one sort are commanded.

    ``set`` and ``get`` are commands with places: {code}, {value} and {channel} where each channel takes one of its own,
    or {codes}, {values} and {list} where several go together. A value is ``(code - zero) * step``; ``channels`` are the
    instrument's own numbers, from 1 where none are given. ``resource`` is an instrument of its own, ``apply`` a command
    after all channels are set, ``start`` one before all are asked for, in which {rows} is the number of samples,
    ``tone`` one in its place where injections are amplitudes of a tone of {hertz} or {millihertz} and what is in phase
    is asked for, ``release`` one that ends holding. Of ``rows`` samples that go together the channels are numbered on.
    """

    set: str = ""
    get: str = ""
    apply: str = ""
    start: str = ""
    tone: str = ""
    release: str = ""
    step: float = 1.0
    zero: int = 0
    rows: int = 1
    channels: tuple[int, ...] = ()
    resource: str = ""

    def commands(self, codes: Ints) -> list[str]:
        """What sets the channels to ``codes``."""
        return [self._filled(self.set, chosen, codes) for chosen in self._pieces(self.set, len(codes))]

    def queries(self, count: int) -> list[tuple[str, int]]:
        """What asks for the channels, and how many numbers each answer has."""
        zeros = np.zeros(count, np.int64)
        return [(self._filled(self.get, each, zeros), len(each)) for each in self._pieces(self.get, count)]

    def code(self, value: float) -> int:
        """The code nearest to a value."""
        return round(value / self.step) + self.zero

    def _pieces(self, command: str, count: int) -> list[range]:
        size = 1 if _EACH.search(command) else AT_ONCE
        return [range(at, min(at + size, count)) for at in range(0, count, size)]

    def _filled(self, command: str, chosen: range, codes: Ints) -> str:
        numbers = [self.channels[k] if self.channels else k + 1 for k in chosen]
        values = [(int(codes[k]) - self.zero) * self.step for k in chosen]

        def fill(found: re.Match[str]) -> str:
            name, form = found[1], found[2] or ".17g"
            if name in ("value", "values"):
                return ",".join(format(value, form) for value in values)
            if name in ("code", "codes"):
                return ",".join(str(codes[k]) for k in chosen)
            return str(numbers[0]) if name == "channel" else _listed(numbers)

        return _PLACE.sub(fill, command)


SERVED: dict[str, Group] = {
    "taps": Group("SOUR:RES:CODE {codes},{list}", "SOUR:RES:CODE? {list}", apply="*TRG"),
    "drives": Group("SOUR:VOLT:CODE {codes},{list}"),
    "injections": Group("SOUR:CURR:CODE {codes},{list}"),
    "holds": Group("OUTP:HOLD:CODE {codes},{list}", release="OUTP:HOLD:REL"),
    "reads": Group(
        get="FETC:VOLT:CODE? {list}", start="INIT {rows}", tone="INIT:TONE {rows},{millihertz}", rows=wire.ROWS
    ),
}
"""The commands of a served twin: those of a description that has none of its own."""


class ScpiBody:
    """The instruments at ``resource`` and those that groups name; ``settle`` seconds go by before each reading.

    ``error`` is the query after commands whose answer begins with 0 where nothing went wrong, "" for none; ``rest``
    are commands beside those that set drives and injections to rest; ``ask`` is a query of the channels, "" for none.

    Raises:
        BenchLostError: pyvisa is not installed, or an instrument does not answer.
        InputError: the instrument is another, or has other channels.
    """

    def __init__(
        self,
        spans: Spans,
        resource: str,
        groups: Mapping[str, Group] = SERVED,
        backend: str = "@py",
        settle: float = 0.0,
        patience: float = 5.0,
        error: str = "SYST:ERR?",
        rest: Sequence[str] = (),
        ask: str = "",
        identity: str | None = None,
    ) -> None:
        self._spans, self._groups = spans, groups
        self._settle, self._error, self._rest, self._patience = settle, error, tuple(rest), patience
        self._main, self._held = resource, False
        self._opened: dict[str, Any] = {}
        self._set: Ints | None = None
        try:
            from pyvisa import ResourceManager
        except ImportError:
            raise SimulatorMissingError("pyvisa is not installed", "pip install 'diodeq[bench]'") from None
        try:
            self._manager = ResourceManager(backend)
        except (OSError, ValueError) as error_:
            raise SimulatorMissingError(
                f"pyvisa has no back end {backend!r}: {error_}", "pip install 'diodeq[bench]' and use @py"
            ) from None
        try:
            for name in dict.fromkeys([resource, *(group.resource for group in groups.values() if group.resource)]):
                self._opened[name] = self._tried(name, partial(self._open, name, patience))
            self.identity = self._query(resource, "*IDN?").strip()
            if identity is not None and identity not in self.identity:
                raise InputError(
                    f"the instrument at {resource} is {self.identity!r}, not {identity!r}", "connect the one described"
                )
            if ask:
                self._demand(self._query(resource, ask))
            self.rest()
        except BaseException:
            self._release()
            raise

    identity: str

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        wanted = self._spans.taps.demand("tap", codes)
        self._command("taps", wanted)
        self._set = wanted

    def taps(self) -> Ints:
        """The codes as they are read back, int64[n_taps], or as they were set last where no command reads them."""
        if self._groups["taps"].get:
            return self._measured("taps", self._spans.taps)
        if self._set is None:
            raise BenchLostError(f"the taps at {self._main} cannot be read back", "give taps a get, or set them")
        return self._set.copy()

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads]; see ``Body``."""
        return self._read(drives, injections, holds)

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """What is in phase with a tone, int64[B, n_reads]; see ``Body``."""
        if not self._groups["reads"].tone:
            raise no_tone(f"the instrument at {self._main}", "give link.reads a command for tone, or leave lock-in out")
        return self._read(drives, injections, None, millihertz)

    def _read(self, drives: Ints, injections: Ints, holds: Ints | None, millihertz: int = 0) -> Ints:
        drives, injections, holds = self._spans.demand_row(drives, injections, holds)
        found = np.empty((len(drives), self._spans.reads.count), np.int64)
        try:
            for at in range(0, len(drives), self._groups["reads"].rows):
                rows = slice(at, at + self._groups["reads"].rows)
                count = len(drives[rows])
                if holds is None:
                    self._let_go()
                self._command("drives", drives[rows].ravel())
                self._command("injections", injections[rows].ravel())
                if holds is not None:
                    self._held = True
                    self._command("holds", holds[rows].ravel())
                time.sleep(self._settle)
                found[rows] = self._measured("reads", self._spans.reads, count, millihertz).reshape(count, -1)
        except BaseException:
            with suppress(DiodeqError):
                self.rest()
            raise
        self.rest()
        return found

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held."""
        self._spans.demand_holds()

    def rest(self) -> None:
        """Drives at 0 V, injections at 0 A, holds released."""
        for sort in ("drives", "injections"):
            span: Span = getattr(self._spans, sort)
            self._command(sort, np.full(span.count, span.rest, np.int64))
        self._let_go()
        for command in self._rest:
            self._write(self._main, command)
        if self._rest:
            self._demand_fine(self._main, "rest")

    def close(self) -> None:
        """At rest, and the link released."""
        try:
            self.rest()
        except DiodeqError:
            pass
        finally:
            self._release()

    def _open(self, name: str, patience: float) -> Any:
        found: Any = self._manager.open_resource(name, read_termination="\n", write_termination="\n")
        found.timeout = 1000.0 * patience
        sessions = getattr(found.visalib, "sessions", {})
        link = getattr(sessions.get(found.session), "interface", None)
        if isinstance(link, socket.socket):  # the back end's own attribute for it fails in 0.8
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def _let_go(self) -> None:
        group = self._groups["holds"]
        if self._held and group.release:
            self._write(group.resource or self._main, group.release)
        self._held = False

    def _command(self, sort: str, codes: Ints) -> None:
        group = self._groups[sort]
        name = group.resource or self._main
        if not len(codes):
            return
        for command in [*group.commands(codes), *[group.apply] * bool(group.apply)]:
            self._write(name, command)
        self._demand_fine(name, sort)

    def _measured(self, sort: str, span: Span, rows: int = 1, millihertz: int = 0) -> Ints:
        group, found = self._groups[sort], []
        name = group.resource or self._main
        if start := group.tone if millihertz else group.start:
            for place, value in (("rows", rows), ("millihertz", millihertz), ("hertz", f"{1e-3 * millihertz:.12g}")):
                start = start.replace(f"{{{place}}}", str(value))
            self._write(name, start)
            if millihertz:
                self._demand_fine(name, "a tone")
        for query, count in group.queries(span.count * rows):
            said = self._query(name, query)
            try:
                values = [float(word) for word in said.split(",")]
            except ValueError:
                values = []
            if len(values) != count or not all(math.isfinite(value) and abs(value) < NOTHING for value in values):
                self._demand_fine(name, query)
                raise SimulationError(
                    f"the instrument at {name} answers {query!r} with {said[:60]!r}", "see its manual"
                )
            found += values
        if group.step == 1.0 and not group.zero:
            codes = np.array([round(value) for value in found], np.int64)
        else:
            codes = np.array([group.code(value) for value in found], np.int64)
        return np.clip(codes, span.low, span.high)  # as a converter of that range reads

    def _demand_fine(self, name: str, what: str) -> None:
        said = self._query(name, self._error).strip() if self._error else "0"
        if not FINE.match(said):
            for _ in range(ERRORS):  # what follows from it is of no interest
                if FINE.match(self._query(name, self._error)):
                    break
            raise SimulationError(f"the instrument at {name} says {said[:200]!r} to {what}", "see its manual")

    def _demand(self, said: str) -> None:
        try:
            numbers = [int(word) for word in said.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != 15:
            raise BenchLostError(f"the instrument at {self._main} is no bench", "give the commands it has")
        found = [Span(*numbers[k : k + 3]) for k in range(0, 15, 3)]
        self._spans = self._spans.found(found, self._main)

    def _write(self, name: str, command: str) -> None:
        self._tried(name, lambda: self._opened[name].write(command))

    def _query(self, name: str, command: str) -> str:
        self._write(name, command)
        found: str = self._tried(name, lambda: self._answer(self._opened[name]))
        return found

    def _answer(self, instrument: Any) -> str:
        """A line; pyvisa's own reading takes one without end, however long and however slow."""
        from pyvisa.constants import StatusCode

        found, end, more = b"", time.monotonic() + SLOW * self._patience, StatusCode.success_max_count_read
        with instrument.ignore_warning(more, StatusCode.success_device_not_present):
            while more == StatusCode.success_max_count_read:
                if len(found) > LONGEST or time.monotonic() > end:
                    raise ValueError("its answer does not end")
                came, more = instrument.visalib.read(instrument.session, CHUNK)
                found += bytes(came)
        if not found.endswith(b"\n"):
            raise ValueError("its answer is cut off")
        return found.decode("ascii").rstrip("\r\n")

    def _tried(self, name: str, do: Callable[[], Any]) -> Any:
        from pyvisa.errors import Error

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # pyvisa's, of an answer that is cut off
                return do()
        except (Error, UserWarning, OSError, ValueError, EOFError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BenchLostError(
                f"the instrument at {name} cannot be spoken to: {reason}", "check cable and power"
            ) from None

    def _release(self) -> None:
        for each in self._opened.values():
            try:
                each.close()
            except Exception:  # it has gone; there is nothing more to release
                continue
        self._opened = {}
        self._manager.close()


def _listed(numbers: Sequence[int]) -> str:
    """A list of channels as SCPI has it."""
    if len(numbers) > 1 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"(@{numbers[0]}:{numbers[-1]})"
    return f"(@{','.join(map(str, numbers))})"
