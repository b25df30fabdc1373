"""Placing and routing without a router: everything is where the construction says, and no two nets can meet.

Rows of the matrix run along x on the front, columns along y on the back. Left of the matrix is a channel of lanes on
the back; what needs another row, a connector or a package runs to a lane of its net on the front, so that fronts meet
lanes at vias only. Below the matrix lie the ways out of its columns, then a bus, then the columns of packages, each
with a channel of its own. Whatever enters a channel from its two sides does so at heights that are a lane apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from diodeq.board.blocks import Block, Blocks
from diodeq.board.connectors import Connectors
from diodeq.board.copper import APART, LANE, WIDTH, Label, Layout, Placed, hull, label_box
from diodeq.board.grid import Grid
from diodeq.board.lanes import packed
from diodeq.board.matrix import ends, matrix
from diodeq.board.parts import Part
from diodeq.board.pen import Pen

ROOMY, TIGHT = 2800, 1600
"""From a column to the next, with room for the parts' references beside them or without."""
_FEW = 24  # columns that have it
STRIP = 7000
"""Above and below all else: room for screws and for what the board is called."""
EDGE = 1500
_CORNER = 3700  # from a corner to the middle of its hole
_SMALLEST = 800  # letters on the silkscreen


@dataclass(frozen=True)
class Plan:
    """What is to be laid out: parts with two pins, connectors, packages, test points and holes.

    Nets that are ``held`` are rows before others are, ``supplies`` have wider tracks; ``tight``: references have
    no room on the board, however small it is.
    """

    bridges: Sequence[Part]
    connectors: Sequence[Part] = ()
    blocks: Sequence[Block] = ()
    test_points: Sequence[Part] = ()
    holes: Sequence[Part] = ()
    held: Collection[str] = ()
    supplies: Collection[str] = ()
    title: str = ""
    tight: bool = False

    @property
    def parts(self) -> list[Part]:
        """All of them."""
        packages = [part for block in self.blocks for part in block.parts]
        return [*self.bridges, *packages, *self.connectors, *self.test_points, *self.holes]


def roomy(plan: Plan) -> bool:
    """Whether a board is so small that the references of its parts find room on it."""
    return not plan.tight and len({net for part in plan.bridges for net in ends(part)}) <= 2 * _FEW


def _tight(plan: Plan) -> int:
    rooms = (part.package.room for part in plan.bridges if part.kind.startswith("resistor"))
    return max([TIGHT, *(room[2] - room[0] for room in rooms)])


def laid_out(plan: Plan) -> Layout:
    """The board of a plan, its upper left corner at (0, 0)."""
    pen = Pen(plan.supplies, {net: part for part in plan.test_points for _, net in part.nets})
    pitch = ROOMY if roomy(plan) else _tight(plan)
    grid = Grid(pen, matrix(plan.bridges, plan.held, pitch), pitch)
    in_packages = {net for block in plan.blocks for part in block.parts for _, net in part.nets}
    ported = {net for part in plan.connectors for _, net in part.nets}
    right: dict[str, list[int]] = defaultdict(list)
    for line, y in grid.rows:
        right[line.net].append(y)
    bottom, exits = grid.bottom, {}
    for net in grid.columns:
        if net in right or net in ported or net in in_packages:
            bottom += LANE
            exits[net] = bottom
    for net, y in exits.items():
        right[net].append(y)
    blocks = Blocks(pen, plan.blocks, bottom + LANE, {*right, *ported})
    for net, y in blocks.bus.items():
        if net in right or net in ported:
            right[net].append(y)
    connectors = Connectors(plan.connectors, [y for found in right.values() for y in found])
    heights = {net: right[net] + connectors.entries.get(net, []) for net in {*right, *connectors.entries}}
    spans = {net: (min(ys), max(ys)) for net, ys in heights.items() if len(ys) > 1}
    lane_of, count = packed(spans, APART)
    first = -TIGHT - LANE * count
    lanes = {net: first + LANE * lane for net, lane in sorted(lane_of.items())}
    for net, x in lanes.items():
        pen.down(net, x, *spans[net])
        for y in sorted(set(heights[net])):
            pen.via(net, x, y)
    for net, x in grid.columns.items():
        grid.column(net, exits.get(net))
        if net in exits and net in lanes:
            pen.along(net, exits[net], lanes[net], x)
    for line, y in grid.rows:
        grid.row(line, y, lanes.get(line.net))
    connectors.draw(pen, lanes, first)
    blocks.draw(0, lanes)
    return _framed(pen, plan)


def _framed(pen: Pen, plan: Plan) -> Layout:
    out = pen.out
    boxes = [each.box(each.part.package.room) for each in out.placed]
    boxes += [track.box for track in out.tracks] + [label_box(label) for label in out.labels]
    x0, y0, x1, y1 = hull(boxes)
    x0, y0, y1 = x0 - EDGE, y0 - STRIP, y1 + STRIP
    x1 = max(x1 + EDGE, x0 + 6 * _CORNER)
    out.outline = (x0, y0, x1, y1)
    places = [(x, y) for y in (y0 + _CORNER, y1 - _CORNER) for x in (x0 + _CORNER, x1 - _CORNER)]
    out.placed += [Placed(part, x, y) for part, (x, y) in zip(plan.holes, places, strict=True)]
    room = (x1 - x0 - 4 * _CORNER) / (WIDTH * max(1, len(plan.title)))
    if room >= _SMALLEST:
        out.labels.append(Label(plan.title, x0 + 2 * _CORNER, y0 + _CORNER, 0, int(min(2000, room))))
    return out.moved(-x0, -y0)
