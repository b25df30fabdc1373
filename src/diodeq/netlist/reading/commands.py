"""What the commands of a deck say of the circuit: each that may stand in one has its reader here, or no effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath

from diodeq.errors import InputError
from diodeq.netlist.reading.deck import ParsedDeck
from diodeq.spice import LogicalLine
from diodeq.spice.numbers import NUMBER, number, shown

_VOLTAGE = re.compile(r"\bv\(\s*([^,()\s*]+)\s*(?:,\s*([^,()\s*]+)\s*)?\)", re.IGNORECASE)
_OTHERS = re.compile(r"@[\w.#:]+\[\w+\]|\b(?!param\b)[a-z]\w*\([^()]*\)|\S+#branch", re.IGNORECASE)
_DEGREES = re.compile(rf"({NUMBER.pattern})[°º]C?", re.IGNORECASE)
# The options that change a direct current; .temp may not even stand in a subcircuit.
_MEANT = frozenset(["temp", "tnom", "gmin", "rshunt", "gshunt"])
OPENED = "no file is ever opened for a deck but what the option --include names, or what lies in a folder that it names"


def _options(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    given = set()
    for at, word in enumerate(words):
        name = word.lower()
        if name not in _MEANT or words[at - 1] == "=":
            continue  # the others steer a solver
        if name == "gshunt":
            raise InputError("gshunt adds a conductance at every node", "draw it as resistors, or write rshunt=OHMS")
        if words[at + 1 : at + 2] != ["="] or at + 2 >= len(words):
            raise InputError(f"{words[0]} {word} without a value", f"write {words[0]} {word}=VALUE")
        if name in given:
            raise InputError(f"{word} is given twice", "keep one of the two")
        given.add(name)
        value = words[at + 2]
        if name == "rshunt":
            deck.shunts.append((line.number, value))
        elif name != "gmin":
            degrees = _DEGREES.fullmatch(value)  # PySpice writes 25°C
            deck.temperatures.setdefault(name, []).append((line.number, degrees[1] if degrees else value))
        elif number(value) != 1e-12:
            deck.notes.add("gmin is 1e-12 siemens in every simulation here", value, line.number)


def _temperature(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    values = [word for word in words[1:] if word != "="]
    if not values:
        raise InputError(".temp without a temperature", "give one")
    if len(values) > 1:
        deck.notes.add("of several temperatures the first is read, which is the first run's", values[0], line.number)
    if not (NUMBER.fullmatch(values[0]) or values[0][0] in "{'"):
        # ngspice takes 27 °C then, and says so where few look
        raise InputError(f"{shown(values[0])} is no temperature", "write degrees Celsius in digits, or {NAME}")
    deck.temperatures.setdefault(".temp", []).append((line.number, values[0]))


def _asked(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    for plus, minus in _VOLTAGE.findall(line.text):
        name = f"{plus}-{minus}" if minus else plus
        deck.asked.setdefault((plus.lower(), minus.lower() or "0"), name.lower())
    for other in _OTHERS.findall(_VOLTAGE.sub("", line.text)):
        deck.notes.add("outputs are voltages; what else is asked for was left out", other, line.number)


def _sweep(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    deck.swept.update(word.lower() for word in words[1::4])


def _step(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    """.step [LIN|OCT|DEC] [PARAM] NAME FIRST LAST STEP, or NAME LIST FIRST …: only the first run is read."""
    rest = [word for word in words[1:] if word.lower() not in ("lin", "oct", "dec", "=")]
    constant = [word.lower() for word in rest[:1]] == ["param"]
    rest = rest[constant:]
    first = next((word for word in rest[1:] if word.lower() != "list"), "")
    name = rest[0].lower() if rest else ""
    if constant and first:
        deck.stepped.setdefault(name, (line.number, first))
    elif name == "temp" and first:
        deck.temperatures.setdefault(".step", []).append((line.number, first))
    elif name[:1] in ("v", "i") and first:
        deck.swept.add(name)
    else:
        deck.notes.add("no sweep is done; what it changes is as it is drawn", line.text[:40], line.number)


def _starting_point(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    deck.notes.add("a starting point is not needed and was left out", words[0], line.number)


def base_name(path: str) -> str:
    """The name of a file, without the folders that a deck puts before it in quotes or without."""
    path = path.strip().strip("\"'")
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name


def is_standard(name: str) -> bool:
    """Whether a library is one of LTspice's own, which hold models of parts and which every netlist names."""
    return re.fullmatch(r"standard\.[a-z]{3}|ltc\d*\.lib", name.lower()) is not None


def _library(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    name = base_name(line.text[len(words[0]) :]).lower()
    if not is_standard(name):
        raise InputError(
            f"it names another file, {shown(name)}, and {OPENED}",
            f"give --include with its path, or add its diodes with `diodeq devices import {name}` and remove the line",
        )
    deck.libraries.append(line)
    deck.notes.add("LTspice's libraries are not opened; diodes are looked up in diodeq's catalogue", name, line.number)


def _included(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    name = base_name(line.text[len(words[0]) :])
    raise InputError(f"it names another file, {shown(name)}, and {OPENED}", "give --include with its path")


def _everywhere(deck: ParsedDeck, line: LogicalLine, words: list[str]) -> None:
    deck.everywhere.update(word.lower() for word in words[1:])


COMMANDS: dict[str, Callable[[ParsedDeck, LogicalLine, list[str]], None]] = {
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
    ".dc": _sweep,
    ".step": _step,
    ".ic": _starting_point,
    ".nodeset": _starting_point,
    ".lib": _library,
    ".include": _included,
    ".inc": _included,
    ".incl": _included,
    ".global": _everywhere,
}

# What holds for the whole circuit.
WHOLE = frozenset(name for name, take in COMMANDS.items() if take in (_options, _temperature))

# Analyses and their output do not change what the circuit is.
WITHOUT_EFFECT = frozenset(
    (
        *(".title", ".end", ".op", ".ac", ".tran", ".noise", ".tf", ".sens", ".four", ".pz", ".disto"),
        *(".width", ".backanno", ".preprocess", ".result", ".csparam", ".savebias", ".wave", ".net", ".sp", ".pss"),
    )
)

REFUSED: dict[str, str] = {
    ".endc": "there is no .control before it; remove the line",
    ".exec": "commands are never executed; remove the line",
    ".endl": "there is no .lib NAME before it; remove the line",
    ".endif": "there is no .if before it; remove the line",
    ".else": "there is no .if before it; remove the line",
    ".elseif": "there is no .if before it; remove the line",
    ".alter": "a deck holds one circuit; give each its own file",
}
