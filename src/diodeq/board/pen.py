"""What draws on a board under way: tracks as wide as their net wants, vias, parts and what is written beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from diodeq.board.brackets import shortened
from diodeq.board.copper import BACK, FRONT, RAIL, TRACK, Label, Layout, Placed, Track, Via
from diodeq.board.parts import Part


class Pen:
    """Draws on one board; ``points`` are the test points by net, each placed once."""

    def __init__(self, supplies: Collection[str], points: Mapping[str, Part]) -> None:
        self.out = Layout()
        self._supplies, self._points = supplies, dict(points)

    def width(self, net: str) -> int:
        """Of a net's tracks."""
        return RAIL if net in self._supplies else TRACK

    def along(self, net: str, y: int, x0: int, x1: int, layer: int = FRONT) -> None:
        """A track along x."""
        self._track(net, layer, x0, y, x1, y)

    def down(self, net: str, x: int, y0: int, y1: int, layer: int = BACK) -> None:
        """A track along y."""
        self._track(net, layer, x, y0, x, y1)

    def _track(self, net: str, layer: int, x0: int, y0: int, x1: int, y1: int) -> None:
        if (x0, y0) != (x1, y1):
            self.out.tracks.append(Track(net, layer, x0, y0, x1, y1, self.width(net)))

    def via(self, net: str, x: int, y: int) -> None:
        """A hole of a net."""
        self.out.vias.append(Via(net, x, y))

    def part(self, part: Part, x: int, y: int, turn: int = 0) -> None:
        """A part in its place."""
        self.out.placed.append(Placed(part, x, y, turn))

    def say(self, text: str, x: int, y: int, turn: int = 0, side: str = "left", size: int = 800) -> None:
        """A text on the silkscreen."""
        self.out.labels.append(Label(text, x, y, turn, size, side))

    def pointless(self, net: str) -> bool:
        """Whether a net needs no test point, or has it already."""
        return net not in self._points

    def point(self, net: str, x: int, y: int, turn: int = 0) -> None:
        """The test point of a net, named to its right or (90) above it."""
        self.part(self._points.pop(net), x, y)
        self.say(shortened(net), *((x + 900, y) if turn == 0 else (x, y - 900)), turn)
