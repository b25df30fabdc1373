"""Schematics for KiCad (.kicad_sch) in the making, as its versions 6 to 9 save them, with symbols drawn here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise

VERSIONS = {6: "20211123", 7: "20230121", 8: "20231120", 9: "20250114"}
TWO = {"1": (0, 3.81), "2": (0, -3.81)}  # number -> place, y upward, as the libraries have it
FOUR = {"1": (0, 5.08), "2": (0, -5.08), "3": (-5.08, 2.54), "4": (-5.08, -2.54)}
ROOT = "00000000-0000-0000-0000-00000000000a"

# Name in the library -> the reference's letter, the pins' names and places by number, and its fields.
LIBRARY: dict[str, tuple[str, dict[str, tuple[float, float]], dict[str, str], dict[str, str]]] = {
    "Device:R": ("R", TWO, {}, {}),
    "Device:C": ("C", TWO, {}, {}),
    "Device:L": ("L", TWO, {}, {}),
    "Device:D": (
        "D",
        {"1": (-3.81, 0), "2": (3.81, 0)},
        {"1": "K", "2": "A"},
        {"Sim.Device": "D", "Sim.Pins": "1=K 2=A"},
    ),
    "sim:V": ("V", TWO, {}, {"Sim.Device": "V", "Sim.Type": "DC", "Sim.Pins": "1=+ 2=-"}),
    "sim:I": ("I", TWO, {}, {"Sim.Device": "I", "Sim.Type": "DC", "Sim.Pins": "1=+ 2=-"}),
    "old:V": ("V", TWO, {}, {}),
    "old:D": ("D", {"1": (-3.81, 0), "2": (3.81, 0)}, {"1": "K", "2": "A"}, {}),
    "sim:E": (
        "E",
        FOUR,
        {"1": "N+", "2": "N-", "3": "C+", "4": "C-"},
        {"Sim.Device": "E", "Sim.Pins": "1=N+ 2=N- 3=C+ 4=C-"},
    ),
    "sim:four": ("U", FOUR, {}, {}),
    "sim:array": ("U", {**TWO, "3": (0, 3.81), "4": (0, -3.81)}, {}, {}),  # 1 and 2 in unit 1, 3 and 4 in unit 2
    "sim:hidden": ("U", {**TWO, "3": (0, 0)}, {"3": "VCC"}, {}),  # with a hidden power pin
    "sim:pad": ("H", {"1": (0, 0)}, {}, {}),
    "Connector:two": ("J", TWO, {}, {}),
    "power:GND": ("#PWR", {"1": (0, 0)}, {}, {}),
    "power:+5V": ("#PWR", {"1": (0, 0)}, {}, {}),
}


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _effects(hide: bool = False) -> str:
    return f"(effects (font (size 1.27 1.27)){' hide' if hide else ''})"


@dataclass
class Drawing:
    """One sheet; ``path`` is where it hangs in the root sheet, for the parts' references."""

    version: int = 9
    path: str = f"/{ROOT}"
    body: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    count: int = 0
    listed: list[str] = field(default_factory=list)
    """What version 6 says at the end of the root sheet: the reference at each path."""

    def uuid(self) -> str:
        self.count += 1
        return f"{abs(hash(self.path)) % 16**8:08x}-0000-0000-0000-{self.count:012x}"

    def part(
        self,
        library: str,
        name: str,
        value: str,
        x: float,
        y: float,
        turn: int = 0,
        mirror: str = "",
        *,
        unit: int = 1,
        more: str = "",
        paths: dict[str, str] | None = None,
        **fields: str,
    ) -> None:
        """A symbol; fields are named with ``_`` for the dot, ``more`` is raw text, ``paths`` are further references."""
        self.used.add(library)
        uuid = self.uuid()
        own = {**LIBRARY[library][3], **{key.replace("Sim_", "Sim."): text for key, text in fields.items()}}
        lines = [
            f"  (symbol (lib_id {quoted(library)}) (at {x} {y} {turn}) {f'(mirror {mirror}) ' if mirror else ''}"
            f"(unit {unit}) {more}",
            f"    (in_bom yes) (on_board yes) (uuid {uuid})",
            f'    (property "Reference" {quoted(name)} (at {x} {y} 0) {_effects()})',
            f'    (property "Value" {quoted(value)} (at {x} {y} 0) {_effects()})',
            *(f"    (property {quoted(k)} {quoted(v)} (at {x} {y} 0) {_effects(True)})" for k, v in own.items()),
            *(f"    (pin {quoted(pin)} (uuid {self.uuid()}))" for pin in LIBRARY[library][1]),
        ]
        places = {self.path: name, **(paths or {})}
        if self.version > 6:
            said = " ".join(f'(path "{path}" (reference {quoted(ref)}) (unit {unit}))' for path, ref in places.items())
            lines.append(f'    (instances (project "test" {said}))')
        else:
            self.listed += [
                f'    (path "{path.removeprefix(f"/{ROOT}")}/{uuid}" (reference {quoted(ref)}) (unit {unit})'
                f' (value {quoted(value)}) (footprint ""))'
                for path, ref in places.items()
            ]
        self.body.append("\n".join([*lines, "  )"]))

    def power(self, name: str, x: float, y: float, turn: int = 0) -> None:
        self.part(f"power:{name}", f"#PWR{self.count:04}", name, x, y, turn)

    def wire(self, *points: tuple[float, float]) -> None:
        for (x0, y0), (x1, y1) in pairwise(points):
            self.body.append(
                f"  (wire (pts (xy {x0} {y0}) (xy {x1} {y1})) (stroke (width 0) (type default)) (uuid {self.uuid()}))"
            )

    def junction(self, x: float, y: float) -> None:
        self.body.append(f"  (junction (at {x} {y}) (diameter 0) (color 0 0 0 0) (uuid {self.uuid()}))")

    def label(self, name: str, x: float, y: float, kind: str = "label") -> None:
        shape = "" if kind == "label" else " (shape input)"
        self.body.append(f"  ({kind} {quoted(name)}{shape} (at {x} {y} 0) {_effects()} (uuid {self.uuid()}))")

    def text(self, words: str, x: float = 20, y: float = 180, more: str = "") -> None:
        self.body.append(f"  (text {quoted(words)} {more} (at {x} {y} 0) {_effects()} (uuid {self.uuid()}))")

    def no_connect(self, x: float, y: float) -> None:
        self.body.append(f"  (no_connect (at {x} {y}) (uuid {self.uuid()}))")

    def sheet(self, name: str, file: str, pins: dict[str, tuple[float, float]]) -> str:
        """A sub-sheet with its pins by name; returns the path of what is in it."""
        uuid = self.uuid()
        (x, y), *_ = pins.values()
        key = "Sheetname" if self.version > 6 else "Sheet name"
        lines = [
            f"  (sheet (at {x} {y - 2.54}) (size 20 20) (stroke (width 0.1)) (fill (color 0 0 0 0)) (uuid {uuid})",
            f'    (property "{key}" {quoted(name)} (at {x} {y} 0) {_effects()})',
            f'    (property "{key.replace("name", "file")}" {quoted(file)} (at {x} {y} 0) {_effects()})',
            *(
                f"    (pin {quoted(pin)} input (at {px} {py} 180) {_effects()} (uuid {self.uuid()}))"
                for pin, (px, py) in pins.items()
            ),
        ]
        if self.version > 6:
            lines.append(f'    (instances (project "test" (path "{self.path}" (page "2"))))')
        self.body.append("\n".join([*lines, "  )"]))
        return f"{self.path}/{uuid}"

    def written(self, listed: list[str] | None = None) -> str:
        """The file; the root sheet of version 6 lists the references of all sheets."""
        uuid = ROOT if self.path == f"/{ROOT}" else self.uuid()
        head = f'(kicad_sch (version {VERSIONS[self.version]}) (generator "test")\n  (uuid {uuid})\n  (paper "A4")\n'
        symbols = "".join(_symbol(name) for name in sorted(self.used))
        end = '  (sheet_instances (path "/" (page "1")))\n' if self.path == f"/{ROOT}" else ""
        if self.version == 6 and end:
            end += "  (symbol_instances\n" + "\n".join([*self.listed, *(listed or [])]) + "\n  )\n"
        return f"{head}  (lib_symbols\n{symbols}  )\n" + "\n".join(self.body) + f"\n{end})\n"


