"""Where the references of parts are printed: beside each, wherever there is room for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from diodeq.board.copper import VIA, Label, Layout, Placed, label_box, overlapping
from diodeq.board.packages import Box, Package

SIZE = 800
_CELL = 4000
_APART = 150  # from pads
_BESIDE = 400  # from a part to the middle of its reference


def printed(layout: Layout) -> dict[str, Label]:
    """The references that find room, by themselves; connectors, test points and holes are named otherwise or not."""
    taken = _Taken()
    for placed in layout.placed:
        taken.add(placed.box(placed.part.package.body))
        if marked(placed.part.package):
            taken.add(placed.box(mark(placed.part.package)))
        for _, _, (x0, y0, x1, y1), _ in placed.pads():
            taken.add((x0 - _APART, y0 - _APART, x1 + _APART, y1 + _APART))
    half = VIA // 2
    for via in layout.vias:
        taken.add((via.x - half, via.y - half, via.x + half, via.y + half))
    for label in layout.labels:
        taken.add(label_box(label))
    x0, y0, x1, y1 = layout.outline
    found = {}
    for placed in layout.placed:
        if not placed.part.kind or placed.part.package.name.startswith("Header"):
            continue
        for label in _places(placed):
            box = label_box(label)
            if box[0] > x0 and box[1] > y0 and box[2] < x1 and box[3] < y1 and taken.free(box):
                found[placed.part.reference] = label
                taken.add(box)
                break
    return found


def marked(package: Package) -> bool:
    """Whether the first pin of a package is marked."""
    return package.name in ("SOD-123", "SOT-23") or package.name.startswith(("SOIC", "TSSOP", "Header"))


def mark(package: Package) -> Box:
    """The line at its first pin."""
    pad, y0 = package.pads[0], package.room[1] + 100
    half = pad.width // 2
    return pad.x - half - 75, y0 - 75, pad.x + half + 75, y0 + 75


def _places(placed: Placed) -> Iterator[Label]:
    """Where a reference may be, the best first: slim parts have theirs at a side."""
    x0, y0, x1, y1 = placed.box(placed.part.package.room)
    x, y, text = (x0 + x1) // 2, (y0 + y1) // 2, placed.part.reference
    upright = [Label(text, x1 + _BESIDE, y, 90, SIZE, "middle"), Label(text, x0 - _BESIDE, y, 90, SIZE, "middle")]
    level = [
        Label(text, x, y0 - _BESIDE, 0, SIZE, "middle"),
        Label(text, x, y1 + _BESIDE, 0, SIZE, "middle"),
    ]
    yield from (*upright, *level) if x1 - x0 <= y1 - y0 and len(placed.part.package.pads) <= 3 else (*level, *upright)


class _Taken:
    """Boxes, to ask whether another one touches any."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = defaultdict(list)

    def add(self, box: Box) -> None:
        for cell in _cells(box):
            self._cells[cell].append(box)

    def free(self, box: Box) -> bool:
        return not any(overlapping(box, other) for cell in _cells(box) for other in self._cells.get(cell, ()))


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    for x in range(box[0] // _CELL, box[2] // _CELL + 1):
        for y in range(box[1] // _CELL, box[3] // _CELL + 1):
            yield x, y
