"""Packages below the matrix: columns of them, each with a channel of lanes on its left, joined by a bus above."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from diodeq.board.brackets import shortened
from diodeq.board.copper import APART, BACK, LANE, LETTER, VIA
from diodeq.board.lanes import packed
from diodeq.board.packages import Pad
from diodeq.board.parts import Part
from diodeq.board.pen import Pen

_PER_COLUMN = 30_000  # as high as a column is wide, with its channel
_OUT = 500  # from the end of a pad to the via of the way that came below the package
_IN = 300  # from the end of a pad to the via below the package


@dataclass(frozen=True)
class Block:
    """A package, and the capacitors above it."""

    part: Part
    above: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of its parts, from above."""
        return *self.above, self.part

    @property
    def height(self) -> int:
        """Of all of them, with a lane below each."""
        return sum(_tall(part) + LANE for part in self.parts)


@dataclass(frozen=True)
class _Way:
    """Where a pad's way comes out at the left; ``below`` says whether it comes through below the package."""

    net: str
    pad: Pad
    below: bool
    y: int


def _tall(part: Part) -> int:
    return part.package.room[3] - part.package.room[1]


class Blocks:
    """Blocks in as many columns as make them about as wide as high; ``above`` is where the bus may begin."""

    def __init__(self, pen: Pen, blocks: Sequence[Block], above: int, outside: set[str]) -> None:
        self._pen = pen
        self._columns = _columned(blocks)
        used = [
            {net for block in column for part in block.parts for _, net in part.nets if net} for column in self._columns
        ]
        count: dict[str, int] = defaultdict(int)
        for nets in used:
            for net in nets:
                count[net] += 1
        self._used = used
        self.bus: dict[str, int] = {}
        shared = [net for net in count if net in outside or count[net] > 1]
        for net in sorted(shared):
            above += LANE
            self.bus[net] = above
        self._outside = outside
        self._top = above + 2 * LANE

    def draw(self, left: int, lanes: Mapping[str, int]) -> None:
        """Draw them from x = ``left`` on; ``lanes`` are the places of nets in the channel beside the matrix."""
        reach = {net: [lanes[net]] for net in self.bus if net in lanes}
        x = left
        for column, used in zip(self._columns, self._used, strict=True):
            x = self._column(column, used, x, reach)
        for net, xs in reach.items():
            self._pen.along(net, self.bus[net], min(xs), max(xs))

    def _column(self, blocks: Sequence[Block], used: set[str], left: int, reach: dict[str, list[int]]) -> int:
        """One column from x = ``left`` on; where the next one may begin."""
        y = self._top
        places: list[tuple[Part, int, list[_Way]]] = []
        heights: dict[str, list[int]] = {net: [self.bus[net]] for net in used if net in self.bus}
        for block in blocks:
            for part in block.parts:
                middle = y - part.package.room[1]
                ways = list(_ways(part, middle))
                places.append((part, middle, ways))
                for way in ways:
                    heights.setdefault(way.net, []).append(way.y)
                y += _tall(part) + LANE
        spans = {net: (min(ys), max(ys)) for net, ys in heights.items() if len(ys) > 1}
        lane_of, count = packed(spans, APART)
        xs = {net: left + LANE * lane for net, lane in lane_of.items()}
        for net, x in xs.items():
            self._pen.down(net, x, *spans[net])
            for height in set(heights[net]):
                self._pen.via(net, x, height)
            if net in self.bus:
                reach.setdefault(net, []).append(x)
        edge = left + LANE * count
        for part, middle, ways in places:
            self._part(part, edge, middle, ways, xs)
        return edge + 2 * LANE + max((_wide(part) for part, _, _ in places), default=0)

    def _part(self, part: Part, edge: int, middle: int, ways: Sequence[_Way], xs: Mapping[str, int]) -> None:
        """A part whose ways come out at x = ``edge`` at the latest."""
        pen = self._pen
        out = max((pad.width // 2 - pad.x for pad in part.package.pads), default=0)
        x = edge + out + _OUT + VIA
        pen.part(part, x, middle)
        if not part.kind:  # a test point
            pen.say(shortened(part.value), x + part.package.room[2] + _OUT, middle)
        for way in ways:
            pad = way.pad
            start = x + pad.x
            if way.below:
                inner = start - pad.width // 2 - _IN
                outer = x - out - _OUT
                pen.along(way.net, middle + pad.y, start, inner)
                pen.via(way.net, inner, middle + pad.y)
                pen.down(way.net, inner, middle + pad.y, way.y)
                pen.along(way.net, way.y, inner, outer, BACK)
                pen.via(way.net, outer, way.y)
                start = outer
            pen.along(way.net, way.y, xs.get(way.net, start), start)


def _wide(part: Part) -> int:
    said = 0 if part.kind else _OUT + len(shortened(part.value)) * LETTER
    return part.package.room[2] - part.package.room[0] + _OUT + VIA + said


def _ways(part: Part, middle: int) -> Iterator[_Way]:
    joined = dict(part.nets)
    left = min(pad.x for pad in part.package.pads)
    for pad in part.package.pads:
        if net := joined.get(pad.number, ""):
            below = pad.x > left
            yield _Way(net, pad, below, middle + pad.y + (LANE if below else 0))


def _columned(blocks: Sequence[Block]) -> list[list[Block]]:
    """Columns of about equal height, such that all together are about as wide as high."""
    if not blocks:
        return []
    high = sum(block.height for block in blocks)
    count = max(1, min(len(blocks), round(math.sqrt(high / _PER_COLUMN))))
    columns: list[list[Block]] = [[]]
    filled = 0
    for block in blocks:
        if filled >= high / count * len(columns) and len(columns) < count:
            columns.append([])
        columns[-1].append(block)
        filled += block.height
    return columns