def _symbol(name: str) -> str:
    letter, pins, names, fields = LIBRARY[name]
    short = name.partition(":")[2]
    power = " (power)" if name.startswith("power:") else ""
    values = {"Reference": letter, "Value": short, "Footprint": "", "Datasheet": "", **fields}
    drawn = {"1": "", "2": ""}
    for number, (x, y) in pins.items():
        hidden = name == "sim:hidden" and number == "3"
        kind = "power_in" if power or hidden else "passive"
        called = short if power else names.get(number, "~")
        drawn["2" if name == "sim:array" and number > "2" else "1"] += (
            f"        (pin {kind} line (at {x} {y} 0) (length 0) {'hide' if hidden else ''}"
            f" (name {quoted(called)} {_effects()}) (number {quoted(number)} {_effects()}))\n"
        )
    said = "".join(f"      (property {quoted(k)} {quoted(v)} (at 0 0 0) {_effects()})\n" for k, v in values.items())
    units = "".join(f'      (symbol "{short}_{unit}_1"\n{text}      )\n' for unit, text in drawn.items() if text)
    return (
        f"    (symbol {quoted(name)}{power} (in_bom yes) (on_board yes)\n{said}"
        f'      (symbol "{short}_0_1" (rectangle (start -1 -2) (end 1 2) (stroke (width 0)) (fill (type none))))\n'
        f"{units}    )\n"
    )
