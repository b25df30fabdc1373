"""Models that SPICE has no card for: their parts are calls of a subcircuit with two pins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from diodeq.devices.diode.model import DiodeModel

PINS = ("a", "c")
"""Of every such subcircuit; current flows in at the first."""


@dataclass(frozen=True)
class Spelling:
    """How a dialect writes expressions: ``choose`` has {left}, {right}, {yes} and {no}, of which the third is meant
    where left is below right, ``whole`` has {} for all of what gives a source's current, ``warming`` two for a
    resistor's temperature coefficients. ``carried``: currents are to be read, for which a short may be needed; where
    they are not it would keep ngspice from converging. Of a part that was measured ``originals`` prints what was
    measured: "" never, "plain" where every SPICE spells it so, "any" always."""

    choose: str
    whole: str = "i={}"
    warming: str = "tc1={} tc2={}"
    carried: bool = False
    originals: str = ""


NGSPICE = Spelling("({left}<{right}?{yes}:{no})")
"""ngspice's own; what stands behind the colon is not evaluated where the other is meant."""
EXPORTED = Spelling(NGSPICE.choose, originals="any")
"""ngspice's own, in decks that people read."""


@runtime_checkable
class TwoPin(Protocol):
    """A `Model` whose parts are printed as ``x… anode cathode NAME``."""

    @property
    def spice_name(self) -> str:
        """The subcircuit's name, in ``[a-z][a-z0-9_]*``."""

    @property
    def carrier(self) -> str:
        """The element inside that carries all of the current, where a spelling asks for it."""

    @property
    def diodes(self) -> tuple[DiodeModel, ...]:
        """The diodes inside, whose cards it prints."""

    def inside(self, spelling: Spelling) -> list[str]:
        """The lines between ``.subckt NAME a c`` and ``.ends``."""


def called(name: str, model: object) -> str:
    """What a part of that name is called in a netlist."""
    return f"x{name}" if isinstance(model, TwoPin) else name


def diodes_of(model: object) -> tuple[DiodeModel, ...]:
    """The diodes that a netlist has for a part of this model: itself, or those inside."""
    if isinstance(model, DiodeModel):
        return (model,)
    return model.diodes if isinstance(model, TwoPin) else ()


def definition(model: TwoPin, spelling: Spelling = NGSPICE) -> str:
    """The subcircuit, line by line."""
    return "\n".join([f".subckt {model.spice_name} {' '.join(PINS)}", *model.inside(spelling), ".ends"])
