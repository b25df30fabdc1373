"""The LTspice schematic: every part drawn with LTspice's own symbol, every pin on a stub with its net's label.

No wire is routed: equal labels are one net. Sections lie below each other, parts in rows, all on LTspice's grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from diodeq.circuit.primitives import Primitive
from diodeq.netlist import spice
from diodeq.netlist.listing import Listing
from diodeq.netlist.ltspice import KNOWN_PARAMETERS, SPELLING
from diodeq.netlist.symbols import REMARK, SYMBOLS
from diodeq.netlist.templates import render

GRID = 16
_LINE = 2 * GRID  # from one line of text to the next
_LETTER = 13  # the width of a letter, generously
_ROW = 12 * GRID  # from one row of parts to the next
_MARGIN = REMARK  # from a symbol's axis to the texts on its right
_NARROWEST = 200 * GRID  # a sheet's least width

# The symbol that is drawn for each SPICE letter.
DRAWN = {"r": "res", "d": "diode", "v": "voltage", "i": "current", "e": "e", "f": "f", "g": "g", "x": "diode"}


@dataclass
class _Sheet:
    """What is on the sheet so far, as lines of the file, and the height at which it is free below."""

    wires: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    y: int = 0

    def say(self, lines: Iterable[str], mark: str = ";", size: int = 2) -> None:
        """Lines of text below each other; ``mark`` is ``;`` for a remark and ``!`` for a directive."""
        for line in lines:
            self.texts.append(f"TEXT 0 {self.y} Left {size} {mark}{line}")
            self.y += _LINE


def write(listing: Listing) -> str:
    """The listing as an LTspice schematic (.asc); parts' values have nine digits, diode parameters all of theirs.

    Raises:
        InputError: a diode has a parameter that LTspice would not understand as ngspice does.
    """
    spice.demand_known(listing.models, KNOWN_PARAMETERS, "LTspice")
    sections = [(section.heading, rows) for section in listing.sections if (rows := list(section.rows))]
    # About as wide as high: a part takes some 20 by 12 grid squares.
    width = max(_NARROWEST, 16 * GRID * math.isqrt(sum(len(rows) for _, rows in sections)))
    sheet = _Sheet()
    sheet.say(spice.header(listing, "LTspice schematic", "open it in LTspice and press Run"))
    sheet.say(f"output {output}" for output in spice.outputs(listing))
    for model in spice.models(listing.models, SPELLING):
        sheet.say([model["comment"]])
        lines = model["line"].split("\n")
        sheet.say(["\\n".join(lines)], "!")
        sheet.y += _LINE * (len(lines) - 1)
    sheet.say([f".options {spice.options(listing)}", ".op"], "!")
    for heading, rows in sections:
        sheet.y += _LINE
        sheet.say([heading], size=3)
        _place(sheet, rows, width)
    return render(
        "ltspice.asc.j2",
        width=width,
        height=sheet.y,
        parts=["\n".join(lines) for lines in (sheet.wires, sheet.flags, sheet.symbols, sheet.texts) if lines],
    )


def _place(sheet: _Sheet, rows: list[tuple[Primitive, str]], width: int) -> None:
    """Put parts on the sheet, row by row."""
    pins = [len(SYMBOLS[DRAWN[name[0]]].pins) for (name, _, _), _ in rows]
    nets = [fields[:count] for ((_, fields, _), _), count in zip(rows, pins, strict=True)]
    label = _LETTER * max(len(net) for part in nets for net in part)
    text = _LETTER * max(max(map(len, (part[0], _value(part), remark))) for part, remark in rows)
    left = _on_grid(label + 5 * GRID if max(pins) > 2 else max(label // 2, 3 * GRID))
    pitch = _on_grid(left + max(_MARGIN + text, label // 2) + 2 * GRID)
    columns = max(1, width // pitch)
    # Parts that begin at one node stay in line: the rows and columns of a dense layer are those of its matrix.
    first = nets[0][0]
    run = next((k for k, part in enumerate(nets) if part[0] != first), len(nets))
    columns -= columns % run if run <= columns else 0
    top = sheet.y + 3 * GRID
    for k, ((part, remark), part_nets) in enumerate(zip(rows, nets, strict=True)):
        line, column = divmod(k, columns)
        _draw(sheet, part, part_nets, remark, left + column * pitch, top + line * _ROW)
    sheet.y = top + (1 + (len(rows) - 1) // columns) * _ROW


def _draw(sheet: _Sheet, part: Primitive, nets: tuple[str, ...], remark: str, x: int, y: int) -> None:
    """One part with its origin's axis at ``x``, upside down if its upper pin alone is grounded."""
    symbol = DRAWN[part[0][0]]
    pins = SYMBOLS[symbol].pins
    span = pins[0][1] + pins[1][1]
    upper = 0 if pins[0][1] < pins[1][1] else 1
    flipped = nets[upper] == "0" != nets[1 - upper]
    for (dx, dy), net in zip(pins, nets, strict=True):
        px, py = x + dx, y + (span - dy if flipped else dy)
        # A control pin's stub leads to the left, the others away from the symbol.
        ex, ey = (px - GRID, py) if dx < 0 else (px, py - GRID if 2 * (py - y) < span else py + GRID)
        sheet.wires.append(f"WIRE {px} {py} {ex} {ey}")
        sheet.flags.append(f"FLAG {ex} {ey} {net}")
    middle = span // 2
    above, below = (middle + 28, middle - 28) if flipped else (middle - 28, middle + 28)
    sheet.symbols.append(
        f"SYMBOL {symbol} {x} {y + span if flipped else y} {'M180' if flipped else 'R0'}\n"
        f"WINDOW 0 {_MARGIN} {above} Left 2\nWINDOW 3 {_MARGIN} {below} Left 2\n"
        f"SYMATTR InstName {_capital(part[0])}\nSYMATTR Value {_value(part)}"
    )
    if part[0][0] == "x":
        sheet.symbols.append("SYMATTR Prefix X")
    if remark:
        sheet.texts.append(f"TEXT {x + _MARGIN} {y + middle} Left 1 ;{remark}")


def _value(part: Primitive) -> str:
    name, fields, value = part
    if value is None:
        return fields[-1]
    return f"{_capital(fields[-1])} {value:.9g}" if name[0] == "f" else f"{value:.9g}"


def _capital(name: str) -> str:
    """LTspice puts its own letter before a name that does not begin with it."""
    return name[0].upper() + name[1:]


def _on_grid(length: int) -> int:
    return GRID * math.ceil(length / GRID)
