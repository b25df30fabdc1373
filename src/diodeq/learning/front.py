"""The front: how accurate circuits of so many resistors and so little power are, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.cluster import mapper
from diodeq.errors import UsageError
from diodeq.learning.experiment import Experiment
from diodeq.learning.recipe import Recipe
from diodeq.learning.runs import Course, OnRun, Run, Shared, completed, demand_distinct, reached
from diodeq.measures import measure_of
from diodeq.pool import TIME_LIMIT


@dataclass(frozen=True)
class Front:
    """What is trained: ``recipe`` with each number of ``parts`` (0: all), each mean ``power`` in watts (0: any) and
    each of ``seeds``.

    Raises:
        UsageError: nothing to train, something twice, or a number that makes no sense.
    """

    data: str
    recipe: Recipe
    parts: tuple[int, ...]
    power: tuple[float, ...]
    seeds: tuple[int, ...]
    diode: str = "1N4148"
    simulator: str = "wave"

    def __post_init__(self) -> None:
        for what in ("parts", "power", "seeds"):
            demand_distinct(what, getattr(self, what))
        if not any(self.parts) and not any(self.power):
            raise UsageError("there is nothing to keep within", "give --parts 300,600, or --power 1mW,5mW, or both")
        for point in self.points():
            self.experiment(*point, self.seeds[-1])  # refuses what no recipe can have

    def points(self) -> list[tuple[int, float]]:
        """Every number of parts with every power."""
        return list(product(self.parts, self.power))

    def experiment(self, parts: int, power: float, seed: int) -> Experiment:
        """One run of it."""
        recipe = replace(self.recipe, parts=parts, power=power, seed=seed)
        return Experiment(self.data, recipe, self.diode, self.simulator)


def front(
    asked: Front,
    out: Path,
    *,
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    cluster: str = "",
    on_run: OnRun | None = None,
) -> dict[str, Any]:
    """Run all of it in folders under ``out`` and return the outcome as a JSON document.

    Finished runs are read and interrupted ones resumed; ``cluster`` and ``on_run`` are as of ``compare``.

    Raises:
        UsageError: a folder holds another run.
        DiodeqError: any of its kinds.
    """
    runs = [
        Run(
            asked.experiment(parts, power, seed),
            out / f"parts-{parts}-power-{power}" / f"seed-{seed}",
            f"{words(parts, power)}, seed {seed}",
        )
        for (parts, power), seed in product(asked.points(), asked.seeds)
    ]
    with mapper(cluster, 1) as map_:
        course = Course(map_, len(runs), on_run)
        found = iter(course.outcomes(runs, ("", 1 if cluster else workers, time_limit), measured))
    points = [_point(parts, power, [next(found) for _ in asked.seeds]) for parts, power in asked.points()]
    for point in points:
        point["best"] = _undominated(point, points)
    return {
        "data": asked.data,
        "simulator": asked.simulator,
        "seeds": list(asked.seeds),
        "recipe": asked.recipe.to_json(),
        "points": points,
    }


def words(parts: int, power: float) -> str:
    """Such as ``300 parts, 5 mW``."""
    limits = [f"{parts:,} parts"] if parts else []
    return ", ".join(limits + ([f"{1e3 * power:g} mW"] if power else [])) or "no limit"


def measured(shared: Shared, run: Run) -> dict[str, Any]:
    """What became of a run, without the curve of its learning."""
    return {name: each for name, each in completed(shared, run).items() if name != "curve"}


def _point(parts: int, power: float, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs that differ in their seeds alone: the mean accuracy (or R²) and number of resistors, the median of the
    medians of watts and the worst of all."""
    sound = [run for run in runs if "failed" not in run]
    return {
        "parts": parts,
        "power": power,
        "runs": runs,
        **reached(runs),
        "resistors": float(np.mean([run["resistors"] for run in sound])) if sound else None,
        "watts": {
            "median": float(np.median([run["watts"]["median"] for run in sound])),
            "worst": max(run["watts"]["worst"] for run in sound),
        }
        if sound
        else None,
    }


def _undominated(point: dict[str, Any], points: Sequence[dict[str, Any]]) -> bool:
    """Whether no other point is as good in accuracy (or R²), resistors and median watts, and better in one."""

    def costs(each: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([-each[f"test_{measure_of(each).key}"]["mean"], each["resistors"], each["watts"]["median"]])

    if point["watts"] is None:
        return False
    others = [costs(each) - costs(point) for each in points if each["watts"] is not None]
    return not any((other <= 0.0).all() and (other < 0.0).any() for other in others)
