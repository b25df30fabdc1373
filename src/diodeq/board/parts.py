"""What is on a board and its schematic: parts with their symbols, footprints and the net at each pin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diodeq.board.packages import Package, package
from diodeq.board.symbols import Symbol

GROUND = "GND"


@dataclass(frozen=True)
class Part:
    """One part: ``nets`` are those of its pins, by number; a pin without a net is left open.

    ``fields`` are further properties, those of its simulation (``Sim.…``) among them. A part without a ``footprint``
    is a source of the simulation only.
    """

    reference: str
    value: str
    symbol: Symbol
    footprint: str
    nets: tuple[tuple[str, str], ...]
    sheet: str
    kind: str = ""
    """What the parts list calls it."""
    fields: tuple[tuple[str, str], ...] = ()
    simulated: bool = False
    number: str = ""
    """The manufacturer's, where one is known."""

    @property
    def package(self) -> Package:
        """Its footprint."""
        return package(self.footprint)

    def net(self, pin: str) -> str:
        """The net at a pin, empty where it is left open."""
        return dict(self.nets).get(pin, "")


def nets(parts: Iterable[Part]) -> list[str]:
    """All nets of some parts, in the order of their names; ground is the first."""
    found = {net for part in parts for _, net in part.nets if net}
    return sorted(found, key=lambda net: (net != GROUND, _natural(net)))


def _natural(text: str) -> list[tuple[int, int, str]]:
    words: list[tuple[int, int, str]] = []
    for word in _words(text):
        words.append((0, int(word), "") if word.isdecimal() else (1, 0, word))
    return words


def _words(text: str) -> Iterator[str]:
    start = 0
    for k in range(1, len(text) + 1):
        if k == len(text) or text[k].isdecimal() != text[start].isdecimal():
            yield text[start:k]
            start = k
