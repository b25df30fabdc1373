"""Activations: each is the resolvent ``σ = (I + F)⁻¹`` of a monotone element law F, so a circuit element can be it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.errors import InputError
from diodeq.network.resolvents import ELEMENTS, Element

Floats = NDArray[np.float64]

# name -> (what its parameter is, its default); activations without a parameter have None.
ACTIVATIONS: dict[str, tuple[str, float] | None] = {
    "identity": None,
    "relu": None,
    "leaky-relu": ("slope below zero", 0.01),
    "hard-tanh": ("limit", 1.0),
    "soft-threshold": ("threshold", 0.5),
    "asinh": ("scale", 1.0),
    "diode-relu": ("thermal voltage n V_T in network units", 0.05),
}


@dataclass(frozen=True)
class Activation:
    """A named activation and its parameter (0 where it has none), written ``name`` or ``name:parameter``.

    The formulas are those of ``diodeq.network.resolvents``. Every activation is non-decreasing and 1-Lipschitz, and
    maps 0 to 0.

    Raises:
        InputError: the name is unknown or the parameter is outside its range: (0, 1] for leaky-relu, positive and
            finite for the others that have one.
    """

    name: str
    parameter: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in ACTIVATIONS:
            raise InputError(f"there is no activation {self.name!r}", f"use one of {', '.join(ACTIVATIONS)}")
        spec, value = ACTIVATIONS[self.name], self.parameter
        if spec is None:
            if value != 0.0:
                raise InputError(f"activation {self.name} has no parameter, {value:g} is given", f"write {self.name}")
        elif not 0.0 < value < math.inf:
            raise InputError(f"the {spec[0]} of {self.name} is {value:g}", "give a positive finite number")
        elif self.name == "leaky-relu" and value > 1.0:
            raise InputError(f"the {spec[0]} of leaky-relu is {value:g}", "give a number above 0 and at most 1")

    @staticmethod
    def parse(text: str) -> Activation:
        """The activation written as ``name`` or ``name:parameter``; raises ``InputError`` when there is none."""
        name, colon, number = text.strip().lower().partition(":")
        if name not in ACTIVATIONS:
            raise InputError(f"there is no activation {text!r}", f"use one of {', '.join(ACTIVATIONS)}")
        spec = ACTIVATIONS[name]
        if spec is None:
            if colon:
                raise InputError(f"activation {name} has no parameter, {text!r} gives one", f"write {name}")
            return Activation(name)
        try:
            return Activation(name, float(number) if colon else spec[1])
        except ValueError:
            raise InputError(f"activation {text!r} does not give a number", f"write {name}:{spec[1]:g}") from None

    def __str__(self) -> str:
        if ACTIVATIONS[self.name] is None:
            return self.name
        short = f"{self.parameter:g}"
        return f"{self.name}:{short if float(short) == self.parameter else repr(float(self.parameter))}"

    @property
    def element(self) -> Element:
        """The element law F behind the activation."""
        return ELEMENTS[self.name]

    def __call__(self, x: ArrayLike) -> Floats:
        """σ(x) = (I + F)⁻¹ x, entrywise; any shape."""
        return self.resolvent(x, 1.0)

    def slope(self, x: ArrayLike) -> Floats:
        """σ'(x), entrywise, between 0 and 1; at a kink, that of the side where the element conducts."""
        return self.element.resolvent(real("the values", x), 1.0, self.parameter)[1]

    def resolvent(self, x: ArrayLike, alpha: float) -> Floats:
        """(I + αF)⁻¹ x, entrywise, for a step α > 0: what operator splitting needs."""
        return self.element.resolvent(real("the values", x), alpha, self.parameter)[0]
