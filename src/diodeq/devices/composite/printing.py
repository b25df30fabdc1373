"""The parts of a composite as the lines of a subcircuit."""

from __future__ import annotations

from collections.abc import Sequence

from diodeq.devices.composite.parts import LETTERS, CompositePart
from diodeq.devices.two_pin import PINS, Spelling
from diodeq.spice.numbers import shortest

ENTRY = "a_0"
"""The node behind the short that carries all of the current."""


def inside(parts: Sequence[CompositePart], carrier: str, spelling: Spelling) -> list[str]:
    """The lines between ``.subckt`` and ``.ends``: every part, and a ``.model`` for each different diode; before them
    the short that carries all of the current, where it is to be read."""
    found = [f"{carrier} {PINS[0]} {ENTRY} 0"] if spelling.carried else []
    entry = ENTRY if spelling.carried else PINS[0]
    cards: dict[tuple[tuple[str, float], ...], str] = {}
    for k, part in enumerate(parts, 1):
        start, end = (entry if node == PINS[0] else node for node in (part.start, part.end))
        name = f"{LETTERS[part.kind]}{k}"
        warming = spelling.warming.format(shortest(part.tc1), shortest(part.tc2))
        if part.diode is not None:
            found.append(f"{name} {start} {end} {cards.setdefault(part.diode.parameters, f'm{len(cards) + 1}')}")
        elif part.tc1 == 0.0 == part.tc2:
            found.append(f"{name} {start} {end} {shortest(part.value)}")
        elif part.kind == "ohms":
            found.append(f"{name} {start} {end} {shortest(part.value)} {warming}")
        else:  # an ampere through an ohm that follows the temperature, and what that makes
            found += [f"i{k}_t 0 t{k}_t 1", f"r{k}_t t{k}_t 0 1 {warming}"]
            found.append(f"{'e' if part.kind == 'volts' else 'g'}{k} {start} {end} t{k}_t 0 {shortest(part.value)}")
    printed = set()
    for part in parts:
        if part.diode is not None and part.diode.parameters not in printed:
            printed.add(part.diode.parameters)
            numbers = " ".join(f"{key}={shortest(value)}" for key, value in part.diode.full_card())
            found.append(f".model {cards[part.diode.parameters]} d({numbers})")
    return found
