"""A ``.model`` card of SPICE text as a `DiodeModel`, with what of it has no part in the law."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from diodeq.devices.diode.model import ALIASES, DIFFERENT_DIODE, PARAMETERS, RATINGS, DiodeModel
from diodeq.devices.ratings import UNRATED, Ratings
from diodeq.devices.vendor.limits import as_taken
from diodeq.errors import InputError
from diodeq.spice import Scope, tokens
from diodeq.spice.numbers import NUMBER, shown

# Parameters that ngspice (39) knows and diodeq's law lacks: not zero, they change a direct current wherever the second,
# if there is one, is not zero either. Measured: all others that ngspice reads change none.
EFFECTS = {"jtun": "", "temp": "", "dtemp": "", "jsw": "pj", "jtunsw": "pj", "tlevc": "isr", "w": "l"}
# Levels of one law in ngspice (39), but for what `EFFECTS` names. A width and a length count at the second alone, and
# are refused at both: other simulators scale with them.
LEVELS = (1.0, 3.0)

# Parameters that change no current, and the rating that each is: VPK and IAVE are LTspice's, the others ngspice's.
KEPT = {
    "vpk": "reverse_volts",
    "bv_max": "reverse_volts",
    "iave": "forward_amperes",
    "id_max": "forward_amperes",
    "pd_max": "watts",
}

# A number with more behind it that is no factor to any simulator: words that an underscore joins, or the unit of a
# current behind an exponent.
_UNITS = (
    re.compile(rf"({NUMBER.pattern}[A-Za-z]*)_[\w.]*", re.ASCII),
    re.compile(r"([+-]?[\d.]+e[+-]?\d+)a(?:mp\w*)?", re.ASCII | re.IGNORECASE),
)


class NoDiodeError(InputError):
    """A model that is sound and whose law is not the junction diode's."""


@dataclass(frozen=True)
class ModelCard:
    """A ``.model`` line taken apart: ``kind`` is lower-case, ``base`` names the model that AKO: starts from.

    ``notes`` say what of the line has no meaning. A card that cannot be read holds its name all the same, so that no
    other model of the name takes its place: ``wrong`` says why.
    """

    name: str
    kind: str
    base: str
    parameters: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    wrong: InputError | None = None
    unclosed: bool = False


@dataclass(frozen=True)
class Sized:
    """A model, and the AREA on its card, which holds for every diode whose own line gives none, as in ngspice (39)."""

    model: DiodeModel
    area: float = 1.0
    notes: tuple[str, ...] = ()
    """What is to be said wherever it is used"""

    def of(self, area: float | None = None, count: float = 1.0) -> DiodeModel:
        """The model of ``count`` diodes in parallel, each of ``area`` if its line says so.

        What ngspice multiplies by an area: IS, ISR, IKF, IKR and CJO, and 1/RS; not IBV, as diodes in parallel would.

        Raises:
            InputError: an area or a count that is not positive, or a line's area where SPICEs do not agree about it.
        """
        own = count if area is None else area * count
        name = self.model.name if own == 1.0 else f"{self.model.name}_x{own:g}"
        model = replace(self.model, name=name)
        if area is None:
            return _multiplied(_multiplied(model, self.area), count, "ibv")
        disputed = [key.upper() for key in ("bv", "ikf", "ikr", "isr") if key in dict(self.model.parameters)]
        if disputed and area != 1.0:
            raise InputError(
                f"diode {self.model.name} has {disputed[0]}, which simulators do not scale with the area alike",
                "give the diode a model of its own with area 1, or m=N for N in parallel",
            )
        return _multiplied(_multiplied(model, area), count, "ibv")


def _multiplied(model: DiodeModel, factor: float, *more: str) -> DiodeModel:
    if factor == 1.0:
        return model
    if not factor > 0.0:
        raise InputError(f"a diode of area {factor:g} is not possible", "give a positive area")
    given = dict(model.parameters)
    given["is"] = model.get("is") * factor
    if "bv" in given and "ibv" in more:
        given["ibv"] = model.get("ibv") * factor
    for key in ("isr", "ikf", "ikr", "cjo"):
        if key in given:
            given[key] *= factor
    if "rs" in given:
        given["rs"] /= factor
    # Data sheets rate no areas, but so many diodes side by side.
    ratings = model.ratings.parallel(factor) if "ibv" in more else UNRATED
    return replace(model, parameters=tuple(given.items()), ratings=ratings)


def split_card(text: str) -> ModelCard:
    """The card of a ``.model`` line, spaced in any way, a bracket never closed included, as ngspice reads it.

    Raises ``InputError`` for another form.
    """
    words = tokens(text)
    name, rest = (words[1] if len(words) > 1 else ""), words[2:]
    base = ""
    if rest and rest[0].lower().startswith("ako:"):
        base, rest = (rest[0][4:], rest[1:]) if len(rest[0]) > 4 else ("".join(rest[1:2]), rest[2:])
    kind = ""
    if rest and rest[1:2] != ["="]:
        kind, rest = rest[0].lower(), rest[1:]
    if not re.search(r"[A-Za-z0-9]", name) or not (kind or base):
        raise InputError("this .model has no name or no type", "write .model NAME D(IS=… N=… RS=…)")
    unclosed = text.count("(") > text.count(")")
    notes = ["its parenthesis is not closed"] if unclosed else []
    try:
        pairs = tuple(_pairs(rest, notes))
    except InputError as error:
        return ModelCard(name, kind or "d", base, (), wrong=error)
    return ModelCard(name, kind or "d", base, pairs, tuple(notes), unclosed=unclosed)


