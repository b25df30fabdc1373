"""Vendors' model files: every diode in them, as ``.model`` cards and as subcircuits, and every device of several."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from diodeq.devices import catalogue
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.one_ports import forward_voltage, one
from diodeq.devices.transistor.model import TransistorModel
from diodeq.devices.vendor.cards import Card, NoDiodeError, Sized, add_card, read_card, split_card
from diodeq.devices.vendor.elements import Body, open_body
from diodeq.devices.vendor.subcircuit import devices
from diodeq.devices.vendor.transistors import is_transistor, read_transistor
from diodeq.errors import InputError, PlacedError, UsageError
from diodeq.spice import Line, Scope, SpiceText, read, tokens
from diodeq.spice.numbers import shown
from diodeq.spice.text import MODEL_FILE_BYTES, assignments

# What a file of parts may hold besides parts; all else runs a command, opens a file or depends on a simulator.
HARMLESS = frozenset([".title", ".end", ".backanno"])


@dataclass(frozen=True)
class Part:
    """A device found in a file: its model, the line it begins on, a phrase for each thing that was left out, and of a
    subcircuit's which of its pins are anode and cathode."""

    model: DiodeModel | CompositeModel | TransistorModel
    line: int
    ignored: tuple[str, ...]
    pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The devices of a file, and a phrase with its line for each model or subcircuit in it that is none."""

    parts: tuple[Part, ...]
    skipped: tuple[str, ...]


def read_parts(path: Path) -> Found:
    """Every diode in a vendor's file, and every transistor that diodeq has a law of, tied to two pins.

    A subcircuit counts when its parts are diodes, resistors and constant sources, in series and in parallel: one of two
    pins is one device, of more it is what lies between each two of them. Inductors are shorts and capacitors are open
    in direct current. One with anything else is skipped, as is a model of another kind. Nothing in the file is
    executed, opened or passed on.

    Raises:
        InputError: naming the line; the file cannot be read, holds a command, or a diode in it is not sound.
    """
    text = read(path, titled=False, limit=MODEL_FILE_BYTES)
    contents = _sorted(text)
    scope = Scope(contents.constants)
    source = f"imported from {path.name}"
    lost: list[PlacedError] = []
    parts: list[Part] = []
    for line, card in contents.cards.values():
        if is_transistor(card):
            try:
                with text.at(line):
                    parts.append(_sound(Part(*_transistor(card, scope, source, line))))
            except PlacedError as error:
                lost.append(error)
            continue
        with text.at(line):
            try:
                sized, ignored = read_card(card, scope, _finder(contents.cards, scope, source, (card.name,)), source)
            except NoDiodeError as error:
                lost.append(text.placed(line, error))
            else:
                parts.append(_sound(Part(sized.of(), line, ignored)))
    for body in contents.bodies:
        try:
            with text.at(body.line):
                find = _finder(contents.cards, scope, source, ())
                held, ignored = devices(body, text, scope, find, contents.cards, source)
                parts += [_sound(Part(each.model, body.line, ignored, each.ends)) for each in held]
        except PlacedError as error:
            lost.append(error)
    if not parts and lost:
        raise lost[0]
    if not parts:
        last = text.lines[-1].number if text.lines else 1
        raise text.error(last, "the file ends without a diode", "give a file with .model NAME D(IS=…)")
    _demand_distinct(text, parts)
    return Found(tuple(parts), tuple(f"line {error.line}: {error.told}" for error in lost))


def _transistor(card: Card, scope: Scope, source: str, line: int) -> tuple[TransistorModel, int, tuple[str, ...]]:
    model, ignored = read_transistor(card, scope, source)
    return model, line, ignored


@dataclass(frozen=True)
class _Contents:
    """A file's lines, sorted; nothing evaluated yet."""

    cards: dict[str, tuple[int, Card]]
    bodies: list[Body]
    constants: dict[str, str]


def _sorted(text: SpiceText) -> _Contents:
    contents = _Contents({}, [], {})
    body: Body | None = None
    for line in text.lines:
        with text.at(line.number):
            body = _sort(line, contents, body)
    if body is not None:
        raise text.error(body.line, f".subckt {shown(body.name)} is never ended", "add .ends")
    return contents


def _sort(line: Line, contents: _Contents, body: Body | None) -> Body | None:
    """Put one line where it belongs; returns the subcircuit that is open after it."""
    if line.text.startswith("*"):
        if line.text.startswith("*#"):
            raise InputError("it hides a command to ngspice in a comment", "remove the line")
        return body
    words = tokens(line.text) or [line.text]
    command = words[0].lower()
    if command == ".subckt":
        if body is not None:
            raise InputError("a subcircuit within a subcircuit", "give it flat")
        return open_body(line)
    if command == ".ends":
        if body is None:
            raise InputError(".ends without .subckt", "remove the line")
        contents.bodies.append(body)
        return None
    if command in (".param", ".params"):
        constants = contents.constants if body is None else body.constants
        constants.update(assignments(line.text))
    elif command == ".model":
        add_card(split_card(line.text), line.number, contents.cards if body is None else body.cards)
    elif body is not None:
        body.lines.append(line)
    elif command[0] == "." and command not in HARMLESS:
        raise InputError(
            f"{shown(words[0])} has no place in a file of diodes",
            "keep only .model and .subckt; nothing in such a file is ever executed or opened",
        )
    elif command not in HARMLESS:
        raise InputError(
            f"{shown(words[0])} is neither a .model nor inside a .subckt", "remove the line, or begin it with *"
        )
    return body


def _finder(
    cards: dict[str, tuple[int, Card]], scope: Scope, source: str, seen: tuple[str, ...]
) -> Callable[[str], Sized]:
    """Finds a model of the file, else of the catalogue, by name; ``seen`` are those that wait for it."""

    def find(name: str) -> Sized:
        if name.casefold() in map(str.casefold, seen) or len(seen) > 20:
            raise InputError(f"{shown(seen[0])} is derived from itself, or through too many others", "give it flat")
        if name.casefold() in cards:
            _, card = cards[name.casefold()]
            return read_card(card, scope, _finder(cards, scope, source, (*seen, name)), source)[0]
        try:
            return Sized(catalogue.diode(name))
        except UsageError:
            raise InputError(f"there is no diode model {shown(name)}", "add its .model to the file") from None

    return find


def _sound(part: Part) -> Part:
    """The part itself if it has a law at 27 °C and a name a catalogue can hold."""
    if not re.fullmatch(r"[!-~]{1,64}", part.model.name):
        raise InputError(f"{shown(part.model.name)} is no name for a part", "use up to 64 letters, digits, '-', '_'")
    if not math.isfinite(forward_voltage(one(part.model), 1e-3)):
        raise InputError(f"{shown(part.model.name)} never carries a milliampere", "give a device that conducts")
    return replace(part, model=replace(part.model, source=f"{part.model.source}, line {part.line}"))


def _demand_distinct(text: SpiceText, parts: list[Part]) -> None:
    seen: dict[str, int] = {}
    for part in parts:
        if (earlier := seen.setdefault(part.model.name.casefold(), part.line)) != part.line:
            raise text.error(
                part.line, f"{part.model.name} is defined on line {earlier} already", "keep one of the two"
            )
