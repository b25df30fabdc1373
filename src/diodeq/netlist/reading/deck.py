"""A SPICE deck with its lines sorted: elements, subcircuits, models, constants, and what its commands ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from diodeq.devices.vendor.cards import ModelCard
from diodeq.devices.vendor.elements import SubcircuitBody
from diodeq.errors import InputError, PlacedError
from diodeq.spice import LogicalLine, Scope, SpiceText
from diodeq.spice.functions import Function
from diodeq.spice.numbers import shown


@dataclass
class Notes:
    """What was read differently from how it stands, gathered by reason while the deck is read."""

    reasons: dict[str, list[str]] = field(default_factory=dict)
    called: Callable[[int], str] = "line {}".format
    """What a line is called, by its number."""

    def add(self, reason: str, what: str, line: int) -> None:
        """Note that ``reason`` holds for ``what``."""
        self.reasons.setdefault(reason, []).append(f"{what} ({self.called(line)})")

    def sentences(self) -> tuple[str, ...]:
        """One sentence a reason, naming the first few it holds for."""
        return tuple(
            f"{reason}: {', '.join(where[:5])}" + (f" and {len(where) - 5} more" if len(where) > 5 else "")
            for reason, where in self.reasons.items()
        )


@dataclass
class ParsedDeck:
    """A deck's lines by what they are; constants and values are still text. Temperatures are in °C."""

    text: SpiceText
    elements: list[LogicalLine] = field(default_factory=list)
    bodies: dict[str, SubcircuitBody] = field(default_factory=dict)
    cards: dict[str, tuple[int, ModelCard]] = field(default_factory=dict)
    faults: dict[tuple[str, str], PlacedError] = field(default_factory=dict)
    """What cannot be read and nothing may need, by subcircuit and model: ("", model), (subcircuit, "") or both."""
    constants: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    everywhere: set[str] = field(default_factory=set)
    """The nodes that .global names: the same in every subcircuit."""
    temperatures: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """By what gives it (".temp", "temp", "tnom", ".step"), the line and the value of each."""
    shunts: list[tuple[int, str]] = field(default_factory=list)
    """The lines and ohms of .options rshunt=, which lie from every node to ground."""
    libraries: list[LogicalLine] = field(default_factory=list)
    swept: set[str] = field(default_factory=set)
    stepped: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By the constant that a .step changes, the line and the first value."""
    asked: dict[tuple[str, str], str] = field(default_factory=dict)
    """The voltages that .print, .save and the like ask for: (plus, minus) to a name."""
    outputs: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, plus and minus of each output that diodeq noted."""
    inputs: dict[int, list[tuple[str, float, float]]] = field(default_factory=dict)
    """By the line of a source, what diodeq noted: column, its value in the deck, gain."""
    remarks: dict[int, str] = field(default_factory=dict)
    """By the line of a .model, the comment above it."""
    lost: set[str] = field(default_factory=set)
    """The nodes of parts that were left out because no path joins them to ground."""
    notes: Notes = field(default_factory=Notes)


def temperatures(deck: ParsedDeck, scope: Scope) -> tuple[float, float]:
    """The circuit's temperature and the one at which its models hold, °C; both 27 unless the deck says otherwise.

    As in ngspice (39), any ``.temp`` wins over ``.options temp=``, and the last of several holds. The first one that
    a ``.step`` goes through holds where there is no other.
    """
    given = deck.temperatures
    if not given.keys() & {"temp", ".temp"} and ".step" in given:
        given["temp"] = given[".step"][:1]
        line, first = given["temp"][0]
        deck.notes.add("a stepped temperature has the first value of its steps", first, line)
    return _last(deck, scope, [*given.get("temp", ()), *given.get(".temp", ())]), _last(
        deck, scope, given.get("tnom", [])
    )


def _last(deck: ParsedDeck, scope: Scope, given: list[tuple[int, str]]) -> float:
    """The value that holds, 27 without any; noted where an earlier one differs."""
    value = 27.0
    for at, (line, word) in enumerate(given):
        with deck.text.at(line):
            if word.isidentifier():
                raise InputError(f"{shown(word)} is no temperature", f"write it as {{{word}}}")
            earlier, value = value, scope.number(word)
        if at and earlier != value:
            said = "of several temperatures one holds, the last .temp or else the last .options"
            deck.notes.add(said, f"{value:g} °C", line)
    return value
