"""One element line as a part: its nodes, its value in direct current, and the source or model it refers to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from diodeq.errors import InputError
from diodeq.netlist.reading.deck import Notes
from diodeq.spice import Scope
from diodeq.spice.numbers import NUMBER, shown

GROUND = frozenset(["0", "gnd"])
FIXED = "fixed"

# What may follow a part's value and changes no voltage: ratings, tolerances, starting points, noise, a maker's name.
HARMLESS = frozenset(["tol", "pwr", "noisy", "noise", "noiseless", "ac", "ic", "mfg", "pn", "type"])


class Part(NamedTuple):
    """A part; ``value`` is in ohms, volts, amperes, a gain, siemens, or says how many diodes there are in parallel.

    ``letter`` is the deck's, or FIXED for a resistor inside another part; such a part's name, and that of a node inside
    one, has a space, which no name of a deck can have. ``other`` names a diode's model or the source an F copies.
    ``varied``: the deck gives a source more than a constant. ``area``: a diode's, where its line gives one.
    """

    letter: str
    name: str
    nodes: tuple[str, ...]
    value: float
    other: str
    line: int
    varied: bool = False
    area: float | None = None


def read_part(words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    """The part of an element line's words, as two if one is not enough; none if it does nothing in direct current.

    Raises:
        InputError: not a part that a circuit can hold, or a value that cannot be read.
    """
    name = words[0].lower()
    letter = name[0]
    if letter == "r" and len(words) == 4:  # a hundred thousand of these are ordinary
        parts = [Part("r", name, (words[1].lower(), words[2].lower()), scope.number(words[3]), "", line)]
    elif letter in READERS:
        parts = READERS[letter](name, words, scope, line, notes)
    else:
        raise InputError(
            f"{shown(words[0])} is {UNREADABLE.get(letter, 'no element that a circuit can hold')}",
            "a circuit holds R, D, V, I, E, F, G and subcircuits of them; replace it or remove it",
        )
    parts = [part._replace(nodes=tuple("0" if node in GROUND else node for node in part.nodes)) for part in parts]
    for part in parts:
        if part.nodes[0] == part.nodes[1]:
            raise InputError(
                f"both ends of {shown(words[0])} are on node {shown(part.nodes[0])}", "remove or reconnect it"
            )
        if part.letter in ("r", FIXED) and not 1e-300 < part.value < 1e300:
            raise InputError(
                f"resistor {shown(words[0])} is {part.value:g} ohm",
                "give it a finite resistance more than 0; V… 0 joins two nodes",
            )
    return parts


def _nodes(words: list[str], count: int, what: str) -> tuple[str, ...]:
    if len(words) < count + 2 or "=" in words[: count + 1]:
        raise InputError(f"{shown(words[0])} has too few fields", f"write {what}")
    return tuple(word.lower() for word in words[1 : count + 1])


class _Line(NamedTuple):
    """Where a line's constants are found, its number, and where to say what was left out."""

    scope: Scope
    number: int
    notes: Notes


def _options(words: list[str], start: int, where: _Line, known: tuple[str, ...] = ()) -> dict[str, float]:
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
            said = "options that change nothing in direct current were left out"
            where.notes.add(said, f"{words[0].lower()} {name}", where.number)
        else:
            raise InputError(
                f"{shown(words[at])} of {shown(words[0])} is not understood",
                f"only {', '.join(known)} may follow, as NAME=VALUE" if known else "remove it",
            )
        at += 3 if paired else 1
    return pairs


def _given(words: list[str], scope: Scope, name: str) -> float:
    """The value of NAME=VALUE among the words, 0 without; all else is left as it stands."""
    for at in range(1, len(words) - 1):
        if words[at] == "=" and words[at - 1].lower() == name:
            return scope.number(words[at + 1])
    return 0.0


