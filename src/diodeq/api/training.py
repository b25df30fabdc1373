"""Train circuits, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.check import check
from diodeq.learning import datasets, trainer
from diodeq.learning.dataset_files import Raw
from diodeq.learning.datasets import Dataset
from diodeq.learning.experiment import fresh, technology_of
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import recipe_for, suited
from diodeq.learning.trainer import Metrics
from diodeq.simulators import create

Floats = NDArray[np.float64]
Data = str | Path | Dataset | tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained ``circuit``, the ``data`` and the ``recipe`` it learned from, ``metrics`` epoch by epoch, and the share
    ``accuracy`` of the held-out samples that it gets right."""

    circuit: Circuit
    data: Dataset
    recipe: Recipe
    metrics: tuple[Metrics, ...]
    accuracy: float


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

    Args:
        data: the name of a data set or ``kind:file`` as on the command line, ``(X, y)`` with X float64[n, features]
            and labels y [n], of which a quarter is held out, or a `Dataset`.
        start: a circuit to go on from; a fresh layered one unless given.
        diode: of a fresh circuit.
        simulator: the engine, such as ``"ngspice"`` or ``"wave:numba"``.
        on_epoch: called with the metrics of every epoch.
        numbers: what differs from the data's own recipe: ``epochs``, ``hidden``, ``parts``, ``power`` (watts),
            ``supply``, ``quantize``, ``rule``, ``seed`` … (see `learning.recipe.Recipe`).

    Raises:
        UsageError: a number that makes no sense, an unknown name.
        InputError: data that cannot be learned.
        SimulationError: the simulator failed, or the loss is no longer a number.

    Example:
        >>> import diodeq
        >>> run = diodeq.train("iris", epochs=2)
        >>> len(run.circuit.resistors), len(run.metrics), run.data.classes
        (172, 2, ('setosa', 'versicolor', 'virginica'))
    """
    seed = Recipe().with_given(seed=numbers.get("seed")).seed
    if isinstance(data, (str, Path)):
        loaded = datasets.load(str(data), seed)
        usual = recipe_for(str(data), loaded)
    else:
        loaded = data if isinstance(data, Dataset) else _split(*data, seed)
        usual = suited(loaded)
    recipe = usual.with_given(**numbers)
    technology = technology_of(recipe, diode)
    circuit = fresh(recipe, diode, loaded, technology) if start is None else check(start)
    metrics = []
    with create(simulator) as engine:
        snapshot = trainer.start(circuit, recipe, technology)
        for epoch in trainer.train(circuit, loaded, engine, recipe, technology, snapshot):
            snapshot, found = epoch
            metrics.append(found)
            if on_epoch is not None:
                on_epoch(found)
        trained = trainer.result(circuit, snapshot, recipe, technology)
        accuracy = trainer.accuracy(engine, trained, loaded.x_test, loaded.y_test)
    return Trained(trained, loaded, recipe, tuple(metrics), accuracy)


def _split(x: ArrayLike, y: ArrayLike, seed: int) -> Dataset:
    return datasets.assemble("arrays", Raw(np.asarray(x), np.asarray(y)), seed)
