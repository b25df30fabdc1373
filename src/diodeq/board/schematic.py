"""The schematic: a root sheet with one sheet a layer, each part with its net's label at every pin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from diodeq.board.brackets import at, effects, identifier, millimetres, quoted
from diodeq.board.parts import GROUND, Part
from diodeq.board.symbols import GRID, LIBRARY, Symbol, symbol

VERSION = "20231120"  # of KiCad 8, which 9 reads too
_MARGIN = 20 * GRID
_LETTER = 1.1  # of a label, in mm and generously
_TURNED = {0: 180, 90: 270, 180: 0, 270: 90}  # of a label, whose pin leads from it to the body


def schematics(
    name: str, title: str, parts: Sequence[Part], notes: Sequence[str], directives: Sequence[str]
) -> dict[str, str]:
    """The files of a project's schematic by name, the root sheet first."""
    sheets = list(dict.fromkeys(part.sheet for part in parts))
    files = {f"{name}.kicad_sch": _root(name, title, sheets, notes, directives)}
    # Ground's symbol is a pin that wants power, as those of packages are.
    wants = ((net, _kind(part, pin)) for part in parts for pin, net in part.nets)
    powered = sorted({net for net, kind in wants if net == GROUND or (net and kind == "power_in")})
    first: dict[str, str] = {}  # the sheet that each net is on first: its flag is beside a part
    for part in parts:
        for _, net in part.nets:
            first.setdefault(net, part.sheet)
    for page, sheet in enumerate(sheets):
        mine = [part for part in parts if part.sheet == sheet]
        flags = [net for net in powered if first[net] == sheet]
        files[f"{name}-{sheet}.kicad_sch"] = _Page(name, sheet, page + 2).text(title, mine, flags)
    return files


def _kind(part: Part, number: str) -> str:
    return next(pin.kind for pin in part.symbol.pins if pin.number == number)


def sheet_path(name: str, sheet: str) -> str:
    """The path of a sheet's identifiers, without quotes."""
    return f"/{identifier(name, 'root')}/{identifier(name, sheet)}".replace('"', "")


def part_identifier(name: str, part: Part) -> str:
    """A part's identifier in the schematic."""
    return identifier(name, "part", part.reference)


