"""A bench behind the line protocol: a microcontroller, or a served twin; the body that this end of the link sees."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

import numpy as np

from diodeq.errors import BenchLostError, DiodeqError, InputError, SimulationError
from diodeq.simulators.bench.links import wire
from diodeq.simulators.bench.links.spans import Ints, Span, Spans, no_tone
from diodeq.simulators.bench.links.transports import Transport

TRIES = 4
AGAIN = 0.1
"""Seconds that an answer may still take after the bench said that a line was damaged: it may have meant another."""


class LineBody:
    """The bench at the other end of ``transport``; its channels must be those of ``spans``.

    Every line is numbered and checked at both ends. One that got lost or damaged is sent again under its number, and
    the bench answers a number that it has carried out already with the answer that it gave. ``patience`` is how many
    seconds an answer may take, ``tries`` how often a line is sent that nobody answers before the bench counts as lost.

    Raises:
        BenchLostError: nobody answers, or not in this protocol.
        InputError: the bench has other channels, or ``identity`` is given and not its own.
    """

    def __init__(
        self,
        transport: Transport,
        spans: Spans,
        patience: float = 2.0,
        identity: str | None = None,
        tries: int = TRIES,
    ) -> None:
        self._tries = tries
        self._transport, self._spans, self._patience = transport, spans, patience
        self._sequence = secrets.randbelow(wire.SEQUENCES)
        try:
            self._greet(identity)
            self._set = self.taps()
            self._staged = False
        except BaseException:
            transport.close()
            raise

    @property
    def identity(self) -> str:
        """What the bench says of itself."""
        return self._identity

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        wanted = self._spans.taps.demand("tap", codes)
        for attempt in (0, 1):
            at = 0
            while at < len(wanted):
                head, n = wire.packed(f"{self._number()} tap {at}", wanted[at:].tolist(), self._limit)
                if not self._staged or (wanted[at : at + n] != self._set[at : at + n]).any():
                    self._ask(head.partition(" ")[2])
                at += n
            if not self._stale(self._ask("set", refusals=attempt == 0)):
                break
            self._staged = False
        self._set, self._staged = wanted, True

    def taps(self) -> Ints:
        """The codes as the bench has them, int64[n_taps]."""
        return self._numbers("get", self._spans.taps, self._ask("get 0") if self._spans.taps.count else ["ok"])

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads]; see ``Body``."""
        return self._read(drives, injections, holds)

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """What is in phase with a tone, int64[B, n_reads]; see ``Body``."""
        return self._read(drives, injections, None, millihertz)

    def _read(self, drives: Ints, injections: Ints, holds: Ints | None, millihertz: int = 0) -> Ints:
        drives, injections, holds = self._spans.demand_row(drives, injections, holds)
        found = np.empty((len(drives), self._spans.reads.count), np.int64)
        for at in range(0, len(drives), self._rows):
            rows = slice(at, at + self._rows)
            count = len(drives[rows])
            for attempt in (0, 1):
                self._stage("drive", drives[rows].ravel())
                self._stage("inject", injections[rows].ravel())
                if holds is not None:
                    self._stage("hold", holds[rows].ravel())
                command = f"tone {count} {millihertz}" if millihertz else f"read {int(holds is not None)} {count}"
                words = self._ask(command, refusals=attempt == 0)
                if not self._stale(words):
                    break
            found[rows] = self._numbers("more", self._spans.reads, words, count).reshape(count, -1)
        return found

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held."""
        self._spans.demand_holds()

    def rest(self) -> None:
        """Drives at 0 V, injections at 0 A, holds released."""
        self._ask("rest")

    def close(self) -> None:
        """At rest, and the link released; a bench that has gone goes to rest by itself."""
        try:
            self._ask("rest", tries=1)
        except DiodeqError:
            pass
        finally:
            self._transport.close()

    def _greet(self, identity: str | None) -> None:
        self._transport.write(b"\n")  # ends what a former session may have left
        words = self._ask(f"hello {wire.VERSION}")
        where = self._transport.where
        told = wire.whole(words[2:11]) if words[1:2] == [wire.NAME] else None
        if told is None or len(told) != 9:
            raise BenchLostError(f"{where} answers, but is no bench", "check the port's name")
        version, self._limit, _, self._rows, *counts = told
        if version != wire.VERSION or self._limit < wire.SHORTEST or self._rows < 1:
            raise BenchLostError(
                f"the bench at {where} speaks version {version} of the protocol", "flash the firmware of this version"
            )
        self._identity = " ".join(words[11:])
        ranges = wire.whole(self._ask("limits")[1:])
        if ranges is None or len(ranges) != 10:
            raise BenchLostError(f"the bench at {where} does not say its limits", "flash its firmware again")
        found = [Span(n, *ranges[2 * k : 2 * k + 2]) for k, n in enumerate(counts)]
        self._spans = self._spans.found(found, where)
        if identity is not None and identity != self._identity:
            raise InputError(
                f"the bench at {where} is {self._identity!r}, not {identity!r}", "connect the one that is described"
            )

    def _stage(self, command: str, codes: Ints) -> None:
        at = 0
        while at < len(codes):
            head, n = wire.packed(f"{self._number()} {command} {at}", codes[at:].tolist(), self._limit)
            self._ask(head.partition(" ")[2])
            at += n

    def _numbers(self, command: str, span: Span, words: Sequence[str], rows: int = 1) -> Ints:
        """As many codes as the channel has; what the first answer did not hold is asked for."""
        found: list[int] = []
        wanted = span.count * rows
        while True:
            codes = wire.whole(words[1:])
            if codes is None or len(found) + len(codes) > wanted or (not codes and len(found) < wanted):
                raise BenchLostError(
                    f"the bench at {self._transport.where} answers with something else than codes", "check its firmware"
                )
            found += codes
            if len(found) == wanted:
                break
            words = self._ask(f"{command} {len(found)}")
        if found and not span.low <= min(found) <= max(found) <= span.high:
            raise SimulationError(
                f"the bench at {self._transport.where} reads codes outside {span.low} to {span.high}",
                "correct the description's converter",
            )
        return np.array(found, np.int64)

    def _number(self) -> int:
        return (self._sequence + 1) % wire.SEQUENCES

    def _stale(self, words: Sequence[str]) -> bool:
        """Whether the bench forgot what was staged, because nobody spoke to it for a while."""
        return words[:2] == ["no", "staged"]

    def _ask(self, command: str, tries: int = 0, refusals: bool = False) -> list[str]:
        """The words of the answer without its number: the first is ``ok``, or with ``refusals`` perhaps ``no``."""
        self._sequence = self._number()
        line = wire.framed(f"{self._sequence} {command}")
        end = time.monotonic() + (tries or self._tries) * self._patience
        while (now := time.monotonic()) < end:
            self._transport.write(line)
            words = self._answer(now + self._patience)
            if words is None:
                continue
            if words[0] == "ok" or (refusals and words[:2] == ["no", "staged"]):
                return words
            told = " ".join(words[1:])
            where = self._transport.where
            if words[1:2] == ["command"] and command.startswith("tone "):
                raise no_tone(f"the bench at {where}", "flash firmware that knows tone, or leave lock-in out")
            if words[1:2] == ["body"]:
                raise SimulationError(f"the bench at {where} says: {' '.join(words[2:])}", "see to it and go on")
            if words[1:2] in (["session"], ["sequence"]):
                raise BenchLostError(
                    f"the bench at {where} was started again, or another program speaks to it", "leave it to one"
                )
            raise BenchLostError(f"the bench at {where} refuses {command.split()[0]}: {told}", "check firmware")
        raise BenchLostError(
            f"the bench at {self._transport.where} does not answer {command.split()[0]}",
            "check cable, power and speed",
        )

    def _answer(self, deadline: float) -> list[str] | None:
        """The words of the answer to the line just sent; None where it has to be sent again."""
        while (line := self._transport.line(deadline)) is not None:
            words = (wire.unframed(line) or "").split(" ")
            if words[0] == str(self._sequence) and words[1:2] in (["ok"], ["no"]):
                return words[1:]
            if words == [wire.NAK, "no", "busy"]:
                raise BenchLostError(f"another program speaks to the bench at {self._transport.where}", "end it first")
            if words[0] == wire.NAK:
                deadline = min(deadline, time.monotonic() + AGAIN)
        return None
