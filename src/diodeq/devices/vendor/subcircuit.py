"""A ``.subckt`` that is one diode with its parasitics, as one diode model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.vendor.cards import Card, Sized, read_card
from diodeq.errors import InputError
from diodeq.spice import Line, Scope, SpiceText, tokens
from diodeq.spice.numbers import shown
from diodeq.spice.text import unmarked


@dataclass
class Body:
    """A subcircuit while it is read: its pins, its own constants and models, and its element lines."""

    line: int
    name: str
    pins: list[str]
    constants: dict[str, str]
    cards: dict[str, tuple[int, Card]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True)
class _Branch:
    name: str
    ends: tuple[str, str]
    ohms: float


def open_body(line: Line) -> Body:
    """The empty body of a ``.subckt`` line; raises ``InputError`` without a name or pins."""
    words = unmarked(tokens(line.text)[1:])
    constants: dict[str, str] = {}
    while len(words) > 2 and words[-2] == "=":
        constants[words[-3].lower()] = words[-1]
        del words[-3:]
    if len(words) < 2 or "=" in words:
        raise InputError("this .subckt has no name or no pins", "write .subckt NAME PIN PIN")
    return Body(line.number, words[0], [pin.lower() for pin in words[1:]], constants)


def fold(
    body: Body, text: SpiceText, outside: Scope, find: Callable[[str], Sized], source: str
) -> tuple[DiodeModel, tuple[str, ...]]:
    """The subcircuit's one diode, under the subcircuit's name, and a phrase for each thing left out.

    ``find`` gives the models defined outside it. A resistor in series is added to RS, which is exact.

    Raises:
        InputError: naming the line of what makes it more than one diode.
    """
    scope = Scope(body.constants, outside)
    if len(body.pins) != 2:
        raise InputError(f".subckt {shown(body.name)} has {len(body.pins)} pins and a diode two", "give one diode")
    diodes: list[tuple[Line, list[str]]] = []
    branches: list[_Branch] = []
    ignored: list[str] = []
    for line in body.lines:
        with text.at(line.number):
            words = tokens(line.text)
            name, kind = words[0], words[0][:1].lower()
            if kind not in "rcld" or len(words) < 4:
                raise InputError(
                    f"{shown(name)} in .subckt {shown(body.name)} is not a part of one diode",
                    "a diode's subcircuit has one D, and R, L and C",
                )
            ends = (words[1].lower(), words[2].lower())
            if kind == "d":
                diodes.append((line, words))
            elif kind == "c":
                ignored.append(f"{name} is a capacitor, open in direct current")
            elif kind == "l":
                ignored.append(f"{name} is an inductor, a short in direct current")
                branches.append(_Branch(name, ends, 0.0))
            else:
                branches.append(_Branch(name, ends, _ohms(words, scope)))
    if len(diodes) != 1:
        at = diodes[1][0].number if diodes else body.line
        raise text.error(at, f".subckt {shown(body.name)} holds {len(diodes)} diodes", "it must hold exactly one")
    line, words = diodes[0]
    with text.at(line.number):
        model, more = _diode(words, body, scope, find, source)
        series = _series(body, branches, words[1].lower(), words[2].lower())
        if series and any(model.get(key) for key in ("trs1", "trs2")):
            raise InputError(
                f"{words[0]} has a series resistance with a temperature coefficient beside resistors without one",
                "give one model with RS, TRS1 and TRS2",
            )
    given = dict(model.parameters)
    if series:
        given["rs"] = model.get("rs") + series
    return replace(model, name=body.name, parameters=tuple(given.items()), source=source), (*more, *ignored)


def _ohms(words: list[str], scope: Scope) -> float:
    """The resistance of a resistor's words."""
    plain = words[5:] if words[3].lower() == "r" and words[4:5] == ["="] else words[3:]
    if len(plain) != 1:
        raise InputError(f"{shown(words[0])} has more than a resistance", "give the resistance alone")
    ohms = scope.number(plain[0])
    if ohms < 0.0:
        raise InputError(f"{shown(words[0])} is {ohms:g} ohm", "a resistance is at least 0")
    return ohms


def _diode(
    words: list[str], body: Body, scope: Scope, find: Callable[[str], Sized], source: str
) -> tuple[DiodeModel, tuple[str, ...]]:
    """The model of a diode's line, of its area and so many times as it says."""
    name, rest = words[3], words[4:]
    given: dict[str, float] = {}
    if rest and rest[1:2] != ["="]:
        given["area"], rest = scope.number(rest[0]), rest[1:]
    while len(rest) > 2 and rest[0].lower() in {"area", "m"} - given.keys() and rest[1] == "=":
        given[rest[0].lower()], rest = scope.number(rest[2]), rest[3:]
    if rest:
        raise InputError(f"{shown(rest[0])} of diode {shown(words[0])} is not understood", "give it area=N or nothing")
    if name.casefold() in body.cards:
        _, card = body.cards[name.casefold()]
        sized, ignored = read_card(card, scope, find, source)
    else:
        sized, ignored = find(name), ()
    return sized.of(given.get("area"), given.get("m", 1.0)), ignored


def _series(body: Body, branches: list[_Branch], anode: str, cathode: str) -> float:
    """The ohms between the pins and the diode, which must be the only way from pin to pin."""
    left = list(branches)
    total = 0.0
    reached = []
    for pin in body.pins:
        at = pin
        while at not in (anode, cathode):
            ways = [branch for branch in left if at in branch.ends]
            if len(ways) != 1 or ways[0].ends[0] == ways[0].ends[1]:
                raise InputError(
                    f"pin {shown(pin)} does not lead to the diode through parts in series alone", "give it as one diode"
                )
            total += ways[0].ohms
            left.remove(ways[0])
            at = ways[0].ends[ways[0].ends[0] == at]
        reached.append(at)
    if left:
        raise InputError(f"{shown(left[0].name)} is not in series with the diode", "give the subcircuit as one diode")
    if sorted(reached) != sorted([anode, cathode]) or anode == cathode:
        raise InputError("the diode does not lie between the two pins", "give the subcircuit as one diode")
    return total
