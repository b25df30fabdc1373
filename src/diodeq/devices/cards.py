"""A ``.model`` card of SPICE text as a `DiodeModel`, with what of it has no part in the law."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from diodeq.devices.model import ALIASES, DIFFERENT_DIODE, PARAMETERS, RATINGS, DiodeModel
from diodeq.errors import InputError
from diodeq.spice import Scope, tokens
from diodeq.spice.numbers import shown


@dataclass(frozen=True)
class Card:
    """A ``.model`` line taken apart: ``kind`` is lower-case, ``base`` names the model that AKO: starts from."""

    name: str
    kind: str
    base: str
    parameters: tuple[tuple[str, str], ...]


def split_card(text: str) -> Card:
    """The card of a ``.model`` line, spaced in any way; raises ``InputError`` for another form."""
    words = tokens(text)
    if text.count("(") != text.count(")"):
        raise InputError("a parenthesis of this .model is not closed", "close it")
    name, rest = (words[1] if len(words) > 1 else ""), words[2:]
    base = ""
    if rest and rest[0].lower().startswith("ako:"):
        base, rest = (rest[0][4:], rest[1:]) if len(rest[0]) > 4 else ("".join(rest[1:2]), rest[2:])
    kind = ""
    if rest and rest[1:2] != ["="]:
        kind, rest = rest[0].lower(), rest[1:]
    if not re.search(r"[A-Za-z0-9]", name) or not (kind or base):
        raise InputError("this .model has no name or no type", "write .model NAME D(IS=… N=… RS=…)")
    return Card(name, kind or "d", base, tuple(_pairs(rest)))


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        if words[at + 1 : at + 2] == ["="] and at + 2 < len(words):
            pairs.append((words[at], words[at + 2]))
            at += 3
        elif pairs and pairs[-1][0].lower() in RATINGS and words[at] != "=":
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {words[at]}")  # mfg=Diodes Inc
            at += 1
        else:
            raise InputError(f"{shown(words[at])} is not a parameter with a value", "write NAME=VALUE")
    return pairs


def add_card(card: Card, line: int, cards: dict[str, tuple[int, Card]]) -> None:
    """Note a card under its case-folded name; raises ``InputError`` if there is one of that name."""
    if (earlier := cards.get(card.name.casefold())) is not None:
        raise InputError(f"{card.name} is defined on line {earlier[0]} already", "keep one of the two")
    cards[card.name.casefold()] = (line, card)


def read_card(
    card: Card, scope: Scope, find: Callable[[str], DiodeModel], source: str
) -> tuple[DiodeModel, tuple[str, ...]]:
    """The card's model, and a phrase for each parameter that was left out.

    ``find`` gives the model that AKO: names, and raises ``InputError`` where there is none.

    Raises:
        InputError: no diode, a parameter out of range, or one that makes it a different diode.
    """
    if card.kind != "d":
        raise InputError(f"{shown(card.name)} is of type {card.kind.upper()}, not a diode", "give a model of type D")
    values: dict[str, float] = dict(find(card.base).parameters) if card.base else {}
    given: set[str] = set()
    ignored = []
    for name, text in card.parameters:
        key = ALIASES.get(name.lower(), name.lower())
        if key == "level":
            if scope.number(text) != 1.0:
                raise InputError(f"{shown(card.name)} is of level {text}", "only level 1, the junction diode, is known")
        elif key in RATINGS:
            ignored.append(f"{name}={text} is a rating")
        elif key not in PARAMETERS and key not in DIFFERENT_DIODE:
            ignored.append(f"{name}={text} is not part of the law that diodeq and ngspice share")
        elif key in given:
            raise InputError(f"diode {card.name}: {key.upper()} is given twice", "keep one of the two")
        else:
            given.add(key)
            values[key] = 0.0 if key in DIFFERENT_DIODE else scope.number(text)
    return DiodeModel(card.name, tuple(values.items()), source=source), tuple(ignored)


def scaled(model: DiodeModel, area: float) -> DiodeModel:
    """The model of ``area`` diodes in parallel.

    Raises:
        InputError: the area is not positive, or the model has effects whose scaling SPICEs do not agree about.
    """
    if area == 1.0:
        return model
    if not area > 0.0:
        raise InputError(f"a diode of area {area:g} is not possible", "give a positive area")
    given = dict(model.parameters)
    disputed = [key.upper() for key in ("bv", "ikf", "ikr", "isr") if key in given]
    if disputed:
        raise InputError(
            f"diode {model.name} has {disputed[0]}, which simulators do not scale with the area alike",
            "give the diode a model of its own with area 1",
        )
    given["is"] = model.get("is") * area
    for key, factor in (("rs", 1.0 / area), ("cjo", area)):
        if key in given:
            given[key] *= factor
    return replace(model, name=f"{model.name}_x{area:g}", parameters=tuple(given.items()))
