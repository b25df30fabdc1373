"""The command line that repeats an experiment, read off the options of ``diodeq train``."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import rich_click as click

from diodeq.cli.train import train
from diodeq.learning.experiment import Experiment
from diodeq.learning.recipe import recipe_for

# What a circuit given by --from fixes, and what it gives other defaults.
_FIXED_BY_CIRCUIT = ("hidden", "lateral", "volts")
_TUNED = ("rate", "beta")


def command(experiment: Experiment, out: str) -> tuple[str, tuple[str, ...]]:
    """(the ``diodeq train`` line, recipe entries that no option sets: the run was made from Python).

    Only what differs from the data set's own recipe is spelled out.
    """
    recipe, usual = asdict(experiment.recipe), asdict(recipe_for(experiment.data))
    words = ["diodeq", "train", experiment.data, "--out", out]
    if experiment.start:
        words += ["--from", experiment.start]
        usual |= dict.fromkeys(_TUNED) | {name: recipe[name] for name in _FIXED_BY_CIRCUIT}
    elif experiment.diode != "1N4148":
        words += ["--diode", experiment.diode]
    if experiment.simulator != "ngspice":
        words += ["--simulator", experiment.simulator]
    changed = {name for name, value in recipe.items() if value != usual[name]}
    for option in train.params:
        if isinstance(option, click.Option) and option.name in changed:
            words += _spelled(option, recipe[option.name])
            changed.remove(option.name)
    if changed & {"low", "high"}:
        words += ["--conductances", repr(recipe["low"]), repr(recipe["high"])]
    return shlex.join(words), tuple(sorted(changed - {"low", "high"}))


def _spelled(option: click.Option, value: Any) -> list[str]:
    """The option with its value; floats in the shortest decimals that read back as the same number."""
    if isinstance(value, bool):
        return [option.opts[0] if value else option.secondary_opts[0]]
    values = value if isinstance(value, (tuple, list)) else [value]
    return [word for each in values for word in (option.opts[0], repr(each) if isinstance(each, float) else str(each))]