def _pairs(words: list[str], notes: list[str]) -> list[tuple[str, str]]:
    """NAME=VALUE or, of a parameter that is known, NAME VALUE; ``notes`` get the words that are neither."""
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        if words[at + 1 : at + 2] == ["="] and at + 2 < len(words):
            pairs.append((words[at], words[at + 2]))
            at += 3
        elif words[at] == "=" or words[at + 1 : at + 2] == ["="]:
            raise InputError(f"{shown(words[at])} is not a parameter with a value", "write NAME=VALUE")
        elif pairs and pairs[-1][0].lower() in RATINGS:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {words[at]}")  # mfg=Diodes Inc
            at += 1
        elif (key := words[at].lower()) in PARAMETERS or key in ALIASES:
            if at + 1 == len(words):
                raise InputError(f"{shown(words[at])} has no value", "write NAME=VALUE")
            pairs.append((words[at], words[at + 1]))
            at += 2
        else:
            notes.append(f"{shown(words[at])} is no parameter")
            at += 1
    return pairs


def add_card(card: ModelCard, line: int, cards: dict[str, tuple[int, ModelCard]]) -> None:
    """Note a card under its case-folded name; raises ``InputError`` if there is one of that name."""
    if (earlier := cards.get(card.name.casefold())) is not None:
        raise InputError(f"{card.name} is defined on line {earlier[0]} already", "keep one of the two")
    cards[card.name.casefold()] = (line, card)


def read_card(
    card: ModelCard, scope: Scope, find: Callable[[str], Sized], source: str
) -> tuple[Sized, tuple[str, ...]]:
    """The card's model, and a phrase for each parameter that was left out.

    ``find`` gives the model that AKO: names, and raises ``InputError`` where there is none.

    Raises:
        NoDiodeError: another device, or a diode of another law.
        InputError: a parameter that cannot be read or is out of range.
    """
    if card.wrong is not None:
        raise card.wrong
    if card.kind != "d":
        raise NoDiodeError(f"{shown(card.name)} is of type {card.kind.upper()}, not a diode", "give a model of type D")
    base = find(card.base) if card.base else None
    values: dict[str, float] = dict(base.model.parameters) if base else {}
    area = base.area if base else 1.0
    given: set[str] = set()
    effects: dict[str, float] = {}
    ignored = list(card.notes)
    rated = base.model.ratings.known() if base else {}
    for name, text in card.parameters:
        key = ALIASES.get(name.lower(), name.lower())
        if key in given:
            ignored.append(f"the first of two {key.upper()}, as in ngspice")
        if key == "level":
            if scope.number(text) not in LEVELS:
                raise NoDiodeError(
                    f"{shown(card.name)} is of level {text}", "only levels 1 and 3, the junction diode, are known"
                )
        elif key == "area":
            area = scope.number(text)
        elif key in PARAMETERS:
            values[key] = _number(text, scope, name, ignored)
        elif key in DIFFERENT_DIODE:
            raise NoDiodeError(
                f"diode {card.name}: {name} describes a different diode, LTspice's piecewise-linear one",
                "use the vendor's model with IS, N and RS, or the part `ideal`",
            )
        elif key in RATINGS:
            limit = _rating(text, scope) if key in KEPT else None
            if limit is None:
                ignored.append(f"{name}={text} is a rating")
            else:
                rated[KEPT[key]] = min(limit, rated.get(KEPT[key], limit))
            continue
        else:
            ignored.append(f"{name}={text} is not part of the law that diodeq and ngspice share")
            if key in EFFECTS or key in EFFECTS.values():
                effects[key] = scope.number(text)
            continue
        given.add(key)
    for key, needed in EFFECTS.items():
        if effects.get(key) and (not needed or effects.get(needed) or values.get(needed)):
            raise NoDiodeError(
                f"diode {card.name}: {key.upper()} changes its current, and is not part of the law that diodeq shares",
                "give a model without it",
            )
    if not area > 0.0:
        raise InputError(f"diode {card.name}: its AREA is {area:g}", "give a positive area")
    ignored += as_taken(card.name, values)
    ratings = Ratings(**rated, source=source)
    return Sized(DiodeModel(card.name, tuple(values.items()), source, ratings=ratings), area), tuple(ignored)


def _rating(text: str, scope: Scope) -> float | None:
    """A rating that is a positive number; None for any other, which changes no current."""
    try:
        found = scope.number(text)
    except InputError:
        return None
    return found if 0.0 < found < math.inf else None


def _number(text: str, scope: Scope, name: str, notes: list[str]) -> float:
    """The value of a parameter; what follows it and is a unit to ngspice is noted."""
    found = next(filter(None, (units.fullmatch(text) for units in _UNITS)), None)
    if found is None:
        return scope.number(text)
    notes.append(f"what follows {found[1]} in {name}={shown(text)}")
    return scope.number(found[1])
