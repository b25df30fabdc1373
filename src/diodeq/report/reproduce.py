"""The command that repeats an experiment."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from diodeq.learning.experiment import Experiment
from diodeq.learning.recipe import recipe_for

# Recipe entries with an option of their own name.
_OPTIONS = (
    *("rule", "epochs", "batch_size", "rate", "schedule", "update", "loss", "smoothing", "noise", "patience", "seed"),
    *("volts", "beta"),
)
_FIXED_BY_CIRCUIT = ("hidden", "lateral", "volts")


def command(experiment: Experiment, out: str) -> tuple[str, tuple[str, ...]]:
    """(the ``diodeq train`` line, recipe entries that no option sets because the run was made from Python).

    Only what differs from the data set's own recipe is spelled out; a circuit given by ``--from`` changes defaults, so
    its rate and beta always are.
    """
    recipe, usual = asdict(experiment.recipe), asdict(recipe_for(experiment.data))
    words = ["diodeq", "train", experiment.data, "--out", out]
    if experiment.start:
        words += ["--from", experiment.start]
        usual |= {"rate": None, "beta": None} | {name: recipe[name] for name in _FIXED_BY_CIRCUIT}
    elif experiment.diode != "1N4148":
        words += ["--diode", experiment.diode]
    if experiment.simulator != "ngspice":
        words += ["--simulator", experiment.simulator]
    changed = {name for name, value in recipe.items() if value != usual[name]}
    if "hidden" in changed:
        words += ["--hidden", ",".join(map(str, recipe["hidden"]))]
    if "lateral" in changed:
        words.append("--lateral" if recipe["lateral"] else "--no-lateral")
    for name in _OPTIONS:
        if name in changed:
            words += ["--" + name.replace("_", "-"), _spelled(recipe[name])]
    if changed & {"low", "high"}:
        words += ["--conductances", _spelled(recipe["low"]), _spelled(recipe["high"])]
    for name in recipe["also"]:
        words += ["--also", name]
    known = {*_OPTIONS, "hidden", "lateral", "low", "high", "also"}
    return shlex.join(words), tuple(sorted(changed - known))


def _spelled(value: Any) -> str:
    """The shortest decimal that reads back as the same number."""
    return repr(value) if isinstance(value, float) else str(value)
