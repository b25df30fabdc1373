"""The matrix on the board: bands of rows on the front, columns on the back, each part with a via beside it."""

from __future__ import annotations

from collections import defaultdict

from diodeq.board.copper import BACK, CLEAR, FRONT, VIA
from diodeq.board.matrix import Band, Element, Line, Matrix, pads
from diodeq.board.pen import Pen

NECK = 100
"""Copper between a pad and the via beside it."""
_AWAY = 1200  # of a test point from the rows


class _Shape:
    """How a part lies between its row and the via of its column; heights are away from the row."""

    def __init__(self, element: Element) -> None:
        self.element = element
        part = element.part
        self.row, self.column = pads(part) if element.first else pads(part)[::-1]
        self.others = [pad for pad in part.package.pads if pad not in (self.row, self.column)]
        self.above = self.row.y < self.column.y
        apart = abs(self.column.y - self.row.y)
        top, bottom = part.package.room[1], part.package.room[3]
        self.outside = self.row.y - top if self.above else bottom - self.row.y
        self.hole = apart + self.column.height // 2 + NECK + VIA // 2
        self.depth = max(self.hole + VIA // 2, bottom - self.row.y if self.above else self.row.y - top)


class Grid:
    """Draws a matrix whose columns are ``pitch`` apart, the first at x = 0, and whose first band begins at y = 0.

    ``rows`` are its rows with their heights, ``columns`` the places of its columns, ``bottom`` where it ends.
    """

    def __init__(self, pen: Pen, matrix: Matrix, pitch: int) -> None:
        self._pen, self._pitch = pen, pitch
        self.columns = {net: k * pitch for k, net in enumerate(matrix.columns)}
        self.rows: list[tuple[Line, int]] = []
        self.bottom = 0
        self._reached: dict[str, list[int]] = defaultdict(list)
        self._along: dict[str, int] = {}
        for band in matrix.bands:
            self.bottom = self._band(band, self.bottom)

    def _band(self, band: Band, start: int) -> int:
        lines = [band.upper, *([band.lower] if band.lower else [])]
        shapes = [[_Shape(element) for element in line.elements] for line in lines]
        half = max(self._pen.width(line.net) for line in lines) // 2
        first = start + max([half + CLEAR, *(shape.outside for shape in shapes[0])])
        depth = max(shape.depth for found in shapes for shape in found)
        heights = [first, first + depth + CLEAR + half]
        for line, y, found, down in zip(lines, heights, shapes, (1, -1), strict=False):
            self.rows.append((line, y))
            for shape in found:
                self._element(shape, y, down)
        if band.lower:
            return heights[1] + max([half + CLEAR, *(shape.outside for shape in shapes[1])])
        return heights[1]

    def _element(self, shape: _Shape, y: int, down: int) -> None:
        """A part at its row's height, its other pin below (``down`` is 1) or above (-1) that."""
        pen, element = self._pen, shape.element
        net, x = element.column, self.columns[element.column]
        sign = 1 if shape.above == (down == 1) else -1
        pen.part(element.part, x, y - sign * shape.row.y, 0 if sign == 1 else 180)
        for other in shape.others:  # beside the pad of its net
            mate = shape.row if other.y == shape.row.y else shape.column
            height = y + sign * (other.y - shape.row.y)
            pen.along(element.part.net(other.number), height, x + sign * other.x, x + sign * mate.x)
        pad, hole = x + sign * shape.column.x, y + down * shape.hole
        pen.down(net, pad, y + sign * (shape.column.y - shape.row.y), hole, FRONT)
        pen.via(net, pad, hole)
        pen.along(net, hole, pad, x, BACK)
        self._reached[net].append(hole)
        self._along[element.part.reference] = x + sign * shape.row.x

    def column(self, net: str, out: int | None) -> None:
        """Draw a column, from its test point down to its way out at a height, if it has them."""
        x, ys = self.columns[net], self._reached[net] + ([] if out is None else [out])
        top = min(ys)
        if not self._pen.pointless(net):
            top = -_AWAY
            self._pen.point(net, x, top, 90)
        self._pen.down(net, x, top, max(ys))
        if out is not None:
            self._pen.via(net, x, out)

    def row(self, line: Line, y: int, lane: int | None) -> None:
        """Draw a row, from its lane in the channel, if it has one, to its test point."""
        xs = [self._along[element.part.reference] for element in line.elements]
        if lane is not None:
            xs.append(lane)
        if not self._pen.pointless(line.net):
            xs.append(max(self.columns.values()) + self._pitch + _AWAY)
            self._pen.point(line.net, xs[-1], y)
        self._pen.along(line.net, y, min(xs), max(xs))
