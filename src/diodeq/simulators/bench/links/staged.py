"""A body and what is to be set at it next: what every served protocol does alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from diodeq.simulators.bench.body import Body
from diodeq.simulators.bench.links.spans import Span, Spans

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
        self._codes = self._nothing()

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

    def stage(self, sort: str, places: Sequence[int], codes: Sequence[int]) -> None:
        """Remember codes for channels counted from 0; raises ``Refusal``, and then remembers none."""
        span: Span = getattr(self.spans, sort)
        if not codes or len(codes) != len(places) or not all(0 <= place < span.count for place in places):
            raise Refusal("channel")
        if not all(span.low <= code <= span.high for code in codes):
            raise Refusal("limit", f"{span.low} {span.high}")
        for place, code in zip(places, codes, strict=True):
            self._codes[sort][place] = code

    def set_taps(self) -> None:
        """Set the taps; raises ``Refusal`` where not all were staged."""
        self.body.set_taps(np.array(self._whole("taps"), np.int64))

    def read(self, held: bool) -> list[int]:
        """Read once; raises ``Refusal`` where not all was staged."""
        rows = [np.array([self._whole(sort)], np.int64) for sort in ("drives", "injections")]
        holds = np.array([self._whole("holds")], np.int64) if held else None
        found: list[int] = self.body.read(rows[0], rows[1], holds)[0].tolist()
        return found

    def release(self) -> None:
        """Outputs are not held any more."""
        self._codes["holds"] = self._nothing()["holds"]

    @property
    def holding(self) -> bool:
        """Whether an output was staged to be held."""
        return any(code is not None for code in self._codes["holds"])

    def _whole(self, sort: str) -> list[int]:
        found = [code for code in self._codes[sort] if code is not None]
        if len(found) < len(self._codes[sort]):
            raise Refusal("staged", sort)
        return found

    def _nothing(self) -> dict[str, list[int | None]]:
        return {sort: [None] * getattr(self.spans, sort).count for sort in SORTS}