def _root(name: str, title: str, sheets: Sequence[str], notes: Sequence[str], directives: Sequence[str]) -> str:
    wide, high = 30 * GRID, 12 * GRID
    columns = max(1, math.isqrt(len(sheets)))
    body = []
    for k, sheet in enumerate(sheets):
        x, y = _MARGIN + k % columns * 2 * wide, _MARGIN + (2 * len(notes) + 6) * GRID + k // columns * 2 * high
        body.append(
            f" (sheet (at {millimetres(x)} {millimetres(y)}) (size {millimetres(wide)} {millimetres(high)})"
            f" (stroke (width 0.1524) (type solid)) (fill (color 0 0 0 0.0)) (uuid {identifier(name, sheet)})\n"
            f'  (property "Sheetname" {quoted(sheet)} {at(x, y - GRID // 2)} {effects()})\n'
            f'  (property "Sheetfile" {quoted(f"{name}-{sheet}.kicad_sch")} {at(x, y + high + GRID)} {effects()})\n'
            f"  (instances (project {quoted(name)} (path {quoted('/' + _bare(identifier(name, 'root')))}"
            f" (page {quoted(str(k + 2))})))))"
        )
    for k, note in enumerate(notes):
        body.append(_text(note, _MARGIN, _MARGIN + 2 * k * GRID, identifier(name, "note", str(k))))
    below = _MARGIN + (2 * len(notes) + 10) * GRID + (len(sheets) // columns + 1) * 2 * high
    for k, line in enumerate(directives):
        body.append(_text(line, _MARGIN, below + 3 * k * GRID, identifier(name, "directive", str(k))))
    size = max(297.0, (columns * 2 * wide + 2 * _MARGIN) / 1000), max(210.0, below / 1000 + 40)
    ends = '(sheet_instances (path "/" (page "1")))'
    return _file(identifier(name, "root"), size, title, [" (lib_symbols)", *body, f" {ends}"])


def _bare(word: str) -> str:
    return word.strip('"')


def _text(text: str, x: int, y: int, identity: str) -> str:
    return f" (text {quoted(text)} (exclude_from_sim no) {at(x, y)} {effects(justify='left')} (uuid {identity}))"


def _file(identity: str, size: tuple[float, float], title: str, body: Iterable[str]) -> str:
    head = (
        f'(kicad_sch (version {VERSION}) (generator "diodeq") (generator_version "1")\n'
        f' (uuid {identity})\n (paper "User" {math.ceil(size[0])} {math.ceil(size[1])})\n'
        f" (title_block (title {quoted(title)}))\n"
    )
    return head + "\n".join(body) + "\n)\n"


class _Page:
    """One sheet in the making."""

    def __init__(self, name: str, sheet: str, page: int) -> None:
        self.name, self.sheet, self.page = name, sheet, page
        self.path = sheet_path(name, sheet)
        self.body: list[str] = []
        self.symbols: dict[str, Symbol] = {}
        self.powers = 0

    def text(self, title: str, parts: Sequence[Part], flags: Sequence[str]) -> str:
        """The sheet's file."""
        longest = max((len(net) for part in parts for _, net in part.nets), default=1)
        label = math.ceil(longest * _LETTER * 1000 / GRID + 4) * GRID
        cells = [self._cell(part, label) for part in parts]
        area = sum((wide + 2 * GRID) * (high + 2 * GRID) for wide, high in cells)
        limit = max([wide for wide, _ in cells] + [math.ceil(math.sqrt(1.4 * area) / GRID) * GRID])
        x = y = _MARGIN
        lowest = rightmost = 0
        for part, (wide, high) in zip(parts, cells, strict=True):
            if x > _MARGIN and x + wide > _MARGIN + limit:
                x, y = _MARGIN, y + lowest + 2 * GRID
                lowest = 0
            self._place(part, x + wide // 2 // GRID * GRID, y + high // 2 // GRID * GRID)
            x += wide + 2 * GRID
            lowest, rightmost = max(lowest, high), max(rightmost, x)
        for net in flags:
            y += lowest + 6 * GRID
            self._symbol(
                f"#FLG{self.page}{self.powers}",
                "PWR_FLAG",
                symbol("PWR_FLAG"),
                _MARGIN,
                y,
                identifier(self.name, "flag", net),
            )
            self._net(net, _MARGIN, y, 90)
            lowest = label
        size = (rightmost + _MARGIN) / 1000, (y + lowest + _MARGIN) / 1000
        library = " (lib_symbols\n" + "\n".join(each.text(LIBRARY) for each in self.symbols.values()) + ")"
        return _file(identifier(self.name, "sheet", self.sheet), size, f"{title}: {self.sheet}", [library, *self.body])

    def _cell(self, part: Part, label: int) -> tuple[int, int]:
        """The room that a part takes with its labels."""
        pins = part.symbol.pins
        across = max((abs(pin.x) + (label if pin.turn % 180 == 0 else GRID) for pin in pins), default=GRID)
        along = max((abs(pin.y) + (label if pin.turn % 180 else GRID) for pin in pins), default=GRID)
        words = max(len(part.value), len(part.reference)) * _LETTER * 1000
        return 2 * max(math.ceil((across) / GRID), math.ceil((GRID + words) / GRID)) * GRID, 2 * math.ceil(
            along / GRID + 2
        ) * GRID

    def _place(self, part: Part, x: int, y: int) -> None:
        self.symbols.setdefault(part.symbol.name, part.symbol)
        top = max((pin.y for pin in part.symbol.pins), default=0)
        two = len(part.symbol.pins) <= 3
        beside = (x + 2 * GRID, y) if two else (x, y - top - 4 * GRID)
        pins = "".join(
            f" (pin {quoted(pin.number)} (uuid {identifier(self.name, 'pin', part.reference, pin.number)}))"
            for pin in part.symbol.pins
        )
        hidden = [
            ("Footprint", f"{LIBRARY}:{part.footprint}" if part.footprint else ""),
            ("Datasheet", ""),
            *([("MPN", part.number)] if part.number else []),
            *part.fields,
        ]
        left = effects(justify="left")
        properties = [
            f'  (property "Reference" {quoted(part.reference)} {at(beside[0], beside[1] - GRID)} {left})',
            f'  (property "Value" {quoted(part.value)} {at(beside[0], beside[1] + GRID)} {left})',
            *(f"  (property {quoted(key)} {quoted(value)} {at(x, y)} {effects(hidden=True)})" for key, value in hidden),
        ]
        board = bool(part.footprint)
        self._write(
            part.reference,
            part.symbol.name,
            x,
            y,
            part_identifier(self.name, part),
            properties,
            pins,
            (not part.simulated, board and bool(part.kind), board),
        )
        joined = dict(part.nets)
        for pin in part.symbol.pins:
            if net := joined.get(pin.number):
                self._net(net, x + pin.x, y - pin.y, _TURNED[pin.turn])
            else:
                identity = identifier(self.name, "open", part.reference, pin.number)
                where = f"{millimetres(x + pin.x)} {millimetres(y - pin.y)}"
                self.body.append(f" (no_connect (at {where}) (uuid {identity}))")

    def _net(self, net: str, x: int, y: int, turn: int) -> None:
        """A label at a pin; ground has its symbol."""
        self.powers += 1
        identity = identifier(self.name, self.sheet, "label", str(self.powers))
        if net == GROUND:
            drawn = symbol("GND")
            self._symbol(f"#PWR{self.page:02}{self.powers:05}", GROUND, drawn, x, y, identity)
            return
        side = "right" if turn in (180, 270) else "left"
        self.body.append(
            f" (global_label {quoted(net)} (shape passive) {at(x, y, turn)} {effects(justify=side)} (uuid {identity}))"
        )

    def _symbol(self, reference: str, value: str, drawn: Symbol, x: int, y: int, identity: str) -> None:
        self.symbols.setdefault(drawn.name, drawn)
        properties = [
            f'  (property "Reference" {quoted(reference)} {at(x, y)} {effects(hidden=True)})',
            f'  (property "Value" {quoted(value)} {at(x, y + 3 * GRID)} {effects(hidden=True)})',
            f'  (property "Footprint" "" {at(x, y)} {effects(hidden=True)})',
            f'  (property "Datasheet" "" {at(x, y)} {effects(hidden=True)})',
        ]
        pin = f' (pin "1" (uuid {identifier(self.name, "pin", reference)}))'
        self._write(reference, drawn.name, x, y, identity, properties, pin, (False, True, True))

    def _write(
        self,
        reference: str,
        drawn: str,
        x: int,
        y: int,
        identity: str,
        properties: Sequence[str],
        pins: str,
        flags: tuple[bool, bool, bool],
    ) -> None:
        outside, bought, board = ("yes" if flag else "no" for flag in flags)
        joined = "\n".join(properties)
        self.body.append(
            f" (symbol (lib_id {quoted(f'{LIBRARY}:{drawn}')}) {at(x, y)} (unit 1)"
            f" (exclude_from_sim {outside}) (in_bom {bought}) (on_board {board}) (dnp no) (uuid {identity})\n"
            f"{joined}\n {pins}\n"
            f"  (instances (project {quoted(self.name)} (path {quoted(self.path)}"
            f" (reference {quoted(reference)}) (unit 1)))))"
        )


def library(parts: Iterable[Part]) -> str:
    """The symbols of the parts, as a library beside the project."""
    found = {part.symbol.name: part.symbol for part in parts}
    found |= {name: symbol(name) for name in ("GND", "PWR_FLAG")}
    body = "\n".join(each.text() for each in found.values())
    return f'(kicad_symbol_lib (version 20231120) (generator "diodeq") (generator_version "1")\n{body}\n)\n'
