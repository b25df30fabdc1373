"""The board's own judge: copper of different nets keeps apart, that of one is joined, no two parts overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from diodeq.board.copper import BACK, CLEAR, FRONT, VIA, Layout
from diodeq.board.packages import Box
from diodeq.errors import DiodeqError

_CELL = 2000
_LONG = 6 * _CELL
EDGE = 500
"""From copper to the board's edge."""


class UnsoundError(DiodeqError):
    """The construction made a board that cannot be right: a bug of diodeq."""


def demand_sound(layout: Layout) -> None:
    """Raise ``UnsoundError`` where copper of two nets is too near, a net is in pieces or two parts overlap."""
    names: list[str] = []
    boxes: list[Box] = []
    round_by: list[int] = []
    sides: list[int] = []
    owners: list[str] = []

    def add(net: str, box: Box, layers: Sequence[int], owner: str, radius: int = 0) -> list[int]:
        first = len(boxes)
        for layer in layers:
            names.append(net)
            boxes.append(box)
            round_by.append(radius)
            sides.append(layer)
            owners.append(owner)
        return list(range(first, len(boxes)))

    joined: list[tuple[int, int]] = []
    for placed in layout.placed:
        for number, net, box, through in placed.pads():
            owner = f"pin {number} of {placed.part.reference}"
            made = add(net or owner, box, (FRONT, BACK) if through else (FRONT,), owner)
            joined += [(made[0], other) for other in made[1:]]
    for track in layout.tracks:
        add(track.net, track.box, (track.layer,), f"a track of {track.net}", track.width // 2)
    half = VIA // 2
    for via in layout.vias:
        box = via.x - half, via.y - half, via.x + half, via.y + half
        made = add(via.net, box, (FRONT, BACK), f"a via of {via.net}", half)
        joined.append((made[0], made[1]))
    if not boxes:
        return
    copper, layers = np.array(boxes), np.array(sides)
    numbers = {net: k for k, net in enumerate(dict.fromkeys(names))}
    nets = np.array([numbers[net] for net in names])
    radii = np.array(round_by)
    close = near(copper, layers, CLEAR)
    gaps = _gaps(copper, radii, close)
    close, gaps = close[gaps < CLEAR], gaps[gaps < CLEAR]
    different = close[nets[close[:, 0]] != nets[close[:, 1]]]
    for a, b in different.tolist():
        x, y = copper[a, :2] / 1000.0
        raise UnsoundError(f"{owners[a]} and {owners[b]} are nearer than {CLEAR} um at {x:g}, {y:g} mm", "tell us")
    touching = close[(nets[close[:, 0]] == nets[close[:, 1]]) & (gaps < 0)]
    _demand_joined(names, nets, np.concatenate([touching, np.array(joined, int).reshape(-1, 2)]))
    x0, y0, x1, y1 = layout.outline
    inside = (copper[:, :2] >= [x0 + EDGE, y0 + EDGE]).all() and (copper[:, 2:] <= [x1 - EDGE, y1 - EDGE]).all()
    if not inside:
        raise UnsoundError("copper reaches over the board's edge", "tell us")
    rooms = np.array([placed.box(placed.part.package.room) for placed in layout.placed])
    for a, b in near(rooms, np.zeros(len(rooms), int), 0).tolist():
        first, second = (layout.placed[k].part.reference for k in (a, b))
        raise UnsoundError(f"{first} and {second} overlap", "tell us")


def _demand_joined(names: Sequence[str], nets: NDArray[np.int64], pairs: NDArray[np.int64]) -> None:
    count = len(nets)
    ones = np.ones(len(pairs), np.int8)
    _, label = csgraph.connected_components(sparse.coo_array((ones, pairs.T), shape=(count, count)), directed=False)
    pieces: dict[int, int] = {}
    for k, (net, piece) in enumerate(zip(nets.tolist(), label.tolist(), strict=True)):
        if pieces.setdefault(net, piece) != piece:
            raise UnsoundError(f"the net {names[k]} is in pieces", "tell us")


def _gaps(boxes: NDArray[np.int64], radii: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far apart the boxes of pairs are whose corners are rounded by radii; negative where they overlap."""
    cores = boxes + radii[:, None] * np.array([1, 1, -1, -1])
    a, b = cores[pairs[:, 0]], cores[pairs[:, 1]]
    apart = np.maximum(np.maximum(a[:, :2] - b[:, 2:], b[:, :2] - a[:, 2:]), 0)
    found: NDArray[np.float64] = np.hypot(*apart.T) - radii[pairs].sum(axis=1)
    # Where cores themselves overlap or touch and nothing is round.
    found[(apart == 0).all(axis=1)] = -1.0
    return found


def _touch(a: NDArray[np.int64], b: NDArray[np.int64], apart: int) -> NDArray[np.bool_]:
    """Which boxes [n, 4] of two lists are nearer than ``apart``, or touch where that is 0."""
    found: NDArray[np.bool_] = (
        (a[:, 0] < b[:, 2] + apart) & (b[:, 0] < a[:, 2] + apart) & (a[:, 1] < b[:, 3] + apart)
        & (b[:, 1] < a[:, 3] + apart)
    )  # fmt: skip
    return found


def near(boxes: NDArray[np.int64], layers: NDArray[np.int64], apart: int) -> NDArray[np.int64]:
    """All pairs int64[n, 2] of boxes on one layer that are nearer than ``apart``."""
    found: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
    long = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) > _LONG
    order = np.arange(len(boxes))
    for k in np.flatnonzero(long).tolist():
        others = order[(layers == layers[k]) & (~long | (order > k))]
        hit = others[_touch(np.broadcast_to(boxes[k], (len(others), 4)), boxes[others], apart)]
        found.append(np.column_stack([np.full(len(hit), k), hit]))
    cells: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for k in np.flatnonzero(~long).tolist():
        x0, y0, x1, y1 = ((boxes[k] + [-apart, -apart, apart, apart]) // _CELL).tolist()
        for x in range(x0, x1 + 1):
            for y in range(y0, y1 + 1):
                cells[int(layers[k]), x, y].append(k)
    pairs = {
        (members[a], members[b])
        for members in cells.values()
        for a in range(len(members))
        for b in range(a + 1, len(members))
    }
    if pairs:
        both = np.array(sorted(pairs))
        found.append(both[_touch(boxes[both[:, 0]], boxes[both[:, 1]], apart)])
    return np.concatenate(found)
