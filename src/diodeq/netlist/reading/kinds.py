"""What a file is, told by its content: a deck, or a schematic as the deck that its program makes of it."""

from __future__ import annotations

import re
from pathlib import Path

from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.netlist.reading.kicad import is_kicad, kicad_deck
from diodeq.netlist.reading.schematic import is_schematic, schematic_deck
from diodeq.spice import SpiceText
from diodeq.spice.text import split

SCHEMATICS = ((is_schematic, schematic_deck), (is_kicad, kicad_deck))

# What the same programs write and no circuit is.
_OTHERS = (
    (r"EESchema Schematic File", "a schematic of KiCad 5 or older", "open it in KiCad 6 or later and save it"),
    (r"\(\s*kicad_pcb\b", "a board of KiCad's", "give its schematic, a .kicad_sch"),
    (r"\(\s*kicad_symbol_lib\b", "a library of KiCad's symbols", "give a schematic, a .kicad_sch"),
    (r"Version \d+(\.\d+)?\s*\n\s*SymbolType\b", "a symbol of LTspice's", "give a schematic, an .asc"),
    (r"<Qucs Schematic\b", "a schematic of Qucs", "let Qucs-S save its netlist and give that"),
    (r"v \d{8} \d\s*\n", "a schematic of gEDA's or Lepton's", "let it save a SPICE netlist and give that"),
)


def text_of(raw: str, path: str | Path) -> tuple[SpiceText, Notes]:
    """The lines of the deck that a file's text is or stands for, and what was read differently from how it stands.

    Raises:
        InputError: another kind of file, or what has no place in a schematic, naming the line.
    """
    for is_one, deck_of in SCHEMATICS:
        if is_one(raw):
            return deck_of(raw, path)
    for pattern, what, remedy in _OTHERS:
        if re.match(rf"\s*{pattern}", raw):
            raise InputError(f"{path}, line 1: this is {what}", remedy)
    if Path(path).suffix.lower() == ".asc":
        problem = f"{path}, line 1: this is no schematic of LTspice's"
        raise InputError(problem, "save it with LTspice, or give a netlist")
    return split(raw, path, titled=True), Notes()
