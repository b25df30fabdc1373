"""Activations: each is the resolvent ``σ = (I + F)⁻¹`` of a monotone element law F, so a circuit element can be it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.devices import Model, elements
from diodeq.devices.elements import ActivationElement
from diodeq.errors import InputError
from diodeq.network import resolvents
from diodeq.network.resolvents import ElementLaw

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ActivationKind:
    """All that is known of the activations of one name.

    Args:
        law: the mathematics of the element law F.
        element: the element that has this law, for a parameter; None where no element has it as it is.
        parameter: what the parameter is and its default; None where there is none.
        largest: that the parameter may be.
        real: the element where the diode to build with is a real one, if that is another.
    """

    law: ElementLaw
    element: Callable[[float], ActivationElement] | None
    parameter: tuple[str, float] | None = None
    largest: float = math.inf
    real: Callable[[float], ActivationElement] | None = None


ACTIVATIONS: dict[str, ActivationKind] = {
    "identity": ActivationKind(ElementLaw(resolvents.identity, pieces=True), elements.identity),
    "relu": ActivationKind(ElementLaw(resolvents.relu, pieces=True), elements.relu),
    "leaky-relu": ActivationKind(
        ElementLaw(resolvents.leaky_relu, pieces=True), elements.leaky_relu, ("slope below zero", 0.01), 1.0
    ),
    "hard-tanh": ActivationKind(ElementLaw(resolvents.hard_tanh, pieces=True), elements.hard_tanh, ("limit", 1.0)),
    "soft-threshold": ActivationKind(
        ElementLaw(resolvents.soft_threshold, pieces=True),
        elements.softened_threshold,
        ("threshold", 0.5),
        real=elements.soft_threshold,
    ),
    "asinh": ActivationKind(ElementLaw(resolvents.asinh, strength=1.0), elements.asinh, ("scale", 1.0)),
    # A real diode is a diode-relu as it is, at the right volts per unit and bias.
    "diode-relu": ActivationKind(
        ElementLaw(resolvents.diode_relu),
        elements.diode_relu,
        ("thermal voltage n V_T in network units", 0.05),
        real=elements.relu,
    ),
    "tanh": ActivationKind(ElementLaw(resolvents.tanh), elements.tanh, real=elements.tanh_generator),
    "elu": ActivationKind(ElementLaw(resolvents.elu), elements.elu, ("scale below zero", 1.0), 1.0),
    # The compiler makes a tanh of it and scales: see ``synthesis.halves``.
    "sigmoid": ActivationKind(ElementLaw(resolvents.sigmoid, strength=3.0), None),
}


@dataclass(frozen=True)
class Activation:
    """A named activation and its parameter (0 where it has none), written ``name`` or ``name:parameter``.

    The formulas are those of ``diodeq.network.resolvents``. Every activation is non-decreasing and 1-Lipschitz, and all
    but sigmoid map 0 to 0.

    Raises:
        InputError: the name is unknown or the parameter is outside its range: (0, 1] for leaky-relu and elu, positive
            and finite for the others that have one.
    """

    name: str
    parameter: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in ACTIVATIONS:
            raise InputError(f"there is no activation {self.name!r}", f"use one of {', '.join(ACTIVATIONS)}")
        spec, value = self.kind.parameter, self.parameter
        if spec is None:
            if value != 0.0:
                raise InputError(f"activation {self.name} has no parameter, {value:g} is given", f"write {self.name}")
        elif not 0.0 < value < math.inf:
            raise InputError(f"the {spec[0]} of {self.name} is {value:g}", "give a positive finite number")
        elif value > self.kind.largest:
            raise InputError(
                f"the {spec[0]} of {self.name} is {value:g}", f"give a number above 0 and at most {self.kind.largest:g}"
            )

    @staticmethod
    def parse(text: str) -> Activation:
        """The activation written as ``name`` or ``name:parameter``; raises ``InputError`` when there is none."""
        name, colon, number = text.strip().lower().partition(":")
        if name not in ACTIVATIONS:
            raise InputError(f"there is no activation {text!r}", f"use one of {', '.join(ACTIVATIONS)}")
        spec = ACTIVATIONS[name].parameter
        if spec is None:
            if colon:
                raise InputError(f"activation {name} has no parameter, {text!r} gives one", f"write {name}")
            return Activation(name)
        try:
            return Activation(name, float(number) if colon else spec[1])
        except ValueError:
            raise InputError(f"activation {text!r} does not give a number", f"write {name}:{spec[1]:g}") from None

    def __str__(self) -> str:
        if self.kind.parameter is None:
            return self.name
        short = f"{self.parameter:g}"
        return f"{self.name}:{short if float(short) == self.parameter else repr(float(self.parameter))}"

    @property
    def kind(self) -> ActivationKind:
        """What is known of all activations of this name."""
        return ACTIVATIONS[self.name]

    @property
    def law(self) -> ElementLaw:
        """The element law F behind the activation."""
        return self.kind.law

    def element(self, diode: Model | None = None) -> ActivationElement:
        """The element that computes it, built with ``diode`` (None: a nearly ideal one).

        Raises:
            InputError: no element computes it.
        """
        real = diode is not None and not elements.nearly_ideal(diode)
        make = self.kind.real if real and self.kind.real else self.kind.element
        if make is None:
            raise InputError(f"no element computes the activation {self.name!r}", "compile its network")
        return make(self.parameter)

    def __call__(self, x: ArrayLike) -> Floats:
        """σ(x) = (I + F)⁻¹ x, entrywise; any shape."""
        return self.resolvent(x, 1.0)

    def slope(self, x: ArrayLike) -> Floats:
        """σ'(x), entrywise, between 0 and 1; at a kink, that of the side where the element conducts."""
        return self.law.resolvent(real("the values", x), 1.0, self.parameter)[1]

    def resolvent(self, x: ArrayLike, alpha: float) -> Floats:
        """(I + αF)⁻¹ x, entrywise, for a step α > 0: what operator splitting needs."""
        return self.law.resolvent(real("the values", x), alpha, self.parameter)[0]
