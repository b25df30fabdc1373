"""All parts of a deck, subcircuits spelled out, constants evaluated, diode models found."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.vendor.cards import Card, Sized, read_card
from diodeq.devices.vendor.elements import Body
from diodeq.errors import InputError, UsageError
from diodeq.netlist.reading.deck import Deck, temperatures
from diodeq.netlist.reading.elements import FIXED, GROUND, Part, read_part
from diodeq.printable import counted
from diodeq.spice import Line, Scope, tokens
from diodeq.spice.numbers import shown
from diodeq.spice.text import unmarked

DEEPEST = 10  # subcircuits within subcircuits
MOST_PARTS = 3_000_000


@dataclass
class Flat:
    """A deck's parts by letter, and the diode models that the diodes' ``other`` numbers count."""

    temperature: float
    parts: dict[str, list[Part]] = field(default_factory=lambda: {letter: [] for letter in (*"rdviefg", FIXED)})
    models: dict[DiodeModel, int] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True)
class _Place:
    """Where a line is read: the instances it is in, its constants, its nodes' outer names, its own models."""

    path: str
    scope: Scope
    pins: dict[str, str]
    cards: dict[str, tuple[int, Card]]
    depth: int = 0

    def node(self, name: str) -> str:
        if not self.path or name in GROUND:
            return name
        return self.pins.get(name) or f"{self.path}.{name}"

    def named(self, name: str) -> str:
        # r1 in x1 is r.x1.r1, as ngspice calls it: the first letter still says what it is
        return f"{name[0]}.{self.path}.{name}" if self.path else name


def flatten(deck: Deck) -> Flat:
    """The parts of a deck; raises ``InputError`` naming the line of what cannot be read."""
    scope = Scope(deck.constants)
    temperature, nominal = temperatures(deck, scope)
    flat = Flat(temperature)
    _Flattener(deck, flat, nominal).lines(deck.elements, _Place("", scope, {}, deck.cards))
    return flat


