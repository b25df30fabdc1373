"""An independent reader of LTspice schematics: symbols and labels in, parts and nets by geometry out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from decks import run_ngspice_as_ltspice

# What LTspice's own lib/sym/*.asy say: the pins in SPICE order, and the body's box (left, top, right, bottom).
PINS = {
    "res": ("R", [(16, 16), (16, 96)], (0, 16, 32, 96)),
    "diode": ("D", [(16, 0), (16, 64)], (0, 0, 32, 64)),
    "voltage": ("V", [(0, 16), (0, 96)], (-32, 16, 32, 96)),
    "current": ("I", [(0, 0), (0, 80)], (-32, 0, 32, 80)),
    "e": ("E", [(0, 16), (0, 96), (-48, 32), (-48, 80)], (-48, 16, 32, 96)),
    "f": ("F", [(0, 0), (0, 80)], (-32, 0, 32, 80)),
    "g": ("G", [(0, 96), (0, 16), (-48, 32), (-48, 80)], (-48, 16, 32, 96)),
}
TURN = {"R0": lambda x, y: (x, y), "M180": lambda x, y: (x, -y)}


@dataclass
class Part:
    name: str
    symbol: str
    value: str
    pins: list[tuple[int, int]]
    box: tuple[int, int, int, int]


@dataclass
class Schematic:
    parts: list[Part]
    nets: dict[tuple[int, int], str]  # every labelled point, and every point a wire joins to it
    directives: list[str]
    remarks: list[str]
    wires: list[tuple[int, int, int, int]]
    sheet: tuple[int, int]


def read(text: str) -> Schematic:
    parts: list[Part] = []
    labels: dict[tuple[int, int], str] = {}
    wires, directives, remarks, sheet = [], [], [], (0, 0)
    lines = text.splitlines()
    assert lines[0] == "Version 4"
    for line in lines[1:]:
        word, _, rest = line.partition(" ")
        if word == "SHEET":
            sheet = tuple(map(int, rest.split()[1:]))
        elif word == "WIRE":
            wires.append(tuple(map(int, rest.split())))
        elif word == "FLAG":
            x, y, net = rest.split()
            assert labels.setdefault((int(x), int(y)), net) == net, line
        elif word == "SYMBOL":
            symbol, x, y, turn = rest.split()
            _, pins, (left, top, right, bottom) = PINS[symbol]
            moved = [TURN[turn](*pin) for pin in (*pins, (left, top), (right, bottom))]
            moved = [(int(x) + dx, int(y) + dy) for dx, dy in moved]
            (x0, y0), (x1, y1) = moved[-2:]
            box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            parts.append(Part("", symbol, "", moved[:-2], box))
        elif word == "SYMATTR":
            attribute, _, value = rest.partition(" ")
            setattr(parts[-1], {"InstName": "name", "Value": "value"}[attribute], value)
        elif word == "TEXT":
            found = re.fullmatch(r"-?\d+ -?\d+ Left \d ([!;])(.*)", rest)
            assert found, line
            (directives if found[1] == "!" else remarks).append(found[2])
        else:
            assert re.fullmatch(r"WINDOW [03] -?\d+ -?\d+ Left \d", line), line
    for x0, y0, x1, y1 in wires:
        assert x0 == x1 or y0 == y1
        ends = [(x0, y0), (x1, y1)]
        named = [end for end in ends if end in labels]
        assert len(named) == 1, "a stub has one labelled end and one pin"
        labels.update(dict.fromkeys(ends, labels[named[0]]))
    return Schematic(parts, labels, directives, remarks, wires, sheet)


def nets(schematic: Schematic, part: Part) -> list[str]:
    return [schematic.nets[pin] for pin in part.pins]


def netlist(text: str) -> str:
    """The netlist LTspice would make of it."""
    schematic = read(text)
    lines = ["* from a schematic"]
    for part in schematic.parts:
        assert part.name[0] == PINS[part.symbol][0]
        lines.append(f"{part.name} {' '.join(nets(schematic, part))} {part.value}")
    return "\n".join([*lines, *schematic.directives, ".end", ""])


def run_schematic(text: str, folder: Path) -> dict[str, float]:
    return run_ngspice_as_ltspice(netlist(text), folder)
