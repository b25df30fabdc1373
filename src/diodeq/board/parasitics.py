"""The circuit as its board makes it: tracks, vias and contacts resist, and surfaces between nets leak.

The copper of a net is solved exactly, then stands for a star: a trunk from its connector to a hub, which all of its
currents share (the mean of what each two of its pads share), and a branch to each pad, which is added to the resistor
there. A diode's own branch, of milliohms, is left out, and so are those of amplifiers. So voltages stay those of nodes
that circuits have, and no part of a milliohm is among megohms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diodeq.board import amplified, proof
from diodeq.board.assembly import net_names, references
from diodeq.board.brackets import unused
from diodeq.board.build import Built
from diodeq.board.copper import BACK, FRONT, VIA, Layout
from diodeq.board.purchase import chip
from diodeq.board.webs import Web, webs
from diodeq.circuit import KINDS, Bank, Circuit
from diodeq.circuit.amplifiers import groups_of, inside, pins
from diodeq.circuit.bank import Ints

REACH = 1000
"""Micrometres between nets across which leakage counts."""
Pad = tuple[str, str]  # a part's reference and its pin


@dataclass(frozen=True)
class Surroundings:
    """Ohms of one contact of a connector, and of a square of the board's surface."""

    contact: float = 0.02
    surface: float = 1e12


class _Hubs:
    """Where each node is on each board; ``joined`` are the ends of a contact and a trunk in series.

    They lead there from outside or, for a net of several boards, from the point where they meet.
    """

    def __init__(self, circuit: Circuit, names: Sequence[str], copper: Sequence[Mapping[str, Web]]) -> None:
        self._boards = {node: [b for b, found in enumerate(copper) if net in found] for node, net in enumerate(names)}
        sources = circuit.voltage_sources.terminals[~inside(circuit, "voltage_sources")]
        self.held = {0} | {node for node in np.unique(sources).tolist() if self._boards[node]}
        self.joined: dict[tuple[int, int], tuple[int, int]] = {}
        self.outside: dict[int, int] = {}
        self._hubs: dict[tuple[int, int], int] = {}
        added: list[str] = []

        def new(name: str) -> int:
            added.append(name)
            return len(circuit.nodes) + len(added) - 1

        for node, boards in self._boards.items():
            own = node in self.held and node != 0
            if own:
                self.outside[node] = new(f"{circuit.nodes[node]}_pin")
            for b in boards:
                if (own and b == boards[0]) or (node not in self.held and len(boards) == 1):
                    self._hubs[node, b] = node
                else:
                    name = circuit.nodes[node] if node else "ground"
                    self._hubs[node, b] = new(f"{name}_board{b + 1}" if len(copper) > 1 else f"{name}_board")
                if self._hubs[node, b] != node or own:
                    self.joined[node, b] = self.outside.get(node, node), self._hubs[node, b]
        self.added = unused("{}", added, circuit.nodes)

    def at(self, node: int, board: int) -> int:
        """The node of the circuit with copper for one of the circuit, as a part on a board sees it."""
        boards = self._boards[node]
        return self._hubs[node, board if board in boards else boards[0]] if boards else node

    def first(self, node: int) -> int:
        """The first board that a node is on."""
        return (self._boards[node] or [0])[0]


def realistic(built: Built, around: Surroundings) -> Circuit:
    """The circuit of its boards with what their copper does; inputs and supplies drive connectors' pins from outside.

    A net of several boards meets in one point, from which a contact leads to each.
    """
    circuit = built.circuit
    names, copper = net_names(circuit), [webs(layout) for _, layout in built.boards]
    hubs = _Hubs(circuit, names, copper)
    where = {part.reference: b for b, (plan, _) in enumerate(built.boards) for part in plan.parts}
    boards = _boards_of_parts(built, circuit, names, where)
    called, ends = references(circuit.part_names("resistors")), circuit.resistors.terminals
    own = np.flatnonzero(~inside(circuit, "resistors")).tolist()
    pads, middles = _pads(built, [called[k] for k in own])
    at: dict[tuple[int, int], dict[tuple[int, int], Pad]] = defaultdict(dict)
    for k, both in zip(own, pads, strict=True):
        for side, pad in enumerate(both):
            boards["resistors"][k, side] = where[pad[0]]
            at[int(ends[k, side]), where[pad[0]]][k, side] = pad
    trunks, ohms = dict.fromkeys(hubs.joined, 0.0), 1.0 / circuit.conductances
    for (node, b), found in at.items():
        trunks[node, b], branches = copper[b][names[node]].star(list(found.values()))
        for (k, _), more in zip(found, branches, strict=True):
            ohms[k] += more
    for k, (net, wiper, other) in middles.items():
        ohms[own[k]] += _between(copper, [(where[pad[0]], pad) for pad in (wiper, other)], net, around.contact)
    contacts = [(*hubs.joined[place], 1.0 / (around.contact + trunks[place])) for place in hubs.joined]
    leaks = [(a, b, g) for (a, b), g in _leaked(built, names, hubs, around.surface).items() if a != b]
    extra = [*contacts, *leaks]
    parts = circuit.part_names("resistors")
    groups = circuit.resistors.groups or (("resistors", len(parts)),)
    labels = (("trunks and contacts", len(contacts)), ("leakage", len(leaks)))
    banks = {kind: _moved(circuit.bank(kind), boards[kind], hubs) for kind in KINDS if len(circuit.bank(kind))}
    banks["resistors"] = Bank(
        np.concatenate(
            [_moved(circuit.resistors, boards["resistors"], hubs).terminals, *([[a, b]] for a, b, _ in extra)]
        ),
        np.concatenate([1.0 / ohms, [g for _, _, g in extra]]),
        (
            *parts,
            *unused("rtrunk{}", range(1, len(contacts) + 1), parts),
            *unused("rleak{}", range(1, len(leaks) + 1), parts),
        ),
        (*groups, *(label for label in labels if label[1])),
    )
    outputs = [[hubs.at(node, hubs.first(pair[0])) for node in pair] for pair in circuit.outputs.tolist()]
    return circuit.with_banks(
        banks,
        nodes=(*circuit.nodes, *hubs.added),
        outputs=np.array(outputs, np.int32).reshape(-1, 2),
        trainable=np.concatenate([circuit.mask, np.zeros(len(extra), bool)]),
        notes=(
            *circuit.notes,
            f"with the copper of its board, contacts of {around.contact:g} ohm and a surface of {around.surface:g} ohm",
        ),
    )


