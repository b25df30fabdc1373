"""Symbols for schematics, drawn for diodeq. Places are micrometres, y upward, on KiCad's grid of 1.27 mm."""

from __future__ import annotations

from dataclasses import dataclass

from diodeq.board.brackets import effects, millimetres, quoted

GRID = 1270
LIBRARY = "diodeq"
_LINE = "(stroke (width 0.254) (type default)) (fill (type none))"


@dataclass(frozen=True)
class Pin:
    """Where a wire meets a symbol; ``turn`` is the way from there to the body: 0 right, 90 up, 180 left, 270 down."""

    number: str
    name: str
    x: int
    y: int
    turn: int
    kind: str = "passive"
    length: int = 2 * GRID


@dataclass(frozen=True)
class Symbol:
    """A symbol of one unit; ``drawing`` are bracketed shapes."""

    name: str
    letter: str
    pins: tuple[Pin, ...]
    drawing: tuple[str, ...]
    power: bool = False
    named: bool = False
    """Whether the names of its pins are shown."""

    def text(self, library: str = "") -> str:
        """Its definition, in a schematic (with the library's name before its own) or in a library."""
        title = quoted(f"{library}:{self.name}" if library else self.name)
        shown = "" if self.named else " (pin_numbers hide) (pin_names (offset 0) hide)"
        power = " (power)" if self.power else ""
        hidden = self.power
        fields = (("Reference", self.letter), ("Value", self.name), ("Footprint", ""), ("Datasheet", ""))
        properties = "\n".join(
            f"  (property {quoted(key)} {quoted(value)} (at 0 0 0) {effects(hidden=hidden or key[0] in 'FD')})"
            for key, value in fields
        )
        pins = "\n".join(
            f"   (pin {pin.kind} line (at {millimetres(pin.x)} {millimetres(pin.y)} {pin.turn})"
            f" (length {millimetres(pin.length)}) (name {quoted(pin.name or '~')} {effects()})"
            f" (number {quoted(pin.number)} {effects()}))"
            for pin in self.pins
        )
        shapes = "\n".join(f"   {shape}" for shape in self.drawing)
        return (
            f" (symbol {title}{power}{shown} (exclude_from_sim no) (in_bom yes) (on_board yes)\n{properties}\n"
            f"  (symbol {quoted(self.name + '_0_1')}\n{shapes})\n  (symbol {quoted(self.name + '_1_1')}\n{pins}))"
        )


def _line(*points: tuple[float, float]) -> str:
    """A line through places in grid units."""
    joined = " ".join(f"(xy {millimetres(round(x * GRID))} {millimetres(round(y * GRID))})" for x, y in points)
    return f"(polyline (pts {joined}) {_LINE})"


def _box(x0: float, y0: float, x1: float, y1: float) -> str:
    start, end = ((round(x * GRID), round(y * GRID)) for x, y in ((x0, y0), (x1, y1)))
    return (
        f"(rectangle (start {millimetres(start[0])} {millimetres(start[1])})"
        f" (end {millimetres(end[0])} {millimetres(end[1])}) {_LINE})"
    )


def _two(name: str, letter: str, pins: tuple[str, str], *drawing: str) -> Symbol:
    """A part of two pins, 1 above 2."""
    ends = Pin("1", pins[0], 0, 3 * GRID, 270), Pin("2", pins[1], 0, -3 * GRID, 90)
    return Symbol(name, letter, ends, drawing)


_CIRCLE = f"(circle (center 0 0) (radius 1.27) {_LINE})"
_ZIGZAG = _line((0, 1), (0.5, 0.75), (-0.5, 0.25), (0.5, -0.25), (-0.5, -0.75), (0, -1))

_FIXED = {
    "R": _two("R", "R", ("", ""), _ZIGZAG),
    "C": _two(
        "C",
        "C",
        ("", ""),
        _line((0, 1), (0, 0.25)),
        _line((-0.8, 0.25), (0.8, 0.25)),
        _line((-0.8, -0.25), (0.8, -0.25)),
        _line((0, -0.25), (0, -1)),
    ),
    "D": _two(
        "D",
        "D",
        ("K", "A"),
        _line((0, 1), (0, -1)),
        _line((-0.8, 0.6), (0.8, 0.6)),
        _line((-0.8, -0.6), (0.8, -0.6), (0, 0.6), (-0.8, -0.6)),
    ),
    "D_SOT": Symbol(
        "D_SOT",
        "D",
        (
            Pin("3", "K", 0, 3 * GRID, 270),
            Pin("1", "A", 0, -3 * GRID, 90),
            Pin("2", "NC", 2 * GRID, 0, 180, "passive", GRID),
        ),
        (
            _line((0, 1), (0, -1)),
            _line((-0.8, 0.6), (0.8, 0.6)),
            _line((-0.8, -0.6), (0.8, -0.6), (0, 0.6), (-0.8, -0.6)),
        ),
    ),
    "V": _two(
        "V",
        "V",
        ("+", "-"),
        _CIRCLE,
        _line((-0.4, 0.5), (0.4, 0.5)),
        _line((0, 0.9), (0, 0.1)),
        _line((-0.4, -0.5), (0.4, -0.5)),
    ),
    "TP": Symbol(
        "TP",
        "TP",
        (Pin("1", "", 0, 0, 90, "passive", GRID),),
        (f"(circle (center 0 {millimetres(GRID * 3 // 2)}) (radius 0.635) {_LINE})",),
    ),
    "GND": Symbol(
        "GND",
        "#PWR",
        (Pin("1", "", 0, 0, 270, "power_in", 0),),
        (_line((0, 0), (0, -1), (1, -1), (0, -2), (-1, -1), (0, -1)),),
        power=True,
    ),
    "PWR_FLAG": Symbol(
        "PWR_FLAG",
        "#FLG",
        (Pin("1", "", 0, 0, 90, "power_out", 0),),
        (_line((0, 0), (0, 1), (-0.8, 1.5), (0, 2), (0.8, 1.5), (0, 1)),),
        power=True,
    ),
    "Hole": Symbol("Hole", "H", (), (_CIRCLE,)),
}


def boxed(
    name: str, letter: str, left: tuple[tuple[str, str, str], ...], right: tuple[tuple[str, str, str], ...]
) -> Symbol:
    """A box with pins (number, name, kind) at its sides, from above; half as wide as its names need."""
    high = max(len(left), len(right))
    widest = max(len(pin[1]) for pin in (*left, *right))
    half = max(3, -(-(widest * 2 + 2) // 2))
    pins = [
        Pin(number, title, sign * (half + 2) * GRID, (high - 1 - 2 * k) * GRID, turn, kind)
        for side, sign, turn in ((left, -1, 0), (right, 1, 180))
        for k, (number, title, kind) in enumerate(side)
    ]
    return Symbol(name, letter, tuple(pins), (_box(-half, high, half, -high),), named=True)


def symbol(name: str) -> Symbol:
    """A symbol of those that are always the same."""
    return _FIXED[name]


def header(pins: int, double: bool = False) -> Symbol:
    """A row of pins, or two rows of them."""
    named = [(str(k + 1), str(k + 1), "passive") for k in range(pins)]
    if double:
        return boxed(f"Header_2x{pins // 2:02}", "J", tuple(named[::2]), tuple(named[1::2]))
    return boxed(f"Header_1x{pins:02}", "J", (), tuple(named))
