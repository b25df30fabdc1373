"""A composite as data: the parts between its two pins, checked, and how a netlist spells them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from diodeq.devices.composite.form import Form, Leaf, group, leaves, reduced, turned
from diodeq.devices.composite.law import Builder, Composites, outline, spelled
from diodeq.devices.composite.parts import LETTERS, CompositePart
from diodeq.devices.composite.printing import inside
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.entries import demand_known, demand_table, shared
from diodeq.devices.joined import Joined
from diodeq.devices.protocol import OnePorts
from diodeq.devices.ratings import UNRATED, Ratings
from diodeq.devices.two_pin import PINS, Spelling
from diodeq.errors import InputError

MOST = 64
"""Parts of one composite."""
DEEPEST = 3
"""Laws that bend, different and in series: equations within equations beyond."""


@dataclass(frozen=True)
class CompositeModel:
    """Diodes, resistors and constant sources between the nodes ``a`` and ``c``, in series and in parallel.

    The current flows in at ``a``. All is as ngspice computes it: diodes by their law, at a temperature; a conductance
    ``gmin`` lies beside each junction. Raises `InputError` for what is not a device between two pins.
    """

    name: str
    parts: tuple[CompositePart, ...]
    source: str = ""
    description: str = ""
    ratings: Ratings = field(default=UNRATED, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.search(r"[A-Za-z0-9]", self.name):
            raise InputError(f"a composite cannot be called {self.name!r}", "use a name with a letter or a digit")
        self._demand(1 <= len(self.parts) <= MOST, f"has {len(self.parts)} parts", f"give 1 to {MOST}")
        named = (
            part if part.diode is None else replace(part, diode=replace(part.diode, name=f"{self.name} (d{k})"))
            for k, part in enumerate(self.parts, 1)
        )
        plain = (
            part if part.diode is None else replace(part, diode=replace(part.diode, source="", description=""))
            for part in named
        )
        object.__setattr__(self, "parts", tuple(plain))
        try:
            form = self.form
        except InputError as error:
            raise InputError(f"composite {self.name}: {error.problem}", error.remedy) from None
        depth = _depth(form, self.parts)
        self._demand(
            depth <= DEEPEST,
            f"has more than {DEEPEST} different diodes in series, one in the other",
            "sweep it in ngspice with `diodeq devices measure`",
        )

    def _demand(self, holds: bool, what: str, remedy: str) -> None:
        if not holds:
            raise InputError(f"composite {self.name} {what}", remedy)

    @cached_property
    def form(self) -> Form:
        """Its parts in series and in parallel, from pin to pin, without those that make no difference."""
        return form_of(self.parts)

    @property
    def spice_name(self) -> str:
        """The name of its subcircuit: ``composite_`` and the name in ``[a-z0-9_]``."""
        return "composite_" + re.sub(r"[^a-z0-9_]", "_", self.name.lower())

    @property
    def carrier(self) -> str:
        """The short inside that carries all of the current."""
        return "v0"

    def card(self) -> list[tuple[str, float]]:
        """(NAME, value) of every number inside: all that decides the law."""
        found: list[tuple[str, float]] = []
        for k, part in enumerate(self.parts, 1):
            where = f"{LETTERS[part.kind]}{k}_{part.start}_{part.end}".upper()
            if part.diode is not None:
                found += [(where, 0.0), *((f"{where}_{key}", value) for key, value in part.diode.card())]
            else:
                found += [(where, part.value), (f"{where}_TC1", part.tc1), (f"{where}_TC2", part.tc2)]
        return found

    def at_rest(self) -> Self:
        """The composite without what only matters when voltages change."""
        parts = (part if part.diode is None else replace(part, diode=part.diode.at_rest()) for part in self.parts)
        return replace(self, parts=tuple(parts))

    def inside(self, spelling: Spelling) -> list[str]:
        """Every part, and the models of the diodes."""
        return inside(self.parts, self.carrier, spelling)

    @property
    def diodes(self) -> tuple[DiodeModel, ...]:
        """The diodes inside."""
        return tuple(part.diode for part in self.parts if part.diode is not None)

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` turns back into an equal model."""
        return {
            "kind": "composite",
            "name": self.name,
            "parts": [part.to_json() for part in self.parts],
            "source": self.source,
            "description": self.description,
            **self.ratings.entry(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The model described by `to_json`'s dict; raises `InputError` if it is not one."""
        demand_table(document, "composite", "import one with `diodeq devices import FILE.lib`")
        name = document.get("name")
        demand_known(document, "composite", ["parts"])
        said = shared(document, "composite")
        given = document.get("parts")
        if not isinstance(given, list) or not 1 <= len(given) <= MOST:
            raise InputError(
                f"composite {name!r} has no list of parts, of 1 to {MOST}",
                'add one, as in parts = [{ diode = { is = 1e-9 }, from = "a", to = "c" }]',
            )
        parts = []
        for k, each in enumerate(given, 1):
            try:
                parts.append(CompositePart.from_json(each, f"d{k}"))
            except InputError as error:
                raise InputError(f"composite {name!r}, part {k}: {error.problem}", error.remedy) from None
        return cls(parts=tuple(parts), **said)

    @classmethod
    def laws(cls, models: Sequence[Self], temperature: float, gmin: float = 1e-12) -> OnePorts:
        """One one-port for each model, at ``temperature`` °C; those of one form are computed together."""
        if not math.isfinite(temperature):
            raise InputError(f"a temperature of {temperature} °C is not finite", "give degrees Celsius")
        outlines = [outline(model.form, model.parts) for model in models]
        kinds = list(dict.fromkeys(outlines))
        number = np.array([kinds.index(each) for each in outlines], np.intp)
        members = []
        for k in range(len(kinds)):
            own = [models[m] for m in np.flatnonzero(number == k).tolist()]
            builder = Builder([model.parts for model in own], temperature, gmin)
            members.append(Composites(builder.law([model.form for model in own]), np.arange(len(own))))
        return members[0] if len(members) == 1 else Joined(number, tuple(members))


def form_of(parts: Sequence[CompositePart]) -> Form:
    """The parts between ``a`` and ``c`` in series and in parallel; raises `InputError` where they are not."""
    found = reduced([(part.start, part.end) for part in parts], frozenset(PINS))
    for form in found.shorted:
        if any(parts[leaf.part].kind == "volts" for leaf in leaves(form)):
            raise InputError("a source of volts is shorted", "leave it out")
    for form in found.loose:
        if any(parts[leaf.part].kind == "amperes" for leaf in leaves(form)):
            raise InputError("a source of amperes leads nowhere", "leave it out")
    if not found.branches:
        raise InputError(f"nothing leads from {PINS[0]} to {PINS[1]}", "connect its parts")
    if len(found.branches) > 1:
        raise InputError(
            "its parts are not in series and in parallel, as those of a bridge are not",
            "sweep it in ngspice with `diodeq devices measure`",
        )
    (branch,) = found.branches
    form = _without_idle(branch.form if branch.start == PINS[0] else turned(branch.form), parts)
    if _holds(form, parts) or not any(parts[leaf.part].kind == "diode" for leaf in leaves(form)):
        raise InputError("no diode decides its current", "a resistor or a source is no device of a catalogue")
    return form


def _holds(form: Form, parts: Sequence[CompositePart]) -> str:
    """ "amperes" or "volts" where a source alone decides these, else nothing."""
    if isinstance(form, Leaf):
        kind = parts[form.part].kind
        return kind if kind in ("volts", "amperes") else ""
    held = {_holds(child, parts) for child in form.children}
    return held.pop() if len(held) == 1 else ""


def _without_idle(form: Form, parts: Sequence[CompositePart]) -> Form:
    """The form without what lies in series with a source of amperes, or across one of volts."""
    if isinstance(form, Leaf):
        return form
    children = [_without_idle(child, parts) for child in form.children]
    deciding = "amperes" if form.series else "volts"
    held = [child for child in children if _holds(child, parts) == deciding]
    if len(held) > 1:
        where = "in series" if form.series else "in parallel"
        raise InputError(f"two sources of {deciding} are {where}", "leave one out")
    return held[0] if held else group(form.series, children)


def _depth(form: Form, parts: Sequence[CompositePart]) -> int:
    """How many equations are within each other, at most, to find its current."""
    if isinstance(form, Leaf):
        return 0
    bent = {
        spelled(child, parts): child
        for child in form.children
        if any(parts[leaf.part].kind == "diode" for leaf in leaves(child))
    }
    inner = max((_depth(child, parts) for child in bent.values()), default=0)
    own = math.ceil(math.log2(len(bent))) if form.series and bent else int(len(bent) > 1)
    return inner + own
