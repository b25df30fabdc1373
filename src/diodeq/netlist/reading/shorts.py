"""Sources of 0 V: put in where a current is followed, left out where pieces of wire join their ends already."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from diodeq.circuit.graph import components
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.parts import SHORT, DeckPart


def put_sensors_in(parts: dict[str, list[DeckPart]]) -> None:
    """Give each E whose current an F follows a source of 0 V in series, and let the F follow that."""
    sources = {part.name for part in parts["v"]}
    place = {part.name: k for k, part in enumerate(parts["e"]) if part.name not in sources}
    sensed = dict.fromkeys(part.other for part in parts["f"] if part.other in place)
    for name in sensed:
        follower = parts["e"][place[name]]
        inner = f"{name} inner"
        parts["e"][place[name]] = follower._replace(nodes=(inner, *follower.nodes[1:]))
        parts["v"].append(DeckPart("v", f"v {name}", (follower.nodes[0], inner), 0.0, "", follower.line))
    parts["f"] = [part._replace(other=f"v {part.other}") if part.other in sensed else part for part in parts["f"]]


def leave_shorted_out(parts: dict[str, list[DeckPart]], swept: Set[str], notes: Notes) -> None:
    """Take out the sources of 0 V whose ends pieces of wire join, and note them; not those whose current is followed,
    or that are ``swept``.

    Any other source there is left for the circuit's check to refuse.
    """
    wires = [part.nodes for part in parts["v"] if part.other == SHORT]
    if not wires:
        return
    index = {node: k for k, node in enumerate(dict.fromkeys(node for ends in wires for node in ends))}
    _, piece = components(len(index), np.array([[index[node] for node in ends] for ends in wires], dtype=np.int32))
    where = {node: int(piece[k]) for node, k in index.items()}
    needed = swept | {part.other for part in parts["f"]}
    kept = []
    for part in parts["v"]:
        one, other = (where.get(node) for node in part.nodes)
        shorted = one is not None and one == other
        if shorted and part.other != SHORT and part.value == 0.0 and part.name not in needed:
            notes.add("sources of 0 V between nodes that wires or inductors join were left out", part.name, part.line)
        else:
            kept.append(part)
    parts["v"] = kept
