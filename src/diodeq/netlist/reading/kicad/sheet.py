"""One sheet of a KiCad schematic: its symbols with the places of their pins, wires, labels, texts and sub-sheets.

Places are whole ten-thousandths of a millimetre, KiCad's own grid, y downward.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from diodeq.errors import InputError
from diodeq.netlist.reading.kicad.brackets import BracketNode, Misplaced, parsed
from diodeq.netlist.reading.nets import Wire
from diodeq.netlist.symbols import Point
from diodeq.spice.numbers import shown

GRID = 1e4  # a millimetre
FARTHEST = 100_000.0  # millimetres

# How KiCad turns a place in a symbol (y downward by now), counter-clockwise, before it mirrors.
_TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
_MIRRORS = {"": (1, 1), "x": (1, -1), "y": (-1, 1)}

# From this version of the format on a power symbol's value names its net, and its pin did before.
_POWER_BY_VALUE = "20230221"
NEWEST = "20250114"  # of KiCad 9

# Letters that KiCad writes as words, and a bar above a name.
_ESCAPES = {
    "slash": "/",
    "backslash": "\\",
    "space": " ",
    "colon": ":",
    "lt": "<",
    "gt": ">",
    "bar": "|",
    "dollar": "$",
}
_ESCAPED = re.compile(rf"\{{({'|'.join(_ESCAPES)})\}}")
BARRED = re.compile(r"~\{([^{}]*)\}")

_REFUSED = {
    "bus": "draw each net of a bus by itself",
    "bus_entry": "draw each net of a bus by itself",
}


@dataclass
class SheetPin:
    """A pin of a symbol on the sheet."""

    number: str
    name: str
    place: Point
    net: str
    """What it calls its net in the whole schematic: a power symbol's pin does, and a hidden power pin of any other, as
    older libraries have them."""


@dataclass
class SheetSymbol:
    """A symbol on the sheet; ``references`` gives what it is called by the path of the sheet's instance."""

    line: int
    library: str
    prefix: str
    """The letters that the library gives such parts' references."""
    unit: str
    several: bool
    """Whether the part has further units."""
    power: bool
    excluded: bool
    unfitted: bool
    uuid: str
    fields: dict[str, str]
    references: dict[str, str]
    pins: list[SheetPin]
    order: list[str]
    """The numbers of its pins as the file lists them."""


@dataclass
class SheetLabel:
    """A net's name at a place: ``kind`` is local, hierarchical or global."""

    line: int
    kind: str
    name: str
    place: Point


@dataclass
class Child:
    """A sub-sheet: the file it names, and its pins by name."""

    line: int
    uuid: str
    name: str
    file: str
    excluded: bool
    pins: list[SheetLabel]


@dataclass
class KicadSheet:
    """What is on one sheet."""

    version: str = ""
    uuid: str = ""
    title: str = ""
    symbols: list[SheetSymbol] = field(default_factory=list)
    wires: list[tuple[int, Wire]] = field(default_factory=list)
    junctions: list[tuple[int, Point]] = field(default_factory=list)
    labels: list[SheetLabel] = field(default_factory=list)
    texts: list[tuple[int, str]] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    listed: dict[str, str] = field(default_factory=dict)
    """Version 6: the reference of each symbol by its path, at the end of the root sheet."""


def sheet_of(text: str) -> KicadSheet:
    """The sheet that a file's text is.

    Raises:
        Misplaced: what cannot be read, on its line.
    """
    root = parsed(text)
    if root.name != "kicad_sch":
        raise Misplaced(root.line, f"{shown(root.name)} is no schematic", "give a .kicad_sch of KiCad 6 or later")
    block = root.first("title_block")
    sheet = KicadSheet(root.word("version"), root.word("uuid"), block.word("title") if block else "")
    by_value = sheet.version >= _POWER_BY_VALUE
    library = {node.words[0]: node for held in root.all("lib_symbols") for node in held.all("symbol") if node.words}
    for node in root.nodes:
        try:
            _take(sheet, node, library, by_value)
        except Misplaced:
            raise
        except InputError as error:
            raise Misplaced(node.line, error.problem, error.remedy) from None
    return sheet


def _take(sheet: KicadSheet, node: BracketNode, library: dict[str, BracketNode], by_value: bool) -> None:
    if node.name == "symbol":
        sheet.symbols.append(_placed(node, library, by_value))
    elif node.name == "wire":
        ends = [_point(point) for held in node.all("pts") for point in held.all("xy")]
        if len(ends) != 2:
            raise InputError(f"a wire with {len(ends)} ends", "draw it with two")
        if ends[0] != ends[1]:
            sheet.wires.append((node.line, (*ends[0], *ends[1])))
    elif node.name == "junction":
        sheet.junctions.append((node.line, _at(node)))
    elif node.name in ("label", "global_label", "hierarchical_label"):
        sheet.labels.append(_label(node, node.name.removesuffix("label").removesuffix("_") or "local"))
    elif node.name in ("text", "text_box") and not node.says("exclude_from_sim"):
        sheet.texts.append((node.line, node.words[0] if node.words else ""))
    elif node.name == "sheet":
        sheet.children.append(_child(node))
    elif node.name == "symbol_instances":
        sheet.listed = {path.words[0]: path.word("reference") for path in node.all("path") if path.words}
    elif node.name in _REFUSED:
        raise InputError(f"a {node.name.replace('_', ' ')}", _REFUSED[node.name])


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not abs(value) <= FARTHEST:
        raise InputError(f"{shown(word)} is no place on a sheet", "save it with KiCad again")
    return value


