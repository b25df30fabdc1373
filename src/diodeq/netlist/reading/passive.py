"""Lines of resistors, diodes, capacitors and inductors as parts in direct current."""

from __future__ import annotations

import re
from itertools import pairwise

from diodeq.devices.vendor.elements import RESISTORS
from diodeq.errors import InputError
from diodeq.netlist.reading.parts import FIXED, SHORT, DeckPart, Where, nodes_of, options_of, positive
from diodeq.spice.numbers import shown

_MEGA = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?M(?:[Oo]hms?|Ω|Ω)?")
MOST_IN_A_ROW = 100
_OPTIONS = ("m", "scale", "tc1", "tc2", "temp", "dtemp", "l", "w")


def resistor(words: list[str], where: Where) -> list[DeckPart]:
    """A resistor of a value, or of a model's; 0 ohm is a piece of wire."""
    name, nodes = words[0].lower(), nodes_of(words, 2, "Rname NODE NODE OHMS")
    model: dict[str, float] = {}
    values: list[str] = []
    at = 3
    while at < len(words) and words[at + 1 : at + 2] != ["="]:
        card, _ = where.card(words[at])
        if card is not None and not model:
            model = _model(words[0], words[at], where)
        elif not values:
            values.append(words[at])
        else:
            break
        at += 1
    rest = words[at:]
    if not values and rest[:1] and rest[0].lower() in ("r", "res", "resistance") and rest[1:2] == ["="]:
        values, rest = rest[2:3], rest[3:]
    more = options_of([words[0], *_coefficients(rest)], 1, where, _OPTIONS)
    ohms = _ohms(words[0], values, model, more, where)
    ohms *= more.get("scale", 1.0) / positive(words[0], more.get("m", 1.0))
    ohms *= _warming(name, {**model, **more}, where)
    if ohms == 0.0:
        where.note("resistors of 0 ohm are pieces of wire, where ngspice takes 1 milliohm", name)
        return [DeckPart("v", f"v {name}", nodes, 0.0, SHORT, where.line.number)]
    if -1e300 < ohms < -1e-300:
        where.note("resistors below 0 ohm became sources of a current that their own voltage controls", name)
        return [DeckPart("g", name, (*nodes, *nodes), 1.0 / ohms, "", where.line.number)]
    return [DeckPart("r", name, nodes, ohms, "", where.line.number)]


def _ohms(name: str, values: list[str], model: dict[str, float], more: dict[str, float], where: Where) -> float:
    own = model.get("r", 1.0)
    if values:
        if own != 1.0:
            raise InputError(
                f"{shown(name)} has a resistance and its model R={own:g}, which some simulators multiply by it",
                "leave one of the two out",
            )
        if _MEGA.fullmatch(values[0]):
            said = "M is milli in SPICE, and a million is Meg: so these are of milliohms"
            where.note(said, f"{name.lower()} {values[0]}")
        return where.scope.number(values[0])
    if "r" in model:
        return own
    if "rsh" in model and "l" in more:
        wide = more.get("w", model.get("defw", 0.0)) - 2.0 * model.get("narrow", 0.0)  # both as ngspice (39) does
        if wide > 0.0:
            return model["rsh"] * (more["l"] - 2.0 * model.get("short", 0.0)) / wide
    raise InputError(f"resistor {shown(name)} has no value", "write Rname NODE NODE OHMS")


def _model(name: str, model: str, where: Where) -> dict[str, float]:
    """The parameters of a resistor's model."""
    card, scope = where.card(model)
    if card is None or card.kind not in RESISTORS:
        kind = card.kind.upper() if card else ""
        raise InputError(f"{shown(name)} names {shown(model)}, of type {kind}, not a resistor's", "give it ohms")
    if card.wrong is not None:
        raise card.wrong
    given: dict[str, float] = {}
    for key, text in card.parameters:
        key = {"res": "r", "resistance": "r"}.get(key.lower(), key.lower())
        if key in ("kf", "af", "ef", "lf", "wf"):
            continue  # noise
        if key not in ("r", "tc1", "tc2", "tnom", "rsh", "narrow", "short", "defw"):
            raise InputError(f"{key} of resistor model {shown(model)} is not understood", "give the resistor ohms")
        given[key] = scope.number(text)
    return given


