"""The objective: the loss that training lowers, and how well a circuit does on samples in a simulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.errors import InputError, UsageError
from diodeq.learning.datasets import Dataset
from diodeq.learning.losses import LOSSES, Loss
from diodeq.learning.recipe import Recipe
from diodeq.learning.tasks import TASKS
from diodeq.measures import Labels, scored
from diodeq.printable import counted
from diodeq.simulators.base import Simulator, batches
from diodeq.tables import plain

Floats = NDArray[np.float64]


def labels_of(circuit: Circuit, y: Labels) -> Labels:
    """What can stand beside the circuit's outputs in volts: class numbers as they are, of quantities their volts."""
    return y if y.ndim == 1 else circuit.scaling.target_volts(y)


def bind(recipe: Recipe, circuit: Circuit, labels: Labels) -> Loss:
    """The recipe's loss of output volts for the `labels_of` samples, which ``output_scale`` of the circuit turns into
    scores."""
    beta = circuit.scaling.output_scale
    if labels.ndim == 2:
        return LOSSES[recipe.loss](labels, beta)
    if recipe.loss == "cross-entropy":
        return LOSSES["cross-entropy"](labels, beta, recipe.smoothing)
    # One logit for the class and none for the others.
    return LOSSES[recipe.loss](np.eye(len(circuit.outputs))[labels] / beta)


def outputs(simulator: Simulator, circuit: Circuit, x: Floats) -> Floats:
    """Output volts float64[n, n_out] for samples in the user's units."""
    drives = circuit.scaling.to_volts(x)
    return np.concatenate([point.outputs for point in batches(simulator, circuit, drives)])


def score(simulator: Simulator, circuit: Circuit, x: Floats, y: Labels) -> float:
    """The accuracy of the circuit's classes, or R² of its quantities, on samples in the user's units."""
    return scored(outputs(simulator, circuit, x), labels_of(circuit, y))


def demand(recipe: Recipe, data: Dataset) -> None:
    """Raises ``UsageError`` where the recipe minimises what makes no sense of the data."""
    task = TASKS[data.task]
    if recipe.loss not in task.losses:
        raise UsageError(
            f"the loss {recipe.loss} does not fit {data.name}, which has {task.learns}",
            f"use {' or '.join(task.losses)}",
            arguments=("loss",),
        )
    if recipe.smoothing and not data.classes:
        raise UsageError(
            f"smoothing = {recipe.smoothing:g} is of classes, but {data.name} has {task.learns}",
            "leave it out",
            arguments=("smoothing",),
        )


def fits(circuit: Circuit, data: Dataset) -> None:
    """Raises ``InputError`` unless the circuit has an input per feature, in this order, and an output per class or
    quantity."""
    features, wanted = data.x_train.shape[1], len(data.outputs)
    task = TASKS[data.task]
    if circuit.scaling.regresses != (task is TASKS["regression"]):
        other = "quantities" if circuit.scaling.regresses else "classes"
        raise InputError(
            f"the outputs of the circuit are {other}, but {data.name} has {task.learns}",
            "use a circuit made for this data, or say what they are with --task",
        )
    if len(circuit.inputs) != features:
        raise InputError(
            f"the circuit has {counted(len(circuit.inputs), 'input')} but {data.name} has"
            f" {counted(features, 'feature')}",
            "use a circuit made for this data",
        )
    if len(circuit.outputs) != wanted:
        noun, many = ("class", "classes") if data.classes else ("quantity", "quantities")
        raise InputError(
            f"the circuit has {counted(len(circuit.outputs), 'output')} but {data.name} has"
            f" {counted(wanted, noun, many)}",
            f"use a circuit made for this data, or import it again with an --output for each {noun}",
        )
    called = tuple(plain(name) for name in data.outputs)
    if called != circuit.output_names and {*called} == {*circuit.output_names}:
        raise InputError(
            f"the circuit has its outputs in the order {', '.join(circuit.output_names)} but {data.name} its"
            f" {task.learns} in the order {', '.join(called)}",
            f"put the outputs in the order of the {task.learns}",
        )
    names = circuit.inputs.names
    if data.features and data.features != names and {*data.features} == {*names}:
        at = next(at for at, name in enumerate(names) if name != data.features[at])
        raise InputError(
            f"{data.name} has its column {data.features[at]} where the circuit has its input {names[at]}",
            f"put the columns in the order {', '.join(names[:10])}{' …' if len(names) > 10 else ''}",
        )
