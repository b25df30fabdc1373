"""Connectors left of a channel: where each stands, and at which heights its ways come in.

Ways keep their order on the way from the pins to the channel, so they turn without crossing: of those that go down the
lower ones turn first, of those that go up the upper ones.
"""

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
_FAR = 8000  # from a pin's height to where its way comes in


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
        for _, _, away in _Pins(part).ways:
            height = self._near(start + away, last + LANE)
            if height is None:
                return None
            found.append(height)
            last = height
        return found

    def _near(self, y: int, least: int) -> int | None:
        """The free height nearest to y, from ``least`` on."""
        around = self._taken[bisect_left(self._taken, y - _FAR) : bisect_left(self._taken, y + _FAR)]
        candidates = {y, least, *(each + sign * LANE for each in around for sign in (-1, 1))}
        fit = [each for each in candidates if each >= least and abs(each - y) <= _FAR and self._free(each)]
        return min(fit, key=lambda each: (abs(each - y), each), default=None)

    def _free(self, y: int) -> bool:
        at = bisect_left(self._taken, y)
        return all(abs(self._taken[k] - y) >= LANE for k in (at - 1, at) if 0 <= k < len(self._taken))

    def draw(self, pen: Pen, lanes: Mapping[str, int], right: int) -> None:
        """Draw them left of x = ``right``, with ways to their nets' lanes."""
        lanes_of = turns(
            [
                (y + away, height)
                for part, y, entries in self._placed
                for (_, _, away), height in zip(_Pins(part).ways, entries, strict=True)
            ]
        )
        x = right - LANE - _JOG - LANE * max(lanes_of, default=0)
        turn = iter(lanes_of)
        for part, y, entries in self._placed:
            pins = _Pins(part)
            left = min(pad.x for pad in part.package.pads)
            pen.part(part, x, y)
            pen.say(f"{part.reference} {part.value}", x + left - 1900, y - 2100, 0, "right")
            for (net, pad, away), height in zip(pins.ways, entries, strict=True):
                there = x + _JOG + LANE * next(turn)
                pen.down(net, x + pad.x, y + pad.y, y + away, FRONT)
                pen.along(net, y + away, x + pad.x, there)
                pen.down(net, there, y + away, height, FRONT)
                pen.along(net, height, there, lanes.get(net, there))
            for line, words in pins.labels.items():
                pen.say(words, x + left - 1900, y + line, 0, "right")


def turns(ways: Sequence[tuple[int, int]]) -> list[int]:
    """In which lane each of some ways, from above, goes from one height to the other, so that none meets another."""
    found = [0] * len(ways)
    for k in reversed(range(len(ways) - 1)):  # down
        (start, end), (other, _) = ways[k], ways[k + 1]
        if end > start and end + LANE > other:
            found[k] = found[k + 1] + 1
    for k in range(1, len(ways)):  # up
        (start, end), (other, _) = ways[k], ways[k - 1]
        if end < start and end - LANE < other:
            found[k] = found[k - 1] + 1
    return found


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
        self.labels: dict[int, str] = {}
        for pad in pads:
            net = shortened(joined[pad.number])
            self.labels[pad.y] = f"{self.labels[pad.y]} {net}" if pad.y in self.labels else net
