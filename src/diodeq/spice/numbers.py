"""Numbers as SPICE writes them: ``2.52n``, ``4MEG``, ``10uF``."""

from __future__ import annotations

import math
import re

from diodeq.errors import InputError

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

LONGEST_EXPONENT = 6

# The longer of two that fit is meant. M is milli in every SPICE.
SUFFIXES: dict[str, float] = {
    "meg": 1e6,
    "mil": 25.4e-6,
    "t": 1e12,
    "g": 1e9,
    "k": 1e3,
    "m": 1e-3,
    "u": 1e-6,
    "µ": 1e-6,
    "μ": 1e-6,
    "n": 1e-9,
    "p": 1e-12,
    "f": 1e-15,
}


def number(word: str) -> float:
    """The value of a number with an optional suffix and unit.

    Raises:
        InputError: no number, not finite, or one that simulators read differently (``4k7``, ``1a``, ``1x``).
    """
    if (plain := word[-1:]).isascii() and (plain.isdigit() or plain == ".") and "_" not in word:
        try:
            value = float(word)
        except ValueError:
            pass
        else:
            return _finite(word, value)
    matched = NUMBER.match(word)
    if matched is None:
        raise InputError(f"{shown(word)} is not a number", "write a number such as 4.7k or 2.52e-9")
    letters = word[matched.end() :].lower()
    if not letters.isalpha():
        remedy = "write 4k7 as 4.7k: LTspice reads 4.7k there and ngspice 4k" if letters else "write it in digits"
        raise InputError(f"{shown(word)} is not a number that all simulators read alike", remedy)
    if letters[0] in "ax":
        raise InputError(
            f"{shown(word)} ends in {letters!r}, which some simulators read as a factor and others as a unit",
            "write the number with an exponent, as in 1e-18",
        )
    digits = matched[0]
    scale = SUFFIXES.get(suffix_of(letters), 1.0)
    # 2.52n is the double nearest to 2.52e-9, which 2.52 * 1e-9 is not; a mil is no power of ten.
    power = round(math.log10(scale))
    if math.isclose(10.0**power, scale, rel_tol=1e-9):
        mantissa, _, exponent = digits.lower().partition("e")
        if len(exponent) > LONGEST_EXPONENT:
            raise InputError(f"{shown(word)} has too long an exponent", "write a finite number")
        return _finite(word, float(f"{mantissa}e{int(exponent or 0) + power}"))
    return _finite(word, float(digits) * scale)


def suffix_of(letters: str) -> str:
    """Which of ``SUFFIXES`` small letters behind a number begin with; none where it is a unit alone."""
    return next((suffix for suffix in SUFFIXES if letters.startswith(suffix)), "")


def shown(word: str) -> str:
    """The word in quotes, shortened: it comes from a stranger's file."""
    return repr(word if len(word) <= 40 else word[:37] + "...")


def _finite(word: str, value: float) -> float:
    if not math.isfinite(value):
        raise InputError(f"{shown(word)} is too large", "write a finite number")
    return value


def shortest(value: float) -> str:
    """The fewest digits that read back to the same number, as in 1, 0.1 and 1e-07."""
    return repr(float(value)).removesuffix(".0")