def _point(node: BracketNode | None) -> Point:
    if node is None or len(node.words) < 2:
        raise InputError("something without its place", "save it with KiCad again")
    return round(_number(node.words[0]) * GRID), round(_number(node.words[1]) * GRID)


def _at(node: BracketNode) -> Point:
    return _point(node.first("at"))


def _label(node: BracketNode, kind: str) -> SheetLabel:
    name = node.words[0] if node.words else ""
    name = _ESCAPED.sub(lambda found: _ESCAPES[found[1]], name)
    bare = BARRED.sub(r"\1", name)
    if not bare.strip() or "{" in bare or ("[" in bare and ".." in bare):
        raise InputError(f"{shown(name)} is no name of one net", "draw each net of a bus by itself")
    return SheetLabel(node.line, kind, name, _at(node))


def _child(node: BracketNode) -> Child:
    fields = _fields(node)
    name = fields.get("Sheetname") or fields.get("Sheet name", "")
    file = fields.get("Sheetfile") or fields.get("Sheet file", "")
    pins = [_label(pin, "pin") for pin in node.all("pin")]
    return Child(node.line, node.word("uuid"), name, file, node.says("exclude_from_sim"), pins)


def _fields(node: BracketNode) -> dict[str, str]:
    return {said.words[0]: said.words[1] for said in node.all("property") if len(said.words) > 1}


def _placed(node: BracketNode, library: dict[str, BracketNode], by_value: bool) -> SheetSymbol:
    named = node.word("lib_id")
    drawn = library.get(node.word("lib_name") or named)
    if drawn is None:
        raise InputError(f"the symbol {shown(named)} is not in the file", "save it with KiCad again")
    kind = drawn.first("power")
    if drawn.first("extends") is not None or (kind is not None and kind.words == ["local"]):
        raise InputError(f"the symbol {shown(named)} is not of KiCad 6 to 9", "save it with one of these")
    unit, style = node.word("unit", "1"), node.word("body_style") or node.word("convert", "1")
    pins, units = [], set()
    place = _transform(node)
    short = drawn.words[0].rpartition(":")[2]
    fields = _fields(node)
    power = kind is not None
    value = fields.get("Value", "") if by_value else ""
    for body in drawn.all("symbol"):
        # named after the symbol, its unit and its style; 0 is all of them
        own, _, rest = (body.words or [""])[0].removeprefix(short).removeprefix("_").partition("_")
        units.add(own)
        if own in ("0", unit) and rest in ("0", style):
            pins += [_pin(pin, place, power, value) for pin in body.all("pin")]
    instances = {
        path.words[0]: path.word("reference")
        for held in node.all("instances")
        for project in held.all("project")
        for path in project.all("path")
        if path.words
    }
    default = _fields(drawn)
    return SheetSymbol(
        line=node.line,
        library=named,
        prefix=default.get("Reference", ""),
        unit=unit,
        several=len(units - {"0"}) > 1,
        power=power,
        excluded=node.says("exclude_from_sim"),
        unfitted=node.says("dnp"),
        uuid=node.word("uuid"),
        fields=fields,
        references=instances,
        pins=pins,
        order=[pin.words[0] for pin in node.all("pin") if pin.words],
    )


def _transform(node: BracketNode) -> tuple[int, int, int, int, int, int]:
    at = node.first("at")
    x, y = _point(at)
    turn = _number(at.words[2]) % 360 if at is not None and len(at.words) > 2 else 0.0
    mirror = node.word("mirror")
    if turn not in _TURNS or mirror not in _MIRRORS:
        raise InputError("a symbol that is turned in an unknown way", "turn it by 0, 90, 180 or 270 degrees")
    xx, xy, yx, yy = _TURNS[int(turn)]
    mx, my = _MIRRORS[mirror]
    return x, y, mx * xx, mx * xy, my * yx, my * yy


def _pin(node: BracketNode, place: tuple[int, int, int, int, int, int], power: bool, value: str) -> SheetPin:
    px, up = _at(node)
    x, y, xx, xy, yx, yy = place
    at = (x + xx * px - xy * up, y + yx * px - yy * up)
    name = node.word("name")
    names = node.words[:1] == ["power_in"] and (power or node.says("hide"))
    return SheetPin(node.word("number"), "" if name == "~" else name, at, ((power and value) or name) if names else "")
