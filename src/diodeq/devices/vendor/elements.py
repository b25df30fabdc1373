"""The element lines of a ``.subckt`` as branches between two nodes, as direct current sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.vendor.cards import ModelCard, Sized, read_card
from diodeq.errors import InputError
from diodeq.spice import LogicalLine, Scope, SpiceText, tokens
from diodeq.spice.numbers import shown
from diodeq.spice.text import unmarked

MEASURE = "sweep it in ngspice with `diodeq devices measure`"
GROUND = frozenset(["0", "gnd"])
RESISTORS = frozenset(["r", "res"])
HARMLESS = frozenset(["tol", "noisy", "noise", "pwr"])
MOST = 500
"""Elements of a subcircuit"""
DEEPEST = 8
"""Subcircuits that call each other"""


@dataclass
class SubcircuitBody:
    """A subcircuit while it is read: its pins, its own constants and models, and its element lines."""

    line: int
    name: str
    pins: list[str]
    constants: dict[str, str]
    cards: dict[str, tuple[int, ModelCard]] = field(default_factory=dict)
    lines: list[LogicalLine] = field(default_factory=list)
    bodies: dict[str, SubcircuitBody] = field(default_factory=dict)
    """Subcircuits defined within"""
    outer: SubcircuitBody | None = None
    """The one that it is defined in"""

    def card(self, name: str) -> tuple[int, ModelCard] | None:
        """The model that a name means here, if it is not one of the file's own."""
        return self.cards.get(name.casefold()) or (self.outer.card(name) if self.outer else None)

    def body(self, name: str) -> SubcircuitBody | None:
        """The subcircuit that a name means here, if it is not one of the file's own."""
        return self.bodies.get(name.casefold()) or (self.outer.body(name) if self.outer else None)


@dataclass(frozen=True)
class VendorBranch:
    """What lies between two nodes: ``kind`` and ``value`` as a composite's part has them, or "e" and "g" with a gain
    and the two nodes that control it, or "short"."""

    name: str
    line: int
    kind: str
    ends: tuple[str, str]
    value: float = 0.0
    tc1: float = 0.0
    tc2: float = 0.0
    diode: DiodeModel | None = None
    control: tuple[str, str] = ("", "")
    offset: float = 0.0
    """What an "e" or a "g" gives without its control"""


