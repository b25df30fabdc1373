"""Resistors that are set by codes: digital potentiometers on a bus, a resistor in series with each, their tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq.board.assembly import SUPPLIES, references
from diodeq.board.blocks import Block
from diodeq.board.brackets import legal, unused
from diodeq.board.parts import GROUND, Part
from diodeq.board.purchase import Chip, chip, resistor_number
from diodeq.board.symbols import Symbol, boxed, symbol
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.devices.hardware.ladder import Ladder, ladder
from diodeq.netlist.bom import engineering
from diodeq.spice.numbers import shortest

SERIES = 2490.0
"""Ohms in series with each: what a code of 0 cannot go below."""
LIBRARY = "potentiometers.lib"
SHEET = "potentiometers"
PLUS, MINUS = "pot.plus", "pot.minus"
VOLTS = 2.5
"""Of their supplies, on either side of ground; their logic is between them too."""
DIRECT = 8
"""So many packages are selected by a pin each; more by shift registers."""
_REGISTER = (15, 1, 2, 3, 4, 5, 6, 7)  # its outputs
_DIGITAL = 1e9  # ohms of a digital pin in the simulation


@dataclass(frozen=True)
class Tap:
    """What sets one resistor: the package, its channel from 0, the word to send and what it makes."""

    resistor: str
    unit: str
    select: int
    channel: int
    code: int
    word: int
    nominal: float
    ohms: float


@dataclass(frozen=True)
class Programmed:
    """Packages, the resistors in series with their channels, sources of their supplies, models, and the taps."""

    blocks: tuple[Block, ...]
    bridges: tuple[Part, ...]
    sources: tuple[Part, ...]
    library: str
    taps: tuple[Tap, ...]
    bus: tuple[str, ...]
    """The nets of the connector that they are set through."""


def tables(name: str, part: str, taps: Sequence[Tap]) -> dict[str, str]:
    """The taps as files: comma-separated text and a C header."""
    return {f"{name}-taps.csv": _csv(taps), f"{name}-taps.h": _header(name, part, taps)}


def rungs(part: str, ohms: float = SERIES) -> Ladder:
    """The conductances that a potentiometer makes with so many ohms in series; raises ``UsageError`` for no such."""
    chip(part)
    found = ladder(part)
    single = replace(found.single, ohms=found.single.ohms + ohms)
    return replace(found, single=single, conductances=1.0 / (1.0 / found.conductances + ohms))


def programmed(circuit: Circuit, names: Sequence[str], part: str, size: str, units: int, capacitors: int) -> Programmed:
    """The packages for a circuit whose conductances are `rungs` of a part, in series with chips.

    So many ``units`` and ``capacitors`` are there already.
    """
    known, steps = chip(part), rungs(part)
    own = np.flatnonzero(~inside(circuit, "resistors"))
    picks = steps.picks[steps.nearest(circuit.conductances[own]), 0]
    called, ends = references(circuit.part_names("resistors")), circuit.resistors.terminals.tolist()
    single = steps.single
    by_version: dict[float, list[tuple[int, int]]] = {}
    for k, pick in zip(own.tolist(), picks.tolist(), strict=True):
        by_version.setdefault(float(single.nominal[pick]), []).append((k, pick))
    groups = [
        (version, members[at : at + len(known.channels)])
        for version, members in sorted(by_version.items())
        for at in range(0, len(members), len(known.channels))
    ]
    blocks, bridges, taps, library = [], [], [], []
    for select, (version, members) in enumerate(groups):
        unit = f"U{units + select + 1}"
        joined = _digital(known, select)
        lines = [
            f"r_pin{pin} p{pin} vee {shortest(_DIGITAL)}"
            for pin, use in known.pins.items()
            if use not in ("PLUS", "MINUS")
        ]
        for channel, (a, w, b) in enumerate(known.channels):
            if channel >= len(members):  # an unused one lies at ground
                joined |= dict.fromkeys((a, w, b), GROUND)
                continue
            k, pick = members[channel]
            name = called[k]
            first, second = (names[node] for node in ends[k])
            middle = f"{name.lower()}.wiper"
            joined |= {b: first, a: middle, w: middle}
            ohms, code = float(single.ohms[pick]), int(single.code[pick])
            lines.append(f"r_{channel} p{b} p{w} {shortest(ohms - SERIES)}")
            taps.append(Tap(name, unit, select, channel, code, channel << known.shift | code, version, ohms))
            bridges.append(_series(name, middle, second, size))
        library.append(_model(unit, known, lines))
        above = []
        capacitors += 1
        above.append(
            Part(f"C{capacitors}", "100n", symbol("C"), "C_0603", (("1", PLUS), ("2", MINUS)), SHEET, "capacitor")
        )
        fields = (
            ("Sim.Library", LIBRARY),
            ("Sim.Name", f"pots_{unit.lower()}"),
            ("Sim.Device", "SUBCKT"),
            ("Sim.Pins", " ".join(f"{pin}={pin}" for pin in sorted(joined))),
        )
        what = f"digital potentiometer, {len(known.channels)} of {engineering(version)}"
        blocks.append(
            Block(
                Part(
                    unit,
                    part.upper(),
                    _symbol(part, known),
                    known.footprint,
                    _pairs(joined),
                    SHEET,
                    what,
                    fields,
                    True,
                    known.numbers.get(int(version), ""),
                ),
                tuple(above),
            )
        )
    bus = ["spi.sck", "spi.sdi"] + ["spi.sdo"] * ("SDO" in known.pins.values())
    registers, selects = _registers(len(groups), units + len(groups), capacitors)
    return Programmed(
        (*blocks, *registers),
        tuple(bridges),
        tuple(_sources(unused("VPOT{}", (1, 2), references(circuit.part_names("voltage_sources"))))),
        "\n".join(library) + "\n",
        tuple(taps),
        (MINUS, PLUS, *bus, *selects),
    )


def _pairs(joined: dict[int, str]) -> tuple[tuple[str, str], ...]:
    return tuple((str(pin), joined[pin]) for pin in sorted(joined))


def _digital(known: Chip, select: int) -> dict[int, str]:
    nets = {
        "CS": f"cs.{select + 1}",
        "SCK": "spi.sck",
        "SDI": "spi.sdi",
        "SDO": "spi.sdo",
        "PLUS": PLUS,
        "MINUS": MINUS,
    }
    return {pin: nets[use] for pin, use in known.pins.items()}


def _series(name: str, middle: str, other: str, size: str) -> Part:
    fields = (("Sim.Device", "R"), ("Sim.Pins", "1=+ 2=-"), ("Sim.Params", f"r={shortest(SERIES)}"))
    value, number = engineering(SERIES), resistor_number(SERIES, size)
    return Part(
        name,
        value,
        symbol("R"),
        f"R_{size}",
        (("1", middle), ("2", other)),
        SHEET,
        "resistor 1 %",
        fields,
        True,
        number,
    )


def _model(unit: str, known: Chip, lines: Sequence[str]) -> str:
    pads = [f"p{pin}" for pin in sorted({*known.pins, *(pin for channel in known.channels for pin in channel)})]
    minus = next(pin for pin, use in known.pins.items() if use == "MINUS")
    return "\n".join([f".subckt pots_{unit.lower()} {' '.join(pads)}", f"v_minus vee p{minus} 0", *lines, ".ends"])


def _registers(count: int, units: int, capacitors: int) -> tuple[list[Block], list[str]]:
    """Shift registers that select one of many packages, and the nets of the connector that do so."""
    if count <= DIRECT:
        return [], [f"cs.{k + 1}" for k in range(count)]
    made = []
    for k in range(-(-count // 8)):
        outputs = {pin: f"cs.{8 * k + at + 1}" for at, pin in enumerate(_REGISTER) if 8 * k + at < count}
        joined = {8: MINUS, 10: PLUS, 11: "cs.clock", 12: "cs.latch", 13: MINUS, 16: PLUS} | outputs
        joined |= {14: "cs.data" if k == 0 else f"cs.chain{k}"}
        if k + 1 < -(-count // 8):
            joined[9] = f"cs.chain{k + 1}"
        above = Part(
            f"C{capacitors + k + 1}", "100n", symbol("C"), "C_0603", (("1", PLUS), ("2", MINUS)), SHEET, "capacitor"
        )
        part = Part(
            f"U{units + k + 1}",
            "74HC595",
            _REGISTER_SYMBOL,
            "SOIC-16",
            _pairs(joined),
            SHEET,
            "shift register, 8 bits",
            number="Nexperia 74HC595D",
        )
        made.append(Block(part, (above,)))
    return made, ["cs.data", "cs.clock", "cs.latch"]


def _sources(names: Sequence[str]) -> Iterator[Part]:
    for name, net, pins in zip(names, (PLUS, MINUS), ("1=+ 2=-", "1=- 2=+"), strict=True):
        fields = (("Sim.Device", "V"), ("Sim.Type", "DC"), ("Sim.Pins", pins), ("Sim.Params", f"dc={shortest(VOLTS)}"))
        value = shortest(VOLTS if net == PLUS else -VOLTS)
        yield Part(name, value, symbol("V"), "", (("1", net), ("2", GROUND)), SUPPLIES, fields=fields, simulated=True)


def _symbol(part: str, known: Chip) -> Symbol:
    left = [(str(pin), use, "passive") for pin, use in sorted(known.pins.items())]
    kinds = {"PLUS": "power_in", "MINUS": "power_in"}
    left = [(number, use, kinds.get(use, kind)) for number, use, kind in left]
    right = [
        (str(pin), f"{letter}{k}", "passive")
        for k, channel in enumerate(known.channels)
        for letter, pin in zip("AWB", channel, strict=True)
    ]
    return boxed(legal(part.upper()), "U", tuple(left), tuple(right))


_REGISTER_SYMBOL = boxed(
    "74HC595",
    "U",
    tuple((str(pin), name, kind) for pin, name, kind in (
        (14, "SER", "passive"), (11, "SRCLK", "passive"), (12, "RCLK", "passive"), (10, "SRCLR", "passive"),
        (13, "OE", "passive"), (16, "VCC", "power_in"), (8, "GND", "power_in"))),
    (*((str(pin), f"Q{letter}", "passive") for pin, letter in zip(_REGISTER, "ABCDEFGH", strict=True)),
     ("9", "QH'", "passive")),
)  # fmt: skip


def _csv(taps: Sequence[Tap]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("resistor", "package", "select", "channel", "code", "word", "end_to_end_ohms", "ohms"))
    for tap in taps:
        word = f"0x{tap.word:04x}"
        writer.writerow(
            (tap.resistor, tap.unit, tap.select, tap.channel, tap.code, word, f"{tap.nominal:g}", f"{tap.ohms:.6g}")
        )
    return text.getvalue()


def _header(name: str, part: str, taps: Sequence[Tap]) -> str:
    bits, guard = chip(part).bits, re.sub("[^A-Z0-9]", "_", f"{name.upper()}_TAPS_H")
    lines = (f"    {{{tap.select}, 0x{tap.word:04x}}}, /* {tap.resistor}: {tap.ohms:.6g} ohms */" for tap in taps)
    rows = "\n".join(lines)
    return (
        f"/* What sets each resistor: select a package, then send a word of {bits} bits, the first bit first. */\n"
        f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
        f"#define TAP_BITS {bits}\n#define TAPS {len(taps)}\n\n"
        "struct tap {\n    uint16_t select; /* from 0: a pin each, or the output of the chain of shift registers */\n"
        "    uint16_t word;\n};\n\n"
        f"static const struct tap taps[TAPS] = {{\n{rows}\n}};\n\n#endif\n"
    )
