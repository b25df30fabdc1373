"""Which points of a drawing are one net: a wire joins what lies on it, wires that only cross are apart."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from math import gcd

import numpy as np

from diodeq.circuit.graph import components
from diodeq.errors import InputError
from diodeq.netlist.symbols import Point

Wire = tuple[int, int, int, int]
MOST_DIRECTIONS = 64
_Line = tuple[int, int, int]  # a straight line: its direction, and how far it is from the origin


def join(
    wires: Iterable[Wire],
    pins: Iterable[Point],
    labels: Iterable[tuple[Point, str]],
    attached: Collection[Point] | None = None,
) -> dict[Point, int]:
    """The number of the net that each pin and each labelled point belongs to.

    A point on a wire is one net with it; so two wires join where an end of one lies on the other. With ``attached``
    only these points are, and the ends of a wire with itself. Equal labels are one net wherever they are.

    Raises:
        InputError: wires in more directions than a drawing has; with ``attached``, two upon each other.
    """
    runs, directions = _runs(wires := list(wires), merged=attached is None)
    index: dict[object, int] = {}  # points, runs of wires and labels are the nodes of a graph
    for x0, y0, x1, y1 in wires:
        index.setdefault((x0, y0), len(index))
        index.setdefault((x1, y1), len(index))
    edges: list[tuple[int, int]] = []
    for point, label in labels:
        at = index.setdefault(point, len(index))
        edges.append((at, index.setdefault(label, len(index))))
    for point in pins:
        index.setdefault(point, len(index))
    points = [(key, at) for key, at in index.items() if isinstance(key, tuple)]
    for (x, y), at in points:
        everywhere = attached is None or (x, y) in attached
        for dx, dy in directions:
            line = (dx, dy, x * dy - y * dx)
            if line in runs:
                along_it = x * dx + y * dy
                starts, stops = runs[line]
                run = bisect_right(starts, along_it) - 1
                if run >= 0 and (along_it < stops[run] if everywhere else along_it == starts[run]):
                    edges.append((at, index.setdefault((*line, run), len(index))))
                ending = bisect_left(stops, along_it)
                if ending < len(stops) and stops[ending] == along_it:
                    edges.append((at, index.setdefault((*line, ending), len(index))))
    _, nets = components(len(index), np.array(edges, dtype=np.int32).reshape(-1, 2))
    return {point: int(nets[at]) for point, at in points}


def inside(wires: Iterable[Wire], points: Iterable[Point]) -> Iterator[Point]:
    """The points that lie on a wire between its ends, once for each such wire; no two are upon each other."""
    runs, directions = _runs(wires, merged=False)
    for x, y in points:
        for dx, dy in directions:
            starts, stops = runs.get((dx, dy, x * dy - y * dx), ([], []))
            run = bisect_left(starts, along := x * dx + y * dy) - 1
            if run >= 0 and along < stops[run]:
                yield x, y


def _runs(wires: Iterable[Wire], merged: bool) -> tuple[dict[_Line, tuple[list[int], list[int]]], set[Point]]:
    """The starts and the stops of the runs of wires on each straight line, in order, and the lines' directions."""
    spans: dict[_Line, list[tuple[int, int]]] = {}
    for x0, y0, x1, y1 in wires:
        if (x0, y0) != (x1, y1):
            dx, dy = _direction(x1 - x0, y1 - y0)
            along = sorted((x0 * dx + y0 * dy, x1 * dx + y1 * dy))
            spans.setdefault((dx, dy, x0 * dy - y0 * dx), []).append((along[0], along[1]))
    directions = {(dx, dy) for dx, dy, _ in spans}
    if len(directions) > MOST_DIRECTIONS:
        raise InputError(f"its wires run in {len(directions)} directions", "draw them horizontally and vertically")
    return {line: _merged(them) if merged else _apart(them) for line, them in spans.items()}, directions


def _direction(dx: int, dy: int) -> Point:
    step = gcd(dx, dy)
    dx, dy = dx // step, dy // step
    return (dx, dy) if (dx, dy) > (0, 0) else (-dx, -dy)


def _merged(spans: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The starts and the stops of the runs that spans on one line make where they touch or overlap."""
    starts: list[int] = []
    stops: list[int] = []
    for start, stop in sorted(spans):
        if stops and start <= stops[-1]:
            stops[-1] = max(stops[-1], stop)
        else:
            starts.append(start)
            stops.append(stop)
    return starts, stops


def _apart(spans: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The starts and the stops of spans on one line that touch at most."""
    spans = sorted(set(spans))
    for (_, stop), (start, _) in pairwise(spans):
        if start < stop:
            raise InputError("two wires lie upon each other", "open it where it was drawn, and save it again")
    return [start for start, _ in spans], [stop for _, stop in spans]
