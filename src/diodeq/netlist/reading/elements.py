"""One element line as parts: their nodes, their values in direct current, and the source or model they refer to."""

from __future__ import annotations

from collections.abc import Callable

from diodeq.errors import InputError
from diodeq.netlist.reading import controlled, passive, sources
from diodeq.netlist.reading.parts import FIXED, GROUND, DeckPart, Where
from diodeq.spice.numbers import shown


def read_part(words: list[str], where: Where) -> list[DeckPart]:
    """The parts of an element line's words; none if it does nothing in direct current.

    Raises:
        InputError: not a part that a circuit can hold, or a value that cannot be read.
    """
    letter = words[0][0].lower()
    if letter not in READERS:
        raise InputError(
            f"{shown(words[0])} is {UNREADABLE.get(letter, 'no element that a circuit can hold')}",
            "a circuit holds R, D, V, I, B, E, F, G, H and subcircuits of them; replace it or remove it",
        )
    parts = READERS[letter](words, where)
    for part in parts:
        if part.letter in ("r", FIXED) and not 1e-300 < part.value < 1e300:
            raise InputError(
                f"resistor {shown(words[0])} is {part.value:g} ohm", "give it a finite resistance of 0 or more"
            )
    return [part._replace(nodes=tuple("0" if node in GROUND else node for node in part.nodes)) for part in parts]


READERS: dict[str, Callable[[list[str], Where], list[DeckPart]]] = {
    "r": passive.resistor,
    "d": passive.diode,
    "c": passive.capacitor,
    "l": passive.inductor,
    "k": passive.coupling,
    "v": sources.source,
    "i": sources.source,
    "b": controlled.behavioural,
    "e": controlled.controlled,
    "g": controlled.controlled,
    "f": controlled.copied,
    "h": controlled.copied,
}

UNREADABLE: dict[str, str] = {
    "a": "a code model of XSPICE",
    "j": "a JFET",
    "m": "a MOSFET",
    "o": "a transmission line",
    "p": "a set of coupled lines",
    "q": "a bipolar transistor",
    "s": "a switch",
    "t": "a transmission line",
    "u": "a transmission line",
    "w": "a switch",
    "y": "a transmission line",
    "z": "a MESFET",
}
