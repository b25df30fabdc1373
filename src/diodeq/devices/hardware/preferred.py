"""Preferred values of resistors: the E series of IEC 60063.

E48, E96 and E192 are the rounded powers of 10^(1/192), with the standard's one exception (920 for 919); E6, E12 and E24
are older and do not follow the formula everywhere, so they are listed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import UsageError

Floats = NDArray[np.float64]

# Chip resistors are ordinary in this range (thick film, 0603, 1 %: 1 Ω to 10 MΩ, Yageo RC series data sheet).
LOWEST, HIGHEST = 1.0, 10e6

_E24 = (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91)
_E192 = tuple(920 if k == 185 else round(100 * 10 ** (k / 192)) for k in range(192))

# Significant digits of one decade, as whole numbers.
SERIES: dict[str, tuple[int, ...]] = {
    "E3": _E24[::8],
    "E6": _E24[::4],
    "E12": _E24[::2],
    "E24": _E24,
    "E48": _E192[::4],
    "E96": _E192[::2],
    "E192": _E192,
}


def find(name: str) -> str | None:
    """The series' name in its own spelling, or None if there is no such series."""
    return name.upper() if name.upper() in SERIES else None


def series_of(ohms: Floats) -> str:
    """The series of fewest values that has all of some resistances float64[n]; "" where none has, or there are none."""
    if not (len(ohms) and np.isfinite(ohms).all() and np.all(ohms > 0.0)):
        return ""
    for series in SERIES:
        found = values(series, ohms.min() / 10.0, ohms.max() * 10.0)
        nearest = found[np.searchsorted(np.sqrt(found[1:] * found[:-1]), ohms)]
        if np.allclose(nearest, ohms, rtol=1e-9, atol=0.0):
            return series
    return ""


def values(series: str, lowest: float, highest: float) -> Floats:
    """The preferred values from ``lowest`` to ``highest`` ohms, both included, ascending; float64[n].

    Raises:
        UsageError: the range is empty or not positive.
    """
    if not 0.0 < lowest < highest < math.inf:
        raise UsageError(f"resistors from {lowest:g} to {highest:g} ohm are not possible", "give 0 < lowest < highest")
    digits = SERIES[series]
    power = len(str(digits[0])) - 1
    decades = range(math.floor(math.log10(lowest)) - 1, math.floor(math.log10(highest)) + 2)
    # Divided, not multiplied by a negative power: 4.7 is then the double that "4.7" reads as.
    ohms = np.array(
        [digit * 10.0**e if (e := d - power) >= 0 else digit / 10.0**-e for d in decades for digit in digits]
    )
    found: Floats = ohms[(ohms >= lowest * (1 - 1e-12)) & (ohms <= highest * (1 + 1e-12))]
    return found
