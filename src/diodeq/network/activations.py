"""Activations: each is the resolvent ``σ = (I + F)⁻¹`` of a monotone element law F, so a circuit element can be it."""

from __future__ import annotations

from dataclasses import dataclass

from diodeq.errors import InputError

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
    """A named activation and its parameter (0 where it has none), written ``name`` or ``name:parameter``."""

    name: str
    parameter: float = 0.0

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
        return self.name if ACTIVATIONS[self.name] is None else f"{self.name}:{self.parameter:g}"
