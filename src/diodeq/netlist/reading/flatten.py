"""All parts of a deck, subcircuits spelled out, constants evaluated, diode models found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.vendor.cards import ModelCard, Sized, read_card
from diodeq.devices.vendor.elements import SubcircuitBody
from diodeq.errors import InputError, UsageError
from diodeq.netlist.reading.conditions import chosen, conditional
from diodeq.netlist.reading.deck import ParsedDeck, temperatures
from diodeq.netlist.reading.elements import read_part
from diodeq.netlist.reading.islands import leave_islands_out
from diodeq.netlist.reading.parts import FIXED, GROUND, SHORT, DeckPart, Where
from diodeq.netlist.reading.shorts import leave_shorted_out, put_sensors_in
from diodeq.printable import counted
from diodeq.spice import LogicalLine, Scope, tokens
from diodeq.spice.numbers import shown
from diodeq.spice.text import unmarked

DEEPEST = 10  # subcircuits within subcircuits
MOST_PARTS = 3_000_000


@dataclass
class Flat:
    """A deck's parts by letter, and the diode models that the diodes' ``other`` numbers count."""

    temperature: float
    parts: dict[str, list[DeckPart]] = field(default_factory=lambda: {letter: [] for letter in (*"rdviefg", FIXED)})
    models: dict[DiodeModel, int] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True)
class _Place:
    """Where a line is read: the instances it is in, its constants, its nodes' outer names, its own models."""

    path: str
    scope: Scope
    pins: dict[str, str]
    cards: dict[str, tuple[int, ModelCard]]
    everywhere: set[str]
    body: str = ""
    depth: int = 0

    def node(self, name: str) -> str:
        if not self.path or name in GROUND or name in self.everywhere:
            return name
        return self.pins.get(name) or f"{self.path}.{name}"

    def named(self, name: str) -> str:
        # r1 in x1 is r.x1.r1, as ngspice calls it: the first letter still says what it is
        return f"{name[0]}.{self.path}.{name}" if self.path else name


def flatten(deck: ParsedDeck) -> Flat:
    """The parts of a deck; raises ``InputError`` naming the line of what cannot be read."""
    _demand_few(deck)
    celsius, nominal = temperatures(deck, Scope(deck.constants, functions=deck.functions))
    scope = Scope({"temper": celsius, **deck.constants}, functions=deck.functions)
    flattener = _Flattener(deck, Flat(celsius), nominal, scope)
    flattener.lines(deck.elements, _Place("", scope, {}, deck.cards, deck.everywhere))
    flattener.shunt()
    put_sensors_in(flattener.flat.parts)
    leave_shorted_out(flattener.flat.parts, deck.swept, deck.notes)
    deck.lost |= leave_islands_out(flattener.flat.parts, deck.notes)
    flattener.settle_temperature()
    flattener.note_unused()
    return flattener.flat


def _demand_few(deck: ParsedDeck) -> None:
    """Raises ``InputError`` for a deck whose subcircuits would take too long to be spelled out."""
    known: dict[str, int] = {}

    def count(lines: Iterable[LogicalLine], above: tuple[str, ...]) -> int:
        found = 0
        for line in lines:
            found += 1
            name = _called(line)
            if name in deck.bodies and name not in above and len(above) <= DEEPEST:
                if name not in known:
                    known[name] = count(deck.bodies[name].lines, (*above, name))
                found += known[name]
        return found

    if (parts := count(deck.elements, ())) > MOST_PARTS:
        raise deck.text.error(1, f"the deck has {parts:,} parts, more than {MOST_PARTS:,}", "give a smaller one")


def _called(line: LogicalLine) -> str:
    """The subcircuit that an X line calls, lower-case; empty for any other line."""
    if line.text[:1] not in "xX":
        return ""
    words = unmarked(tokens(line.text))
    while len(words) > 3 and words[-2] == "=":
        del words[-3:]
    return words[-1].lower() if words else ""


