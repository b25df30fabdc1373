"""Copper on a board: pads where parts are, tracks, vias; places are micrometres, y downward."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from diodeq.board.packages import Box
from diodeq.board.parts import Part

TRACK, RAIL, CLEAR = 200, 350, 200
VIA, DRILL = 500, 300
LANE = 635
"""From a track to the next: a rail beside a via is more than ``CLEAR`` away."""
APART = VIA + CLEAR
"""From a via to the next on one lane."""
FRONT, BACK = 0, 1
WIDTH = 0.95
"""Of a letter on the silkscreen, in heights of the text."""
LETTER = int(WIDTH * 800)
"""Of one of the usual height."""


@dataclass(frozen=True)
class Track:
    """A straight piece of copper, along x on the front and along y on the back, but for short jogs."""

    net: str
    layer: int
    x0: int
    y0: int
    x1: int
    y1: int
    width: int = TRACK

    @property
    def length(self) -> int:
        """From end to end."""
        return abs(self.x1 - self.x0) + abs(self.y1 - self.y0)

    @property
    def box(self) -> Box:
        """What it covers, as if its round ends were square."""
        half = self.width // 2
        low, high = sorted((self.x0, self.x1)), sorted((self.y0, self.y1))
        return low[0] - half, high[0] - half, low[1] + half, high[1] + half


@dataclass(frozen=True)
class Via:
    """A hole that joins both sides."""

    net: str
    x: int
    y: int


@dataclass(frozen=True)
class Placed:
    """A part where it is, turned by ``turn`` degrees: 0 or 180."""

    part: Part
    x: int
    y: int
    turn: int = 0

    def turned(self, x: int, y: int) -> tuple[int, int]:
        """Where a place of its package is on the board."""
        sign = -1 if self.turn == 180 else 1
        return self.x + sign * x, self.y + sign * y

    def within(self, x: int, y: int) -> tuple[int, int]:
        """Where a place of the board is on its package."""
        sign = -1 if self.turn == 180 else 1
        return sign * (x - self.x), sign * (y - self.y)

    def box(self, box: Box) -> Box:
        """Where a box of its package is on the board."""
        (x0, y0), (x1, y1) = self.turned(box[0], box[1]), self.turned(box[2], box[3])
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def pads(self) -> Iterator[tuple[str, str, Box, bool]]:
        """Number, net, what it covers and whether it goes through, of each pad."""
        joined = dict(self.part.nets)
        for pad in self.part.package.pads:
            half = pad.width // 2, pad.height // 2
            box = self.box((pad.x - half[0], pad.y - half[1], pad.x + half[0], pad.y + half[1]))
            yield pad.number, joined.get(pad.number, ""), box, bool(pad.drill)


@dataclass(frozen=True)
class Label:
    """A text on the silkscreen; ``side`` says which end of it is at the place: left, right, or middle."""

    text: str
    x: int
    y: int
    turn: int = 0
    size: int = 800
    side: str = "left"


@dataclass
class Layout:
    """All that is on a board of ``outline``; ``layers`` of copper."""

    placed: list[Placed] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    vias: list[Via] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    outline: Box = (0, 0, 0, 0)
    layers: int = 2

    def moved(self, x: int, y: int) -> Layout:
        """The same elsewhere."""
        return Layout(
            [Placed(each.part, each.x + x, each.y + y, each.turn) for each in self.placed],
            [Track(t.net, t.layer, t.x0 + x, t.y0 + y, t.x1 + x, t.y1 + y, t.width) for t in self.tracks],
            [Via(via.net, via.x + x, via.y + y) for via in self.vias],
            [Label(s.text, s.x + x, s.y + y, s.turn, s.size, s.side) for s in self.labels],
            (self.outline[0] + x, self.outline[1] + y, self.outline[2] + x, self.outline[3] + y),
            self.layers,
        )

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in mm."""
        x0, y0, x1, y1 = self.outline
        return (x1 - x0) / 1000, (y1 - y0) / 1000


def overlapping(a: Box, b: Box, apart: int = 0) -> bool:
    """Whether two boxes are nearer than ``apart``."""
    return a[0] < b[2] + apart and b[0] < a[2] + apart and a[1] < b[3] + apart and b[1] < a[3] + apart


def hull(boxes: Iterable[Box]) -> Box:
    """The box around boxes."""
    sides = list(zip(*boxes, strict=True))
    return min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])


def label_box(label: Label) -> Box:
    """About what a text covers."""
    long, half = int(WIDTH * label.size * len(label.text)), label.size * 6 // 10
    before = {"left": 0, "middle": long // 2, "right": long}[label.side]
    if label.turn == 90:
        return label.x - half, label.y - long + before, label.x + half, label.y + before
    return label.x - before, label.y - half, label.x - before + long, label.y + half
