"""An LTspice schematic (.asc) as the deck that LTspice makes of it, each line with the number of its place in the file.

Written here because no library fits: spicelib edits schematics without finding their nets, and opens the files of
symbols.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.nets import Wire, join
from diodeq.netlist.symbols import REMARK, SYMBOLS, TURNS, NetlistSymbol, Point
from diodeq.spice import SpiceText
from diodeq.spice.numbers import shown
from diodeq.spice.text import logical

_HEAD = re.compile(r"\s*Version \d+(\.\d+)?\s*\n\s*SHEET\b", re.IGNORECASE)
_NUMBER = r"(-?\d{1,9})"
_FORMS = {
    "WIRE": re.compile(rf"\S+ {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}"),
    "FLAG": re.compile(rf"\S+ {_NUMBER} {_NUMBER} (.+)"),
    "SYMBOL": re.compile(rf"\S+ (.+) {_NUMBER} {_NUMBER} ([RM]\d+)"),
    "SYMATTR": re.compile(r"\S+ (\S+)(?: (.*))?"),
    "TEXT": re.compile(rf"\S+ {_NUMBER} {_NUMBER} \S+ \d+ ([!;])(.*)"),
}
_DRAWN = frozenset(["", "version", "sheet", "window", "line", "rectangle", "circle", "arc", "iopin", "dataflag"])
# In the order in which LTspice prints them.
_PRINTED = ("spicemodel", "value", "value2", "spiceline", "spiceline2")
_FACTOR = r"(\d+)(meg|[kmuµμnpfgt])(\d+)(?![\w.])"  # as in 4k7
_MIDDLE = re.compile(rf"(?<![\w.]){_FACTOR}", re.IGNORECASE)
_GIVEN = re.compile(rf"(?<==){_FACTOR}", re.IGNORECASE)
_NAME = re.compile(r"[^\s,()={}'\"`;]+")


def is_schematic(text: str) -> bool:
    """Whether a text is a schematic of LTspice's."""
    return _HEAD.match(text) is not None


@dataclass
class _Placed:
    """A symbol on the sheet and what it stands for."""

    line: int
    name: str
    origin: Point
    turn: str
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def symbol(self) -> NetlistSymbol:
        found = SYMBOLS.get(self.name)
        if found is None:
            raise InputError(
                f"{shown(self.name)} is no symbol that can be read: it is another device, a block or a library's",
                f"replace it by what it stands for; known are {', '.join(SYMBOLS)}",
            )
        return found

    def pins(self) -> list[Point]:
        turned = (TURNS[self.turn](*pin) for pin in self.symbol.pins)
        return [(self.origin[0] + x, self.origin[1] + y) for x, y in turned]


@dataclass
class _Sheet:
    wires: list[Wire] = field(default_factory=list)
    flags: list[tuple[int, Point, str]] = field(default_factory=list)
    symbols: list[_Placed] = field(default_factory=list)
    texts: list[tuple[int, Point, str, str]] = field(default_factory=list)
    """Line, place, "!" for a directive or ";" for a comment, and the words."""
    count: int = 0
    """How many sheets there are."""


def schematic_deck(text: str, path: str | Path) -> tuple[SpiceText, Notes]:
    """The deck of a schematic, and what was read differently from how it stands.

    Raises:
        InputError: naming the line of what has no place in a schematic, or of a symbol that is not known.
    """
    place = SpiceText(str(path), "", [])
    sheet = _sheet(text, place)
    notes = Notes()
    with place.at(1):
        pins = {point for placed in sheet.symbols for point in _at(place, placed)}
        nodes = _Nodes(sheet, place, notes, pins)
    comments = [words for _, _, mark, words in sheet.texts if mark == ";"]
    coupled = {name for _, _, mark, words in sheet.texts if mark == "!" for name in _coupled(words)}
    own = any(words.startswith("written by diodeq ") for words in comments[:2])
    lines = list(_lines(sheet, place, nodes, _Printer(coupled, notes)))
    lines.append((text.count("\n") + 1, ".backanno"))  # as LTspice does; it says whose deck it is
    title = comments[0] if own else Path(path).stem
    return SpiceText(str(path), title, logical(path, lines)), notes


def _at(place: SpiceText, placed: _Placed) -> list[Point]:
    with place.at(placed.line):
        return placed.pins()


def _sheet(text: str, place: SpiceText) -> _Sheet:
    sheet = _Sheet()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        word = line.split(maxsplit=1)[0].upper() if line else ""
        try:
            if word in _FORMS:
                found = _FORMS[word].fullmatch(line)
                if found is None:
                    raise InputError(f"{shown(line)} is no {word} of a schematic", "save it with LTspice again")
                _take(sheet, number, word, found)
            elif word.lower() not in _DRAWN:
                raise InputError(
                    f"{shown(word)} has no place in a schematic of single nets", "draw each net of a bus by itself"
                )
            sheet.count += word == "SHEET"
            if sheet.count > 1:
                raise InputError("a second sheet", "put everything on one sheet")
        except InputError as error:  # cheaper than a context manager
            raise place.placed(number, error) from None
    return sheet


