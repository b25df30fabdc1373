"""Ratings: the most a part may be asked for, as its data sheet says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from diodeq.arrays import is_finite
from diodeq.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limit:
    """What one rating limits: in words, its unit, and ``asked(volts, amperes)``: what a part is asked for at voltages
    of its first terminal against the second and currents into the first, arrays of any shape."""

    words: str
    unit: str
    asked: Callable[[Floats, Floats], Floats]


LIMITS: dict[str, Limit] = {
    "reverse_volts": Limit("reverse voltage", "V", lambda v, i: -v),
    "forward_amperes": Limit("forward current", "A", lambda v, i: i),
    "volts": Limit("voltage", "V", lambda v, i: np.abs(v)),
    "amperes": Limit("current", "A", lambda v, i: np.abs(i)),
    "watts": Limit("power", "W", lambda v, i: v * i),
}


@dataclass(frozen=True)
class Ratings:
    """The most a part may be asked for, all the time and at room temperature; infinite where nothing is known.

    Raises `InputError` for a rating that is not a positive number.
    """

    reverse_volts: float = math.inf
    forward_amperes: float = math.inf
    volts: float = math.inf
    amperes: float = math.inf
    watts: float = math.inf
    source: str = ""

    def __post_init__(self) -> None:
        for name in LIMITS:
            value = getattr(self, name)
            number = not isinstance(value, bool) and isinstance(value, (int, float))
            if not number or not (value == math.inf or (is_finite(value) and value > 0.0)):
                raise InputError(
                    f"the rating {name} = {value!r} is not a positive number", "correct it, or leave it out"
                )
        if not isinstance(self.source, str):
            raise InputError("the source of ratings is not text", "put it in quotes")

    def known(self) -> dict[str, float]:
        """Those that limit anything, by name."""
        return {name: getattr(self, name) for name in LIMITS if getattr(self, name) < math.inf}

    def parallel(self, count: float) -> Self:
        """Of so many such parts side by side."""
        currents = ("forward_amperes", "amperes", "watts")
        return replace(self, **{name: count * getattr(self, name) for name in currents})

    def entry(self) -> dict[str, Any]:
        """The entry ``ratings`` of a part's ``to_json``, or none where nothing is known."""
        known = self.known()
        return {"ratings": {**known, **({"source": self.source} if self.source else {})}} if known else {}

    @classmethod
    def from_entry(cls, document: Mapping[str, Any], name: object) -> Self:
        """Those of a part's table; raises `InputError` if it has others."""
        found = document.get("ratings", {})
        if not isinstance(found, Mapping):
            raise InputError(f"the ratings of {name!r} are no table", "write for example { reverse_volts = 75.0 }")
        unknown = sorted(set(map(str, found)) - {*LIMITS, "source"})
        if unknown:
            raise InputError(f"{name!r} has the unknown rating {unknown[0]!r}", f"known are {', '.join(LIMITS)}")
        try:
            return cls(**found)
        except InputError as error:
            raise InputError(f"{name!r}: {error.problem}", error.remedy) from None


UNRATED = Ratings()
