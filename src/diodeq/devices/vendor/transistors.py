"""A ``.model`` card of a transistor as a `TransistorModel`: tied as a diode, or a junction FET as a current limiter."""

from __future__ import annotations

import re
from dataclasses import replace

from diodeq.devices.diode.model import RATINGS
from diodeq.devices.transistor.model import TransistorModel
from diodeq.devices.transistor.parameters import KINDS
from diodeq.devices.vendor.cards import ModelCard
from diodeq.errors import InputError, UsageError
from diodeq.spice import Scope
from diodeq.spice.numbers import number, shown

RATED = RATINGS | {"vceo", "icrating", "vds", "qg", "ron", "vdsmax"}

_GIVEN = re.compile(r"(\w+)=(\S+)", re.ASCII)


def is_transistor(card: ModelCard) -> bool:
    """Whether the card's type is one of those in `KINDS`."""
    return card.kind.upper() in KINDS


def read_transistor(card: ModelCard, scope: Scope, source: str) -> tuple[TransistorModel, tuple[str, ...]]:
    """The card's model, and a phrase for each parameter that was left out.

    Raises `InputError` for a parameter that cannot be read, or whose law diodeq does not have.
    """
    if card.base:
        raise InputError(f"{shown(card.name)} is derived from another model", "give its card with all parameters")
    values: list[tuple[str, float]] = []
    ignored = []
    for name, text in card.parameters:
        if name.lower() in RATED:
            ignored.append(f"{name}={text} is a rating")
        else:
            values.append((name, scope.number(text)))
    model = TransistorModel(card.name, card.kind, tuple(values), source)
    return replace(model, description=f"{model.polarity}: {model.terminals}"), tuple(ignored)


def sized(model: TransistorModel, words: str) -> TransistorModel:
    """The transistor with what stands on its element's line, such as "w=10u l=1u".

    Raises `UsageError` for other words, `InputError` for values that make no sense.
    """
    allowed = model.kind.instance
    given: dict[str, float] = {}
    for word in words.split():
        matched = _GIVEN.fullmatch(word)
        if matched is None or matched[1].lower() not in allowed:
            raise UsageError(
                f"{word[:40]!r} has no place on the line of {model.name}",
                f"give {' or '.join(f'{key.upper()}=…' for key in allowed)}",
            )
        given[matched[1].lower()] = number(matched[2])
    return replace(model, parameters=tuple({**dict(model.parameters), **given}.items()))
