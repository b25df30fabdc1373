"""LTspice's own symbols that stand for a circuit's elements, and the ways a schematic turns them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Point = tuple[int, int]


class NetlistSymbol(NamedTuple):
    """A symbol: its SPICE letter, its pins in the order of the netlist (y downward), its value where none is given."""

    letter: str
    pins: tuple[Point, ...]
    value: str


_LONG: tuple[Point, ...] = ((16, 16), (16, 96))
_SHORT: tuple[Point, ...] = ((16, 0), (16, 64))
_ROUND: tuple[Point, ...] = ((0, 16), (0, 96))
_CURRENT: tuple[Point, ...] = ((0, 0), (0, 80))

# The places are those that the files of LTspice's symbols (lib/sym/*.asy, in public repositories) give their pins, all
# versions alike; in twelve thousand public schematics wires and labels end exactly there, in every turn.
SYMBOLS: dict[str, NetlistSymbol] = {
    **dict.fromkeys(["res", "misc\\europeanresistor"], NetlistSymbol("R", _LONG, "R")),
    "res2": NetlistSymbol("R", _SHORT, "R"),
    **dict.fromkeys(
        ["cap", "polcap", "misc\\europeancap", "misc\\europeanpolcap", "misc\\xtal"], NetlistSymbol("C", _SHORT, "C")
    ),
    **dict.fromkeys(["ind", "ind2", "misc\\fixedind"], NetlistSymbol("L", _LONG, "L")),
    **dict.fromkeys(["ferritebead", "ferritebead2"], NetlistSymbol("L", ((0, -32), (0, 32)), "L")),
    **dict.fromkeys(["diode", "schottky", "zener", "led", "varactor", "tvsdiode"], NetlistSymbol("D", _SHORT, "D")),
    **dict.fromkeys(["voltage", "misc\\battery"], NetlistSymbol("V", _ROUND, "V")),
    "misc\\signal": NetlistSymbol("V", _ROUND, "SINE(0 1 1K)"),
    "misc\\cell": NetlistSymbol("V", ((0, 0), (0, 64)), "V"),
    **dict.fromkeys(["current", "load2"], NetlistSymbol("I", _CURRENT, "I")),
    "load": NetlistSymbol("I", _SHORT, "I"),
    "e": NetlistSymbol("E", (*_ROUND, (-48, 32), (-48, 80)), "E"),
    "e2": NetlistSymbol("E", (*_ROUND, (-48, 80), (-48, 32)), "E"),
    "f": NetlistSymbol("F", _CURRENT, "F"),
    "g": NetlistSymbol("G", (*_ROUND[::-1], (-48, 32), (-48, 80)), "G"),
    "g2": NetlistSymbol("G", (*_ROUND[::-1], (-48, 80), (-48, 32)), "G"),
    "h": NetlistSymbol("H", _ROUND, "H"),
    "bv": NetlistSymbol("B", _ROUND, "V=F(...)"),
    "bi": NetlistSymbol("B", _CURRENT, "I=F(...)"),
    "bi2": NetlistSymbol("B", _CURRENT[::-1], "I=F(...)"),
    "misc\\epoly": NetlistSymbol("E", _ROUND, "POLY()"),
    "misc\\gpoly": NetlistSymbol("G", _ROUND[::-1], "POLY()"),
}

# From a symbol's origin to the texts that diodeq puts on its right, a remark among them at the middle of two pins.
REMARK = 40

# M mirrors left and right first, then the number turns clockwise.
TURNS: dict[str, Callable[[int, int], Point]] = {
    "R0": lambda x, y: (x, y),
    "R90": lambda x, y: (-y, x),
    "R180": lambda x, y: (-x, -y),
    "R270": lambda x, y: (y, -x),
    "M0": lambda x, y: (-x, y),
    "M90": lambda x, y: (y, x),
    "M180": lambda x, y: (x, -y),
    "M270": lambda x, y: (-y, -x),
}
