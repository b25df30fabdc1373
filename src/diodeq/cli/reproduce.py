"""The command line that does it again: of an experiment, or of the command that is running."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from diodeq.cli.architecture import FIXED_BY_CIRCUIT
from diodeq.cli.train import train
from diodeq.errors import InputError
from diodeq.learning.experiment import Experiment
from diodeq.learning.recipes import SOME, SUITED, asked, is_known, recipe_for
from diodeq.simulators import conductance_range

# What a circuit given by --from gives other defaults.
_TUNED = ("rate", "beta")


def command(experiment: Experiment, out: str) -> tuple[str, tuple[str, ...]]:
    """(the ``diodeq train`` line, recipe entries that no option sets: the run was made from Python).

    Only what differs from the data set's own recipe is spelled out.
    """
    known = is_known(experiment.data)
    meant, recipe = recipe_for(experiment.data) if known else SOME[_task(experiment)], asdict(experiment.recipe)
    usual, given = asdict(meant), {"hidden": recipe["hidden"]}
    with suppress(InputError):  # a bench whose description has gone
        ends = conductance_range(experiment.simulator)
        given |= {} if ends == (recipe["low"], recipe["high"]) else {name: recipe[name] for name in ("low", "high")}
        follow = asdict(asked(meant, ends, given))
        usual |= {name: follow[name] for name in ("power", "median")}
        usual |= {} if ends is None else {"low": ends[0], "high": ends[1]}
    usual["task"] = ""  # what else the data tell is said
    usual |= {} if known else dict.fromkeys(SUITED)  # what suits the file need not be computed again
    words = ["diodeq", "train", experiment.data, "--out", out]
    if experiment.start:
        words += ["--from", experiment.start]
        usual |= dict.fromkeys(_TUNED) | {name: recipe[name] for name in FIXED_BY_CIRCUIT if name in recipe}
        usual |= {"encode": "", "supply": None if recipe["encode"] else recipe["supply"]}
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


def _task(experiment: Experiment) -> str:
    return experiment.recipe.task or "classification"


def this_command() -> str:
    """The running command as a line for a shell in the same folder, whatever set its options.

    Defaults are not spelled out, nor is ``--json``, which changes nothing that is made.
    """
    context = get_current_context()
    words, options = context.command_path.split(), []
    for parameter in context.command.params:
        name = str(parameter.name)
        value, source = context.params[name], context.get_parameter_source(name)
        if isinstance(parameter, click.Argument):
            # A name that looks like an option is still the same file with its folder before it.
            words.append(f"./{value}" if str(value).startswith("-") else str(value))
        elif isinstance(parameter, click.Option) and source is not ParameterSource.DEFAULT and name != "as_json":
            options += _spelled(parameter, value)
    return shlex.join(words + options)


def _spelled(option: click.Option, value: Any) -> list[str]:
    """The option with its value; floats in the shortest decimals that read back as the same number."""
    name = max(option.opts, key=len)
    if isinstance(value, bool):
        return [name] if value else option.secondary_opts[:1]
    if isinstance(value, (tuple, list)) and not option.multiple:
        return [name, ",".join(map(str, value))]  # a list in one word
    if isinstance(value, (tuple, list)):
        return [word for each in value for word in _spelled(option, each)]
    return [name, repr(value) if isinstance(value, float) else str(value)]
