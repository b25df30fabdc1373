"""Trainings by the dozen: what accuracy costs, and which learning rule gets how far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diodeq.api.options import demand_known
from diodeq.devices.units import Unit
from diodeq.learning.compare import Comparison
from diodeq.learning.compare import compare as run_comparison
from diodeq.learning.datasets import targeted
from diodeq.learning.front import Front
from diodeq.learning.front import front as run_front
from diodeq.learning.lab import Sweep, lab
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import asked, recipe_for
from diodeq.learning.rules import RULES
from diodeq.learning.runs import OnRun
from diodeq.learning.runs import demand_one as demand_one_run
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import conductance_range


def front(
    data: str,
    out: str | Path,
    *,
    parts: Sequence[int] = (0,),
    power: Sequence[float] = (0.0,),
    seeds: Sequence[int] = (0, 1, 2),
    target: str | None = None,
    diode: str | None = None,
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    cluster: str = "",
    on_run: OnRun | None = None,
    **numbers: Any,
) -> dict[str, Any]:
    """Circuits within every number of parts and every power: what accuracy, or R², they reach, as a JSON document.

    Args:
        data: as on the command line.
        out: folder of the runs; finished ones are read and interrupted ones go on.
        parts: to how many resistors circuits are pruned; 0 keeps all.
        power: mean watts to steer to; 0 is any.
        seeds: of each.
        target: the column of a table to learn.
        diode: of hidden nodes; what suits the unit unless given.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.
        cluster: as of ``diodeq.cluster.mapper``.
        on_run: called with runs done, runs in all and what comes next.
        numbers: of the recipe, as in `train`.

    Raises:
        UsageError: nothing to keep within, something twice, or a folder that holds another run.

    Example:
        >>> import diodeq
        >>> found = diodeq.front("xor", "front", parts=(0, 20), seeds=(0,), epochs=2)
        >>> [point["resistors"] for point in found["points"]]
        [68.0, 20.0]
    """
    data, recipe = _recipe("front", data, target, simulator, numbers)
    diode = diode or Unit.parse(recipe.unit).kind.diode
    asked = Front(data, recipe, tuple(parts), tuple(power), tuple(seeds), diode, simulator)
    return run_front(asked, Path(out), workers=workers, time_limit=time_limit, cluster=cluster, on_run=on_run)


def compare(
    data: str,
    out: str | Path,
    *,
    budget: int,
    rules: Sequence[str] = (),
    rates: Sequence[float] = (0.01, 0.03, 0.1, 0.3),
    seeds: Sequence[int] = (0, 1, 2),
    tuning_seeds: Sequence[int] = (10,),
    target: str | None = None,
    diode: str = "1N4148",
    simulator: str = "wave",
    verify_with: str = "",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    cluster: str = "",
    on_run: OnRun | None = None,
    sweeps: Sequence[str] = (),
    **numbers: Any,
) -> dict[str, Any]:
    """Learning rules side by side, each with as many circuit solves and at its own best rate, as a JSON document.

    Args:
        data: as on the command line.
        out: folder of the runs; finished ones are read and interrupted ones go on.
        budget: circuit solves of each training.
        rules: with their options; all unless given.
        rates: of which each rule takes the best on the ``tuning_seeds``.
        seeds: that are reported.
        tuning_seeds: none of those.
        target: the column of a table to learn.
        diode: of hidden nodes.
        simulator: the engine.
        verify_with: an engine that evaluates the results once more.
        workers: processes of the engine.
        time_limit: of each.
        cluster: as of ``diodeq.cluster.mapper``.
        on_run: called with runs done, runs in all and what comes next.
        sweeps: of a bench as the engine: entries of its description with values, such as ``"adc.bits=8:16"``; then all
            rules are compared with each value, and the document has what ``learning.lab`` says.
        numbers: of the recipe, as in `train`.

    Raises:
        UsageError: nothing to compare, something twice, or a folder that holds another run.

    Example:
        >>> import diodeq
        >>> only = ("hardware-linearization",)
        >>> found = diodeq.compare("xor", "rules", budget=600, rules=only, rates=(0.1,), seeds=(0,))
        >>> [entry["solves_per_sample"] for entry in found["rules"]]
        [2]
    """
    data, recipe = _recipe("compare", data, target, simulator, numbers)
    known = tuple(rules) or tuple(RULES)
    asked = Comparison(
        *(data, known, recipe, budget, tuple(seeds), tuple(rates), tuple(tuning_seeds)),
        diode,
        simulator,
        verify_with,
    )
    if sweeps:
        chosen = [Sweep.parse(each) for each in sweeps]
        shared: Any = {"workers": workers, "time_limit": time_limit, "cluster": cluster, "on_run": on_run}
        return lab(asked, chosen, Path(out), **shared)
    return run_comparison(asked, Path(out), workers=workers, time_limit=time_limit, cluster=cluster, on_run=on_run)


def demand_one(document: dict[str, Any]) -> None:
    """Raise ``NotRealizableError`` or ``SimulationError``, as the first run of what ``front`` or ``compare`` found did,
    where every run failed."""
    points = [at for sweep in document["sweeps"] for at in sweep["points"]] if "sweeps" in document else [document]
    entries = [entry for at in points for entry in at.get("rules", at.get("points", ()))]
    demand_one_run([run for entry in entries for run in entry.get("runs", ())])


def _recipe(
    function: str, data: str, target: str | None, simulator: str, numbers: dict[str, Any]
) -> tuple[str, Recipe]:
    demand_known(function, numbers, Recipe, "parts", "power", "rules", "rates", "seeds", "target")
    data = targeted(data, target)
    usual = recipe_for(data, task=numbers.get("task") or "")
    return data, asked(usual, conductance_range(simulator), numbers)
