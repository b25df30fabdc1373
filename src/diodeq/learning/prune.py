"""Pruning a circuit that exists, whoever made it, with or without learning on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diodeq.circuit import Circuit, check
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError
from diodeq.learning import snapshots, trainer
from diodeq.learning.datasets import Dataset
from diodeq.learning.metrics import Metrics
from diodeq.learning.objective import score
from diodeq.learning.power import contributions
from diodeq.learning.recipe import Recipe
from diodeq.learning.trainer import OnBatch
from diodeq.simulators.base import Simulator
from diodeq.synthesis.pruning import kept, without

SOON: trainer.Span = (0.0, 0.3)
"""What has learned already need not wait until it is pruned, and has most of the epochs to make up for it: of three or
fewer, all."""


def open_to_pruning(circuit: Circuit) -> Circuit:
    """The circuit with every resistor trainable: what is not would stay.

    Raises:
        InputError: it has no resistors or no outputs.
    """
    for what, there in (("resistors", len(circuit.resistors)), ("outputs", len(circuit.outputs))):
        if not there:
            raise InputError(f"circuit {circuit.title!r} has no {what}", "there is nothing to prune")
    return replace(circuit, trainable=np.ones(len(circuit.resistors), bool))


def has_more(circuit: Circuit, parts: int, fan_in: int) -> bool:
    """Whether the circuit has more resistors than ``parts``, or a node more than ``fan_in`` towards the inputs (0: any
    number)."""
    ends = circuit.resistors.terminals
    return bool(0 < parts < len(ends) or 0 < fan_in < np.bincount(ends.max(axis=1)).max(initial=0))


def pruned(circuit: Circuit, simulator: Simulator, drives: Floats, parts: int, fan_in: int = 0) -> Circuit:
    """The circuit of at most ``parts`` resistors that contribute most over samples ``drives`` float64[B, n_in], and
    ``fan_in`` of each node towards the inputs (0: any number).

    Raises:
        NotRealizableError: so few cannot hold every node.
    """
    return check(without(circuit, kept(circuit, contributions(simulator, circuit, drives), parts, fan_in)))


def trained(
    circuit: Circuit,
    data: Dataset,
    simulator: Simulator,
    recipe: Recipe,
    on_batch: OnBatch | None = None,
    on_epoch: Callable[[Metrics], None] | None = None,
) -> Circuit:
    """The circuit pruned to the recipe's parts and fan-in while it learns on, as ``trainer.train`` prunes; pruned at
    once, where that is right on more of the training samples, as after too few epochs or at too high a rate.

    Conductances keep within the recipe's range, or the circuit's own where that is wider, and to its values.

    Raises:
        InputError: the circuit does not fit the data.
        NotRealizableError: so few parts cannot hold every node.
        SimulationError: the simulator failed, or the loss is no longer a number.
    """
    technology = Technology(*recipe.range_with(circuit.conductances), levels=recipe.quantize)
    turned = snapshots.parametrization(recipe, technology)
    scored = circuit.scaling.to_volts(data.x_train[: trainer.SCORED])
    once = pruned(turned.turn(circuit, turned.read(circuit)), simulator, scored, recipe.parts, recipe.fan_in)
    snapshot = snapshots.start(circuit, recipe, technology)
    for epoch in trainer.train(circuit, data, simulator, recipe, technology, snapshot, on_batch, SOON):
        snapshot, metrics = epoch
        if on_epoch is not None:
            on_epoch(metrics)
    learned = snapshots.result(circuit, snapshot, recipe, technology)
    return max(learned, once, key=lambda each: score(simulator, each, data.x_train, data.y_train))
