"""Hidden units of trained circuits: what hangs on each hidden node, in volts.

Any element with a rising law will do, and gives the node an activation of its own; symmetric ones give odd activations.
A circuit of odd units with rails of either sign is odd as a whole in its inputs and bias together, so that what is not
odd in the inputs alone, XOR for one, is learned through the bias: its two rails get conductances of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from diodeq.devices import elements
from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.composite.parts import CompositePart
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.elements import ActivationElement, Rail
from diodeq.devices.protocol import Model
from diodeq.devices.ratings import Ratings
from diodeq.errors import UsageError


@dataclass(frozen=True)
class UnitKind:
    """What is known of all units of a name.

    Args:
        about: what it is, in a phrase.
        element: its parts for a parameter, levels in volts; ground is terminal "0".
        parameter: what the parameter is, in volts, and its default; None where there is none.
        diode: a part of the catalogue that suits it.
        alternating: whether every other unit of a layer has its diodes the other way round.
        device: what the element's diodes are, for the part that is named.
    """

    about: str
    element: Callable[[float], ActivationElement]
    parameter: tuple[str, float] | None = None
    diode: str = "1N4148"
    alternating: bool = False
    device: Callable[[Model], Model] = lambda part: part


def _diode(_: float) -> ActivationElement:
    return ActivationElement(diodes=(("0", "node"),))


def _pair(middle: float) -> ActivationElement:
    rail = "middle" if middle else "0"
    rails = (Rail("middle", middle, 0.0),) if middle else ()
    return ActivationElement(diodes=(("node", rail), (rail, "node")), rails=rails)


def _one_device(_: float) -> ActivationElement:
    return ActivationElement(diodes=(("node", "0"),))


def _back_to_back(part: Model) -> Model:
    """Two diodes in series, anode to anode, as one device: nothing else reaches the node between them."""
    if not isinstance(part, DiodeModel):
        raise UsageError(
            f"a zener-pair is made of two .model diodes, and {part.name} is a part of another kind",
            "name a diode such as BZX84C3V3, or hang the part alone with --unit pair or diode",
        )
    halves = (CompositePart("diode", "m", "a", diode=part), CompositePart("diode", "m", "c", diode=part))
    # One current goes through both, forwards through one of them; what heats one is less than what heats the two.
    own = part.ratings
    rated = Ratings(amperes=own.forward_amperes, watts=own.watts, source=own.source)
    return CompositeModel(f"{part.name}-pair", halves, part.source, f"two {part.name}, anode to anode", rated)


KINDS: dict[str, UnitKind] = {
    "diode": UnitKind("one diode to ground, of alternating polarity", _diode, alternating=True),
    "pair": UnitKind("two antiparallel diodes to ground, or to a middle rail", _pair, ("middle rail", 0.0)),
    "zener-pair": UnitKind(
        "two Zener diodes in series to ground, anode to anode", _one_device, diode="BZX84C3V3", device=_back_to_back
    ),
    "clamp": UnitKind("two diodes to rails of either sign", elements.hard_tanh, ("rails", 1.0)),
}


@dataclass(frozen=True)
class Unit:
    """A hidden unit, written ``name`` or ``name:volts``; raises `UsageError` where there is none such."""

    name: str = "diode"
    parameter: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise UsageError(f"there is no unit {self.name!r}", f"use one of {', '.join(KINDS)}")
        spec = self.kind.parameter
        if not math.isfinite(self.parameter) or (spec is None and self.parameter):
            raise UsageError(f"the unit {self.name} takes no {self.parameter:g}", f"write {self.name}")
        if spec is not None and spec[1] and self.parameter <= 0.0:
            raise UsageError(
                f"the {spec[0]} of the unit {self.name} at {self.parameter:g} V leave no room", "give volts above 0"
            )

    @staticmethod
    def parse(text: str) -> Unit:
        """The unit that ``text`` names."""
        name, colon, number = text.strip().lower().partition(":")
        spec = KINDS[name].parameter if name in KINDS else None
        try:
            return Unit(name, float(number) if colon else spec[1] if spec else 0.0)
        except ValueError:
            raise UsageError(f"the unit {text!r} does not give volts", f"write {name}:2.5") from None

    @property
    def kind(self) -> UnitKind:
        """What is known of all units of this name."""
        return KINDS[self.name]

    @property
    def element(self) -> ActivationElement:
        """Its parts, levels in volts."""
        return self.kind.element(self.parameter)

    def __str__(self) -> str:
        return f"{self.name}:{self.parameter:g}" if self.kind.parameter and self.parameter else self.name


def described() -> str:
    """All units, for a help text."""
    return "; ".join(f"{name}{'[:VOLTS]' if kind.parameter else ''}, {kind.about}" for name, kind in KINDS.items())
