"""Single parts of a picture: a symbol with the names of its nets at its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diodeq.circuit.kinds import KINDS
from diodeq.circuit.schematic.pen import NODE, VALUE, Point, SchematicPen

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit


def draw_part(pen: SchematicPen, circuit: Circuit, kind: str, number: int, at: Point, said: str) -> float:
    """One part with its top left corner at ``at``; the width it takes."""
    nets = [circuit.nodes[node] for node in circuit.bank(kind).terminals[number].tolist()]
    name = circuit.part_names(kind)[number]
    return (_ends if len(nets) == 2 else _ports)(pen, kind, name, nets, at, said)


def _ends(pen: SchematicPen, kind: str, name: str, nets: list[str], at: Point, said: str) -> float:
    x, y = at[0], at[1]
    # The ground end hangs below; schemdraw's sources point at their positive end.
    upside_down = nets[0] == "0"
    top, bottom = (x, y), (x, y - 2.4)
    first, second = (bottom, top) if upside_down else (top, bottom)
    pen.part(KINDS[kind].symbol, *((second, first) if KINDS[kind].symbol == "SourceV" else (first, second)))
    for net, end in ((nets[0], first), (nets[1], second)):
        if net == "0":
            pen.ground(end)
        else:
            pen.dot(end, hollow=True)
            pen.say(net, (end[0], end[1] + (0.4 if end == top else -0.4)), color=NODE, align="center")
    pen.say(name, (x + 0.7, y - 0.95))
    pen.say(said, (x + 0.7, y - 1.45), color=VALUE)
    return 2.2 + 0.22 * max(len(name), len(said))


def _ports(pen: SchematicPen, kind: str, name: str, nets: list[str], at: Point, said: str) -> float:
    """A two-port as a box: the first port on the left, the second on the right; plus above minus."""
    margin = 0.6 + 0.22 * max(map(len, nets))
    x, y = at[0] + margin, at[1] - 0.2
    wide, high = 3.0, 2.0
    if KINDS[kind].ports != ((0, 1), (2, 3)):
        nets = nets[2:] + nets[:2]  # what controls it on the left
    pen.box((x, y), (x + wide, y - high))
    for k, net in enumerate(nets):
        right, below = k >= 2, k % 2
        inner = (x + wide if right else x, y - 0.45 - below * 1.1)
        outer = (inner[0] + (0.6 if right else -0.6), inner[1])
        pen.wire(inner, outer)
        if net == "0":
            pen.ground(outer)
        else:
            pen.say(
                net, (outer[0] + (0.15 if right else -0.15), outer[1]), color=NODE, align="left" if right else "right"
            )
    pen.say(f"{KINDS[kind].singular} {name}", (x + wide / 2, y + 0.35), align="center")
    pen.say(f"{KINDS[kind].symbol}{said}", (x + wide / 2, y - high / 2), color=VALUE, align="center", size=9)
    return 2 * margin + wide + 0.8
