"""Vendors' model files: every diode in them, as ``.model`` cards and as subcircuits, and every device of several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from diodeq.devices import catalogue
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.one_ports import Model
from diodeq.devices.vendor.cards import ModelCard, Sized, read_card
from diodeq.devices.vendor.contents import Contents, contents_of
from diodeq.devices.vendor.elements import Reader, SubcircuitBody
from diodeq.devices.vendor.parts import Candidate, sound
from diodeq.devices.vendor.parts import VendorPart as VendorPart
from diodeq.devices.vendor.subcircuit import Device, devices_of
from diodeq.devices.vendor.transistors import is_transistor, read_transistor
from diodeq.errors import InputError, PlacedError, UsageError
from diodeq.spice import Scope
from diodeq.spice.numbers import shown

MOST = 5000
"""Parts of a file"""


@dataclass(frozen=True)
class Found:
    """The devices of a file, and a phrase with its line for all in it that is none."""

    parts: tuple[VendorPart, ...]
    skipped: tuple[str, ...]


def read_parts(path: Path, only: Collection[str] = (), strict: bool = False) -> Found:
    """Every diode in a vendor's file, and every transistor that diodeq has a law of, tied to two pins.

    A subcircuit counts when its parts are diodes, resistors and constant sources, in series and in parallel: one of two
    pins is one device, of more it is what lies between each two of them. Inductors are shorts and capacitors are open
    in direct current. Whatever is none of these is left out by its line. Nothing in the file is executed, opened or
    passed on.

    Args:
        only: the names of parts, or of subcircuits, to read alone, in any case; all if there are none.
        strict: whether anything left out refuses the file.

    Raises:
        InputError: naming the line; the file cannot be read, or nothing in it, or not all where that is asked.
        UsageError: there is no part of a name that ``only`` has.
    """
    contents = contents_of(path)
    reading = _Reading(contents, f"imported from {path.name}", frozenset(map(str.casefold, only)))
    parts = sound(reading.all(), contents.text, reading.lost)
    if only:
        parts = [part for part in parts if reading.wanted & _names(part)]
        missing = reading.wanted.difference(*map(_names, parts))
        if missing and reading.lost:
            raise reading.lost[0]
        if missing:
            there = [card.name for _, card in contents.cards.values()] + [b.name for b in contents.bodies.values()]
            name = next(name for name in only if name.casefold() in missing)
            raise UsageError(f"{path} has no part called {name!r}", f"it has {', '.join(there[:10])}")
    lost = sorted(reading.lost if only else [*contents.lost, *reading.lost], key=lambda error: error.line)
    if lost and (strict or not parts):
        raise lost[0]
    if not parts:
        last = contents.text.lines[-1].number if contents.text.lines else 1
        raise contents.text.error(last, "the file ends without a diode", "give a file with .model NAME D(IS=…)")
    return Found(tuple(parts), tuple(f"line {error.line}: {error.told}" for error in lost))


def _names(part: VendorPart) -> frozenset[str]:
    """By what it may be asked for."""
    return frozenset((part.model.name.casefold(), part.subcircuit.casefold()))


@dataclass
class _Reading:
    """Evaluates what a file holds: all, or what has one of the ``wanted`` names, case-folded."""

    contents: Contents
    source: str
    wanted: frozenset[str]
    lost: list[PlacedError] = field(default_factory=list)

    def all(self) -> list[Candidate]:
        """Every part that can be read; of the others it is noted why not."""
        found: list[Candidate] = []
        for line, card in self.contents.cards.values():
            if self._asked(card.name) and card.name.casefold() not in self.contents.bodies:
                found += self._tried(card.name, line, lambda card=card, line=line: [Candidate(self._card(card, line))])  # type: ignore[misc]
        for body in self.contents.bodies.values():
            if self._asked(body.name) or any(name.startswith(f"{body.name.casefold()}_") for name in self.wanted):
                found += self._tried(body.name, body.line, lambda body=body: self._devices(body))  # type: ignore[misc]
        if len(found) > MOST:
            where = found[MOST].part.line
            raise self.contents.text.error(where, f"here the parts exceed {MOST:,}", "name some of them with --only")
        return found

    def _asked(self, name: str) -> bool:
        return not self.wanted or name.casefold() in self.wanted

    def _tried(self, name: str, line: int, read: Callable[[], list[Candidate]]) -> list[Candidate]:
        try:
            with self.contents.text.at(line):
                return read()
        except PlacedError as error:
            if name.casefold() not in error.told.casefold():
                error.told = f"{shown(name)}: {error.told}"
            self.lost.append(error)
            return []

    def _card(self, card: ModelCard, line: int) -> VendorPart:
        if is_transistor(card):
            return VendorPart(*read_transistor(card, self._scope, self.source), line)
        sized, ignored = read_card(card, self._scope, self._finder((card.name,)), self.source)
        return VendorPart(sized.of(), ignored, line)

    def _devices(self, body: SubcircuitBody) -> list[Candidate]:
        contents = self.contents
        scope = Scope(body.constants, self._scope)
        find = self._finder(())
        reader = Reader(body, contents.text, scope, find, contents.cards, contents.bodies, self.source)
        held, ignored = devices_of(reader)
        if body.name.casefold() in contents.cards:
            ignored += (f"the .model of its name on line {contents.cards[body.name.casefold()][0]}, as a part",)

        def part(device: Device) -> VendorPart:
            return VendorPart(device.model, ignored, body.line, device.ends, body.pins[0], body.name)

        return [Candidate(part(each), part(each.turned) if each.turned else None) for each in held]

    @cached_property
    def _scope(self) -> Scope:
        return Scope(self.contents.constants)

    @cached_property
    def _catalogue(self) -> Mapping[str, Model]:
        return catalogue.known()

    def _finder(self, seen: tuple[str, ...]) -> Callable[[str], Sized]:
        """Finds a model of the file, else of the catalogue, by name; ``seen`` are those that wait for it."""

        def find(name: str) -> Sized:
            key = name.casefold()
            if key in map(str.casefold, seen) or len(seen) > 20:
                raise InputError(f"{shown(seen[0])} is derived from itself, or through too many others", "give it flat")
            if key in self.contents.cards:
                card = self.contents.cards[key][1]
                sized, ignored = read_card(card, self._scope, self._finder((*seen, name)), self.source)
                return replace(sized, notes=ignored)
            known = self._catalogue.get(key)
            if not isinstance(known, DiodeModel):
                raise InputError(f"there is no diode model {shown(name)}", "add its .model to the file")
            return Sized(known, notes=(f"the file has no {known.name}, and the catalogue's is taken",))

        return find