class _Flattener:
    def __init__(self, deck: Deck, flat: Flat, nominal: float) -> None:
        self.deck, self.flat, self.nominal = deck, flat, nominal
        self.outside = Scope(deck.constants)
        self.taken: dict[str, int] = {}
        self.found: dict[tuple[str, float | None, float], int] = {}
        self.distinct: dict[DiodeModel, DiodeModel] = {}
        self.spelled: dict[str, DiodeModel] = {}
        self.copies: dict[str, int] = {}

    def lines(self, lines: list[Line], place: _Place) -> None:
        for line in lines:
            try:
                self._line(line, place)
            except InputError as error:  # cheaper than a context manager, and there may be a million lines
                with self.deck.text.at(line.number):
                    raise error from None

    def _line(self, line: Line, place: _Place) -> None:
        words = tokens(line.text)
        if not words:
            raise InputError(f"{shown(line.text)} is not an element", "remove the line")
        self.flat.count += 1
        if self.flat.count > MOST_PARTS:
            raise InputError(f"the deck has more than {MOST_PARTS:,} parts", "give a smaller one")
        if words[0][0] in "xX":
            self._instance(words, line.number, place)
            return
        for part in read_part(words, place.scope, line.number, self.deck.notes):
            self._take(part, line, place)

    def _take(self, part: Part, line: Line, place: _Place) -> None:
        if place.path:
            part = part._replace(name=place.named(part.name), nodes=tuple(map(place.node, part.nodes)))
            if part.nodes[0] == part.nodes[1]:
                raise InputError(f"both ends of {part.name} are on node {part.nodes[0]}", "reconnect the subcircuit")
        if part.letter == "d":
            part = part._replace(other=str(self._model(part, place)))
        elif part.letter == "f" and place.path:
            part = part._replace(other=place.named(part.other))
        if part.name in self.taken:
            raise InputError(f"{part.name} is on line {self.taken[part.name]} already", "give every part its own name")
        self.taken[part.name] = line.number
        self.flat.parts[part.letter].append(part)

    def _instance(self, words: list[str], line: int, place: _Place) -> None:
        given: dict[str, str | float] = {}
        words = unmarked(words)
        while len(words) > 3 and words[-2] == "=":
            given[words[-3].lower()] = place.scope.number(words[-1])
            del words[-3:]
        if len(words) < 3 or "=" in words:
            raise InputError(f"{shown(words[0])} has no nodes or no subcircuit", "write Xname NODE … SUBCIRCUIT")
        body = self.deck.bodies.get(words[-1].lower())
        if body is None:
            raise InputError(f"there is no subcircuit {shown(words[-1])}", "add its .subckt to the deck")
        nodes = [place.node(word.lower()) for word in words[1:-1]]
        if len(nodes) != len(body.pins):
            raise InputError(
                f"{shown(words[0])} has {counted(len(nodes), 'node')}, but {body.name}"
                f" {counted(len(body.pins), 'pin')}",
                "correct the line",
            )
        if place.depth >= DEEPEST:
            raise InputError(f"{shown(words[0])} is nested too deeply, or holds itself", "flatten the subcircuits")
        path = f"{place.path}.{words[0].lower()}" if place.path else words[0].lower()
        self.lines(body.lines, self._inside(body, path, given, nodes, place.depth + 1))

    def _inside(self, body: Body, path: str, given: dict[str, str | float], nodes: list[str], depth: int) -> _Place:
        unknown = set(given) - set(body.constants)
        if unknown:
            raise InputError(f"{body.name} has no constant {shown(min(unknown))}", "leave it out")
        scope = Scope({**body.constants, **given}, self.outside)
        pins = dict(zip(body.pins, ("0" if node in GROUND else node for node in nodes), strict=True))
        return _Place(path, scope, pins, body.cards, depth)

    def _model(self, diode: Part, place: _Place) -> int:
        """The number of the model that a diode names: the subcircuit's own, the deck's, or the catalogue's."""
        name = diode.other
        local = bool(place.path) and name.casefold() in place.cards
        key = (name.casefold(), diode.area, diode.value)
        if not local and key in self.found:
            return self.found[key]
        line, card = place.cards.get(name.casefold()) or self.deck.cards.get(name.casefold()) or (0, None)
        if card is None:
            sized = self._known(name)
        else:
            with self.deck.text.at(line):
                sized = self._read(card, line, place.scope if local else self.outside)
        model = self._distinct(sized.of(diode.area, diode.value))
        index = self.flat.models.setdefault(model, len(self.flat.models))
        if not local:
            self.found[key] = index
        return index

    def _read(self, card: Card, line: int, scope: Scope) -> Sized:
        source = f"{self.deck.text.path}, line {line}"
        sized, ignored = read_card(card, scope, self._base(scope, (card.name,)), source)
        model = sized.model
        for phrase in ignored:
            self.deck.notes.add("parameters of models that were left out", f"{card.name} {phrase}", line)
        if self.nominal != 27.0 and "tnom" not in dict(model.parameters):
            model = replace(model, parameters=(*model.parameters, ("tnom", self.nominal)))
        name, credit = _credits(card.name, self.deck.remarks.get(line, ""))
        return Sized(replace(model, name=name, source=credit or model.source), sized.area)

    def _base(self, scope: Scope, seen: tuple[str, ...]) -> Callable[[str], Sized]:
        def find(name: str) -> Sized:
            if name.casefold() not in self.deck.cards:
                return self._known(name)
            if name in seen or len(seen) > DEEPEST:
                raise InputError(f"model {shown(name)} is derived from itself", "give it flat")
            card = self.deck.cards[name.casefold()][1]
            return read_card(card, scope, self._base(scope, (*seen, name)), "")[0]

        return find

    def _known(self, name: str) -> Sized:
        try:
            model = catalogue.diode(name)
        except UsageError as error:
            libraries = self.deck.libraries[:1]
            lost = "".join(f" (the library that line {line.number} names is not opened)" for line in libraries)
            raise InputError(
                f"there is no diode model {shown(name)}{lost}",
                f"add its .model to the deck, or its file with `diodeq devices import`; {error.remedy}",
            ) from None
        reason = "diodes without a .model in the deck were taken from diodeq's catalogue"
        said = f"{model.name}, {model.source}"
        if said not in self.deck.notes.reasons.setdefault(reason, []):
            self.deck.notes.reasons[reason].append(said)
        return Sized(model)

    def _distinct(self, model: DiodeModel) -> DiodeModel:
        """The model, renamed where another of the same name in a netlist differs."""
        if model not in self.distinct:
            name, other = model.name, model
            while self.spelled.setdefault(other.spice_name, other) != other:
                self.copies[name] = self.copies.get(name, 1) + 1
                other = replace(model, name=f"{name}_{self.copies[name]}")
            self.distinct[model] = other
        return self.distinct[model]


def _credits(name: str, remark: str) -> tuple[str, str]:
    """A model's name and source as diodeq notes them above the card, so that a deck read and written stays the same."""
    said, _, source = remark.partition(": ")
    if re.search(r"[A-Za-z0-9]", said) and DiodeModel(said).spice_name == name.lower():
        return said, source
    # a netlist puts the d before it again
    return (name[1:] if re.fullmatch(r"[dD][0-9].*", name) else name), ""
