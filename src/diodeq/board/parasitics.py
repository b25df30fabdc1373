"""The circuit as its board makes it: tracks, vias and contacts resist, and surfaces between nets leak."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from diodeq.board import proof
from diodeq.board.assembly import net_names, references
from diodeq.board.bench import INJECT
from diodeq.board.build import Built
from diodeq.board.copper import BACK, DRILL, FRONT, VIA, Track
from diodeq.board.parts import GROUND
from diodeq.circuit import Bank, Circuit
from diodeq.circuit.amplifiers import demand_none
from diodeq.circuit.bank import Ints
from diodeq.errors import InputError

RESISTIVITY = 1.72e-8
"""Of copper at 20 °C, in Ω m."""
THICKNESS, PLATING, BOARD = 35e-6, 20e-6, 1.6e-3
"""Of tracks, of the walls of vias, and of the board, in m."""
REACH = 1000
"""Micrometres between nets across which leakage counts."""

Place = tuple[str, int, int, int]  # net, layer, x, y


@dataclass(frozen=True)
class Surroundings:
    """Ohms of one contact of a connector, and of a square of the board's surface."""

    contact: float = 0.02
    surface: float = 1e12


class _Web:
    """Nodes and resistors of the copper, as they are found."""

    def __init__(self) -> None:
        self.nodes: dict[Place, int] = {}
        self.rows: list[tuple[int, int, float]] = []

    def node(self, place: Place) -> int:
        return self.nodes.setdefault(place, len(self.nodes) + 1)  # 0 is ground


def realistic(built: Built, around: Surroundings) -> Circuit:
    """The circuit of a board with all that its copper does, its resistors first and by their own names.

    Inputs drive the connectors' pins from outside; outputs are read at theirs.

    Raises:
        InputError: it has amplifiers or potentiometers, or is on several boards.
    """
    circuit = built.circuit
    demand_none(circuit, "the resistance of a board's copper")
    if len(built.boards) > 1 or built.bench.taps:
        raise InputError("parasitics are known of one board of fixed resistors", "leave --size and --programmable out")
    web, names = _Web(), net_names(circuit)
    pads: dict[tuple[str, str], int] = {}
    pins: dict[str, int] = {}
    _copper(built, web, pads, pins)
    outside = {net: len(web.nodes) + 1 + k for k, net in enumerate(dict.fromkeys(names[1:]))}
    outside[GROUND] = 0
    contacts = [(outside[net], node, 1.0 / around.contact) for net, node in pins.items()]
    leaks = list(_leaks(built, web, around.surface))
    resistors = _moved(circuit, "resistors", pads, ("1", "2"))
    diodes = _moved(circuit, "diodes", pads, ("2", "1"))
    added = np.array([*web.rows, *contacts, *leaks])
    ends = np.concatenate([resistors, added[:, :2].astype(np.int32)])
    values = np.concatenate([circuit.conductances, added[:, 2]])
    own, count = list(circuit.part_names("resistors")), len(added)
    called = (*own, *_called("rw", len(web.rows)), *_called("rk", len(contacts)), *_called("rs", len(leaks)))
    labels = ("tracks and vias", len(web.rows)), ("contacts", len(contacts)), ("leakage", len(leaks))
    groups = (*(circuit.resistors.groups or (("resistors", len(own)),)), *((n, c) for n, c in labels if c))
    sources = circuit.voltage_sources
    held = np.array([[0 if node == 0 else outside[names[node]] for node in row] for row in sources.terminals.tolist()])
    read = np.array([[pins.get(names[node], 0) if node else 0 for node in row] for row in circuit.outputs.tolist()])
    used = {0, *ends.ravel().tolist(), *diodes.ravel().tolist(), *held.ravel().tolist(), *read.ravel().tolist()}
    place = {node: k for k, node in enumerate(sorted(used))}
    known = {number: names[k] for k, number in enumerate(outside[name] for name in names)}
    nodes = tuple("0" if node == 0 else known.get(node, f"w{node}") for node in sorted(used))

    def renumbered(found: Ints) -> Ints:
        return np.array([[place[node] for node in row] for row in found.tolist()], np.int32).reshape(found.shape)

    return replace(
        circuit,
        nodes=nodes,
        resistors=Bank(renumbered(ends), values, called, groups),
        diodes=Bank(renumbered(diodes), circuit.diodes.values, circuit.diodes.names, circuit.diodes.groups),
        voltage_sources=Bank(renumbered(held.astype(np.int32)), sources.values, sources.names, sources.groups),
        outputs=renumbered(read.astype(np.int32)),
        trainable=np.concatenate([circuit.mask, np.zeros(count, bool)]),
        notes=(*circuit.notes, f"with the copper of its board, contacts of {around.contact:g} ohm and a surface of"
               f" {around.surface:g} ohm a square"),
    )  # fmt: skip


