"""Knobs: which values of a circuit training turns, and the parameters θ that stand for them.

Conductances are always among them (those marked trainable); turns ratios, gyration conductances and buffer gains if
asked for. θ is float64[n]: the trainable conductances in the recipe's space, then the other kinds' values. In
log-conductance the others are logarithms of magnitudes too, so their signs stay and a zero stays zero.

Where the technology has only certain values, θ stays continuous: the circuit gets the nearest values, and the gradient
found there moves θ as if they were its own (the straight-through estimator; Bengio et al., arXiv:1308.3432).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices.technology import Technology
from diodeq.learning.rules.base import Gradient
from diodeq.learning.updates import SPACES

# What an option calls them, and the bank they are in.
OTHERS: dict[str, str] = {"turns": "transformers", "gyration": "gyrators", "gains": "buffers"}


@dataclass(frozen=True)
class Knobs:
    """The knobs of any circuit, for a space of ``SPACES``, a technology, and names of ``OTHERS``."""

    space: str
    technology: Technology
    also: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The banks other than resistors whose values are turned."""
        return tuple(OTHERS[name] for name in self.also)

    def read(self, circuit: Circuit) -> Floats:
        """θ of a circuit, its conductances brought within the technology's range."""
        conductances = self.technology.clip(_trainable(circuit))
        others = [circuit.bank(kind).values for kind in self.kinds]
        if self.space == "log-conductance":
            others = [np.log(np.abs(np.where(values == 0, 1.0, values))) for values in others]
        return _joined(SPACES[self.space].enter(conductances), others)

    def turn(self, circuit: Circuit, parameters: Floats) -> Circuit:
        """The circuit with its knobs at ``parameters``; ``circuit`` gives everything else, and signs."""
        count = int(np.count_nonzero(circuit.mask))
        conductances = self.technology.project(SPACES[self.space].leave(parameters[:count]))
        if count < len(circuit.mask):
            trained, conductances = conductances, circuit.conductances.copy()
            conductances[circuit.mask] = trained
        conductances.flags.writeable = False  # it is nobody else's: no need for the circuit to copy it
        turned = circuit.with_conductances(conductances)
        for kind, values in self._split(circuit, parameters[count:]):
            if self.space == "log-conductance":
                values = np.sign(circuit.bank(kind).values) * np.exp(values)
            turned = turned.with_values(kind, values)
        return turned

    def pull(self, circuit: Circuit, gradient: Gradient) -> Floats:
        """dℓ/dθ from the gradient with respect to values, at ``circuit``."""
        conductances = _trainable(circuit)
        others = [gradient.others[kind] for kind in self.kinds]
        if self.space == "log-conductance":
            others = [found * circuit.bank(kind).values for kind, found in zip(self.kinds, others, strict=True)]
        return _joined(SPACES[self.space].pull(gradient.conductances, conductances), others)

    def bound(self, circuit: Circuit, parameters: Floats) -> Floats:
        """θ with the conductances within the technology's range."""
        count = int(np.count_nonzero(circuit.mask))
        low, high = SPACES[self.space].enter(np.array([self.technology.low, self.technology.high]))
        return _joined(np.clip(parameters[:count], low, high), [parameters[count:]])

    def _split(self, circuit: Circuit, values: Floats) -> list[tuple[str, Floats]]:
        lengths = [len(circuit.bank(kind)) for kind in self.kinds]
        return list(zip(self.kinds, np.split(values, np.cumsum(lengths)[:-1]), strict=True)) if lengths else []


def _trainable(circuit: Circuit) -> Floats:
    """The trainable conductances; not copied where all of them are."""
    return circuit.conductances if circuit.mask.all() else circuit.conductances[circuit.mask]


def _joined(first: Floats, others: list[Floats]) -> Floats:
    return np.concatenate([first, *others]) if sum(map(len, others)) else first
