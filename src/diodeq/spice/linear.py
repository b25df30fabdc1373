"""A constant plus multiples of voltages and currents: what an expression of a controlled source may be, exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from diodeq.errors import InputError

# A voltage between two nodes, or the current of a source, as ("v", plus, minus) and ("i", source).
Quantity = tuple[str, ...]


@dataclass(frozen=True)
class Linear:
    """``constant`` in volts or amperes, and by quantity the factor before it."""

    constant: float = 0.0
    terms: Mapping[Quantity, float] = field(default_factory=dict)

    def __add__(self, other: Linear | float) -> Linear:
        more = _linear(other)
        terms = dict(self.terms)
        for quantity, factor in more.terms.items():
            terms[quantity] = terms.get(quantity, 0.0) + factor
        return Linear(self.constant + more.constant, terms)

    __radd__ = __add__

    def __neg__(self) -> Linear:
        return self * -1.0

    def __sub__(self, other: Linear | float) -> Linear:
        return self + -other

    def __rsub__(self, other: Linear | float) -> Linear:
        return -self + other

    def __mul__(self, other: Linear | float) -> Linear:
        if isinstance(other, Linear):
            raise not_linear("a product of voltages or currents")
        return Linear(self.constant * other, {key: factor * other for key, factor in self.terms.items()})

    __rmul__ = __mul__

    def __truediv__(self, other: Linear | float) -> Linear:
        if isinstance(other, Linear):
            raise not_linear("a division by a voltage or a current")
        return Linear(self.constant / other, {key: factor / other for key, factor in self.terms.items()})

    def __rtruediv__(self, other: float) -> Linear:
        raise not_linear("a division by a voltage or a current")

    @property
    def finite(self) -> bool:
        return math.isfinite(self.constant) and all(map(math.isfinite, self.terms.values()))


def _linear(value: Linear | float) -> Linear:
    return value if isinstance(value, Linear) else Linear(value)


def not_linear(what: str) -> InputError:
    """The refusal of ``what``, which makes an expression more than a sum of multiples."""
    return InputError(
        f"{what} is not linear",
        "a circuit holds sums of multiples of V(…) and I(…); draw what is nonlinear as resistors and diodes",
    )
