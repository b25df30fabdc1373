"""Footprints, drawn for diodeq: pads, bodies and the room that each takes, in micrometres."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from diodeq.errors import InputError

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Pad:
    """A pad around a place; with a drill it goes through the board and is ``round`` or a rectangle."""

    number: str
    x: int
    y: int
    width: int
    height: int
    drill: int = 0
    round: bool = False


@dataclass(frozen=True)
class Package:
    """A footprint: ``body`` is drawn, ``room`` is kept free of others; ``height`` is that of its model in the air."""

    name: str
    about: str
    pads: tuple[Pad, ...]
    body: Box
    room: Box
    height: int = 500

    @property
    def through(self) -> bool:
        """Whether its pads go through the board."""
        return any(pad.drill for pad in self.pads)


def _chip(name: str, pitch: int, long: int, wide: int, body: tuple[int, int], height: int, about: str) -> Package:
    """Two pads upon each other: pin 1 is the upper one."""
    half = pitch // 2
    pads = Pad("1", 0, -half, wide, long), Pad("2", 0, half, wide, long)
    across, along = max(wide, body[0]) // 2 + 250, max(half + long // 2, body[1] // 2) + 250
    return Package(
        name,
        about,
        pads,
        (-body[0] // 2, -body[1] // 2, body[0] // 2, body[1] // 2),
        (-across, -along, across, along),
        height,
    )


def _outline(pins: int, pitch: int, body: tuple[int, int], span: int, pad: tuple[int, int], name: str) -> Package:
    """Two rows of pins, 1 at the upper left, counted around; ``span`` is from row to row."""
    side = pins // 2
    top = -pitch * (side - 1) // 2
    left = [Pad(str(k + 1), -span // 2, top + k * pitch, *pad) for k in range(side)]
    right = [Pad(str(pins - k), span // 2, top + k * pitch, *pad) for k in range(side)]
    half = (body[0] // 2, body[1] // 2)
    across, along = span // 2 + pad[0] // 2 + 250, max(half[1], -top + pad[1] // 2) + 250
    return Package(
        name,
        f"{pins} pins, {pitch / 1000:g} mm apart",
        (*left, *right),
        (-half[0], -half[1], *half),
        (-across, -along, across, along),
        1600,
    )


def _header(pins: int) -> Package:
    """A row of pins, 2.54 mm apart, downward."""
    pads = tuple(Pad(str(k + 1), 0, 2540 * k, 1700, 1700, 1000, k > 0) for k in range(pins))
    end = 2540 * (pins - 1)
    return Package(
        f"Header_1x{pins:02}",
        f"pin header, {pins} of 2.54 mm",
        pads,
        (-1270, -1270, 1270, end + 1270),
        (-1770, -1770, 1770, end + 1770),
        8500,
    )


def _double_header(rows: int) -> Package:
    """Two rows of pins, 2.54 mm apart, downward: odd numbers on the left."""
    pads = tuple(
        Pad(str(2 * k + side + 1), 2540 * (side - 1), 2540 * k, 1700, 1700, 1000, k + side > 0)
        for k in range(rows)
        for side in (0, 1)
    )
    end = 2540 * (rows - 1)
    return Package(
        f"Header_2x{rows:02}",
        f"pin header, 2 rows of {rows}, 2.54 mm",
        pads,
        (-3810, -1270, 1270, end + 1270),
        (-4310, -1770, 1770, end + 1770),
        8500,
    )


_FIXED = {
    "R_0603": _chip("R_0603", 1650, 800, 950, (800, 1600), 450, "chip resistor of 1.6 x 0.8 mm"),
    "R_0805": _chip("R_0805", 1900, 1000, 1400, (1250, 2000), 500, "chip resistor of 2.0 x 1.25 mm"),
    "C_0603": _chip("C_0603", 1650, 800, 950, (800, 1600), 800, "chip capacitor of 1.6 x 0.8 mm"),
    "C_0805": _chip("C_0805", 1900, 1000, 1400, (1250, 2000), 1250, "chip capacitor of 2.0 x 1.25 mm"),
    "SOD-123": _chip("SOD-123", 3300, 900, 1200, (1600, 2700), 1150, "diode; pin 1, the cathode, has the band"),
    "SOT-23": Package(
        "SOT-23",
        "three pins, 0.95 mm apart",
        (Pad("1", -950, 1000, 800, 900), Pad("2", 950, 1000, 800, 900), Pad("3", 0, -1000, 800, 900)),
        (-1450, -650, 1450, 650),
        (-1700, -1700, 1700, 1700),
        1000,
    ),
    "SOIC-8": _outline(8, 1270, (3900, 4900), 4950, (1950, 600), "SOIC-8"),
    "SOIC-14": _outline(14, 1270, (3900, 8650), 4950, (1950, 600), "SOIC-14"),
    "SOIC-16": _outline(16, 1270, (3900, 9900), 4950, (1950, 600), "SOIC-16"),
    "SOIC-24": _outline(24, 1270, (7500, 15400), 9300, (2050, 600), "SOIC-24"),
    "TestPoint": Package(
        "TestPoint",
        "a hole to put a probe in",
        (Pad("1", 0, 0, 1000, 1000, 500, True),),
        (-500, -500, 500, 500),
        (-600, -600, 600, 600),
        0,
    ),
    "Hole_M3": Package(
        "Hole_M3",
        "a hole for an M3 screw",
        (Pad("", 0, 0, 3200, 3200, 3200, True),),
        (-2900, -2900, 2900, 2900),
        (-3200, -3200, 3200, 3200),
        0,
    ),
}


@cache
def package(name: str) -> Package:
    """The footprint of a name; raises ``InputError`` where there is none."""
    if name in _FIXED:
        return _FIXED[name]
    if header := re.fullmatch(r"Header_1x([0-9]{2})", name):
        return _header(int(header[1]))
    if header := re.fullmatch(r"Header_2x([0-9]{2})", name):
        return _double_header(int(header[1]))
    raise InputError(f"there is no footprint {name!r}", f"use one of {', '.join(_FIXED)}")
