"""The functions that an expression may call: those that every deck has, and what a deck says of its own."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from diodeq.errors import InputError


class Function(NamedTuple):
    """A function that a deck defines: the names of its arguments, and its expression as text."""

    arguments: tuple[str, ...]
    text: str


def power(base: float, exponent: float) -> float:
    if base < 0.0 and exponent % 2.0:
        raise InputError(
            f"a power of the negative {base:g}, which simulators compute differently", "write it as products"
        )
    return math.pow(base, exponent)


def signed_power(base: float, exponent: float) -> float:
    if base < 0.0 or base == exponent == 0.0:
        raise InputError(
            f"pwr({base:g}, {exponent:g}), which simulators compute differently", "write it with pow or as products"
        )
    return math.pow(base, exponent)


def table(x: float, *points: float) -> float:
    """The value at ``x`` on straight lines through (x, y) points, and beyond them that of the first or the last."""
    places, values = points[0::2], points[1::2]
    if len(places) != len(values) or any(end <= start for start, end in pairwise(places)):
        raise InputError("a table whose points are no pairs, or do not rise", "write table(x, x1,y1, x2,y2, …)")
    at = bisect.bisect_right(places, x)
    if at in (0, len(places)):
        return values[max(at - 1, 0)]
    (start, end), (low, high) = places[at - 1 : at + 1], values[at - 1 : at + 1]
    return low + (high - low) * ((x - start) / (end - start))


# Only what ngspice and LTspice compute alike, or one of the two refuses; log is natural in both. Of 0 arguments are
# those that take any number of them.
FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "table": (0, table),
    "sqrt": (1, math.sqrt),
    "sqr": (1, lambda x: x * x),
    "exp": (1, math.exp),
    "ln": (1, math.log),
    "log": (1, math.log),
    "log10": (1, math.log10),
    "abs": (1, abs),
    "int": (1, math.trunc),
    "floor": (1, math.floor),
    "ceil": (1, math.ceil),
    "sgn": (1, lambda x: (x > 0.0) - (x < 0.0)),
    "sin": (1, math.sin),
    "cos": (1, math.cos),
    "tan": (1, math.tan),
    "asin": (1, math.asin),
    "acos": (1, math.acos),
    "atan": (1, math.atan),
    "arctan": (1, math.atan),
    "sinh": (1, math.sinh),
    "cosh": (1, math.cosh),
    "tanh": (1, math.tanh),
    "min": (2, min),
    "max": (2, max),
    "pow": (2, power),
    "pwr": (2, signed_power),
    "if": (3, lambda condition, yes, no: yes if condition else no),
    "ternary_fcn": (3, lambda condition, yes, no: yes if condition else no),
}
