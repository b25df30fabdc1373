"""A measured I-V curve as data: the knots of a law, and how a netlist spells it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Self

import numpy as np

from diodeq.arrays import is_finite
from diodeq.devices.curve.law import Curves, CurveTable, Pieces
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.diode.temperature import ZERO_CELSIUS
from diodeq.devices.entries import demand_known, demand_table, shared
from diodeq.devices.original import checked, is_plain
from diodeq.devices.ratings import UNRATED, Ratings
from diodeq.devices.two_pin import PINS, Spelling
from diodeq.errors import InputError
from diodeq.spice.numbers import shortest

MOST = 10_000
"""Knots of one curve."""
LARGEST = 1e9
"""Volts and amperes of a knot."""
GMIN = 1e-12
"""S beside a curve in a netlist, as beside a junction."""


@dataclass(frozen=True)
class CurveModel:
    """One measured curve: knots in volts, which rise, and in amperes, which do not fall, through 0 A at 0 V.

    Between knots it is a monotone cubic, beyond them straight, at every temperature the same, without a charge. The
    knot at 0 V is added where there is none. One that was measured in ngspice holds at one ``temperature`` (°C), and
    ``original`` is what was measured: the inside of a subcircuit. Raises `InputError` for what is no such curve.
    """

    name: str
    volts: tuple[float, ...]
    amperes: tuple[float, ...]
    source: str = ""
    description: str = ""
    temperature: float | None = None
    original: tuple[str, ...] = ()
    ratings: Ratings = field(default=UNRATED, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.search(r"[A-Za-z0-9]", self.name):
            raise InputError(f"a curve cannot be called {self.name!r}", "use a name with a letter or a digit")
        volts, amperes = (_numbers(self.name, key, getattr(self, key)) for key in ("volts", "amperes"))
        self._demand(len(volts) == len(amperes), "needs as many volts as amperes")
        self._demand(2 <= len(volts) <= MOST, f"has {len(volts)} points", f"give 2 to {MOST:,}")
        self._demand(all(a < b for a, b in pairwise(volts)), "has volts that do not rise", "sort its points")
        self._demand(all(a <= b for a, b in pairwise(amperes)), "has a current that falls", "import it from a CSV file")
        if 0.0 not in volts:
            at = sum(v < 0.0 for v in volts)
            volts, amperes = (*volts[:at], 0.0, *volts[at:]), (*amperes[:at], 0.0, *amperes[at:])
        rises = all(a * v >= 0.0 and (v != 0.0 or a == 0.0) for v, a in zip(volts, amperes, strict=True))
        self._demand(rises, "does not pass through 0 A at 0 V", "a part that gives power needs a source beside it")
        object.__setattr__(self, "volts", volts)
        object.__setattr__(self, "amperes", tuple(a + 0.0 for a in amperes))
        warm = self.temperature
        if warm is not None:
            self._demand(
                not isinstance(warm, bool) and isinstance(warm, (int, float)) and -ZERO_CELSIUS < warm < math.inf,
                f"has {warm!r} as its temperature",
            )
        try:
            object.__setattr__(self, "original", checked(self.original))
            self.pieces(0.0)
        except InputError as error:
            raise InputError(f"curve {self.name}: {error.problem}", error.remedy) from None

    def _demand(self, holds: bool, what: str, remedy: str = "compare `diodeq devices show NAME --json`") -> None:
        if not holds:
            raise InputError(f"curve {self.name} {what}", remedy)

    @property
    def spice_name(self) -> str:
        """The name of its subcircuit: ``curve_`` and the name in ``[a-z0-9_]``."""
        return "curve_" + re.sub(r"[^a-z0-9_]", "_", self.name.lower())

    @property
    def carrier(self) -> str:
        """Its one source."""
        return "b1"

    @property
    def diodes(self) -> tuple[DiodeModel, ...]:
        """None."""
        return ()

    def card(self) -> list[tuple[str, float]]:
        """(NAME, value) of every knot, V1, I1, V2, …: all that decides the law."""
        knots = enumerate(zip(self.volts, self.amperes, strict=True), 1)
        return [pair for k, (v, i) in knots for pair in ((f"V{k}", v), (f"I{k}", i))]

    def at_rest(self) -> Self:
        """The curve itself: it stores nothing."""
        return self

    def pieces(self, gmin: float) -> Pieces:
        """The polynomials of its law."""
        return Pieces.of(np.array(self.volts), np.array(self.amperes), gmin)

    def inside(self, spelling: Spelling) -> list[str]:
        """What was measured, where that can be printed; else the source of its current: the cubics themselves, found
        by halving."""
        if self.original and (spelling.originals == "any" or (spelling.originals and is_plain(self.original))):
            return list(self.original)
        pieces, across = self.pieces(GMIN), f"v({','.join(PINS)})"
        columns = (pieces.anchor, pieces.offset, pieces.first, pieces.second, pieces.third)
        leaves = [_polynomial(across, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
        text = spelling.whole.format(_halved(spelling.choose, across, pieces.knots.tolist(), leaves))
        return f"{self.carrier} {' '.join(PINS)} {text}".replace("\n", "\n+ ").split("\n")

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` turns back into an equal model."""
        return {
            "kind": "curve",
            "name": self.name,
            "volts": list(self.volts),
            "amperes": list(self.amperes),
            "source": self.source,
            "description": self.description,
            **({} if self.temperature is None else {"temperature": self.temperature}),
            **({"original": list(self.original)} if self.original else {}),
            **self.ratings.entry(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The model described by `to_json`'s dict; raises `InputError` if it is not one."""
        demand_table(document, "curve", "import one with `diodeq devices import FILE.csv --name NAME`")
        name = document.get("name")
        demand_known(document, "curve", [each.name for each in fields(cls)])
        for key in ("volts", "amperes"):
            if not isinstance(document.get(key), list):
                raise InputError(f"curve {name!r} has no list of {key}", f"add one, as in {key} = [-1.0, 0.0, 1.0]")
        original = document.get("original", [])
        if not isinstance(original, list):
            raise InputError(f"the original of curve {name!r} is not a list of lines", "leave it out")
        said = shared(document, "curve")
        volts, amperes = tuple(document["volts"]), tuple(document["amperes"])
        warm = document.get("temperature")
        return cls(volts=volts, amperes=amperes, temperature=warm, original=tuple(original), **said)

    @classmethod
    def laws(cls, models: Sequence[Self], temperature: float, gmin: float = GMIN) -> Curves:
        """One one-port for each model; a curve is declared to be the same at every ``temperature`` (°C), unless it was
        measured at one."""
        if not 0.0 <= gmin < math.inf:
            raise InputError(f"gmin = {gmin} S is not a conductance", "give a finite value of at least 0")
        if not is_finite(temperature):
            raise InputError(f"a temperature of {temperature} °C is not finite", "give degrees Celsius")
        for model in models:
            if model.temperature not in (None, temperature):
                raise InputError(
                    f"{model.name} was measured at {model.temperature:g} °C and says nothing about {temperature:g} °C",
                    "measure it there: `diodeq devices measure --temperature`",
                )
        return Curves(CurveTable.of([model.pieces(gmin) for model in models], gmin), np.arange(len(models)))


def _numbers(name: str, key: str, given: Sequence[float]) -> tuple[float, ...]:
    if len(given) > MOST:
        raise InputError(f"curve {name} has {len(given):,} points", f"give 2 to {MOST:,}")
    for value in given:
        number = not isinstance(value, bool) and isinstance(value, (int, float, np.floating))
        if not (number and is_finite(value) and abs(value) <= LARGEST):
            raise InputError(
                f"curve {name} has {value!r} among its {key}", f"every one must be a number of at most {LARGEST:g}"
            )
    return tuple(map(float, given))


def _polynomial(across: str, anchor: float, *coefficients: float) -> str:
    t = across if anchor == 0.0 else f"({across}{'-' if anchor > 0.0 else '+'}{shortest(abs(anchor))})"
    given = list(coefficients)
    while len(given) > 2 and given[-1] == 0.0:
        given.pop()
    text = shortest(given.pop())
    while given:
        text = f"{shortest(given.pop())}+{t}*({text})"
    return text


def _halved(choose: str, across: str, knots: Sequence[float], leaves: Sequence[str]) -> str:
    """One of the leaves, k of which lies below knot k: as many questions as the logarithm of their number."""
    if len(leaves) == 1:
        return f"\n{leaves[0]}"
    middle = len(leaves) // 2
    return choose.format(
        left=across,
        right=shortest(knots[middle - 1]),
        yes=_halved(choose, across, knots[: middle - 1], leaves[:middle]),
        no=_halved(choose, across, knots[middle:], leaves[middle:]),
    )
