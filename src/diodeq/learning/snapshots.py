"""Where a training stands: the parameters it has reached, and the circuit that they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, check
from diodeq.circuit.bank import Bools
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError, UsageError
from diodeq.learning.parametrization import Parametrization
from diodeq.learning.power import FIRST_WEIGHT
from diodeq.learning.recipe import Recipe
from diodeq.learning.schedules import SCHEDULES
from diodeq.learning.updates import UPDATES, State, Update
from diodeq.synthesis.pruning import without

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Partial:
    """Where an epoch stands of which ``done`` samples are learned: ``loss`` is the sum of theirs, ``outputs``
    float64[done, n_out] what they gave, ``random`` the state of the generator."""

    done: int
    loss: float
    outputs: Floats
    random: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that training needs to go on after ``epoch`` epochs and a ``partial`` one: with the recipe it determines
    every later bit.

    ``parameters`` float64[n_trainable] are θ of the recipe's space, ``state`` the update's. ``best`` are the parameters
    at the end of the epoch with the lowest training loss so far, ``best_epoch`` and ``best_loss`` say which. The random
    order of each epoch derives from seed and epoch, so no generator state is needed. ``stays`` bool[n_resistors] are
    the resistors of the circuit that training began with which were not pruned, and ``weight`` what a watt adds to the
    loss. ``seconds`` is wall time so far, ``learning_seconds`` the part of it in forward, gradient and update.
    """

    epoch: int
    parameters: Floats
    state: State
    best: Floats
    stays: Bools
    weight: float = 0.0
    best_epoch: int = 0
    best_loss: float = math.inf
    seconds: float = 0.0
    learning_seconds: float = 0.0
    partial: Partial | None = None


def start(circuit: Circuit, recipe: Recipe, technology: Technology) -> Snapshot:
    """The snapshot before the first epoch, at the circuit's own conductances."""
    if not circuit.mask.any():
        raise InputError(f"circuit {circuit.title!r} has no trainable resistor", "mark some as trainable")
    turned = parametrization(recipe, technology)
    for name, kind in zip(recipe.also, turned.kinds, strict=True):
        if not len(circuit.bank(kind)):
            raise UsageError(
                f"circuit {circuit.title!r} has no {kind}, whose {name} --also trains", f"leave {name} out"
            )
    parameters = turned.read(circuit)
    weight = recipe.power_weight or (FIRST_WEIGHT / recipe.power if recipe.power else 0.0)
    stays = np.ones(len(circuit.resistors), bool)
    return Snapshot(0, parameters, update_of(recipe, 1).start(parameters), parameters, stays, weight)


def parametrization(recipe: Recipe, technology: Technology) -> Parametrization:
    """What the recipe turns."""
    return Parametrization(recipe.space, technology, recipe.also)


def remaining(circuit: Circuit, stays: Bools) -> Circuit:
    """What pruning left of the circuit that training began with."""
    return circuit if stays.all() else without(circuit, stays)


def result(circuit: Circuit, snapshot: Snapshot, recipe: Recipe, technology: Technology) -> Circuit:
    """The circuit that training leaves of the one that it began with."""
    left = remaining(circuit, snapshot.stays)
    return check(parametrization(recipe, technology).turn(left, chosen(snapshot, recipe)))


def current(circuit: Circuit, snapshot: Snapshot, recipe: Recipe, technology: Technology) -> Circuit:
    """The circuit that training has reached."""
    return parametrization(recipe, technology).turn(remaining(circuit, snapshot.stays), snapshot.parameters)


def chosen(snapshot: Snapshot, recipe: Recipe) -> Floats:
    """The parameters to keep: of the last epoch, or with patience of the epoch of lowest training loss.

    Held-out samples never choose: their accuracy would not be held out any more.
    """
    return snapshot.best if recipe.patience else snapshot.parameters


def update_of(recipe: Recipe, steps: int) -> Update:
    """The recipe's update for so many steps."""
    make: Any = UPDATES[recipe.update]
    result: Update = make(recipe.rate, SCHEDULES[recipe.schedule](steps))
    return result
