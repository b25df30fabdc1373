"""A body served as an instrument that speaks SCPI: the other end of the commands that ``scpi.py`` has by default."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from diodeq.errors import DiodeqError
from diodeq.simulators.bench.links import wire
from diodeq.simulators.bench.links.staged import Refusal, Staged

ERRORS = 16
"""Entries of the queue of errors."""
NOTHING = "9.91E37"
"""SCPI's number for none: an answer there is."""
_TOLD = {
    "channel": '-224,"Illegal parameter value; channel',
    "limit": '-222,"Data out of range; codes',
    "staged": '-221,"Settings conflict; not all are set of',
    "command": '-109,"Missing parameter',
}
_LIST = re.compile(r"\(@([0-9:,]{1,4000})\)")
_SORTS = {
    "SOURce:RESistance:CODE": "taps",
    "SOURce:VOLTage:CODE": "drives",
    "SOURce:CURRent:CODE": "injections",
    "OUTPut:HOLD:CODE": "holds",
}


class Instrument:
    """Commands in, answers to those that ask, on what is ``staged``; what goes wrong waits in the queue of errors."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self._errors: deque[str] = deque(maxlen=ERRORS)
        self._found: list[int] = []
        self.silence, self.watch = staged.silence, staged.watch

    def leave(self) -> None:
        """The other end has gone: at rest, without errors."""
        self._errors.clear()
        self._staged.leave()

    def answer(self, line: bytes) -> bytes:
        """The lines that answer one without its end."""
        try:
            text = line.decode("ascii").strip()
        except UnicodeDecodeError:
            self._errors.append('-101,"Invalid character"')
            return b""
        said = [found for unit in text.split(";") if (found := self._tried(unit.strip())) is not None]
        return (";".join(said) + "\n").encode("ascii", "replace") if said else b""

    def too_long(self) -> bytes:
        """The answer to a line that does not end: none."""
        self._errors.append('-363,"Input buffer overrun"')
        return b""

    def busy(self) -> bytes:
        """What a second other end is told: nothing, the connection closes."""
        return b""

    def _tried(self, unit: str) -> str | None:
        header, _, rest = unit.partition(" ")
        do = next((do for pattern, do in _COMMANDS.items() if pattern.fullmatch(header)), None)
        if do is None:
            self._errors.append('-113,"Undefined header"')
            return None
        self._staged.heard()
        try:
            return do(self, rest.strip())
        except Refusal as refusal:
            self._errors.append(f'{_TOLD[refusal.reason]} {refusal.detail}"'.replace(' "', '"'))
        except DiodeqError as error:
            self._errors.append(f'-200,"Execution error; {error}"')
        except Exception as error:
            self._staged.complain(f"a bug: {type(error).__name__}: {error}")
            self._errors.append('-300,"Device-specific error"')
        return NOTHING if header.endswith("?") else None

    def stage(self, sort: str, rest: str) -> None:
        """Codes for channels counted from 1, joined by commas, then the channels; those of the next sample are numbered
        on."""
        codes, channels = self._parts(sort, rest)
        self._staged.stage(sort, channels, codes, _rows(sort))

    def taps(self, rest: str) -> str:
        """The taps of some channels."""
        _, channels = self._parts("taps", rest)
        codes = self._staged.body.taps()
        return ",".join(str(codes[channel]) for channel in channels)

    def initiate(self, rest: str) -> None:
        """Read so many samples."""
        rows = wire.whole([rest or "1"])
        self._found = []
        if rows is None or not 1 <= rows[0] <= wire.ROWS:
            raise Refusal("command")
        self._found = self._staged.read(self._staged.holding, rows[0])

    def tone(self, rest: str) -> None:
        """The same of what is in phase with a tone: so many samples, and its frequency in millihertz."""
        asked = wire.whole(rest.split(","))
        self._found = []
        if asked is None or len(asked) != 2 or not 1 <= asked[0] <= wire.ROWS or asked[1] < 1:
            raise Refusal("command")
        self._found = self._staged.tone(asked[1], asked[0])

    def fetch(self, rest: str) -> str:
        """What some channels read; those of the next sample are numbered on."""
        _, channels = self._parts("reads", rest)
        if channels[-1] >= len(self._found):
            raise Refusal("channel")
        return ",".join(str(self._found[channel]) for channel in channels)

    def measure(self, rest: str) -> str:
        """Read one sample, and fetch."""
        self.initiate("")
        return self.fetch(rest)

    def error(self, rest: str) -> str:
        """The oldest error."""
        return self._errors.popleft() if self._errors else '0,"No error"'

    def channels(self, rest: str) -> str:
        """Number, lowest and highest code of each sort."""
        return ",".join(f"{each.count},{each.low},{each.high}" for each in self._staged.spans.every())

    def identify(self, rest: str) -> str:
        """Maker, bench, serial number and version of the protocol."""
        return f"diodeq,{self._staged.body.identity.replace(',', ' ').replace(';', ' ')},0,{wire.VERSION}"

    def _parts(self, sort: str, rest: str) -> tuple[list[int], list[int]]:
        words, at, listed = rest.partition("(@")
        found = _LIST.fullmatch(at + listed)
        codes = wire.whole([word.strip() for word in words.split(",") if word.strip()])
        if found is None or codes is None:
            raise Refusal("command")
        count: int = getattr(self._staged.spans, sort).count * _rows(sort)
        channels: list[int] = []
        for word in found[1].split(","):
            ends = wire.whole(word.split(":"))
            if ends is None or len(ends) > 2 or not 1 <= ends[0] <= ends[-1] <= count:
                raise Refusal("channel")
            channels += range(ends[0] - 1, ends[-1])
            if len(channels) > count:
                raise Refusal("channel")
        return codes, channels


def _rows(sort: str) -> int:
    return 1 if sort == "taps" else wire.ROWS


def _header(text: str) -> re.Pattern[str]:
    """A pattern of the short and the long form of a header: capitals are the short one."""
    words = []
    for word in text.rstrip("?").split(":"):
        short = "".join(letter for letter in word if not letter.islower())
        words.append(rf"{re.escape(short)}(?:{word[len(short) :]})?" if len(word) > len(short) else re.escape(short))
    return re.compile(":?" + ":".join(words) + (r"\?" if text.endswith("?") else ""), re.IGNORECASE)


def _staging(sort: str) -> Callable[[Instrument, str], None]:
    return lambda self, rest: self.stage(sort, rest)


_COMMANDS: dict[re.Pattern[str], Callable[[Instrument, str], str | None]] = {
    _header("*IDN?"): Instrument.identify,
    _header("*RST"): lambda self, rest: self._staged.body.rest(),
    _header("*CLS"): lambda self, rest: self._errors.clear(),
    _header("*OPC?"): lambda self, rest: "1",
    _header("*TRG"): lambda self, rest: self._staged.set_taps(),
    _header("SYSTem:ERRor?"): Instrument.error,
    _header("SYSTem:CHANnels?"): Instrument.channels,
    **{_header(text): _staging(sort) for text, sort in _SORTS.items()},
    _header("SOURce:RESistance:CODE?"): Instrument.taps,
    _header("OUTPut:HOLD:RELease"): lambda self, rest: self._staged.release(),
    _header("INITiate"): Instrument.initiate,
    _header("INITiate:TONE"): Instrument.tone,
    _header("FETCh:VOLTage:CODE?"): Instrument.fetch,
    _header("MEASure:VOLTage:CODE?"): Instrument.measure,
}