def _resistor(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    nodes = _nodes(words, 2, "Rname NODE NODE OHMS")
    start = 5 if words[3].lower() == "r" and words[4:5] == ["="] else 3
    if start >= len(words):
        raise InputError(f"resistor {shown(words[0])} has no value", "write Rname NODE NODE OHMS")
    ohms = scope.number(words[start])
    known = ("m", "scale", "tc", "tc1", "tc2", "temp", "dtemp")
    more = _options(words, start + 1, _Line(scope, line, notes), known)
    if any(more.get(key) for key in ("tc", "tc1", "tc2")):
        raise InputError(
            f"resistor {shown(words[0])} has a temperature coefficient", "give its value at the temperature wanted"
        )
    ohms = ohms * more.get("scale", 1.0) / _positive(words[0], more.get("m", 1.0))
    return [Part("r", name, nodes, ohms, "", line)]


def _diode(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    nodes = _nodes(words, 2, "Dname ANODE CATHODE MODEL")
    start, area = 4, None
    if len(words) > 4 and words[5:6] != ["="] and words[4].lower() != "off":
        area, start = scope.number(words[4]), 5
    rest = [word for word in words[start:] if word.lower() != "off"]  # a hint to the solver
    more = _options([words[0], *rest], 1, _Line(scope, line, notes), ("area", "m"))
    area, count = more.get("area", area), _positive(words[0], more.get("m", 1.0))
    return [Part("d", name, nodes, count, words[3], line, area=area)]


def _positive(name: str, value: float) -> float:
    if not value > 0.0:
        raise InputError(f"{shown(name)} is there {value:g} times", "give a positive multiple")
    return value


# Where each waveform starts, which is its value in direct current: SIN(offset amplitude freq delay damping phase).
_WAVEFORMS: dict[str, Callable[[list[float]], float]] = {
    "pulse": lambda a: a[0],
    "exp": lambda a: a[0],
    "sffm": lambda a: a[0],
    "sin": lambda a: a[0] + (a[1] * math.sin(math.radians(a[5])) if len(a) > 5 else 0.0),
    "sine": lambda a: a[0] + (a[1] * math.sin(math.radians(a[5])) if len(a) > 5 else 0.0),
    "pwl": lambda a: a[1],
}


def _source(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    nodes = tuple(word.lower() for word in words[1:3])
    if len(nodes) < 2 or "=" in nodes:
        raise InputError(f"{shown(words[0])} has too few fields", f"write {words[0]} NODE NODE VALUE")
    constant: float | None = None
    start = series = 0.0
    varied = False
    at = 3
    while at < len(words):
        word = words[at].lower()
        at += 1
        if word in ("rser", "cpar") and words[at : at + 1] == ["="]:
            if word == "rser" and name[0] == "v":
                series = scope.number("".join(words[at + 1 : at + 2]))
            else:
                notes.add("options that change nothing in direct current were left out", f"{name} {word}", line)
            at += 2
        elif word == "dc":
            at += words[at : at + 1] == ["="]
            constant = scope.number("".join(words[at : at + 1]))
            at += 1
        elif word == "ac" or word in _WAVEFORMS:
            arguments = []
            while at < len(words) and (NUMBER.match(words[at]) or words[at][0] in "{'"):
                arguments.append(scope.number(words[at]))
                at += 1
            varied = True
            if word != "ac":
                if len(arguments) < 2:
                    raise InputError(f"{word.upper()} of {shown(words[0])} has too few numbers", "give its constant")
                start = _WAVEFORMS[word](arguments)
                said = "a waveform is not read: the source has its DC value, or the waveform's first where it has none"
                notes.add(said, name, line)
        elif constant is None:
            constant = scope.number(words[at - 1])
        else:
            raise InputError(f"{shown(words[at - 1])} of {shown(words[0])} is not understood", "give its DC value")
    source = Part(name[0], name, nodes, start if constant is None else constant, "", line, varied)
    if series == 0.0:
        return [source]
    inner = f"{name} inner"
    return [source._replace(nodes=(nodes[0], inner)), Part(FIXED, f"r {name}", (inner, nodes[1]), series, "", line)]


def _controlled(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    nodes = _nodes(words, 4, f"{words[0]} OUT+ OUT- CTRL+ CTRL- GAIN")
    if "poly" in (word.lower() for word in words) or len(words) < 6:
        raise InputError(
            f"{shown(words[0])} is not a linear source of two nodes", f"write {words[0]} OUT+ OUT- CTRL+ CTRL- GAIN"
        )
    more = _options(words, 6, _Line(scope, line, notes), ("m",) if name[0] == "g" else ())
    return [Part(name[0], name, nodes, scope.number(words[5]) * more.get("m", 1.0), "", line)]


def _copied(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    nodes = _nodes(words, 2, "Fname OUT+ OUT- VSOURCE GAIN")
    if len(words) < 5 or words[3].lower() == "poly":
        raise InputError(f"{shown(words[0])} is not a linear source", "write Fname OUT+ OUT- VSOURCE GAIN")
    more = _options(words, 5, _Line(scope, line, notes), ("m",))
    return [Part("f", name, nodes, scope.number(words[4]) * more.get("m", 1.0), words[3].lower(), line)]


def _capacitor(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    leak = _given(words, scope, "rpar")
    if leak == 0.0:
        notes.add("capacitors are open in direct current and were left out", name, line)
        return []
    notes.add("capacitors and inductors with a resistance became resistors", f"{name} Rpar", line)
    return [_fixed(name, words, leak, scope, line)]


def _inductor(name: str, words: list[str], scope: Scope, line: int, notes: Notes) -> list[Part]:
    series, parallel = _given(words, scope, "rser"), _given(words, scope, "rpar")
    if series == 0.0:
        notes.add("inductors are shorts in direct current and became sources of 0 V", name, line)
        return [Part("v", f"v {name}", _nodes(words, 2, "Lname NODE NODE HENRY"), 0.0, "", line)]
    notes.add("capacitors and inductors with a resistance became resistors", f"{name} Rser", line)
    return [_fixed(name, words, series if parallel == 0.0 else 1.0 / (1.0 / series + 1.0 / parallel), scope, line)]


def _fixed(name: str, words: list[str], ohms: float, scope: Scope, line: int) -> Part:
    """What a capacitor or an inductor is in direct current, ``m`` of them in parallel."""
    nodes = _nodes(words, 2, f"{words[0]} NODE NODE VALUE")
    return Part(FIXED, f"r {name}", nodes, ohms / _positive(words[0], _given(words, scope, "m") or 1.0), "", line)


READERS: dict[str, Callable[[str, list[str], Scope, int, Notes], list[Part]]] = {
    "r": _resistor,
    "d": _diode,
    "v": _source,
    "i": _source,
    "e": _controlled,
    "g": _controlled,
    "f": _copied,
    "c": _capacitor,
    "l": _inductor,
}

UNREADABLE: dict[str, str] = {
    "b": "a source of an arbitrary expression",
    "h": "a current-controlled voltage source, which can be drawn as an F into a resistor and an E",
    "j": "a JFET",
    "k": "a coupling of inductors, which has no effect in direct current; an ideal transformer is an E and an F",
    "m": "a MOSFET",
    "q": "a bipolar transistor",
    "s": "a switch",
    "w": "a switch",
    "t": "a transmission line",
    "o": "a transmission line",
    "u": "a transmission line",
    "z": "a MESFET",
}
