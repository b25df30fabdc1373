"""Train circuits, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.api.options import demand_known
from diodeq.api.things import demand_circuit
from diodeq.circuit import Circuit
from diodeq.circuit.check import check
from diodeq.errors import UsageError
from diodeq.learning import datasets, objective, snapshots, trainer
from diodeq.learning.dataset_files import Raw
from diodeq.learning.datasets import Dataset
from diodeq.learning.initial import brought, fresh, technology_of
from diodeq.learning.metrics import Metrics
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import asked, recipe_for, suited
from diodeq.simulators import conductance_range, create

Floats = NDArray[np.float64]
Data = str | Path | Dataset | tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained ``circuit``, the ``data`` and the ``recipe`` it learned from, ``metrics`` epoch by epoch, and its
    ``score`` on the held-out samples: the share it gets right, of a regression R²."""

    circuit: Circuit
    data: Dataset
    recipe: Recipe
    metrics: tuple[Metrics, ...]
    score: float

    @property
    def accuracy(self) -> float:
        """The score of a classification; raises ``UsageError`` for a regression, which has none."""
        if self.data.targets:
            raise UsageError("a regression has no accuracy", "read its score, which is R²")
        return self.score


def train(
    data: Data,
    *,
    start: Circuit | None = None,
    diode: str = "1N4148",
    simulator: str = "wave",
    on_epoch: Callable[[Metrics], None] | None = None,
    **numbers: Any,
) -> Trained:
    """Train a circuit on data by hardware linearization, or by another learning rule.

    What is learned are classes, or quantities where the labels are such; ``task`` among the numbers says which.

    Args:
        data: the name of a data set or ``kind:file`` as on the command line, ``(X, y)`` with X float64[n, features]
            and labels y [n] or quantities [n] or [n, k], of which a quarter is held out, or a `Dataset`.
        start: a circuit to go on from; a fresh layered one unless given. Features become volts as it says itself, or
            as ``encode`` and ``supply`` do where they are given.
        diode: of a fresh circuit.
        simulator: the engine, such as ``"ngspice"`` or ``"wave:numba"``.
        on_epoch: called with the metrics of every epoch.
        numbers: what differs from the data's own recipe: ``epochs``, ``hidden``, ``parts``, ``power`` (watts),
            ``supply``, ``quantize``, ``rule`` (a name, or a rule of your own), ``seed`` … (`learning.recipe.Recipe`).

    Raises:
        UsageError: a number that makes no sense, an unknown name, data or a circuit that are none.
        InputError: data that cannot be learned.
        SimulationError: the simulator failed, or the loss is no longer a number.

    Example:
        >>> import diodeq
        >>> run = diodeq.train("iris", epochs=2)
        >>> len(run.circuit.resistors), len(run.metrics), run.data.classes
        (172, 2, ('setosa', 'versicolor', 'virginica'))
    """
    demand_known("train", numbers, Recipe, "start", "diode", "simulator", "on_epoch")
    said = Recipe().with_given(seed=numbers.get("seed"), task=numbers.get("task"))
    if isinstance(data, (str, Path)):
        loaded = datasets.load(str(data), said.seed, said.task)
        usual = recipe_for(str(data), loaded, said.task)
    else:
        loaded = data if isinstance(data, Dataset) else _split(data, said)
        usual = suited(loaded)
    if start is not None:  # what it says itself
        demand_circuit(start)
        usual = replace(usual, encode="", beta=start.scaling.output_scale)
    recipe = asked(usual, conductance_range(simulator), numbers)
    technology = technology_of(recipe, diode)
    circuit = fresh(recipe, diode, loaded, technology) if start is None else brought(check(start), recipe, loaded)
    metrics = []
    with create(simulator) as engine:
        snapshot = snapshots.start(circuit, recipe, technology)
        for epoch in trainer.train(circuit, loaded, engine, recipe, technology, snapshot):
            snapshot, found = epoch
            metrics.append(found)
            if on_epoch is not None:
                on_epoch(found)
        trained = snapshots.result(circuit, snapshot, recipe, technology)
        score = objective.score(engine, trained, loaded.x_test, loaded.y_test)
    return Trained(trained, loaded, recipe, tuple(metrics), score)


def _split(data: Any, said: Recipe) -> Dataset:
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise UsageError(
            f"what is of type {type(data).__name__} is no data set", "give its name, or samples and labels: (X, y)"
        )
    x, y = data
    return datasets.assemble("arrays", Raw(np.asarray(x), np.asarray(y)), said.seed, said.task)
