"""A SPICE deck with its lines sorted: elements, subcircuits, models, constants, and what its commands ask for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath

from diodeq.devices.vendor.cards import Card, add_card, split_card
from diodeq.devices.vendor.elements import Body, open_body
from diodeq.errors import InputError
from diodeq.printable import counted
from diodeq.spice import Line, Scope, SpiceText, tokens
from diodeq.spice.numbers import NUMBER, number, shown
from diodeq.spice.text import assignments

# What diodeq writes above a source and at the end of a deck.
_INPUT = re.compile(r"input (.+?) \(([+-]?\d[^\s()]*)\)(?: times (\S+))?(?: \+ |$)")
_OUTPUT = re.compile(r"output (.+) = v\(([^,()]+)(?:,([^,()]+))?\)")
_VOLTAGE = re.compile(r"\bv\(\s*([^,()\s*]+)\s*(?:,\s*([^,()\s*]+)\s*)?\)", re.IGNORECASE)

LONGEST_REMARK = 10_000  # letters


@dataclass
class Notes:
    """What was read differently from how it stands, gathered by reason while the deck is read."""

    reasons: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, what: str, line: int) -> None:
        """Note that ``reason`` holds for ``what``."""
        self.reasons.setdefault(reason, []).append(f"{what} (line {line})")

    def sentences(self) -> tuple[str, ...]:
        """One sentence a reason, naming the first few it holds for."""
        return tuple(
            f"{reason}: {', '.join(where[:5])}" + (f" and {len(where) - 5} more" if len(where) > 5 else "")
            for reason, where in self.reasons.items()
        )


@dataclass
class Deck:
    """A deck's lines by what they are; constants and values are still text. Temperatures are in °C."""

    text: SpiceText
    elements: list[Line] = field(default_factory=list)
    bodies: dict[str, Body] = field(default_factory=dict)
    cards: dict[str, tuple[int, Card]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    temperatures: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """By what gives it (".temp", "temp", "tnom"), the line and the value of each."""
    libraries: list[Line] = field(default_factory=list)
    swept: set[str] = field(default_factory=set)
    asked: dict[tuple[str, str], str] = field(default_factory=dict)
    """The voltages that .print, .save and the like ask for: (plus, minus) to a name."""
    outputs: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, plus and minus of each output that diodeq noted."""
    inputs: dict[int, list[tuple[str, float, float]]] = field(default_factory=dict)
    """By the line of a source, what diodeq noted: column, its value in the deck, gain."""
    remarks: dict[int, str] = field(default_factory=dict)
    """By the line of a .model, the comment above it."""
    notes: Notes = field(default_factory=Notes)
    ended: bool = False


def sort_lines(text: SpiceText, notes: Notes) -> Deck:
    """The deck of a text, with what is noted of it already.

    Raises:
        InputError: naming the line of a command that has no place in it.
    """
    deck = Deck(text, notes=notes)
    if re.match(r"[rdvixefg]\w*(\s+\S+){3}", text.title, re.IGNORECASE):
        deck.notes.add("the first line of a deck is its title, although it looks like a part", text.title[:40], 1)
    # Only diodeq's own comments mean something: a person may well write "input stage (2)" above a source.
    own = any(line.text.startswith("* written by diodeq ") for line in text.lines[:5])
    body: Body | None = None
    remark = ""
    skipping = 0  # since which line
    for line in text.lines:
        first = line.text[0]
        command = first == "." and not deck.ended and line.text.split(maxsplit=1)[0].lower()
        if skipping or command == ".control":
            if command == ".endc":
                said = "commands between .control and .endc are never run, and were skipped"
                deck.notes.add(said, counted(line.number - skipping + 1, "line"), skipping)
            skipping = 0 if command == ".endc" else skipping or line.number
            continue
        if first == "*":
            remark = line.text[1:].strip() if own else ""
            if found := _OUTPUT.fullmatch(remark):
                deck.outputs.append((found[1], found[2].lower(), (found[3] or "0").lower()))
            continue
        if deck.ended:
            break
        if first != ".":
            (deck.elements if body is None else body.lines).append(line)
            if remark.startswith("input "):
                if len(remark) > LONGEST_REMARK:
                    raise text.error(line.number, "the comment above it is too long", "shorten it")
                if noted := _inputs(remark):
                    deck.inputs[line.number] = noted
        else:
            with text.at(line.number):
                body = _command(deck, line, body, remark)
        remark = ""
    if skipping:
        raise text.error(skipping, ".control is never ended", "add .endc after its last command")
    if body is not None:
        raise text.error(body.line, f".subckt {shown(body.name)} is never ended", "add .ends")
    return deck


def _inputs(remark: str) -> list[tuple[str, float, float]]:
    found = []
    for name, value, gain in _INPUT.findall(remark):
        try:
            found.append((name, float(value), float(gain or 1)))
        except ValueError:
            return []
    return found


def _command(deck: Deck, line: Line, body: Body | None, remark: str) -> Body | None:
    """Take a line that begins with a dot; returns the subcircuit that is open after it."""
    words = tokens(line.text)
    command = words[0].lower()
    if body is not None and command in WHOLE and {".temp", "temp", "tnom"} & {word.lower() for word in words}:
        raise InputError("a temperature within a subcircuit", "a circuit has one temperature; give it outside")
    if command == ".subckt":
        if body is not None:
            raise InputError("a subcircuit within a subcircuit", "define it outside")
        return open_body(line)
    if command == ".ends":
        if body is None:
            raise InputError(".ends without .subckt", "remove the line")
        if body.name.lower() in deck.bodies:
            raise InputError(f"subcircuit {shown(body.name)} is defined twice", "keep one of the two")
        deck.bodies[body.name.lower()] = body
        return None
    if command in (".param", ".params"):
        constants = deck.constants if body is None else body.constants
        for name, value in assignments(line.text).items():
            if name in constants:
                raise InputError(f".param {name} is given twice", "keep one of the two")
            constants[name] = value
    elif command == ".model":
        add_card(split_card(line.text), line.number, deck.cards if body is None else body.cards)
        deck.remarks[line.number] = remark
    elif command in COMMANDS:
        COMMANDS[command](deck, line, words)
    elif command not in WITHOUT_EFFECT:
        raise InputError(f"{shown(words[0])} is not understood", REFUSED.get(command, "remove the line"))
    return body


def _options(deck: Deck, line: Line, words: list[str]) -> None:
    given = set()
    for at, word in enumerate(words):
        name = word.lower()
        if name not in ("temp", "tnom", "gmin") or words[at - 1] == "=":
            continue  # the others steer a solver
        if words[at + 1 : at + 2] != ["="] or at + 2 >= len(words):
            raise InputError(f"{words[0]} {word} without a value", f"write {words[0]} {word}=VALUE")
        if name in given:
            raise InputError(f"{word} is given twice", "keep one of the two")
        given.add(name)
        if name != "gmin":
            deck.temperatures.setdefault(name, []).append((line.number, words[at + 2]))
        elif number(words[at + 2]) != 1e-12:
            deck.notes.add("gmin is 1e-12 siemens in every simulation here", words[at + 2], line.number)


def _temperature(deck: Deck, line: Line, words: list[str]) -> None:
    values = [word for word in words[1:] if word != "="]
    if len(values) != 1:
        raise InputError(f".temp with {len(values)} temperatures", "give one; a circuit has one temperature")
    if not (NUMBER.fullmatch(values[0]) or values[0][0] in "{'"):
        # ngspice takes 27 °C then, and says so where few look
        raise InputError(f"{shown(values[0])} is no temperature", "write degrees Celsius in digits, or {NAME}")
    deck.temperatures.setdefault(".temp", []).append((line.number, values[0]))


def _asked(deck: Deck, line: Line, words: list[str]) -> None:
    for plus, minus in _VOLTAGE.findall(line.text):
        name = f"{plus}-{minus}" if minus else plus
        deck.asked.setdefault((plus.lower(), minus.lower() or "0"), name.lower())


def _sweep(deck: Deck, line: Line, words: list[str]) -> None:
    deck.swept.update(word.lower() for word in words[1::4])


def _step(deck: Deck, line: Line, words: list[str]) -> None:
    deck.notes.add("no sweep over a constant is done; its .param value holds", line.text[:40], line.number)


def _starting_point(deck: Deck, line: Line, words: list[str]) -> None:
    deck.notes.add("a starting point is not needed and was left out", words[0], line.number)


def _library(deck: Deck, line: Line, words: list[str]) -> None:
    # Another .lib could hold anything; LTspice's standard ones hold models of parts, and every netlist names them.
    path = line.text[len(words[0]) :].strip().strip("\"'")
    name = (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name.lower()
    if not re.fullmatch(r"standard\.[a-z]{3}|ltc\d*\.lib", name):
        raise InputError(
            f"it names another file, {shown(name)}, and no file is ever opened for a deck",
            f"add its diodes with `diodeq devices import {name}` and remove the line, or paste what the deck needs",
        )
    deck.libraries.append(line)
    deck.notes.add("LTspice's libraries are not opened; diodes are looked up in diodeq's catalogue", name, line.number)


def _end(deck: Deck, line: Line, words: list[str]) -> None:
    deck.ended = True


COMMANDS: dict[str, Callable[[Deck, Line, list[str]], None]] = {
    ".opt": _options,
    ".opts": _options,
    ".option": _options,
    ".options": _options,
    ".temp": _temperature,
    ".print": _asked,
    ".plot": _asked,
    ".probe": _asked,
    ".save": _asked,
    ".meas": _asked,
    ".measure": _asked,
    ".dc": _sweep,
    ".step": _step,
    ".ic": _starting_point,
    ".nodeset": _starting_point,
    ".lib": _library,
    ".end": _end,
}

# What holds for the whole circuit.
WHOLE = frozenset(name for name, take in COMMANDS.items() if take in (_options, _temperature))

# Analyses and their output do not change what the circuit is.
WITHOUT_EFFECT = frozenset(
    (
        *(".title", ".op", ".ac", ".tran", ".noise", ".tf", ".sens", ".four", ".pz", ".disto"),
        *(".width", ".backanno", ".preprocess", ".result", ".csparam", ".savebias", ".wave", ".net", ".sp", ".pss"),
    )
)

REFUSED: dict[str, str] = {
    ".endc": "there is no .control before it; remove the line",
    ".exec": "commands are never executed; remove the line",
    ".include": "no file is ever opened for a deck; paste what it needs, or use `diodeq devices import`",
    ".inc": "no file is ever opened for a deck; paste what it needs, or use `diodeq devices import`",
    ".func": "write the function's value where it is used",
    ".global": "give the subcircuits a pin for that node",
}


def temperatures(deck: Deck, scope: Scope) -> tuple[float, float]:
    """The circuit's temperature and the one at which its models hold, °C; both 27 unless the deck says otherwise.

    As in ngspice (39), any ``.temp`` wins over ``.options temp=``, and the last of several holds.
    """
    given = deck.temperatures
    return _last(deck, scope, [*given.get("temp", ()), *given.get(".temp", ())]), _last(
        deck, scope, given.get("tnom", [])
    )


def _last(deck: Deck, scope: Scope, given: list[tuple[int, str]]) -> float:
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
