"""The circuit as its board makes it: tracks, vias and contacts resist, and surfaces between nets leak.

The copper of a net is solved exactly, then stands for a star: a trunk from its connector to a hub, which all of its
currents share (the mean of what each two of its pads share), and a branch to each pad, which is added to the resistor
there. A diode's own branch, of milliohms, is left out. So voltages stay those of nodes that circuits have, and no part
of a milliohm is among megohms.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from diodeq.board import proof
from diodeq.board.assembly import net_names, references
from diodeq.board.brackets import unused
from diodeq.board.build import Built
from diodeq.board.copper import BACK, DRILL, FRONT, VIA, Track
from diodeq.circuit import Bank, Circuit
from diodeq.circuit.amplifiers import demand_none
from diodeq.errors import InputError

RESISTIVITY = 1.72e-8
"""Of copper at 20 °C, in Ω m."""
THICKNESS, PLATING, BOARD = 35e-6, 20e-6, 1.6e-3
"""Of tracks, of the walls of vias, and of the board, in m."""
REACH = 1000
"""Micrometres between nets across which leakage counts."""


@dataclass(frozen=True)
class Surroundings:
    """Ohms of one contact of a connector, and of a square of the board's surface."""

    contact: float = 0.02
    surface: float = 1e12


class _Web:
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


def realistic(built: Built, around: Surroundings) -> Circuit:
    """The circuit of a board with what its copper does; inputs and supplies drive connectors' pins from outside.

    Raises:
        InputError: it has amplifiers or potentiometers, or is on several boards.
    """
    circuit = built.circuit
    demand_none(circuit, "the resistance of a board's copper")
    if len(built.boards) > 1 or built.bench.taps:
        raise InputError("parasitics are known of one board of fixed resistors", "leave --size and --programmable out")
    names = net_names(circuit)
    webs = copper(built)
    called, ends = references(circuit.part_names("resistors")), circuit.resistors.terminals
    at: dict[int, list[int]] = defaultdict(list)
    for k, pair in enumerate(ends.tolist()):
        for side, node in enumerate(pair):
            at[node].append(2 * k + side)
    branches, trunks = np.zeros(2 * len(called)), {}
    for node, places in at.items():
        trunks[node], found = webs[names[node]].star([(called[k // 2], "12"[k % 2]) for k in places])
        branches[places] = found
    values = 1.0 / (1.0 / circuit.conductances + branches.reshape(-1, 2).sum(axis=1))
    held = sorted({node for row in circuit.voltage_sources.terminals.tolist() for node in row if node in trunks} | {0})
    count = len(circuit.nodes)
    outside = {node: count + k for k, node in enumerate(held)}
    # Outside, ground is node 0; the board's own has the new number.
    hub = np.arange(count)
    hub[0] = outside[0]
    pins = [(0, outside[0]), *((outside[node], node) for node in held if node)]
    trunk = [1.0 / (around.contact + trunks.get(node, 0.0)) for node in (0, *(node for node in held if node))]
    number = {net: int(hub[k]) for k, net in enumerate(names)}
    leaks = [
        (number[a], number[b], g) for (a, b), g in _leaks(built, around.surface).items() if {a, b} <= number.keys()
    ]
    added = np.array([[a, b] for a, b in pins] + [[a, b] for a, b, _ in leaks], np.int32)
    extra = np.array(trunk + [g for _, _, g in leaks])
    labels = (("trunks and contacts", len(pins)), ("leakage", len(leaks)))
    own = circuit.resistors.groups or (("resistors", len(called)),)
    part_names = (
        *circuit.part_names("resistors"),
        *unused("rtrunk{}", range(1, len(pins) + 1), circuit.part_names("resistors")),
        *unused("rleak{}", range(1, len(leaks) + 1), circuit.part_names("resistors")),
    )
    sources = circuit.voltage_sources
    driven = np.array([[outside.get(n, n) if n else 0 for n in row] for row in sources.terminals.tolist()], np.int32)
    inside = hub.astype(np.int32)
    return replace(
        circuit,
        nodes=(*circuit.nodes, *unused("{}_pin", (circuit.nodes[n] if n else "ground" for n in held), circuit.nodes)),
        resistors=Bank(
            np.concatenate([inside[ends], added]),
            np.concatenate([values, extra]),
            part_names,
            (*own, *(label for label in labels if label[1])),
        ),
        diodes=Bank(
            inside[circuit.diodes.terminals], circuit.diodes.values, circuit.diodes.names, circuit.diodes.groups
        ),
        voltage_sources=Bank(driven.reshape(-1, 2), sources.values, sources.names, sources.groups),
        outputs=inside[circuit.outputs],
        trainable=np.concatenate([circuit.mask, np.zeros(len(extra), bool)]),
        notes=(
            *circuit.notes,
            f"with the copper of its board, contacts of {around.contact:g} ohm and a surface of {around.surface:g} ohm",
        ),
    )


def copper(built: Built) -> dict[str, _Web]:
    """The copper of each net."""
    layout = built.layout
    through = RESISTIVITY * BOARD / (math.pi * DRILL * 1e-6 * PLATING)
    webs: dict[str, _Web] = defaultdict(_Web)
    joints: dict[tuple[str, int], set[tuple[int, int]]] = defaultdict(set)
    holes = [(via.net, via.x, via.y) for via in layout.vias]
    for placed in layout.placed:
        for number, net, box, drilled in placed.pads():
            web, x, y = webs[net], (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
            web.pads[placed.part.reference, number] = node = web.node(FRONT, x, y)
            joints[net, FRONT].add((x, y))
            if placed.part.reference.startswith("J") and web.pin is None:
                web.pin = node
            if drilled:
                holes.append((net, x, y))
    for net, x, y in holes:
        webs[net].rows.append((webs[net].node(FRONT, x, y), webs[net].node(BACK, x, y), 1.0 / through))
        for layer in (FRONT, BACK):
            joints[net, layer].add((x, y))
    for track in layout.tracks:
        joints[track.net, track.layer] |= {(track.x0, track.y0), (track.x1, track.y1)}
    for track in layout.tracks:
        on = sorted(point for point in joints[track.net, track.layer] if _lies(point, track))
        web = webs[track.net]
        for (x0, y0), (x1, y1) in pairwise(on):
            squares = (abs(x1 - x0) + abs(y1 - y0)) / track.width
            first, second = (web.node(track.layer, x, y) for x, y in ((x0, y0), (x1, y1)))
            web.rows.append((first, second, THICKNESS / (RESISTIVITY * squares)))
    return webs


def _lies(point: tuple[int, int], track: Track) -> bool:
    low, high = sorted((track.x0, track.x1)), sorted((track.y0, track.y1))
    return low[0] <= point[0] <= low[1] and high[0] <= point[1] <= high[1]


def _leaks(built: Built, surface: float) -> dict[tuple[str, str], float]:
    """Siemens between each two nets over the surface: those of copper side by side, nothing shading it."""
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
        if nets[a] == nets[b]:
            continue
        beside = np.minimum(copper[a, 2:], copper[b, 2:]) - np.maximum(copper[a, :2], copper[b, :2])
        apart, along = max(1, -int(beside.min())), max(0, int(beside.max()))
        if along:
            pair = (nets[a], nets[b]) if nets[a] < nets[b] else (nets[b], nets[a])
            found[pair] += along / apart / surface
    return found
