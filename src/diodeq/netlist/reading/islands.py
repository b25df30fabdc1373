"""Parts that no path joins to ground: where nothing depends on them, they are no part of the circuit."""

from __future__ import annotations

import numpy as np

from diodeq.circuit.graph import components
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.parts import DeckPart

# In these a controlled source has its own two ends first, and then what it follows.
OWN = 2


def _islands(parts: dict[str, list[DeckPart]]) -> dict[str, int]:
    """By node, the number of the island that paths through parts make of it; that of ground is 0.

    A current source is no path.
    """
    index = {"0": 0}
    for node in (node for them in parts.values() for part in them for node in part.nodes):
        index.setdefault(node, len(index))
    edges = [
        (index[part.nodes[0]], index[part.nodes[1]]) for letter, them in parts.items() for part in them if letter != "i"
    ]
    _, found = components(len(index), np.array(edges, dtype=np.int32).reshape(-1, 2))
    return {node: int(found[at] - found[0]) for node, at in index.items()}


def _needed(parts: dict[str, list[DeckPart]], place: dict[str, int]) -> set[int]:
    """The islands that ground's depends on, by what its controlled sources follow, and those that a current enters."""
    sources = {part.name: part for part in parts["v"]}
    follows: dict[int, set[int]] = {}
    for part in (*parts["e"], *parts["g"], *parts["f"]):
        there = {place[node] for node in part.nodes[OWN:]}
        if part.letter == "f" and part.other in sources:
            there.add(place[sources[part.other].nodes[0]])
        follows.setdefault(place[part.nodes[0]], set()).update(there)
    entered = [
        (place[part.nodes[0]], place[part.nodes[1]])
        for part in parts["i"]
        if part.value != 0.0 and place[part.nodes[0]] != place[part.nodes[1]]
    ]
    found, waiting = set[int](), [0, *(island for ends in entered for island in ends)]
    while waiting:
        island = waiting.pop()
        if island not in found:
            found.add(island)
            waiting += follows.get(island, ())
    return found


def leave_islands_out(parts: dict[str, list[DeckPart]], notes: Notes) -> set[str]:
    """Take out the parts of islands on which nothing that has a path to ground depends, and note them; their nodes.

    Where nothing has a path to ground all stay, for the circuit's check to refuse.
    """
    place = _islands(parts)
    kept = _needed(parts, place)
    grounded = any("0" in part.nodes[:OWN] for them in parts.values() for part in them)
    if {*place.values()} <= kept or not grounded:
        return set()
    for letter, them in parts.items():
        lost = [part for part in them if not {place[node] for node in part.nodes[:OWN]} <= kept]
        for part in lost:
            said = "parts without a path to ground, on which nothing depends in direct current, were left out"
            notes.add(said, part.name.rpartition(" ")[2], part.line)
        if lost:
            parts[letter] = [part for part in them if {place[node] for node in part.nodes[:OWN]} <= kept]
    return {node for node, island in place.items() if island not in kept}
