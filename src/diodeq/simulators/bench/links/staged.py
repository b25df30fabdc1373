"""A body and what is to be set at it next: what every served protocol does alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from diodeq.simulators.bench.body import Body
from diodeq.simulators.bench.links.spans import Ints, Span, Spans

SILENCE = 5.0
"""Seconds without a sound line after which a bench goes to rest by itself."""
SORTS = ("taps", "drives", "injections", "holds")


class Refusal(Exception):
    """A command that is not carried out; ``reason`` is one of ``channel``, ``limit``, ``staged``, ``command``."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason} {detail}".rstrip())


class Staged:
    """Codes of ``spans`` come in pieces, and reach ``body`` together.

    ``silence`` is how many seconds the other end may say nothing before the body goes to rest; ``complain(sentence)``
    is told what the other end cannot help.
    """

    def __init__(self, body: Body, spans: Spans, silence: float, complain: Callable[[str], None]) -> None:
        self.body, self.spans, self.silence, self.complain = body, spans, silence, complain
        self._heard, self._resting = time.monotonic(), True
        self._codes: dict[str, dict[int, int]] = self._nothing()

    def heard(self) -> None:
        """The other end is there."""
        self._heard, self._resting = time.monotonic(), False

    def watch(self) -> None:
        """Go to rest where the other end has been silent for too long."""
        if not self._resting and time.monotonic() - self._heard > self.silence:
            self.leave()

    def leave(self) -> None:
        """To rest, and what was staged is forgotten."""
        self._codes, self._resting = self._nothing(), True
        try:
            self.body.rest()
        except Exception as error:
            self.complain(f"the bench does not go to rest: {error}")

    def stage(self, sort: str, places: Sequence[int], codes: Sequence[int], rows: int = 1) -> None:
        """Remember codes for channels counted from 0, on through ``rows`` samples; raises ``Refusal``, and then
        remembers none."""
        span: Span = getattr(self.spans, sort)
        if not codes or len(codes) != len(places) or not all(0 <= place < span.count * rows for place in places):
            raise Refusal("channel")
        if not all(span.low <= code <= span.high for code in codes):
            raise Refusal("limit", f"{span.low} {span.high}")
        self._codes[sort].update(zip(places, codes, strict=True))

    def set_taps(self) -> None:
        """Set the taps; raises ``Refusal`` where not all were staged."""
        self.body.set_taps(self._whole("taps", 1)[0])

    def read(self, held: bool, rows: int = 1) -> list[int]:
        """Read so many samples, one after the other; raises ``Refusal`` where not all was staged."""
        drives, injections = self._whole("drives", rows), self._whole("injections", rows)
        found: list[int] = (
            self.body.read(drives, injections, self._whole("holds", rows) if held else None).ravel().tolist()
        )
        return found

    def tone(self, millihertz: int, rows: int = 1) -> list[int]:
        """The same of what is in phase with a tone."""
        drives, injections = self._whole("drives", rows), self._whole("injections", rows)
        found: list[int] = self.body.tone(drives, injections, millihertz).ravel().tolist()
        return found

    def release(self) -> None:
        """Outputs are not held any more."""
        self._codes["holds"].clear()

    @property
    def holding(self) -> bool:
        """Whether an output was staged to be held."""
        return bool(self._codes["holds"])

    def _whole(self, sort: str, rows: int) -> Ints:
        codes, count = self._codes[sort], getattr(self.spans, sort).count
        try:
            found = [codes[place] for place in range(rows * count)]
        except KeyError:
            raise Refusal("staged", sort) from None
        return np.array(found, np.int64).reshape(rows, count)

    def _nothing(self) -> dict[str, dict[int, int]]:
        return {sort: {} for sort in SORTS}