def _coefficients(words: list[str]) -> list[str]:
    """The words with TC=A,B as TC1=A TC2=B."""
    for at, word in enumerate(words):
        if word.lower() == "tc" and words[at + 1 : at + 2] == ["="]:
            second = words[at + 3 : at + 4] if words[at + 4 : at + 5] != ["="] else []
            return [
                *words[:at],
                "tc1",
                *words[at + 1 : at + 3],
                *(["tc2", "=", *second] if second else []),
                *(words[at + 3 + len(second) :]),
            ]
    return words


def _warming(name: str, given: dict[str, float], where: Where) -> float:
    """What its temperature multiplies a resistance by, as ngspice does."""
    first, second = given.get("tc1", 0.0), given.get("tc2", 0.0)
    above = given.get("temp", where.celsius + given.get("dtemp", 0.0)) - given.get("tnom", where.nominal)
    if (first == 0.0 and second == 0.0) or above == 0.0:
        return 1.0
    where.note("resistors with a temperature coefficient have the value that holds at their temperature", name)
    return 1.0 + first * above + second * above * above


def diode(words: list[str], where: Where) -> list[DeckPart]:
    """A diode, or so many in a row as LTspice's ``n=`` says; their model is looked up by others."""
    nodes = nodes_of(words, 2, "Dname ANODE CATHODE MODEL")
    rest = [word for word in words[4:] if word.lower() != "off"]  # a hint to the solver
    area = None
    if rest and rest[1:2] != ["="]:
        area, rest = where.scope.number(rest[0]), rest[1:]
    more = options_of([words[0], *rest], 1, where, ("area", "m", "n", "temp", "dtemp"))
    celsius = more.get("temp", where.celsius + more["dtemp"] if "dtemp" in more else None)
    count = positive(words[0], more.get("m", 1.0))
    area = more.get("area", area)
    name, row = words[0].lower(), more.get("n", 1.0)
    if row not in range(1, MOST_IN_A_ROW + 1):
        raise InputError(
            f"{shown(words[0])} is {row:g} diodes in a row", f"give a whole number up to {MOST_IN_A_ROW:,}"
        )
    between = [nodes[0], *(f"{name} link {k}" for k in range(1, int(row))), nodes[1]]
    names = [name, *(f"{name} {k}" for k in range(2, int(row) + 1))]
    if len(names) > 1:
        where.note("diodes with n= are so many in a row", f"{name} n={row:g}")
    return [
        DeckPart("d", own, pair, count, words[3], where.line.number, area=area, celsius=celsius)
        for own, pair in zip(names, pairwise(between), strict=True)
    ]


def capacitor(words: list[str], where: Where) -> list[DeckPart]:
    """Nothing, or the resistance across it."""
    name, leak = words[0].lower(), _given(words, where, "rpar")
    if leak == 0.0:
        where.note("capacitors are open in direct current and were left out", name)
        return []
    where.note("capacitors and inductors with a resistance became resistors", f"{name} Rpar")
    return [_fixed(words, leak, where)]


def inductor(words: list[str], where: Where) -> list[DeckPart]:
    """A piece of wire, or its resistance."""
    name, series, parallel = words[0].lower(), _given(words, where, "rser"), _given(words, where, "rpar")
    if series == 0.0:
        where.note("inductors are shorts in direct current and became sources of 0 V", name)
        nodes = nodes_of(words, 2, "Lname NODE NODE HENRY")
        return [DeckPart("v", f"v {name}", nodes, 0.0, SHORT, where.line.number)]
    where.note("capacitors and inductors with a resistance became resistors", f"{name} Rser")
    return [_fixed(words, series if parallel == 0.0 else 1.0 / (1.0 / series + 1.0 / parallel), where)]


def coupling(words: list[str], where: Where) -> list[DeckPart]:
    """Nothing: what inductors share changes no direct current."""
    where.note("couplings of inductors change nothing in direct current and were left out", words[0].lower())
    return []


def _given(words: list[str], where: Where, name: str) -> float:
    """The value of NAME=VALUE among the words, 0 without; all else is left as it stands."""
    for at in range(1, len(words) - 1):
        if words[at] == "=" and words[at - 1].lower() == name:
            return where.scope.number(words[at + 1])
    return 0.0


def _fixed(words: list[str], ohms: float, where: Where) -> DeckPart:
    """What a capacitor or an inductor is in direct current, ``m`` of them in parallel."""
    nodes = nodes_of(words, 2, f"{words[0]} NODE NODE VALUE")
    count = positive(words[0], _given(words, where, "m") or 1.0)
    return DeckPart(FIXED, f"r {words[0].lower()}", nodes, ohms / count, "", where.line.number)