@dataclass(frozen=True)
class Reader:
    """Reads a subcircuit's lines; ``find`` gives the diode models outside it, ``cards`` are those of any kind and
    ``bodies`` the file's own subcircuits."""

    body: SubcircuitBody
    text: SpiceText
    scope: Scope
    find: Callable[[str], Sized]
    cards: Mapping[str, tuple[int, ModelCard]]
    bodies: Mapping[str, SubcircuitBody]
    source: str
    ignored: list[str] = field(default_factory=list)
    path: tuple[str, ...] = ()
    """The calls that it is in"""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Of a called one, the caller's nodes at its pins"""
    left: list[int] = field(default_factory=lambda: [MOST])
    """How many lines may still be read, those of called ones as often as they are called"""

    def branches(self) -> list[VendorBranch]:
        """All its branches, those of subcircuits that it calls among them; none for a capacitor.

        Raises `InputError` naming the line of what is no branch, or without a line where there are more than `MOST`.
        """
        found: list[VendorBranch] = []
        seen: set[str] = set()
        for line in self.body.lines:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise InputError(f".subckt {shown(self.body.name)} has more than {MOST} elements", MEASURE)
            with self.text.at(line.number):
                words = tokens(line.text) or [line.text]
                if words[0].lower() in seen:
                    self.ignored.append(f"the name of a second {words[0]} on line {line.number}, which counts too")
                seen.add(words[0].lower())
                if words[0][:1] in ("x", "X"):
                    found += self._call(words)
                elif (branch := self.read(words, line.number)) is not None:
                    found.append(branch)
        return found

    def read(self, words: list[str], line: int) -> VendorBranch | None:
        """The branch of an element line; None for a capacitor. Raises `InputError` for what is none."""
        kind = words[0][:1].lower()
        if kind not in READERS:
            raise InputError(
                f"{shown(words[0])} in .subckt {shown(self.body.name)} is not a diode, a resistor or a constant source",
                MEASURE,
            )
        name = ".".join([*self.path, words[0]])
        if kind == "k":
            self.ignored.append(f"{name} couples inductors, which are shorts in direct current")
            return None
        if len(words) < 4:
            raise InputError(f"{shown(words[0])} has too few fields", "give its nodes and its value")
        ends = (self._node(words[1]), self._node(words[2]))
        return READERS[kind](self, words, VendorBranch(name, line, "", ends))

    def _node(self, name: str) -> str:
        name = name.lower()
        if name in GROUND:
            return "0"
        return self.pins.get(name) or ".".join([*self.path, name])

    def _call(self, words: list[str]) -> list[VendorBranch]:
        """The branches of a called subcircuit; like ngspice's, its constants are its own and then the caller's."""
        words = unmarked(words)
        given: dict[str, str | float] = {}
        while len(words) > 3 and words[-2] == "=":
            given[words[-3].lower()] = self.scope.number(words[-1])
            del words[-3:]
        body = self.body.body(words[-1]) or self.bodies.get(words[-1].casefold())
        if body is None or len(words) < 3 or "=" in words:
            raise InputError(f"there is no subcircuit {shown(words[-1])}", "add its .subckt to the file")
        if len(words) - 2 != len(body.pins):
            raise InputError(f"{shown(words[0])} has not the {len(body.pins)} pins of {body.name}", "correct the line")
        if len(self.path) >= DEEPEST:
            raise InputError(f"{shown(words[0])} calls more than {DEEPEST} subcircuits within each other", MEASURE)
        pins = dict(zip(body.pins, map(self._node, words[1:-1]), strict=True))
        scope = Scope({**body.constants, **given}, self.scope)
        return replace(self, body=body, scope=scope, path=(*self.path, words[0].lower()), pins=pins).branches()

    def _capacitor(self, words: list[str], branch: VendorBranch) -> None:
        self.ignored.append(f"{branch.name} is a capacitor, open in direct current")

    def _inductor(self, words: list[str], branch: VendorBranch) -> VendorBranch:
        self.ignored.append(f"{branch.name} is an inductor, a short in direct current")
        return replace(branch, kind="short")

    def _resistor(self, words: list[str], branch: VendorBranch) -> VendorBranch:
        plain = words[5:] if words[3].lower() == "r" and words[4:5] == ["="] else words[3:]
        card: ModelCard | None = None
        values: list[float] = []
        while plain and plain[1:2] != ["="]:
            known = self.body.card(plain[0]) or self.cards.get(plain[0].casefold())
            if known and card is None:
                card = known[1]
            elif not values:
                values.append(self.scope.number(plain[0]))
            else:
                raise InputError(f"{shown(words[0])} has more than a resistance", "give the resistance alone")
            plain = plain[1:]
        given = self._coefficients(words[0], card, plain)
        own = given.get("r", 1.0)
        if values and own != 1.0:
            raise InputError(
                f"{shown(words[0])} has a resistance and its model R={own:g}, which some simulators multiply by it",
                "leave one of the two out",
            )
        ohms = (values[0] if values else given.get("r", 0.0)) / given.get("m", 1.0)
        if not values and not ohms:
            raise InputError(f"{shown(words[0])} has no resistance", "give it in ohms")
        kind = "ohms" if ohms else "short"
        return replace(branch, kind=kind, value=ohms, tc1=given.get("tc1", 0.0), tc2=given.get("tc2", 0.0))

    def _coefficients(self, name: str, card: ModelCard | None, plain: list[str]) -> dict[str, float]:
        """Temperature coefficients of a resistor, from its model's card and its own line."""
        given: dict[str, float] = {}
        if card is not None:
            # A model's numbers are in the constants of the place where it stands.
            scope = self.scope if self.body.card(card.name) else self.scope.outermost
            if card.kind not in RESISTORS:
                raise InputError(f"{shown(card.name)} is of type {card.kind.upper()}, not a resistor", "give it ohms")
            for key, text in card.parameters:
                if key.lower() == "tnom" and scope.number(text) == 27.0:
                    continue
                if key.lower() not in ("r", "tc1", "tc2"):
                    raise InputError(f"{key} of resistor model {shown(card.name)} is not understood", MEASURE)
                given[key.lower()] = scope.number(text)
        at = 0
        while at < len(plain):
            key = plain[at].lower()
            if plain[at + 1 : at + 2] != ["="] or at + 2 >= len(plain):
                raise InputError(f"{shown(name)} has more than a resistance", "give the resistance alone")
            if key == "tc":
                given["tc1"], at = self.scope.number(plain[at + 2]), at + 3
                if at < len(plain) and plain[at + 1 : at + 2] != ["="]:
                    given["tc2"], at = self.scope.number(plain[at]), at + 1
                continue
            if key in ("tc1", "tc2", "m"):
                given[key] = self.scope.number(plain[at + 2])
            elif key not in HARMLESS:
                raise InputError(f"{shown(plain[at])} of {shown(name)} is not understood", "give the resistance alone")
            at += 3
        if not given.get("m", 1.0) > 0.0:
            raise InputError(f"{shown(name)} is there {given['m']:g} times", "give a positive m")
        return given

    def _source(self, words: list[str], branch: VendorBranch) -> VendorBranch:
        rest = words[3:]
        if rest[0].lower() == "dc":
            rest = rest[2:] if rest[1:2] == ["="] else rest[1:]
        if len(rest) != 1:
            raise InputError(f"{shown(words[0])} is not a constant source", f"give its value alone, or {MEASURE}")
        value = self.scope.number(rest[0])
        if words[0][0].lower() == "i":
            return replace(branch, kind="amperes", value=value)
        return replace(branch, kind="volts" if value else "short", value=value)

    def _controlled(self, words: list[str], branch: VendorBranch) -> VendorBranch:
        letter, rest, offset = words[0][0].lower(), words[3:], 0.0
        if rest[0].lower() == "poly":
            if rest[1:2] != ["1"] or not 5 <= len(rest) <= 12:
                raise InputError(f"{shown(words[0])} is not linear in one voltage", MEASURE)
            numbers = [self.scope.number(word) for word in rest[4:]]
            if any(numbers[2:]):
                raise InputError(f"{shown(words[0])} is not linear", MEASURE)
            offset, gain, rest = numbers[0], (numbers[1:2] or [0.0])[0], rest[2:4]
        else:
            if len(rest) != 3 or "=" in rest:
                raise InputError(f"{shown(words[0])} is not linear in one voltage", MEASURE)
            gain = self.scope.number(rest[2])
        control = (self._node(rest[0]), self._node(rest[1]))
        return replace(branch, kind=letter, value=gain, offset=offset, control=control)

    def _diode(self, words: list[str], branch: VendorBranch) -> VendorBranch:
        model, more = _diode(words, self.body, self.scope, self.find, self.source)
        self.ignored.extend(phrase for phrase in more if phrase not in self.ignored)
        return replace(branch, kind="diode", diode=model)