def _take(sheet: _Sheet, number: int, word: str, found: re.Match[str]) -> None:
    if word == "WIRE":
        x0, y0, x1, y1 = map(int, found.groups())
        sheet.wires.append((x0, y0, x1, y1))
    elif word == "FLAG":
        sheet.flags.append((number, (int(found[1]), int(found[2])), re.sub(r"\s", "_", found[3].strip())))
    elif word == "SYMBOL":
        if found[4] not in TURNS:
            raise InputError(f"{shown(found[4])} is no turn of a symbol", f"give one of {', '.join(TURNS)}")
        name = found[1].replace("\\\\", "\\").lower()
        sheet.symbols.append(_Placed(number, name, (int(found[2]), int(found[3])), found[4]))
    elif word == "TEXT":
        words = re.sub(r"\\([n\\])", lambda escape: "\n" if escape[1] == "n" else "\\", found[4])
        sheet.texts.append((number, (int(found[1]), int(found[2])), found[3], words))
    elif not sheet.symbols:
        raise InputError("an attribute before any symbol", "remove the line")
    else:
        value = (found[2] or "").strip()
        sheet.symbols[-1].attributes[found[1].lower()] = "" if value == '""' else value


class _Nodes:
    """The node of every pin: its net's label, the first of several; N001 and so on where it has none."""

    def __init__(self, sheet: _Sheet, place: SpiceText, notes: Notes, pins: set[Point]) -> None:
        for number, _, label in sheet.flags:
            if not _NAME.fullmatch(label) or label.startswith("//"):
                raise place.error(number, f"{shown(label)} is no name of a node", "use letters, digits and '_'")
        self._nets = join(sheet.wires, pins, [(point, label.lower()) for _, point, label in sheet.flags])
        self._names: dict[int, str] = {}
        for number, point, label in sorted(sheet.flags, key=lambda flag: flag[2] != "0"):  # ground wins
            name = self._names.setdefault(self._nets[point], label)
            if name.lower() != label.lower():
                notes.add("a net with several labels has the first, or is ground", f"{label} is {name}", number)
        taken = {name.lower() for name in self._names.values()}
        count = 0
        for point in sorted(pins, key=lambda point: (point[1], point[0])):
            net = self._nets[point]
            while net not in self._names:
                count += 1
                if f"n{count:03}" not in taken:
                    self._names[net] = f"N{count:03}"

    def __getitem__(self, point: Point) -> str:
        return self._names[self._nets[point]]


def _coupled(words: str) -> Iterator[str]:
    """The inductors, in lower case, that the K lines of a directive name."""
    for line in words.split("\n"):
        if re.match(r"\s*k", line, re.IGNORECASE):
            yield from line.lower().split()[1:]


@dataclass(frozen=True)
class _Printer:
    """What LTspice does to the values of parts: their ``notes`` are in its own way of reading."""

    coupled: set[str]
    notes: Notes

    def plain(self, text: str, line: int, form: re.Pattern[str]) -> str:
        """The text with 4k7 as 4.7k, where that can be no name."""
        found = form.sub(r"\1.\3\2", text)
        if found != text:
            self.notes.add("a factor within a number is its point, as in LTspice", text.split("\n")[0][:40], line)
        return found

    def said(self, letter: str, name: str, words: list[str], line: int) -> list[str]:
        if letter in "RCLVI":
            words = [self.plain(word, line, _MIDDLE) for word in words]
        if letter == "L" and name.lower() not in self.coupled and not re.search(r"\brser\s*=", " ".join(words), re.I):
            said = "inductors without Rser, and not coupled to others, have the 1 milliohm that LTspice gives them"
            self.notes.add(said, name, line)
            words = [*words, "Rser=1m"]
        return words


def _lines(sheet: _Sheet, place: SpiceText, nodes: _Nodes, printer: _Printer) -> Iterator[tuple[int, str]]:
    """The numbered lines of the deck: comments and directives, then the parts, each below what is noted about it."""
    beside = {_beside(placed): placed.line for placed in sheet.symbols}
    remarks: dict[int, str] = {}
    models = False
    for number, point, mark, words in sheet.texts:
        if mark == ";" and point in beside:
            remarks[beside[point]] = words.replace("\n", " ")
            continue
        if mark == "!":
            words = printer.plain(words, number, _GIVEN)
        for line in words.split("\n"):
            yield number, f"* {line}" if mark == ";" else line
            models = models or bool(mark == "!" and re.match(r"\s*\.model\s+d\s", line, re.IGNORECASE))
    for placed in sheet.symbols:
        if placed.line in remarks:
            yield placed.line, f"* {remarks[placed.line]}"
        line = _part(placed, nodes, place, printer)
        if not models and re.fullmatch(r"D\S+ \S+ \S+ D", line, re.IGNORECASE):
            yield placed.line, ".model D D"  # as LTspice does for a diode that says no more
            models = True
        yield placed.line, line


def _beside(placed: _Placed) -> Point:
    """Where diodeq writes what it notes about a part."""
    (_, first), (_, second) = placed.pins()[:2]
    return (placed.origin[0] + REMARK, (first + second) // 2)


def _part(placed: _Placed, nodes: _Nodes, place: SpiceText, printer: _Printer) -> str:
    """The part's line, as LTspice prints it."""
    symbol, given = placed.symbol, placed.attributes
    name, letter = given.get("instname", ""), (given.get("prefix") or symbol.letter)[0]
    if not _NAME.fullmatch(name):
        problem = f"the symbol {shown(placed.name)} has no name that a part can have"
        raise place.error(placed.line, problem, "give it one, such as R1")
    if name[0].lower() != letter.lower():
        name = f"{letter}§{name}"
    if "value" not in given and not given.get("spicemodel"):
        given = {**given, "value": symbol.value}
    said = [given[key] for key in _PRINTED if given.get(key)]
    said = printer.said(letter.upper(), name, said, placed.line)
    return " ".join([name, *(nodes[pin] for pin in placed.pins()), *said])
