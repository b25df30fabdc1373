"""The bench's end of the line protocol: lines in, answers out, over any body; it has no link of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diodeq.errors import DiodeqError
from diodeq.simulators.bench.links import wire
from diodeq.simulators.bench.links.staged import Refusal, Staged

SORTS = {"tap": "taps", "drive": "drives", "inject": "injections", "hold": "holds"}
"""What each command stages."""


class Desk:
    """One session after the other on what is ``staged``; a command that was carried out is never carried out twice."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self._last: tuple[int, str, str] | None = None
        self._found: list[int] = []
        self.silence, self.watch, self.leave = staged.silence, staged.watch, staged.leave

    def answer(self, line: bytes) -> bytes:
        """The line that answers ``line``, which comes without its end."""
        text = wire.unframed(line)
        if text is None:
            return wire.framed(f"{wire.NAK} no checksum")
        number, *words = text.split(" ")
        sequence = wire.whole([number])
        if sequence is None or not words or not 0 <= sequence[0] < wire.SEQUENCES:
            return wire.framed(f"{wire.NAK} no command")
        self._staged.heard()
        return wire.framed(self._answered(sequence[0], text, words))

    def too_long(self) -> bytes:
        """The answer to a line that does not end."""
        return wire.framed(f"{wire.NAK} no length")

    def busy(self) -> bytes:
        """What a second other end is told."""
        return wire.framed(f"{wire.NAK} no busy")

    def _answered(self, sequence: int, text: str, words: Sequence[str]) -> str:
        if words[0] != "hello":
            if self._last is None:
                return f"{sequence} no session"
            if sequence == self._last[0]:
                return self._last[2] if text == self._last[1] else f"{sequence} no sequence"
            if sequence != (self._last[0] + 1) % wire.SEQUENCES:
                return f"{sequence} no sequence"
        said = f"{sequence} {self._tried(words[0], words[1:])}"
        self._last = sequence, text, said
        return said

    def _tried(self, command: str, words: Sequence[str]) -> str:
        numbers = wire.whole(words)
        if numbers is None or (command not in COMMANDS and command not in SORTS):
            return "no command"
        try:
            if command in COMMANDS:
                return COMMANDS[command](self, numbers)
            at, codes = (numbers[0], numbers[1:]) if numbers else (0, [])
            rows = 1 if command == "tap" else wire.ROWS
            self._staged.stage(SORTS[command], range(at, at + len(codes)), codes, rows)
            return "ok"
        except Refusal as refusal:
            return f"no {refusal}"
        except DiodeqError as error:
            return f"no body {error}"[: wire.LINE // 2]
        except Exception as error:
            self._staged.complain(f"a bug: {type(error).__name__}: {error}")
            return f"no body a bug: {type(error).__name__}"

    def hello(self, numbers: list[int]) -> str:
        """A new session: at rest, and what the bench is."""
        if numbers != [wire.VERSION]:
            raise Refusal("version", str(wire.VERSION))
        self._found = []
        self.leave()
        counts = [each.count for each in self._staged.spans.every()]
        told = " ".join(map(str, (wire.VERSION, wire.LINE, round(1000 * self.silence), wire.ROWS, *counts)))
        return f"ok {wire.NAME} {told} {self._staged.body.identity}"[: wire.LINE // 2]

    def limits(self, numbers: list[int]) -> str:
        """The codes that channels take."""
        _bare(numbers)
        return "ok " + " ".join(f"{each.low} {each.high}" for each in self._staged.spans.every())

    def set(self, numbers: list[int]) -> str:
        """Set the taps that were staged."""
        _bare(numbers)
        self._staged.set_taps()
        return "ok"

    def get(self, numbers: list[int]) -> str:
        """The taps from one on."""
        return _from(self._staged.body.taps().tolist(), numbers)

    def read(self, numbers: list[int]) -> str:
        """Read so many staged samples, outputs held (1) or not (0)."""
        if len(numbers) != 2 or numbers[0] not in (0, 1) or not 1 <= numbers[1] <= wire.ROWS:
            raise Refusal("command")
        self._found = self._staged.read(bool(numbers[0]), numbers[1])
        return _from(self._found, [0])

    def tone(self, numbers: list[int]) -> str:
        """The same of what is in phase with a tone: so many samples, and its frequency in millihertz."""
        if len(numbers) != 2 or not 1 <= numbers[0] <= wire.ROWS or numbers[1] < 1:
            raise Refusal("command")
        self._found = self._staged.tone(numbers[1], numbers[0])
        return _from(self._found, [0])

    def more(self, numbers: list[int]) -> str:
        """What was read, from one channel on."""
        return _from(self._found, numbers)

    def ping(self, numbers: list[int]) -> str:
        """Nothing but a sign of life."""
        _bare(numbers)
        return "ok"

    def rest(self, numbers: list[int]) -> str:
        """To rest."""
        _bare(numbers)
        self._staged.body.rest()
        return "ok"


def _bare(numbers: list[int]) -> None:
    if numbers:
        raise Refusal("command")


def _from(codes: list[int], numbers: list[int]) -> str:
    """As many of the codes as a line takes, from the one that is asked for."""
    if len(numbers) != 1 or not 0 <= numbers[0] < max(1, len(codes)):
        raise Refusal("channel")
    return wire.packed("ok", codes[numbers[0] :], wire.LINE - 8)[0]


COMMANDS: dict[str, Callable[[Desk, list[int]], str]] = {
    "hello": Desk.hello,
    "limits": Desk.limits,
    "set": Desk.set,
    "get": Desk.get,
    "read": Desk.read,
    "tone": Desk.tone,
    "more": Desk.more,
    "ping": Desk.ping,
    "rest": Desk.rest,
}
