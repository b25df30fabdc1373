"""Training runs by the dozen: each in a folder of its own, made or completed where it has to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.cluster import Map
from diodeq.errors import InputError, NotRealizableError, SimulationError, UsageError
from diodeq.learning.experiment import Experiment, conduct, stored
from diodeq.learning.records import read_summary
from diodeq.learning.run_folder import RunFolder
from diodeq.measures import ACCURACY, Measure, measure_of

OnRun = Callable[[int, int, str], None]
Shared = tuple[str, int | None, float]
"""The engine that verifies, or "", workers and time limit: what ``conduct`` is given for every run"""


@dataclass(frozen=True)
class Run:
    """An experiment, its folder, and what people call it."""

    experiment: Experiment
    folder: Path
    label: str


class Course:
    """Runs, ``total`` in all, one after the other or spread by ``map_`` (of ``diodeq.cluster.mapper``).

    ``on_run(done, in all, what comes next)`` reports progress.
    """

    def __init__(self, map_: Map, total: int, on_run: OnRun | None = None) -> None:
        self._map, self._total, self._on_run = map_, total, on_run
        self._done = 0

    def outcomes(
        self, runs: Sequence[Run], shared: Shared, job: Callable[[Shared, Run], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What ``job`` (of a module, so that other machines know it) finds of each run, in their order."""
        found, answers = [], self._map(job, shared, runs)
        for run in runs:
            self._report(run.label)
            found.append(next(answers))
            self._done += 1
        if self._done == self._total:
            self._report("")
        return found

    def _report(self, label: str) -> None:
        if self._on_run is not None:
            self._on_run(self._done, self._total, label)


def completed(shared: Shared, run: Run) -> dict[str, Any]:
    """What became of a run: read if it is finished, resumed if it was interrupted, else made.

    Where no engine follows the circuit, or it cannot be pruned so far, that is an outcome too: ``failed`` says why.

    Raises:
        UsageError: the folder holds another run.
        DiodeqError: any other of its kinds.
    """
    verify_with, workers, time_limit = shared
    folder = run.folder
    summary_file, checkpoint = folder / "summary.json", folder / "checkpoint.npz"
    mode = "new" if not folder.exists() else "resume" if checkpoint.exists() else "overwrite"
    if mode == "resume" and stored(folder) != run.experiment:
        raise UsageError(f"{folder} holds a run of another comparison", "choose another --out")
    try:
        summary = read_summary(summary_file) if summary_file.exists() else {}
        if not summary or (verify_with and "verified" not in summary):
            summary = conduct(
                run.experiment, folder, mode, workers=workers, time_limit=time_limit, verify_with=verify_with
            )
    except (SimulationError, NotRealizableError) as error:
        failed = {"failed": error.problem, "remedy": error.remedy, "exit_code": error.exit_code}
        return {"seed": run.experiment.recipe.seed, "folder": str(folder), **failed}
    metrics = RunFolder(folder).metrics()
    if not metrics or any("solves" not in each for each in (summary, *metrics)):
        raise InputError(f"the run {folder} does not say what it learned for how many solves", "remove its folder")
    measure = measure_of(summary).key
    return {
        "seed": run.experiment.recipe.seed,
        "folder": str(folder),
        **{key: summary[key] for key in (f"test_{measure}", f"train_{measure}", "solves", "seconds")},
        "loss": metrics[-1]["loss"],
        "curve": {key: [line[key] for line in metrics] for key in ("solves", f"test_{measure}", "loss")},
        **({"verified": summary["verified"]} if "verified" in summary else {}),
        "resistors": summary["resistors"],
        "watts": {"median": summary.get("static_watts_median"), "worst": summary.get("static_watts_max")},
    }


def reached(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many runs failed, and mean and standard deviation of held-out accuracy, or R², under its key: a run that
    failed has nothing right, and None is of runs that all did."""
    key, failed = f"test_{measure_among(runs).key}", sum("failed" in run for run in runs)
    return {"failed": failed, key: moments([run.get(key, 0.0) for run in runs]) if failed < len(runs) else None}


def demand_one(runs: Sequence[dict[str, Any]]) -> None:
    """Raise ``NotRealizableError`` or ``SimulationError``, as the first run did, where all failed: nothing was
    measured."""
    if runs and all("failed" in run for run in runs):
        first = runs[0]
        kinds = {each.exit_code: each for each in (NotRealizableError, SimulationError)}
        raise kinds[first["exit_code"]](
            f"every run failed, as {first['folder']} did: {first['failed']}", first["remedy"]
        )


def measure_among(runs: Sequence[dict[str, Any]]) -> Measure:
    """What runs of the same data are measured by, which those that failed do not tell."""
    return next((measure_of(run) for run in runs if "failed" not in run), ACCURACY)


def moments(values: Sequence[float]) -> dict[str, float]:
    """Mean and standard deviation, 0 of a single value."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "deviation": deviation}


def demand_distinct(what: str, values: Sequence[Any]) -> None:
    """Raises ``UsageError`` where there are none, or one repeats."""
    if not values:
        raise UsageError(f"no {what} are given", "give at least one")
    if len(set(values)) < len(values):
        raise UsageError(f"the {what} repeat", "give each once")


def finite(value: Any) -> Any:
    """A document with None for what JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
