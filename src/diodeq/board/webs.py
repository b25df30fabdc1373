"""The copper of a board as resistors: tracks, vias and pads of each net."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from diodeq.board.copper import BACK, DRILL, FRONT, Layout, Track

RESISTIVITY = 1.72e-8
"""Of copper at 20 °C, in Ω m."""
THICKNESS, PLATING, BOARD = 35e-6, 20e-6, 1.6e-3
"""Of tracks, of the walls of vias, and of the board, in m."""


class Web:
    """Nodes and resistors of one net's copper, as they are found."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, int, int], int] = {}  # layer, x, y
        self.rows: list[tuple[int, int, float]] = []  # two nodes and siemens
        self.pads: dict[tuple[str, str], int] = {}
        self.pin: int | None = None  # the first connector's

    def node(self, layer: int, x: int, y: int) -> int:
        return self.nodes.setdefault((layer, x, y), len(self.nodes))

    def star(self, ends: Sequence[tuple[str, str]]) -> tuple[float, list[float]]:
        """Ohms from the net's pin to its hub, and from there to each of some pads."""
        places = [self.pads[end] for end in ends]
        root = places[0] if self.pin is None else self.pin
        a, b, g = (
            (np.array(column) for column in zip(*self.rows, strict=True)) if self.rows else (np.zeros(0, int),) * 3
        )
        laplacian = np.zeros((len(self.nodes), len(self.nodes)))
        for row, column, value in ((a, a, g), (b, b, g), (a, b, -g), (b, a, -g)):
            np.add.at(laplacian, (row, column), value)
        others = np.flatnonzero(np.arange(len(self.nodes)) != root)
        shared = np.zeros_like(laplacian)
        shared[np.ix_(others, others)] = np.linalg.inv(laplacian[np.ix_(others, others)])
        found = shared[np.ix_(places, places)]
        count = len(places)
        trunk = (found.sum() - np.trace(found)) / (count * (count - 1)) if count > 1 else float(found[0, 0])
        return float(trunk), (np.maximum(np.diag(found) - trunk, 0.0) if count > 1 else np.zeros(1)).tolist()


def webs(layout: Layout) -> dict[str, Web]:
    """The copper of each net."""
    through = RESISTIVITY * BOARD / (math.pi * DRILL * 1e-6 * PLATING)
    found: dict[str, Web] = defaultdict(Web)
    joints: dict[tuple[str, int], set[tuple[int, int]]] = defaultdict(set)
    holes = [(via.net, via.x, via.y) for via in layout.vias]
    for placed in layout.placed:
        for number, net, box, drilled in placed.pads():
            web, x, y = found[net], (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
            web.pads[placed.part.reference, number] = node = web.node(FRONT, x, y)
            joints[net, FRONT].add((x, y))
            if placed.part.reference.startswith("J") and web.pin is None:
                web.pin = node
            if drilled:
                holes.append((net, x, y))
    for net, x, y in holes:
        found[net].rows.append((found[net].node(FRONT, x, y), found[net].node(BACK, x, y), 1.0 / through))
        for layer in (FRONT, BACK):
            joints[net, layer].add((x, y))
    for track in layout.tracks:
        joints[track.net, track.layer] |= {(track.x0, track.y0), (track.x1, track.y1)}
    for track in layout.tracks:
        on = sorted(point for point in joints[track.net, track.layer] if _lies(point, track))
        web = found[track.net]
        for (x0, y0), (x1, y1) in pairwise(on):
            squares = (abs(x1 - x0) + abs(y1 - y0)) / track.width
            first, second = (web.node(track.layer, x, y) for x, y in ((x0, y0), (x1, y1)))
            web.rows.append((first, second, THICKNESS / (RESISTIVITY * squares)))
    return found


def _lies(point: tuple[int, int], track: Track) -> bool:
    low, high = sorted((track.x0, track.x1)), sorted((track.y0, track.y1))
    return low[0] <= point[0] <= low[1] and high[0] <= point[1] <= high[1]
