"""What a line of a deck becomes: a part, and what every reader of lines shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from diodeq.devices.vendor.cards import ModelCard
from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.spice import LogicalLine, Scope
from diodeq.spice.numbers import shown

GROUND = frozenset(["0", "gnd"])
FIXED = "fixed"
SHORT = "short"

# What may follow a part's value and changes no voltage: ratings, tolerances, starting points, noise, a maker's name.
HARMLESS = frozenset(["tol", "pwr", "noisy", "noise", "noiseless", "ac", "ic", "mfg", "pn", "type"])
LEFT_OUT = "options that change nothing in direct current were left out"


class DeckPart(NamedTuple):
    """A part; ``value`` is in ohms, volts, amperes, a gain, siemens, or says how many diodes there are in parallel.

    ``letter`` is the deck's, or FIXED for a resistor inside another part; such a part's name, and that of a node inside
    one, has a space, which no name of a deck can have. ``other`` names a diode's model or the source an F copies, or is
    SHORT for a source of 0 V that stands for a piece of wire. ``varied``: the deck gives a source more than a constant;
    one whose ``value`` is not a number has to be an input. ``area``, ``celsius``: a diode's, where its line gives them.
    """

    letter: str
    name: str
    nodes: tuple[str, ...]
    value: float
    other: str
    line: int
    varied: bool = False
    area: float | None = None
    celsius: float | None = None


class Where(NamedTuple):
    """Where a line is read: its constants, the models it may name with the constants these are in, temperatures in °C,
    and where to say what is left out."""

    line: LogicalLine
    scope: Scope
    notes: Notes
    card: Callable[[str], tuple[ModelCard | None, Scope]]
    celsius: float
    nominal: float

    def note(self, reason: str, what: str) -> None:
        self.notes.add(reason, what, self.line.number)


def nodes_of(words: list[str], count: int, form: str) -> tuple[str, ...]:
    """The first ``count`` nodes of a line, which goes on after them; ``form`` says how it is written."""
    if len(words) < count + 2 or "=" in words[: count + 1]:
        raise InputError(f"{shown(words[0])} has too few fields", f"write {form}")
    return tuple(word.lower() for word in words[1 : count + 1])


def options_of(words: list[str], start: int, where: Where, known: tuple[str, ...] = ()) -> dict[str, float]:
    """The ``known`` NAME=VALUE pairs from ``start`` on; harmless ones are noted, others refused."""
    pairs: dict[str, float] = {}
    at = start
    while at < len(words):
        name = words[at].lower()
        paired = words[at + 1 : at + 2] == ["="] and at + 2 < len(words)
        if name in known and paired:
            if name in pairs:
                raise InputError(f"{words[at]} of {shown(words[0])} is given twice", "keep one of the two")
            pairs[name] = where.scope.number(words[at + 2])
        elif name in HARMLESS and (paired or name == "noiseless"):
            where.note(LEFT_OUT, f"{words[0].lower()} {name}")
        else:
            raise InputError(
                f"{shown(words[at])} of {shown(words[0])} is not understood",
                f"only {', '.join(known)} may follow, as NAME=VALUE" if known else "remove it",
            )
        at += 3 if paired else 1
    return pairs


def positive(name: str, value: float) -> float:
    """``value``, which says how many parts there are in parallel."""
    if not value > 0.0:
        raise InputError(f"{shown(name)} is there {value:g} times", "give a positive multiple")
    return value
