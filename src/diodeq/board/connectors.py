"""Connectors left of a channel: where each stands, and at which heights its ways come in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from diodeq.board.brackets import shortened
from diodeq.board.copper import FRONT, LANE
from diodeq.board.parts import Part
from diodeq.board.pen import Pen

PINS = 20
"""The most of one connector; of one with two rows it is twice that."""
_PITCH = 2540
_JOG = 1400  # from the middle of a pin to where its way may turn
_APART = 1000


class Connectors:
    """Places connectors below each other from y = 0 on, with ways that miss all heights ``taken`` in the channel."""

    def __init__(self, parts: Sequence[Part], taken: Sequence[int]) -> None:
        self._taken = sorted(taken)
        self._placed: list[tuple[Part, int, list[int]]] = []
        self.entries: dict[str, list[int]] = {}
        y, last = 0, -(10**9)
        for part in parts:
            room = part.package.room
            y -= room[1]
            while (found := self._fitting(part, y, last)) is None:
                y += LANE
            self._placed.append((part, y, found))
            for (net, _, _), height in zip(_Pins(part).ways, found, strict=True):
                self.entries.setdefault(net, []).append(height)
            last = found[-1]
            y += room[3] + _APART

    def _fitting(self, part: Part, start: int, last: int) -> list[int] | None:
        """The heights of the ways of a connector that begins at a height; None where one finds no room."""
        found: list[int] = []
        farthest = min(_PITCH, _Pins(part).apart) - LANE
        for _, _, away in _Pins(part).ways:
            height = self._near(start + away, last + LANE, farthest)
            if height is None:
                return None
            found.append(height)
            last = height
        return found

    def _near(self, y: int, least: int, farthest: int) -> int | None:
        """The free height nearest to y, from ``least`` on."""
        at = bisect_left(self._taken, y)
        around = self._taken[max(0, at - 4) : at + 4]
        candidates = {y, least, *(each + sign * LANE for each in around for sign in (-1, 1))}
        fit = [each for each in candidates if each >= least and abs(each - y) <= farthest and self._free(each)]
        return min(fit, key=lambda each: (abs(each - y), each), default=None)

    def _free(self, y: int) -> bool:
        at = bisect_left(self._taken, y)
        return all(abs(self._taken[k] - y) >= LANE for k in (at - 1, at) if 0 <= k < len(self._taken))

    def draw(self, pen: Pen, lanes: Mapping[str, int], right: int) -> None:
        """Draw them left of x = ``right``, with ways to their nets' lanes."""
        x = right - LANE - _JOG
        for part, y, entries in self._placed:
            pins = _Pins(part)
            left = min(pad.x for pad in part.package.pads)
            pen.part(part, x, y)
            pen.say(f"{part.reference} {part.value}", x + left - 1900, y - 2100, 0, "right")
            for (net, pad, away), height in zip(pins.ways, entries, strict=True):
                pen.down(net, x + pad.x, y + pad.y, y + away, FRONT)
                pen.along(net, y + away, x + pad.x, x + _JOG)
                pen.down(net, x + _JOG, y + away, height, FRONT)
                pen.along(net, height, x + _JOG, lanes.get(net, x + _JOG))
            for line, words in pins.labels.items():
                pen.say(words, x + left - 1900, y + line, 0, "right")


class _Pins:
    """The ways out of a connector to the right, from above: (net, pad, height); of two rows the left one's pass below
    the right one's pins."""

    def __init__(self, part: Part) -> None:
        joined = dict(part.nets)
        pads = [pad for pad in part.package.pads if pad.number in joined]
        self.ways = sorted(
            ((joined[pad.number], pad, pad.y + (_PITCH // 2 if pad.x < 0 else 0)) for pad in pads),
            key=lambda way: way[2],
        )
        self.apart = _PITCH // 2 if any(pad.x < 0 for pad in pads) else _PITCH
        self.labels: dict[int, str] = {}
        for pad in pads:
            net = shortened(joined[pad.number])
            self.labels[pad.y] = f"{self.labels[pad.y]} {net}" if pad.y in self.labels else net
