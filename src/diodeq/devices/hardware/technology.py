"""What the hardware can do: the conductances it can hold, its supply, its diode, and how it deviates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.devices.hardware.ladder import Ladder, ladder
from diodeq.devices.hardware.variation import Variation
from diodeq.documents import toml
from diodeq.errors import UsageError


@dataclass(frozen=True)
class Technology:
    """The limits a circuit is built and trained within, and the spread it is built with.

    ``low`` and ``high`` bound every trainable conductance in siemens, ``levels`` says which values a resistor can take
    (a word of ``ladder.py``; "": any) and narrows the range to their ends, ``volts`` the amplitude that
    stands for 1, ``supply`` the highest voltage of the hardware in volts (infinite: not limited), ``diode`` the name of
    a part of the catalogue, ``variation`` how boards differ. ``name``, ``description`` and ``source`` are those of a
    preset.

    Raises:
        UsageError: the range is empty, a limit is not positive, or there are no such levels.
    """

    low: float = 1e-7
    high: float = 1e-2
    levels: str = ""
    volts: float = 5.0
    supply: float = math.inf
    diode: str = "1N4148"
    variation: Variation = field(default_factory=Variation)
    name: str = ""
    description: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.low < self.high < math.inf:
            raise UsageError(
                f"the conductance range {self.low:g} … {self.high:g} S is empty or not positive", "give 0 < low < high"
            )
        if not (math.isfinite(self.volts) and self.volts > 0.0):
            raise UsageError(f"an amplitude of {self.volts:g} V is not possible", "give a positive number of volts")
        if not self.supply > 0.0:
            raise UsageError(f"a supply of {self.supply:g} V is not possible", "give a positive number of volts")
        if self.ladder is not None:
            object.__setattr__(self, "low", self.ladder.low)
            object.__setattr__(self, "high", self.ladder.high)

    @cached_property
    def ladder(self) -> Ladder | None:
        """The values within the range that a resistor can take, or None where it can take any."""
        return ladder(self.levels, self.low, self.high) if self.levels else None

    def clip(self, conductances: ArrayLike) -> NDArray[np.float64]:
        """The nearest conductances within the range, float64 of the same shape, in siemens."""
        return np.clip(real("the conductances", conductances), self.low, self.high)

    def project(self, conductances: ArrayLike) -> NDArray[np.float64]:
        """The nearest conductances the hardware can hold, float64 of the same shape, in siemens."""
        return self.clip(conductances) if self.ladder is None else self.ladder.project(conductances)


def get(name: str) -> Technology:
    """The preset called ``name``, in any case; raises `UsageError` with the nearest name if there is none."""
    known = presets()
    if name.casefold() not in known:
        near = get_close_matches(name.casefold(), known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no technology called {name!r}", f"{hint}use one of {', '.join(known)}")
    return known[name.casefold()]


@cache
def presets() -> MappingProxyType[str, Technology]:
    """The packaged technologies by name, in their order."""
    tables = toml((files("diodeq.devices.hardware") / "technologies.toml").read_bytes())
    own = {each.name for each in fields(Technology)}
    return MappingProxyType(
        {
            name: Technology(
                name=name,
                variation=Variation(**{key: value for key, value in table.items() if key not in own}),
                **{key: value for key, value in table.items() if key in own},
            )
            for name, table in tables.items()
        }
    )


CERTIFIED = "certified:"


def variation_of(text: str) -> Variation:
    """The variation of the technology called ``text``, or the one that ``text`` spells (`Variation.parse`); after
    ``certified:`` with every resistor at the worst end of its tolerance, to first order what a certificate bounds.

    Raises:
        UsageError: it is neither.
    """
    if text.startswith(CERTIFIED):
        return Variation.parse(f"shape=worst,{text.removeprefix(CERTIFIED)}")
    return Variation.parse(text) if "=" in text else get(text).variation
