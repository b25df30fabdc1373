"""Operational amplifiers in packages: which pins each has, the supplies of all, and how KiCad simulates them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diodeq.board.blocks import Block
from diodeq.board.parts import GROUND, Part
from diodeq.board.purchase import amplifier_number
from diodeq.board.symbols import Symbol, boxed, symbol
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import amplifiers, named, pins, supply_nodes
from diodeq.circuit.primitives import used_models
from diodeq.devices import amplifier
from diodeq.devices.two_pin import EXPORTED
from diodeq.errors import NotRealizableError
from diodeq.netlist import spice
from diodeq.netlist.amplifiers import instances
from diodeq.netlist.listing import list_circuit

LIBRARY = "amplifiers.lib"
SHEET = "amplifiers"
# Pins of amplifier 1, 2, … as (+ input, - input, output), then of the supplies + and -: what all duals and quads share.
_PINOUTS: dict[int, tuple[str, tuple[tuple[int, int, int], ...], tuple[int, int]]] = {
    1: ("SOIC-8", ((3, 2, 6),), (7, 4)),
    2: ("SOIC-8", ((3, 2, 1), (5, 6, 7)), (8, 4)),
    4: ("SOIC-14", ((3, 2, 1), (5, 6, 7), (10, 9, 8), (12, 13, 14)), (4, 11)),
}


@dataclass(frozen=True)
class Packages:
    """The packages of a circuit with their capacitors, and the library of their models."""

    blocks: tuple[Block, ...] = ()
    library: str = ""

    @property
    def capacitors(self) -> list[Part]:
        """Those that stand above packages."""
        return [part for block in self.blocks for part in block.above]


def packages(circuit: Circuit, names: Sequence[str]) -> Packages:
    """The packages that a circuit's amplifiers come in.

    Raises:
        NotRealizableError: one that comes in no package of one, two or four.
    """
    found = amplifiers(circuit)
    if not found:
        return Packages()
    nodes, supplies, library = pins(circuit), supply_nodes(circuit), list[str]()
    blocks: list[Block] = []
    capacitors = 0
    for name, numbers in found.items():
        known = amplifier.parts().get(name)
        channels = 1 if known is None else known.channels
        if known is None or not known.quiescent or channels not in _PINOUTS:
            raise NotRealizableError(
                f"no package is known for the amplifier {name}", "compile with --amplifier TL074 or another that exists"
            )
        footprint, places, supply = _PINOUTS[channels]
        models = _models(circuit, name)
        swing = known.swing
        rails = tuple(names[node] for node in supplies[name])
        for k in range(0, len(numbers), channels):
            members = numbers[k : k + channels]
            joined = dict(zip(supply, rails, strict=True))
            for place, number in zip(places, members, strict=False):
                joined |= dict(zip(place, (names[node] for node in nodes[number]), strict=True))
            for place in places[len(members) :]:  # a spare one follows ground
                joined |= {
                    place[0]: GROUND,
                    place[1]: f"spare.{members[0]}.{place[2]}",
                    place[2]: f"spare.{members[0]}.{place[2]}",
                }
            title = f"{known.spice_name}_{members[0]}"
            library.append(_wrapped(title, channels, [models[number] for number in members], swing))
            above = []
            for net in rails:
                capacitors += 1
                above.append(
                    Part(
                        f"C{capacitors}", "100n", symbol("C"), "C_0603", (("1", net), ("2", GROUND)), SHEET, "capacitor"
                    )
                )
            count = len(joined)
            blocks.append(
                Block(
                    Part(
                        f"U{len(blocks) + 1}",
                        name,
                        _symbol(name, channels),
                        footprint,
                        tuple((str(pin), joined[pin]) for pin in sorted(joined)),
                        SHEET,
                        f"operational amplifier, {channels} a package",
                        (
                            ("Sim.Library", LIBRARY),
                            ("Sim.Name", title),
                            ("Sim.Device", "SUBCKT"),
                            ("Sim.Pins", " ".join(f"{pin}={pin}" for pin in range(1, count + 1))),
                        ),
                        True,
                        amplifier_number(name),
                    ),
                    tuple(above),
                )
            )
        library.extend(models["library"].split("\n"))
    return Packages(tuple(blocks), "\n".join(library) + "\n")


def _models(circuit: Circuit, name: str) -> dict[str, str]:
    """The subcircuit that each amplifier is an instance of by its number, and under ``library`` their text."""
    sections = [section for section in list_circuit(circuit).sections if section.amplifier == name]
    frozen = [type(section)(section.kind, section.heading, iter(list(section.rows)), name) for section in sections]
    (_, calls), *bodies = instances(name, frozen, spice.line)
    found = {words[0].removeprefix("x_"): words[-1] for words in (call.split() for call in calls)}
    lines = [line for _, body in bodies for line in body]
    inside = {
        int(index)
        for group, start, count in _runs(circuit)
        if named(group) == name
        for index in circuit.diodes.values[start : start + count]
    }
    models = [circuit.models[k] for k in used_models(circuit) if k in inside]
    lines += [model["line"] for model in spice.models(models, EXPORTED)]
    return {**found, "library": "\n".join(lines)}


def _runs(circuit: Circuit) -> Iterator[tuple[str, int, int]]:
    start = 0
    for group, count in circuit.diodes.groups:
        yield group, start, count
        start += count


def _wrapped(title: str, channels: int, models: Sequence[str], swing: tuple[float, float]) -> str:
    """A package as a subcircuit whose pins are called after their numbers; its outputs stay below its supplies."""
    _, places, supply = _PINOUTS[channels]
    count = 2 + 3 * channels
    pads = [f"p{pin}" for pin in range(1, (8 if channels == 1 else count) + 1)]
    plus, minus = (f"p{pin}" for pin in supply)
    lines = [f".subckt {title} {' '.join(pads)}", f"v_high {plus} high {swing[0]!r}", f"v_low low {minus} {swing[1]!r}"]
    for k, place in enumerate(places):
        model = models[k] if k < len(models) else models[0]
        ends = " ".join(f"p{pin}" for pin in place)
        # PINS of `netlist.amplifiers`: + and - input, output, what that stays within, supplies
        first, second, out = ends.split()
        lines.append(f"x{k + 1} {first} {second} {out} high low {plus} {minus} {model}")
    return "\n".join([*lines, ".ends"])


def _symbol(name: str, channels: int) -> Symbol:
    _, places, supply = _PINOUTS[channels]
    left = [
        (str(pin), f"{k}{sign}", "passive")
        for k, place in enumerate(places, 1)
        for pin, sign in zip(place[:2], "+-", strict=True)
    ]
    right = [(str(place[2]), f"out{k}", "passive") for k, place in enumerate(places, 1)]
    right += [(str(supply[0]), "V+", "power_in"), (str(supply[1]), "V-", "power_in")]
    return boxed(name, "U", tuple(left), tuple(right))
