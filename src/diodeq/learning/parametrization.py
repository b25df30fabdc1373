"""The parametrization: which values of a circuit training changes, and the parameters θ that stand for them.

Conductances are always among them (those marked trainable); turns ratios, gyration conductances and buffer gains if
asked for. θ is float64[n]: the trainable conductances in the recipe's space, then the other kinds' values. In
log-conductance the others are logarithms of magnitudes too, so their signs stay and a zero stays zero.

Where the technology has only certain values, θ stays continuous: the circuit gets the nearest values, and the gradient
found there moves θ as if they were its own (the straight-through estimator; Bengio et al., arXiv:1308.3432).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import SimulationError
from diodeq.learning.rules.base import Gradient
from diodeq.learning.updates import SPACES, State, Update, fastest_move, move
from diodeq.processors import share, slices

# Parameters moved together: their working arrays stay in cache. Of more, threads and numba (where it is) make a change.
BLOCK = 1 << 16
# What an option calls them, and the bank they are in.
OTHERS: dict[str, str] = {"turns": "transformers", "gyration": "gyrators", "gains": "buffers"}


@dataclass(frozen=True)
class Parametrization:
    """The parametrization of any circuit, for a space of ``SPACES``, a technology, and names of ``OTHERS``."""

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
        """The circuit with its values at ``parameters``; ``circuit`` gives everything else, and signs."""
        count = int(np.count_nonzero(circuit.mask))
        conductances = self.technology.project(SPACES[self.space].leave(parameters[:count]))
        return self._turned(circuit, conductances, parameters[count:])

    def scaled(self, circuit: Circuit, parameters: Floats, factor: float) -> Floats:
        """θ of the same circuit with its conductances times ``factor``, within the technology's range."""
        found, space = parameters.copy(), SPACES[self.space]
        trained = found[: int(np.count_nonzero(circuit.mask))]
        trained[:] = space.enter(self.technology.clip(space.leave(trained) * factor))
        return found

    def step(
        self, circuit: Circuit, gradient: Gradient, update: Update, parameters: Floats, state: State
    ) -> tuple[Circuit, State]:
        """Follow the gradient found at ``circuit``: the circuit after it, its conductances within the technology's
        range, and the update's state. ``parameters`` and the arrays of ``state`` are overwritten.

        Raises:
            SimulationError: the gradient is not finite.
        """
        old = _trainable(circuit)
        turned = np.empty_like(old)
        space, technology = SPACES[self.space], self.technology
        low, high = space.enter(np.array([technology.low, technology.high])).tolist()
        blocks = slices(len(old), BLOCK)
        moved = fastest_move() if len(blocks) > 1 else move

        def follow(where: slice) -> None:
            slots, theta = tuple(slot[where] for slot in state.slots), parameters[where]
            pulled = gradient.conductances[where], old[where]
            _demand_finite(moved(update, space.pull, *pulled, slots, state.steps, theta, low, high))
            turned[where] = technology.project(space.leave(theta))

        share(follow, blocks)
        others = slice(len(old), len(parameters))
        if self.kinds:
            slots, theta = tuple(slot[others] for slot in state.slots), parameters[others]
            pulled = (
                np.concatenate([gradient.others[kind] for kind in self.kinds]),
                np.concatenate([circuit.bank(kind).values for kind in self.kinds]),
            )
            _demand_finite(move(update, space.pull, *pulled, slots, state.steps, theta, -math.inf, math.inf))
        return self._turned(circuit, turned, parameters[others]), State(state.steps + 1, state.slots)

    def _turned(self, circuit: Circuit, conductances: Floats, others: Floats) -> Circuit:
        """The circuit with these trainable conductances, an array that is nobody else's, and these θ of the others."""
        if len(conductances) < len(circuit.mask):
            trained, conductances = conductances, circuit.conductances.copy()
            conductances[circuit.mask] = trained
        conductances.flags.writeable = False  # so the circuit need not copy it
        turned = circuit.with_conductances(conductances)
        for kind, values in self._split(circuit, others):
            if self.space == "log-conductance":
                values = np.sign(circuit.bank(kind).values) * np.exp(values)
            turned = turned.with_values(kind, values)
        return turned

    def _split(self, circuit: Circuit, values: Floats) -> list[tuple[str, Floats]]:
        lengths = [len(circuit.bank(kind)) for kind in self.kinds]
        return list(zip(self.kinds, np.split(values, np.cumsum(lengths)[:-1]), strict=True)) if lengths else []


def _demand_finite(finite: bool) -> None:
    if not finite:
        raise SimulationError("the gradient is not a number", "lower the rate or the volts")


def _trainable(circuit: Circuit) -> Floats:
    """The trainable conductances; not copied where all of them are."""
    return circuit.conductances if circuit.mask.all() else circuit.conductances[circuit.mask]


def _joined(first: Floats, others: list[Floats]) -> Floats:
    return np.concatenate([first, *others]) if sum(map(len, others)) else first
