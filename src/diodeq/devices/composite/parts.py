"""What is inside a composite, part by part: diodes, resistors and constant sources, each between two nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from diodeq.arrays import is_finite
from diodeq.devices.diode.model import DiodeModel
from diodeq.errors import InputError

NOMINAL = 27.0
"""°C, at which values hold."""
LETTERS = {"diode": "d", "ohms": "r", "volts": "v", "amperes": "i"}
"""The kinds of parts, by their entry in a catalogue, and how SPICE's names of them begin."""
LEGAL_NODE = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
REMEDY = 'write it as in { ohms = 1e3, from = "a", to = "c" }'
COEFFICIENTS = ("tc1", "tc2")


@dataclass(frozen=True)
class CompositePart:
    """One part: its ``kind``, a key of ``LETTERS``, the nodes it lies between, and its value.

    A source of ``volts`` holds its ``start`` above its ``end``, one of ``amperes`` drives them from ``start`` through
    itself to ``end``, as SPICE has it. ``tc1`` (1/K) and ``tc2`` (1/K²) are its temperature coefficients, ``diode`` is
    the model of a diode, whose anode is ``start``. Raises `InputError` for what cannot be.
    """

    kind: str
    start: str
    end: str
    value: float = 0.0
    tc1: float = 0.0
    tc2: float = 0.0
    diode: DiodeModel | None = None

    def __post_init__(self) -> None:
        for node in (self.start, self.end):
            if not isinstance(node, str) or not LEGAL_NODE.fullmatch(node) or node in ("0", "gnd", "a_0"):
                raise InputError(f"a node is called {str(node)[:40]!r}", "use up to 32 of [a-z0-9_], not 0, gnd or a_0")
        if self.start == self.end:
            raise InputError(f"a part has both ends at {self.start}", "leave it out")
        for value in (self.value, self.tc1, self.tc2):
            number = not isinstance(value, bool) and isinstance(value, (int, float))
            if not (number and is_finite(value) and abs(value) <= 1e15):
                raise InputError(f"a part has the value {str(value)[:40]!r}", "give a finite number of at most 1e15")
        if self.kind == "ohms" and not self.value > 0.0:
            raise InputError(f"a resistor has {self.value:g} ohm", "give more than 0, or join its two nodes")
        for name in ("value", *COEFFICIENTS):
            object.__setattr__(self, name, float(getattr(self, name)) + 0.0)

    def at(self, temperature: float) -> float:
        """The value at a temperature, °C; raises `InputError` for a resistor that is none there."""
        warmer = temperature - NOMINAL
        found = self.value * (1.0 + warmer * (self.tc1 + warmer * self.tc2))
        if self.kind == "ohms" and not found > 0.0:
            raise InputError(
                f"a resistor of {self.value:g} ohm inside has {found:.3g} ohm at {temperature:g} °C",
                "its temperature coefficients do not hold there; choose a temperature nearer to 27 °C",
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` turns back into an equal part."""
        given = {key: getattr(self, key) for key in COEFFICIENTS if getattr(self, key)}
        value = self.value if self.diode is None else dict(self.diode.parameters)
        return {self.kind: value, "from": self.start, "to": self.end, **given}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], name: str) -> Self:
        """The part that `to_json` described, its diode called ``name``; raises `InputError` if it is none."""
        if not isinstance(document, Mapping):
            raise InputError("a part is no table", REMEDY)
        kinds = [kind for kind in LETTERS if kind in document]
        if len(kinds) != 1:
            raise InputError("a part has not exactly one of diode, ohms, volts, amperes", REMEDY)
        (kind,) = kinds
        coefficients = () if kind == "diode" else COEFFICIENTS
        unknown = sorted(set(map(str, document)) - {kind, "from", "to", *coefficients})
        if unknown:
            raise InputError(f"a part has the unknown entry {unknown[0][:40]!r}", "leave it out")
        ends = document.get("from", ""), document.get("to", "")
        if kind == "diode":
            if not isinstance(document[kind], Mapping):
                raise InputError("the diode of a part is no table of parameters", "write diode = { is = 1e-9 }")
            return cls(kind, *ends, diode=DiodeModel(name, tuple(document[kind].items())))
        return cls(kind, *ends, document[kind], *(document.get(key, 0.0) for key in COEFFICIENTS))
