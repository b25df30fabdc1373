"""The nets of a KiCad schematic and their names, over all of its sheets."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from diodeq.circuit.graph import components
from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.kicad.brackets import Misplaced
from diodeq.netlist.reading.kicad.hierarchy import Hung
from diodeq.netlist.reading.kicad.sheet import BARRED, GRID, KicadSheet
from diodeq.netlist.reading.nets import inside, join
from diodeq.netlist.reading.parts import GROUND
from diodeq.netlist.symbols import Point
from diodeq.spice import SpiceText
from diodeq.spice.numbers import shown

# How strongly a name names a net: one for the whole schematic, one of a sheet, the port of a sheet.
_WHOLE, _OWN, _PORT = 0, 1, 2


class _Name(NamedTuple):
    """A net's name; the least of several holds."""

    strength: int
    depth: int
    name: str
    line: int


class Nets:
    """The name of the net at a place of a hung sheet, as KiCad's netlist has it where a label or a power symbol gives
    one, with ``_`` for what no node's name can have.

    Raises:
        InputError: two nets that no SPICE could tell apart, or wires upon each other.
    """

    def __init__(self, root: Hung, files: SpiceText, notes: Notes) -> None:
        hung = list(root.all())
        self._own: dict[int, dict[Point, int]] = {}
        self._first: dict[int, int] = {}
        count = 0
        for place in hung:
            if id(place.sheet) not in self._own:
                try:
                    self._own[id(place.sheet)] = _joined(place.sheet, notes, place.first)
                except InputError as error:
                    raise files.placed(place.first + getattr(error, "line", 1), error) from None
            self._first[id(place)] = count
            count += 1 + max(self._own[id(place.sheet)].values(), default=-1)
        named = [found for place in hung for found in self._named(place)]
        edges = [edge for place in hung for edge in self._ports(place)]
        whole: dict[str, int] = {}
        for net, name in named:
            if name.strength == _WHOLE:
                edges.append((net, count + whole.setdefault(name.name, len(whole))))
        _, self._net = components(count + len(whole), np.array(edges, dtype=np.int32).reshape(-1, 2))
        self._names = self._chosen(named, files, notes)
        self._number(hung)

    def at(self, place: Hung, point: Point) -> str:
        """The name of the net there."""
        return self._names[self._find(place, point)]

    def _find(self, place: Hung, point: Point) -> int:
        return int(self._net[self._first[id(place)] + self._own[id(place.sheet)][point]])

    def _local(self, place: Hung, point: Point) -> int:
        return self._first[id(place)] + self._own[id(place.sheet)][point]

    def _named(self, place: Hung) -> Iterator[tuple[int, _Name]]:
        """The net and the name of each label, port and power pin of a sheet."""
        depth = place.names.count("/")
        for label in place.sheet.labels:
            whole = label.kind == "global"
            strength = _WHOLE if whole else _OWN if label.kind == "local" else _PORT
            name = label.name if whole else place.names + label.name
            yield (
                self._local(place, label.place),
                _Name(strength, 0 if whole else depth, name, label.line + place.first),
            )
        for symbol in place.sheet.symbols:
            for pin in symbol.pins:
                if pin.net:
                    yield self._local(place, pin.place), _Name(_WHOLE, 0, pin.net, symbol.line + place.first)

    def _ports(self, place: Hung) -> Iterator[tuple[int, int]]:
        """The nets above and below that the pins of its sub-sheets join."""
        for number, child in place.children.items():
            below = defaultdict(list)
            for label in child.sheet.labels:
                if label.kind == "hierarchical":
                    below[label.name].append(label.place)
            for pin in place.sheet.children[number].pins:
                for point in below[pin.name]:
                    yield self._local(place, pin.place), self._local(child, point)

    def _chosen(self, named: list[tuple[int, _Name]], files: SpiceText, notes: Notes) -> dict[int, str]:
        """The names of the nets that have any."""
        found: dict[int, list[_Name]] = defaultdict(list)
        for net, name in named:
            found[int(self._net[net])].append(name)
        names: dict[int, str] = {}
        taken: dict[str, str] = {}
        for net, them in found.items():
            ground = [name for name in them if name.strength == _WHOLE and name.name.lower() in GROUND]
            best = min(ground or them)
            own = best.name.rpartition("/")[2]
            for other in {name.name: name for name in them if name.strength < _PORT}.values():
                if other.name.rpartition("/")[2] != own:
                    said = "a net with several names has the strongest, or is ground"
                    notes.add(said, f"{other.name} is {best.name}", other.line)
            spelled = _spelled(best.name)
            if (other_net := taken.setdefault(spelled.lower(), best.name)) != best.name:
                problem = f"the nets {shown(other_net)} and {shown(best.name)} have one name in SPICE"
                raise files.error(best.line, problem, "rename one of them")
            names[net] = spelled
        return names

    def _number(self, hung: list[Hung]) -> None:
        """Name all other nets N001 and so on, from the top of each sheet."""
        taken = {name.lower() for name in self._names.values()}
        count = 0
        for place in hung:
            pins = {pin.place for symbol in place.sheet.symbols for pin in symbol.pins}
            for point in sorted(pins, key=lambda point: (point[1], point[0])):
                net = self._find(place, point)
                while net not in self._names:
                    count += 1
                    if f"n{count:03}" not in taken:
                        self._names[net] = f"N{count:03}"


def _joined(sheet: KicadSheet, notes: Notes, more: int) -> dict[Point, int]:
    """The number of the net at each pin, label and end of a wire of one sheet: equal names on it are one net.

    What looks joined and is not is noted; what versions of KiCad join differently is refused. A label belongs to what
    ends where it is, or else to the one wire under it.
    """
    pins = [pin for symbol in sheet.symbols for pin in symbol.pins]
    ports = [pin for child in sheet.children for pin in child.pins]
    wires = [wire for _, wire in sheet.wires]
    dots = {point: line for line, point in sheet.junctions}
    for point in inside(wires, dots):
        problem = "a junction on a wire between its ends, which not every KiCad takes for one"
        raise Misplaced(dots[point], problem, "open the schematic in KiCad and save it")
    ends = {end: line for line, (x0, y0, x1, y1) in sheet.wires for end in ((x0, y0), (x1, y1))}
    ends |= {pin.place: symbol.line for symbol in sheet.symbols for pin in symbol.pins}
    ends |= {port.place: port.line for port in ports}
    for point in dict.fromkeys(inside(wires, ends)):
        said = "what ends on the middle of a wire does not join it in KiCad"
        notes.add(said, f"at {point[0] / GRID:g} {point[1] / GRID:g} mm", ends[point] + more)
    labels = {label.place: label.line for label in sheet.labels if label.place not in ends}
    for point, count in Counter(inside(wires, labels)).items():
        if count > 1:
            raise Misplaced(labels[point], "a label where two wires cross", "move it along the wire that it names")
    names = [(label.place, label.name) for label in sheet.labels] + [(pin.place, pin.net) for pin in pins if pin.net]
    return join(wires, [*(pin.place for pin in pins), *(port.place for port in ports)], names, attached=labels)


def _spelled(name: str) -> str:
    # two slashes begin a comment
    return re.sub(r"[\s(){}='\",;$`]", "_", BARRED.sub(r"_\1", name)).replace("//", "/_")