def _moved(bank: Bank, boards: Ints, hubs: _Hubs) -> Bank:
    """A bank at the nodes of its boards; where a board is -1, outside."""
    pairs = zip(bank.terminals.tolist(), boards.tolist(), strict=True)
    rows = [
        [hubs.outside.get(node, node) if b < 0 else hubs.at(node, b) for node, b in zip(row, at, strict=True)]
        for row, at in pairs
    ]
    return Bank(np.array(rows, np.int32).reshape(bank.terminals.shape), bank.values, bank.names, bank.groups)


def _boards_of_parts(built: Built, circuit: Circuit, names: Sequence[str], where: Mapping[str, int]) -> dict[str, Ints]:
    """By kind, the board that each end of each part is on; -1 of sources, which are outside."""
    found = {kind: np.zeros(circuit.bank(kind).terminals.shape, np.int32) for kind in KINDS}
    found["voltage_sources"][:] = -1
    for k, name in enumerate(references(circuit.part_names("diodes"))):
        found["diodes"][k] = where.get(name, 0)
    outputs = {
        part.net(pin.number): b
        for b, (plan, _) in enumerate(built.boards)
        for part in plan.parts
        for pin in part.symbol.pins
        if part.sheet == amplified.SHEET and pin.name.startswith("out")
    }
    nodes = pins(circuit)
    for group in groups_of(circuit):
        for number, *places in zip(group.numbers, *(at.tolist() for at in group.places.values()), strict=True):
            for (kind, _), k in zip(group.places, places, strict=True):
                if k >= 0:
                    found[kind][k] = outputs[names[nodes[number][2]]]
    return found


def _pads(built: Built, called: Sequence[str]) -> tuple[list[tuple[Pad, Pad]], dict[int, tuple[str, Pad, Pad]]]:
    """The two pads of each resistor, and, of those that are potentiometers, the net in the middle with its pads."""
    ends, middles = [((name, "1"), (name, "2")) for name in called], {}
    units = {part.reference: part for part in built.parts}
    taps = {tap.resistor: tap for tap in built.bench.taps}
    for k, name in enumerate(called):
        if name in taps:
            unit = units[taps[name].unit]
            _, wiper, end = (str(pin) for pin in chip(unit.value).channels[taps[name].channel])
            ends[k] = (unit.reference, end), (name, "2")
            middles[k] = unit.net(wiper), (unit.reference, wiper), (name, "1")
    return ends, middles


def _between(copper: Sequence[Mapping[str, Web]], pads: Sequence[tuple[int, Pad]], net: str, contact: float) -> float:
    """Ohms between two pads of a net, each on its board."""
    (first, a), (second, b) = pads
    if first == second:
        return sum(copper[first][net].star([a, b])[1])
    return 2.0 * contact + sum(copper[board][net].star([pad])[0] for board, pad in pads)


def _leaked(built: Built, names: Sequence[str], hubs: _Hubs, surface: float) -> dict[tuple[int, int], float]:
    """Siemens between nodes over the surfaces of all boards."""
    numbers, found = {net: node for node, net in enumerate(names)}, defaultdict[tuple[int, int], float](float)
    for b, (_, layout) in enumerate(built.boards):
        for (first, second), g in leaks_of(layout, surface).items():
            if first in numbers and second in numbers:
                found[hubs.at(numbers[first], b), hubs.at(numbers[second], b)] += g
    return found


def leaks_of(layout: Layout, surface: float) -> dict[tuple[str, str], float]:
    """Siemens between each two nets over the surface: those of copper side by side, nothing shading it."""
    boxes, layers, nets = [], [], []
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