def _called(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{k}" for k in range(1, count + 1)]


def _copper(built: Built, web: _Web, pads: dict[tuple[str, str], int], pins: dict[str, int]) -> None:
    """Find the nodes and resistors of all copper, the node at each pad, and that of each net's first pin outside."""
    layout = built.layout
    through = RESISTIVITY * BOARD / (math.pi * DRILL * 1e-6 * PLATING)
    joints: dict[tuple[str, int], set[tuple[int, int]]] = defaultdict(set)
    holes: list[tuple[str, int, int]] = [
        (via.net, via.x, via.y) for via in layout.vias if not via.net.startswith(INJECT)
    ]
    for placed in layout.placed:
        for number, net, box, drilled in placed.pads():
            if not net or net.startswith(INJECT):
                continue
            x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
            pads[placed.part.reference, number] = node = web.node((net, FRONT, x, y))
            joints[net, FRONT].add((x, y))
            if placed.part.reference.startswith("J"):
                pins.setdefault(net, node)
            if drilled:
                holes.append((net, x, y))
    for net, x, y in holes:
        web.rows.append((web.node((net, FRONT, x, y)), web.node((net, BACK, x, y)), 1.0 / through))
        for layer in (FRONT, BACK):
            joints[net, layer].add((x, y))
    tracks = [track for track in layout.tracks if not track.net.startswith(INJECT)]
    for track in tracks:
        joints[track.net, track.layer] |= {(track.x0, track.y0), (track.x1, track.y1)}
    for track in tracks:
        on = sorted(point for point in joints[track.net, track.layer] if _lies(point, track))
        for (x0, y0), (x1, y1) in pairwise(on):
            squares = (abs(x1 - x0) + abs(y1 - y0)) / track.width
            ends = (web.node((track.net, track.layer, x, y)) for x, y in ((x0, y0), (x1, y1)))
            web.rows.append((*ends, THICKNESS / (RESISTIVITY * squares)))


def _lies(point: tuple[int, int], track: Track) -> bool:
    low, high = sorted((track.x0, track.x1)), sorted((track.y0, track.y1))
    return low[0] <= point[0] <= low[1] and high[0] <= point[1] <= high[1]


def _leaks(built: Built, web: _Web, surface: float) -> Iterator[tuple[int, int, float]]:
    """What flows between each two nets over the surface: that of copper side by side, nothing shading it."""
    first: dict[str, int] = {}
    for (net, _, _, _), node in web.nodes.items():
        first.setdefault(net, node)
    layout, boxes, layers, nets = built.layout, [], [], []
    for track in layout.tracks:
        boxes.append(track.box)
        layers.append(track.layer)
        nets.append(track.net)
    for placed in layout.placed:
        for _, net, box, drilled in placed.pads():
            for layer in (FRONT, BACK) if drilled else (FRONT,):
                if net:
                    boxes.append(box)
                    layers.append(layer)
                    nets.append(net)
    for via in layout.vias:
        for layer in (FRONT, BACK):
            boxes.append((via.x - VIA // 2, via.y - VIA // 2, via.x + VIA // 2, via.y + VIA // 2))
            layers.append(layer)
            nets.append(via.net)
    copper = np.array(boxes)
    found: dict[tuple[str, str], float] = defaultdict(float)
    for a, b in proof.near(copper, np.array(layers), REACH).tolist():
        if nets[a] == nets[b] or not {nets[a], nets[b]} <= first.keys():
            continue
        beside = np.minimum(copper[a, 2:], copper[b, 2:]) - np.maximum(copper[a, :2], copper[b, :2])
        apart, along = max(1, -int(beside.min())), max(0, int(beside.max()))
        if along:
            pair = (nets[a], nets[b]) if nets[a] < nets[b] else (nets[b], nets[a])
            found[pair] += along / apart / surface
    for (a_net, b_net), conductance in found.items():
        yield first[a_net], first[b_net], conductance


def _moved(circuit: Circuit, kind: str, pads: dict[tuple[str, str], int], order: tuple[str, str]) -> Ints:
    """The nodes of a bank's parts at the pads of their packages; SOT-23 has the cathode at pin 3."""
    called = references(circuit.part_names(kind))
    rows = []
    for name in called:
        pins = ("1", "3") if (name, "3") in pads else order
        rows.append([pads[name, pin] for pin in pins])
    return np.array(rows, np.int32).reshape(-1, 2)
