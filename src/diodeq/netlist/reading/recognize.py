"""Controlled sources as what they stand for: transformers, gyrators, mirrors and buffers, each exactly.

The patterns are those that `diodeq.circuit.primitives` prints, with nodes and signs in any order. An F that is no half
of a transformer is a mirror of its source's current; a G that is no half of a gyrator becomes a buffer that copies the
controlling voltage onto a resistor, and a mirror of the resistor's current.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.parts import FIXED, DeckPart


class RecognizedElement(NamedTuple):
    """An element of a circuit: its nodes in the order of its bank's terminals, and its value.

    Names and nodes that the deck does not have contain a space, which none of the deck's can.
    """

    name: str
    nodes: tuple[str, ...]
    value: float
    line: int


@dataclass
class Elements:
    """A circuit's elements by bank; ``fixed`` resistors are inside another part and are no weights."""

    rows: dict[str, list[RecognizedElement]] = field(default_factory=dict)
    fixed: list[RecognizedElement] = field(default_factory=list)

    def add(self, kind: str, name: str, nodes: tuple[str, ...], value: float, line: int) -> None:
        self.rows.setdefault(kind, []).append(RecognizedElement(name, nodes, value, line))


def recognize(parts: dict[str, list[DeckPart]], kept: frozenset[str], notes: Notes) -> Elements:
    """The elements of flat parts; voltage sources named in ``kept`` (inputs) stay sources whatever they sense."""
    elements = Elements(
        fixed=[RecognizedElement(part.name, part.nodes, part.value, part.line) for part in parts[FIXED]]
    )
    for part in parts["i"]:
        elements.add("current_sources", part.name, part.nodes, part.value, part.line)
    senses: dict[str, list[DeckPart]] = {}
    for part in parts["f"]:
        senses.setdefault(part.other, []).append(part)
    used = _transformers(parts, senses, kept, elements)
    for part in parts["v"]:
        if part.name not in used:
            _sensed(part, [copy for copy in senses.get(part.name, ()) if copy.name not in used], kept, elements)
    for part in parts["e"]:
        if part.name not in used:
            elements.add("buffers", part.name, part.nodes, part.value, part.line)
    _conductances(parts["g"], elements, notes)
    return elements


def _transformers(
    parts: dict[str, list[DeckPart]], senses: dict[str, list[DeckPart]], kept: frozenset[str], elements: Elements
) -> set[str]:
    """Add what is v1 = n v2, i2 = -n i1 by V, E and F; returns the names of the parts that this used up."""
    used: set[str] = set()
    sources = {part.name: part for part in parts["v"]}
    copies = {name: them[0] for name, them in senses.items() if len(them) == 1 and name in sources}
    if not copies or not parts["e"]:
        return used
    degree = Counter(node for them in parts.values() for part in them for node in part.nodes)
    followers = {node: part for part in parts["e"] for node in part.nodes[:2]}
    for name, copy in copies.items():
        source = sources[name]
        if source.value != 0.0 or name in kept:
            continue
        for inner, outer, sense in ((source.nodes[1], source.nodes[0], 1.0), (source.nodes[0], source.nodes[1], -1.0)):
            follower = followers.get(inner)
            if inner == "0" or degree[inner] != 2 or follower is None or follower.name in used:
                continue
            # Turned so that the current sensed enters port 1 and the E's first node is the inner one.
            ends, turns = follower.nodes[:2], follower.value
            if ends[0] != inner:
                ends, turns = ends[::-1], -turns
            second, gain = follower.nodes[2:], copy.value * sense
            if copy.nodes != second:
                gain = -gain
            if sorted(copy.nodes) == sorted(second) and gain == -turns != 0.0 and outer != ends[1]:
                used.update((name, follower.name, copy.name))
                elements.add("transformers", _common(name, follower.name), (outer, ends[1], *second), turns, copy.line)
                break
    return used


def _sensed(source: DeckPart, copies: list[DeckPart], kept: frozenset[str], elements: Elements) -> None:
    """Add a voltage source, and each F that copies its current as a mirror with a short of its own in series."""
    nodes = source.nodes
    steps = len(copies) + (not copies or source.value != 0.0 or source.name in kept)
    chain = [nodes[0], *(f"{source.name} {k}" for k in range(1, steps)), nodes[1]]
    if steps > len(copies):
        elements.add("voltage_sources", source.name, (chain[0], chain[1]), source.value, source.line)
        chain = chain[1:]
    for copy, plus, minus in zip(copies, chain, chain[1:], strict=False):
        elements.add("mirrors", copy.name, (*copy.nodes, plus, minus), copy.value, copy.line)


def _conductances(sources: list[DeckPart], elements: Elements, notes: Notes) -> None:
    """Add pairs of G as gyrators, and each other G in its own way."""
    waiting: dict[tuple[tuple[str, ...], tuple[str, ...], float], list[DeckPart]] = {}
    partner: dict[str, DeckPart | None] = {}
    for part in sources:
        out, out_sign = _sorted(part.nodes[:2])
        control, control_sign = _sorted(part.nodes[2:])
        siemens = part.value * out_sign * control_sign
        if out == control:
            continue
        opposite = waiting.get((control, out, -siemens))
        if opposite:
            partner[opposite.pop().name] = part
            partner[part.name] = None
        else:
            waiting.setdefault((out, control, siemens), []).append(part)
    for part in sources:
        if part.name not in partner:
            _alone(part, elements, notes)
        elif (other := partner[part.name]) is not None:
            elements.add("gyrators", _common(part.name, other.name), part.nodes, part.value, part.line)


def _alone(part: DeckPart, elements: Elements, notes: Notes) -> None:
    name, line = part.name, part.line
    ends, sign = _sorted(part.nodes[:2])
    if part.value == 0.0:
        notes.add("sources of 0 siemens were left out", name, line)
        return
    if ends == _sorted(part.nodes[2:])[0] and part.value * sign * _sorted(part.nodes[2:])[1] > 0.0:
        # driven by its own voltage, it is a conductance
        elements.fixed.append(RecognizedElement(f"r {name}", part.nodes[:2], 1.0 / abs(part.value), line))
        return
    copied, sensed = f"{name} v", f"{name} i"
    elements.add("buffers", f"e {name}", (copied, "0", *part.nodes[2:]), 1.0, line)
    elements.fixed.append(RecognizedElement(f"r {name}", (copied, sensed), 1.0 / abs(part.value), line))
    elements.add("mirrors", f"f {name}", (*part.nodes[:2], sensed, "0"), math.copysign(1.0, part.value), line)
    notes.add("voltage-controlled current sources became a buffer, a resistor and a mirror each", name, line)


def _sorted(pair: tuple[str, ...]) -> tuple[tuple[str, ...], float]:
    return (pair, 1.0) if pair[0] <= pair[1] else (pair[::-1], -1.0)


def _common(first: str, second: str) -> str:
    """What two parts' names say about the whole: v_t1 and e_t1 are t1, g_y1_a and g_y1_b are y1."""
    one, other = first[1:].strip("_."), second[1:].strip("_.")
    if one == other:
        return one
    stem = one.removesuffix("_a")
    return stem if stem == other.removesuffix("_b") else first


def controls(parts: dict[str, list[DeckPart]]) -> Iterator[DeckPart]:
    """The F sources whose controlling source is not there."""
    known = {part.name for part in parts["v"]}
    return (part for part in parts["f"] if part.other not in known)