READERS: dict[str, Callable[[Reader, list[str], VendorBranch], VendorBranch | None]] = {
    "d": Reader._diode,
    "r": Reader._resistor,
    "c": Reader._capacitor,
    "l": Reader._inductor,
    "v": Reader._source,
    "i": Reader._source,
    "e": Reader._controlled,
    "g": Reader._controlled,
    "k": Reader._capacitor,
}


def open_body(line: LogicalLine) -> SubcircuitBody:
    """The empty body of a ``.subckt`` line; raises ``InputError`` without a name or pins."""
    words = unmarked(tokens(line.text)[1:])
    constants: dict[str, str] = {}
    while len(words) > 2 and words[-2] == "=":
        constants[words[-3].lower()] = words[-1]
        del words[-3:]
    if len(words) < 2 or "=" in words:
        raise InputError("this .subckt has no name or no pins", "write .subckt NAME PIN PIN")
    return SubcircuitBody(line.number, words[0], [pin.lower() for pin in words[1:]], constants)


def _diode(
    words: list[str], body: SubcircuitBody, scope: Scope, find: Callable[[str], Sized], source: str
) -> tuple[DiodeModel, tuple[str, ...]]:
    """The model of a diode's line, of its area and so many times as it says."""
    name, rest = words[3], words[4:]
    given: dict[str, float] = {}
    if rest and rest[1:2] != ["="] and rest[0].lower() != "off":
        given["area"], rest = scope.number(rest[0]), rest[1:]
    while len(rest) > 2 and rest[0].lower() in {"area", "m"} - given.keys() and rest[1] == "=":
        given[rest[0].lower()], rest = scope.number(rest[2]), rest[3:]
    if rest and rest[0].lower() == "off":  # where an analysis starts from
        rest = rest[1:]
    if rest:
        raise InputError(f"{shown(rest[0])} of diode {shown(words[0])} is not understood", "give it area=N or nothing")
    if (own := body.card(name)) is not None:
        sized, ignored = read_card(own[1], scope, find, source)
    else:
        sized = find(name)
        ignored = sized.notes
    return sized.of(given.get("area"), given.get("m", 1.0)), ignored
