"""A KiCad schematic as the deck that KiCad makes of it: parts with their nets, and texts that are directives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.kicad.hierarchy import Hung, hierarchy
from diodeq.netlist.reading.kicad.nets import Nets
from diodeq.netlist.reading.kicad.parts import KicadPart, spice_lines
from diodeq.netlist.reading.kicad.sheet import NEWEST, SheetSymbol
from diodeq.spice import SpiceText
from diodeq.spice.numbers import shown
from diodeq.spice.text import logical

_HEAD = re.compile(r"\s*\(\s*kicad_sch[\s)]")
_DIRECTIVE = re.compile(r"^\.[A-Za-z]", re.MULTILINE)
_COUPLING = re.compile(r"k\S+(\s+l\S+){2,}\s+\S+", re.IGNORECASE)


def is_kicad(text: str) -> bool:
    """Whether a text is a schematic of KiCad 6 or later."""
    return _HEAD.match(text) is not None


def kicad_deck(text: str, path: str | Path) -> tuple[SpiceText, Notes]:
    """The deck of a schematic, and what was read differently from how it stands.

    Raises:
        InputError: naming the file and the line of what cannot be read.
    """
    root, files = hierarchy(text, path)
    notes = Notes(called=files.called)
    for _, other in files.others:
        notes.reasons.setdefault("the schematic's other sheets, beside it, were read too", []).append(Path(other).name)
    if root.sheet.version > NEWEST:
        notes.add("a newer KiCad than 9 saved the file, which was read as one of 9", root.sheet.version, 1)
    nets = Nets(root, files, notes)
    lines = [*_parts(root, nets, files, notes), *_texts(root, files, notes)]
    return replace(files, lines=logical(path, lines)), notes


def _parts(root: Hung, nets: Nets, files: SpiceText, notes: Notes) -> Iterator[tuple[int, str]]:
    """The numbered lines of all parts; the units of one are a part together."""
    units: dict[str, tuple[KicadPart, set[str]]] = {}
    parts: list[KicadPart] = []
    for place in root.all():
        for symbol in place.sheet.symbols:
            reference = place.reference(symbol, root.sheet.listed)
            if symbol.power or reference.startswith("#"):
                continue
            if place.excluded or symbol.excluded:
                notes.add("parts excluded from simulation were left out", reference, symbol.line + place.first)
                continue
            with files.at(symbol.line + place.first):
                part = _part(symbol, place, nets, reference)
            earlier, seen = units.get(reference, (part, set()))
            if symbol.several and seen and symbol.unit not in seen:
                known = {number for number, _, _ in earlier.pins}
                earlier.pins += [pin for pin in part.pins if pin[0] not in known]
                seen.add(symbol.unit)
                continue
            units[reference] = part, {symbol.unit}
            parts.append(part)
            if symbol.unfitted:
                notes.add("parts that are not fitted are simulated, as in KiCad", reference, part.line)
    for part in parts:
        part.pins.sort(key=lambda pin: _natural(pin[0]))
        with files.at(part.line):
            lines = spice_lines(part, notes)
        for line in lines:
            yield part.line, line


def _part(symbol: SheetSymbol, place: Hung, nets: Nets, reference: str) -> KicadPart:
    pins: dict[str, tuple[str, str, str]] = {}
    for pin in symbol.pins:
        found = (pin.number, pin.name, nets.at(place, pin.place))
        if pins.setdefault(pin.number, found)[2] != found[2]:
            problem = f"two pins {shown(pin.number)} of {shown(reference)} are on different nets"
            raise InputError(problem, "number the pins of its symbol")
    return KicadPart(
        symbol.line + place.first, reference, symbol.library, symbol.fields, list(pins.values()), symbol.order
    )


def _natural(number: str) -> tuple[tuple[int, int, str], ...]:
    """Pins in the order of their numbers: 2 before 10, B1 after A2."""
    words = re.findall(r"[0-9]{1,9}|[^0-9]+", number)
    return tuple((0, int(word), "") if word[0] in "0123456789" else (1, 0, word) for word in words)


def _texts(root: Hung, files: SpiceText, notes: Notes) -> Iterator[tuple[int, str]]:
    """The numbered lines of the texts that hold a directive, each text once however often its sheet hangs."""
    seen: set[int] = set()
    for place in root.all():
        if id(place.sheet) in seen:
            continue
        seen.add(id(place.sheet))
        for number, words in place.sheet.texts:
            if _COUPLING.fullmatch(words.strip()):
                said = "couplings of inductors change nothing in direct current and were left out"
                notes.add(said, words.split()[0], number + place.first)
            elif _DIRECTIVE.search(words):
                if words.startswith("+"):
                    raise files.error(number + place.first, "a text that continues another", "join the two texts")
                for line in words.split("\n"):
                    yield number + place.first, line
