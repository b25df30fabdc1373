"""Which lines a matrix of parts has: nets as rows, columns or both, in which order, and two rows to a band.

Every part with two pins bridges the crossing of a row, on the front, with a column, on the back. A band is the room
between two rows, one above and one below; at each column it has one part at most, of one row or of the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from diodeq.board.packages import Pad
from diodeq.board.parts import Part, nets


@dataclass(frozen=True)
class Element:
    """A part in the matrix; ``first`` says whether its first pin is at the row."""

    part: Part
    row: str
    column: str
    first: bool


@dataclass
class Line:
    """A row with its elements; a net may have several."""

    net: str
    elements: list[Element] = field(default_factory=list)


@dataclass
class Band:
    """Two rows and what is between them."""

    upper: Line
    lower: Line | None = None


@dataclass(frozen=True)
class Matrix:
    """Columns from the left, bands from above."""

    columns: tuple[str, ...]
    bands: tuple[Band, ...]


def pads(part: Part) -> tuple[Pad, Pad]:
    """The two pads of a part in the matrix: its first and its last; others share the net of one at the same height."""
    return part.package.pads[0], part.package.pads[-1]


def ends(part: Part) -> tuple[str, str]:
    """The nets at those."""
    first, last = pads(part)
    return part.net(first.number), part.net(last.number)


def matrix(parts: Sequence[Part], held: Collection[str], pitch: int) -> Matrix:
    """Lines for parts with two pins; nets that are ``held`` become rows, and columns are ``pitch`` apart."""
    joined = [ends(part) for part in parts]
    rows, columns = _sides(joined, held)
    elements = []
    degree = Counter(net for pair in joined for net in pair)
    for part, (a, b) in zip(parts, joined, strict=True):
        ways = [(a, b, True)] * (a in rows and b in columns) + [(b, a, False)] * (b in rows and a in columns)
        row, column, first = max(ways, key=lambda way: (way[0] in held, degree[way[0]]))
        elements.append(Element(part, row, column, first))
    order = nets(parts)
    crossed = {element.column for element in elements}
    columns_in_order = tuple(net for net in order if net in crossed)
    place = {net: k for k, net in enumerate(columns_in_order)}
    return Matrix(columns_in_order, tuple(_bands(_lines(elements, order, place, pitch), place, pitch)))


def _sides(joined: Sequence[tuple[str, str]], held: Collection[str]) -> tuple[set[str], set[str]]:
    """Nets that are rows and nets that are columns: those of a pair on two sides, with as few as possible on both."""
    neighbours: dict[str, set[str]] = defaultdict(set)
    for a, b in joined:
        neighbours[a].add(b)
        neighbours[b].add(a)
    side = dict.fromkeys((net for net in neighbours if net in held), 0)
    for seed in [*side, *neighbours]:
        side.setdefault(seed, 0)
        queue = [seed]
        while queue:
            net = queue.pop(0)
            for other in sorted(neighbours[net]):
                if other not in side:
                    side[other] = 1 - side[net]
                    queue.append(other)
    rows, columns = ({net for net, found in side.items() if found == which} for which in (0, 1))
    # Pairs on one side: the net of most of them gets a line of the other kind too.
    wrong = [pair for pair in joined if side[pair[0]] == side[pair[1]]]
    while wrong:
        net = max(sorted(Counter(net for pair in wrong for net in pair).items()), key=lambda item: item[1])[0]
        (columns if side[net] == 0 else rows).add(net)
        wrong = [pair for pair in wrong if net not in pair]
    return rows, columns


def _lines(elements: Sequence[Element], order: Sequence[str], place: dict[str, int], pitch: int) -> list[Line]:
    """Rows whose elements do not touch each other: several of a net where one has no room."""
    of_row: dict[str, list[Element]] = defaultdict(list)
    for element in elements:
        of_row[element.row].append(element)
    found = []
    for net in order:
        lines: list[list[Element]] = []
        reach: list[int] = []
        for element in sorted(of_row[net], key=lambda each: place[each.column]):
            left, right = _reach(element, place, pitch)
            for k, end in enumerate(reach):
                if end <= left:
                    lines[k].append(element)
                    reach[k] = right
                    break
            else:
                lines.append([element])
                reach.append(right)
        found += [Line(net, line) for line in lines]
    return found


def _reach(element: Element, place: dict[str, int], pitch: int) -> tuple[int, int]:
    room = element.part.package.room
    middle = place[element.column] * pitch
    return middle + room[0], middle + room[2]


def _bands(lines: Sequence[Line], place: dict[str, int], pitch: int) -> list[Band]:
    """Two rows a band where their elements leave each other room, the nearest in order."""
    reaches = [sorted(_reach(element, place, pitch) for element in line.elements) for line in lines]
    tall = [max(element.part.package.room[3] for element in line.elements) for line in lines]
    partner: dict[int, int | None] = {}
    for k in range(len(lines)):
        if k in partner:
            continue
        free = (other for other in range(k + 1, len(lines)) if other not in partner and tall[other] == tall[k])
        partner[k] = next((other for other in free if _apart(reaches[k], reaches[other])), None)
        if (other := partner[k]) is not None:
            partner[other] = -1
    firsts = [k for k, other in partner.items() if other != -1]
    return [Band(lines[k], None if (other := partner[k]) is None else lines[other]) for k in firsts]


def _apart(first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]]) -> bool:
    merged = sorted([*first, *second])
    return all(a[1] <= b[0] for a, b in pairwise(merged))