class _Flattener:
    def __init__(self, deck: ParsedDeck, flat: Flat, nominal: float, outside: Scope) -> None:
        self.deck, self.flat, self.nominal, self.outside = deck, flat, nominal, outside
        self.taken: dict[str, int] = {}
        self.found: dict[tuple[str, float | None, float], int] = {}
        self.distinct: dict[DiodeModel, DiodeModel] = {}
        self.spelled: dict[str, DiodeModel] = {}
        self.copies: dict[str, int] = {}
        self.used: set[int] = set()
        """The lines of the models and subcircuits that something names."""
        self.wired: dict[str, str] = {}

    def lines(self, lines: Iterable[LogicalLine], place: _Place) -> None:
        for line in lines:
            try:
                self._line(line, place)
            except InputError as error:  # cheaper than a context manager, and there may be a million lines
                with self.deck.text.at(line.number):
                    raise error from None

    def _line(self, line: LogicalLine, place: _Place) -> None:
        words = tokens(line.text)
        if not words:
            raise InputError(f"{shown(line.text)} is not an element", "remove the line")
        self._count(1)
        if words[0][0] in "xX":
            self._instance(words, line.number, place)
            return

        def card(name: str) -> tuple[ModelCard | None, Scope]:
            return self._card(name, place)[1], self._scope(name, place)

        where = Where(line, place.scope, self.deck.notes, card, self.flat.temperature, self.nominal)
        parts = read_part(words, where)
        self._count(len(parts) - 1)
        for part in parts:
            self._take(part, place)

    def _count(self, more: int) -> None:
        self.flat.count += more
        if self.flat.count > MOST_PARTS:
            raise InputError(f"the deck has more than {MOST_PARTS:,} parts", "give a smaller one")

    def _take(self, part: DeckPart, place: _Place) -> None:
        if place.path:
            part = part._replace(name=place.named(part.name), nodes=tuple(map(place.node, part.nodes)))
        if part.letter == "d":
            part = part._replace(other=str(self._model(part, place)))
        elif part.letter == "f" and place.path:
            part = part._replace(other=place.named(part.other))
        if part.name in self.taken:
            taken = self.deck.text.called(self.taken[part.name])
            raise InputError(f"{part.name} is on {taken} already", "give every part its own name")
        self.taken[part.name] = part.line
        if part.nodes[0] == part.nodes[1]:
            if part.letter == "e" or (part.letter == "v" and part.value != 0.0):
                raise InputError(f"both ends of {part.name} are on node {part.nodes[0]}", "remove or reconnect it")
            self.deck.notes.add("parts with both ends on one node do nothing and were left out", part.name, part.line)
        elif part.other == SHORT and self._joined(*part.nodes):
            self.deck.notes.add("wires between nodes that wires join already were left out", part.name, part.line)
        else:
            self.flat.parts[part.letter].append(part)

    def _joined(self, one: str, other: str) -> bool:
        """Whether pieces of wire join two nodes already; they do afterwards."""
        ends = []
        for node in (one, other):
            while (further := self.wired.get(node, node)) != node:
                self.wired[node] = self.wired.get(further, further)
                node = further
            ends.append(node)
        self.wired[ends[0]] = ends[1]
        return ends[0] == ends[1]

    def shunt(self) -> None:
        """Put what .options rshunt= asks for from every node to ground."""
        for line, text in self.deck.shunts[-1:]:
            with self.deck.text.at(line):
                ohms = self.outside.number(text)
                if not 1e9 <= ohms < 1e300:  # less would count within diodes too, where ngspice puts one as well
                    raise InputError(f"rshunt of {ohms:g} ohm", "give 1e9 or more, or draw the resistors")
            nodes = dict.fromkeys(node for parts in self.flat.parts.values() for part in parts for node in part.nodes)
            fixed = self.flat.parts[FIXED]
            own = [node for node in nodes if node != "0" and " " not in node]
            fixed += [DeckPart(FIXED, f"r {node} shunt", (node, "0"), ohms, "", line) for node in own]

    def settle_temperature(self) -> None:
        """Give the circuit the temperature of its diodes: nothing else in it has one."""
        own = self.flat.temperature
        degrees = {own if part.celsius is None else part.celsius: part for part in self.flat.parts["d"]}
        if len(degrees) > 1:
            said = f"diodes at different temperatures, {' and '.join(f'{value:g}' for value in sorted(degrees)[:2])} °C"
            line = max(part.line for part in degrees.values())
            raise self.deck.text.error(line, said, "a circuit has one temperature; give every diode the same")
        for value, part in degrees.items():
            if value != own:
                said = "the circuit has the temperature that all its diodes have"
                self.deck.notes.add(said, f"{value:g} °C", part.line)
                self.flat.temperature = value

    def note_unused(self) -> None:
        """Say which models and subcircuits nothing names."""
        deck = self.deck
        for line, card in deck.cards.values():
            if line not in self.used:
                deck.notes.add("models that nothing uses were left out", card.name, line)
        for name, body in deck.bodies.items():
            if body.line not in self.used:
                fault = " (it could not be read)" if (name, "") in deck.faults else ""
                deck.notes.add("subcircuits that nothing uses were left out", f"{body.name}{fault}", body.line)

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
        self.used.add(body.line)
        if fault := self.deck.faults.get((body.name.lower(), "")):
            raise fault
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
        inside = self._inside(body, path, given, nodes, place)
        lines: Iterable[LogicalLine] = body.lines
        if any(map(conditional, body.lines)):
            lines = chosen(body.lines, inside.scope, self.deck.text)
        self.lines(lines, inside)

    def _inside(
        self, body: SubcircuitBody, path: str, given: dict[str, str | float], nodes: list[str], place: _Place
    ) -> _Place:
        if "m" in set(given) - set(body.constants):
            raise InputError(f"{shown(path)} is there several times", "give an X line for each")
        scope = Scope({**body.constants, **given}, place.scope)  # a caller's constants are seen, as in ngspice
        pins = dict(zip(body.pins, ("0" if node in GROUND else node for node in nodes), strict=True))
        return _Place(path, scope, pins, body.cards, self.deck.everywhere, body.name.lower(), place.depth + 1)

    def _model(self, diode: DeckPart, place: _Place) -> int:
        """The number of the model that a diode names: the subcircuit's own, the deck's, or the catalogue's."""
        name = diode.other
        local = bool(place.path) and name.casefold() in place.cards
        key = (name.casefold(), diode.area, diode.value)
        if not local and key in self.found:
            return self.found[key]
        line, card = self._card(name, place)
        if card is None:
            sized = self._known(name)
        else:
            with self.deck.text.at(line):
                sized = self._read(card, line, self._scope(name, place))
        model = self._distinct(sized.of(diode.area, diode.value))
        index = self.flat.models.setdefault(model, len(self.flat.models))
        if not local:
            self.found[key] = index
        return index

    def _scope(self, name: str, place: _Place) -> Scope:
        """The constants in which a model's numbers are: of the place where it stands."""
        return place.scope if place.path and name.casefold() in place.cards else self.outside

    def _card(self, name: str, place: _Place) -> tuple[int, ModelCard | None]:
        """The line and the card of the model that a name means in a place; raises what is wrong with it."""
        key = name.casefold()
        for body in dict.fromkeys((place.body, "")):
            if fault := self.deck.faults.get((body, key)):
                raise fault
        line, card = place.cards.get(key) or self.deck.cards.get(key) or (0, None)
        self.used.add(line)
        return line, card

    def _read(self, card: ModelCard, line: int, scope: Scope) -> Sized:
        source = "{}, line {}".format(*self.deck.text.where(line))
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
            line, card = self.deck.cards[name.casefold()]
            self.used.add(line)
            return read_card(card, scope, self._base(scope, (*seen, name)), "")[0]

        return find

    def _known(self, name: str) -> Sized:
        try:
            model = catalogue.diode(name)
        except UsageError as error:
            libraries = [self.deck.text.called(line.number) for line in self.deck.libraries[:1]]
            lost = "".join(f" (the library that {line} names is not opened)" for line in libraries)
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
