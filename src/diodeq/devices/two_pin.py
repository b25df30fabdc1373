"""Models that SPICE has no card for: their parts are calls of a subcircuit with two pins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

PINS = ("a", "c")
"""Of every such subcircuit; current flows in at the first."""
SOURCE = "b1"
"""The element inside that carries all of the current, for what reads it."""


@dataclass(frozen=True)
class Spelling:
    """How a dialect writes expressions: ``choose`` has {left}, {right}, {yes} and {no}, of which the third is meant
    where left is below right, ``whole`` has {} for all of what gives a source's current."""

    choose: str
    whole: str = "i={}"


NGSPICE = Spelling("({left}<{right}?{yes}:{no})")
"""ngspice's own; what stands behind the colon is not evaluated where the other is meant."""


@runtime_checkable
class TwoPin(Protocol):
    """A `Model` whose parts are printed as ``x… anode cathode NAME``."""

    @property
    def spice_name(self) -> str:
        """The subcircuit's name, in ``[a-z][a-z0-9_]*``."""

    def inside(self, spelling: Spelling) -> list[str]:
        """The lines between ``.subckt NAME a c`` and ``.ends``: the current is that of the element ``SOURCE``."""


def called(name: str, model: object) -> str:
    """What a part of that name is called in a netlist."""
    return f"x{name}" if isinstance(model, TwoPin) else name


def definition(model: TwoPin, spelling: Spelling = NGSPICE) -> str:
    """The subcircuit, line by line."""
    return "\n".join([f".subckt {model.spice_name} {' '.join(PINS)}", *model.inside(spelling), ".ends"])
