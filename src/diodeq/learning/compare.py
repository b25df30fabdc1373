"""Learning rules side by side: the same data, circuits and budget of circuit solves, each rule at its own best rate."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.cluster import mapper
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import UsageError
from diodeq.learning import datasets, trainer
from diodeq.learning.experiment import Experiment, build
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import named
from diodeq.learning.runs import Course, OnRun, Run, completed, demand_distinct, finite, measure_among, moments, reached
from diodeq.learning.solves import cost, settled
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import create


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    ``rules`` as ``rules.named`` reads them, ``recipe`` all that they share; ``budget`` circuit solves for each training
    run. With several ``rates`` a rule takes the one with the highest mean held-out accuracy, or R², over
    ``tuning_seeds`` (ties: the lowest training loss), none of which may be one of ``seeds``, which are reported.

    Raises:
        UsageError: nothing to compare, something twice, a number that makes no sense, or a seed both tuned on and
            reported.
    """

    data: str
    rules: tuple[str, ...]
    recipe: Recipe
    budget: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    tuning_seeds: tuple[int, ...] = ()
    diode: str = "1N4148"
    simulator: str = "wave"
    verify_with: str = ""

    def __post_init__(self) -> None:
        for what in ("rules", "seeds", "rates"):
            demand_distinct(what, getattr(self, what))
        if self.tuning_seeds:
            demand_distinct("tuning seeds", self.tuning_seeds)
        if self.budget < 1:
            raise UsageError(f"a budget of {self.budget} circuit solves allows nothing", "give at least 1")
        if len(self.rates) > 1 and not self.tuning_seeds:
            raise UsageError("there are several rates and no seeds to choose on", "give tuning seeds, or one rate")
        both = sorted(set(self.seeds) & set(self.tuning_seeds))
        if both:
            raise UsageError(f"seed {both[0]} is both tuned on and reported", "give other tuning seeds")
        for rate in self.rates:
            for seed in (*self.seeds, *self.tuning_seeds):
                self.experiment(self.rules[0], rate, seed)  # refuses what no recipe can have

    def experiment(self, rule: str, rate: float, seed: int, epochs: int = 1) -> Experiment:
        """One run of it."""
        recipe = replace(self.recipe, rule=rule, rate=rate, seed=seed, budget=self.budget, epochs=epochs)
        return Experiment(self.data, recipe, self.diode, self.simulator)


def compare(
    comparison: Comparison,
    out: Path,
    *,
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    cluster: str = "",
    on_run: OnRun | None = None,
) -> dict[str, Any]:
    """Run all of it in folders under ``out`` and return the outcome as a JSON document.

    Runs that are finished are read, runs that were interrupted are resumed. One run follows the other unless
    ``cluster`` (of ``diodeq.cluster.mapper``) spreads them; its machines need to share ``out``. ``on_run(done, in all,
    what comes next)`` reports progress.

    Raises:
        UsageError: a folder holds a run of another comparison, or the budget is too small for every rule.
        DiodeqError: any of its kinds.
    """
    tuned = len(comparison.rates) > 1
    rules: list[dict[str, Any]] = [{"rule": rule, **_extent(comparison, rule)} for rule in comparison.rules]
    possible = [entry for entry in rules if "impossible" not in entry]
    each = len(comparison.seeds) + (len(comparison.rates) * len(comparison.tuning_seeds) if tuned else 0)

    def runs(asked: Sequence[tuple[str, float, int, int]], verify_with: str = "") -> list[dict[str, Any]]:
        jobs = []
        for rule, rate, seed, epochs in asked:
            folder = out / re.sub(r"[^a-z0-9=.,+-]", "_", rule) / f"rate-{rate:g}-seed-{seed}"
            experiment = comparison.experiment(rule, rate, seed, epochs)
            jobs.append(Run(experiment, folder, f"{rule}, rate {rate:g}, seed {seed}"))
        return course.outcomes(jobs, (verify_with, 1 if cluster else workers, time_limit), completed)

    with mapper(cluster, 1) as map_:
        course = Course(map_, each * len(possible), on_run)
        for entry in possible:
            entry["rate"] = comparison.rates[0]
        if tuned:
            seeds = comparison.tuning_seeds
            asked = [(e["rule"], r, s, e["epochs"]) for e in possible for r in comparison.rates for s in seeds]
            trials = iter(runs(asked))
            for entry in possible:
                tried = {r: [next(trials) for _ in seeds] for r in comparison.rates}
                key = f"test_{measure_among([run for found in tried.values() for run in found]).key}"
                entry["rate"] = max(tried, key=lambda r: (_mean(tried[r], key), -_mean(tried[r], "loss")))
                entry["tuning"] = [
                    {"rate": r, key: _mean(found, key), "loss": _mean(found, "loss")} for r, found in tried.items()
                ]
        asked = [(e["rule"], e["rate"], s, e["epochs"]) for e in possible for s in comparison.seeds]
        reported = iter(runs(asked, comparison.verify_with))
        for entry in possible:
            entry["runs"] = [next(reported) for _ in comparison.seeds]
            entry |= _spread(entry["runs"])
    if all("impossible" in entry for entry in rules):
        raise UsageError(f"the budget allows no rule one step: {rules[0]['impossible']}", "give a larger budget")
    return {
        "data": comparison.data,
        "simulator": comparison.simulator,
        "budget": comparison.budget,
        "seeds": list(comparison.seeds),
        "rates": list(comparison.rates),
        "tuning_seeds": list(comparison.tuning_seeds) if tuned else [],
        "recipe": comparison.recipe.to_json(),
        "rules": finite(rules),
    }


def _extent(comparison: Comparison, rule: str) -> dict[str, Any]:
    """How far the budget goes, or that it does not allow one step."""
    experiment = comparison.experiment(rule, comparison.rates[0], comparison.seeds[0], epochs=comparison.budget)
    recipe = experiment.recipe
    data = datasets.load(comparison.data, recipe.seed, recipe.task)
    circuit = build(experiment, data, Technology(recipe.low, recipe.high, volts=recipe.supply, diode=experiment.diode))
    with create(experiment.simulator) as simulator:
        each = settled(simulator, circuit)
    found = {"inexact": named(rule).inexact(circuit), "solves_per_sample": cost(named(rule), circuit, each)}
    try:
        steps = trainer.steps_in_all(circuit, recipe, len(data.x_train), each)
    except UsageError as error:
        return {**found, "impossible": error.problem}
    epochs = math.ceil(steps / math.ceil(len(data.x_train) / recipe.batch_size))
    return {**found, "steps": steps, "epochs": epochs}


def _mean(runs: Sequence[dict[str, Any]], key: str) -> float:
    """Over runs; a run that failed counts as nothing right and an endless loss."""
    missing = math.inf if key == "loss" else 0.0
    return float(np.mean([run.get(key, missing) for run in runs]))


def _spread(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of held-out accuracy or R² over seeds, and the same of the learning curves."""
    found: dict[str, Any] = {**reached(runs)}
    key = measure_among(runs).key
    verified = [run["verified"][f"test_{key}"] for run in runs if "verified" in run]
    if verified:
        found[f"verified_{key}"] = moments(verified)
    curves = [run["curve"] for run in runs if "curve" in run]
    if curves:
        every = np.array([curve[f"test_{key}"] for curve in curves])
        found["curve"] = {
            "solves": curves[0]["solves"],
            "mean": every.mean(axis=0).tolist(),
            "low": every.min(axis=0).tolist(),
            "high": every.max(axis=0).tolist(),
        }
    return found
