"""``diodeq train``: train a resistor-diode circuit on a data set, inside a simulator."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click
from click.core import ParameterSource
from click.exceptions import Exit

from diodeq.analysis.quantization import USUAL_VOLTS
from diodeq.circuit import Circuit
from diodeq.circuit.graph import unread
from diodeq.cli.architecture import ARCHITECTURE, FIXED_BY_CIRCUIT
from diodeq.cli.names import DATA, ENGINE, RULE
from diodeq.cli.options import JSON, SIMULATOR, STRICT, TIME_LIMIT, WORKERS, WRITTEN, Amount, print_json
from diodeq.cli.samples import TARGET, TASK
from diodeq.cli.terminal import complain, mention, say
from diodeq.cli.train_certified import CERTIFY_BITS, proved, sentence, with_bits
from diodeq.cli.train_shown import shown
from diodeq.devices.hardware import technology
from diodeq.devices.hardware.ladder import own_range
from diodeq.devices.units import Unit
from diodeq.errors import BenchLostError, NotRealizableError, UsageError
from diodeq.files import write_atomically
from diodeq.interrupts import EXIT_CODE, received
from diodeq.learning import datasets
from diodeq.learning.datasets import Dataset
from diodeq.learning.experiment import Experiment, conduct, stored
from diodeq.learning.initial import tuned
from diodeq.learning.losses import LOSSES
from diodeq.learning.parametrization import OTHERS
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import asked, is_known, recipe_for
from diodeq.learning.rules import described
from diodeq.learning.schedules import SCHEDULES
from diodeq.learning.updates import UPDATES
from diodeq.measures import measure_of
from diodeq.printable import counted, quantity
from diodeq.simulators import conductance_range

NAMED = 8
# So many times the power that was asked for is worth a word: held-out samples may take a little more than training's.
ABOVE = 1.2
"""Features that are named."""


# In the order in which a run is thought of; each panel of --help is as wide as its own options.
PANELS = {
    "The run": ("--target", "--task", "--out", "--from", "--resume", "--overwrite", "--seed"),
    "The circuit": ("--hidden", "--unit", "--topology", "--lateral", "--diode", "--supply", "--encode"),
    "What it may take": ("--parts", "--fan-in", "--power", "--power-weight", "--conductances", "--quantize"),
    "Its parts": ("--technology", "--robust", "--certify-bits", "--strict"),
    "How it learns": (
        *("--rule", "--epochs", "--batch-size", "--rate", "--schedule", "--update", "--loss", "--smoothing", "--noise"),
        *("--patience", "--budget", "--beta", "--also"),
    ),
    "The engine": ("--simulator", "--workers", "--time-limit", "--verify-with"),
    "What is shown": ("--live", "--verbose", "--json", "--help"),
}


@click.command()
@click.rich_config(
    help_config={
        "option_groups": {"*train": [{"name": name, "options": [*each]} for name, each in PANELS.items()]},
    }
)
@click.argument("data", required=False, type=DATA)
@TARGET
@TASK
@click.option("--out", "-o", required=True, type=WRITTEN, help="Folder of the run; must not exist yet.")
@ARCHITECTURE
@SIMULATOR
@click.option(
    "--rule",
    type=RULE,
    metavar="NAME[:OPTION…]",
    help=f"How gradients are found: {described()}.  [default: hardware-linearization]",
)
@click.option("--epochs", type=int, help="Passes through the training samples.")
@click.option("--batch-size", type=int, help="Samples per update.")
@click.option("--rate", type=float, help="Learning rate, in log-conductance; 0.005 with --from.")
@click.option("--schedule", type=click.Choice(list(SCHEDULES)), help="Course of the rate.  [default: cosine]")
@click.option("--update", type=click.Choice(list(UPDATES)), help="From gradients to steps.  [default: adam]")
@click.option("--loss", type=click.Choice(list(LOSSES)), help="What is minimised.  [default: cross-entropy]")
@click.option("--smoothing", type=float, help="Label smoothing, 0 to below 1.")
@click.option("--noise", type=float, help="Noise added to the inputs while training, as a part of the volts.")
@click.option(
    "--patience", type=int, help="Stop after N epochs without a lower training loss, and keep the best epoch; 0: never."
)
@click.option("--budget", type=int, help="Stop before the circuit has settled more often than this; 0: never.")
@click.option("--seed", type=int, help="Split, initial values and order derive from it.  [default: 0]")
@click.option("--beta", type=float, help="Logits per output volt.")
@click.option("--conductances", type=float, nargs=2, metavar="LOW HIGH", help="Range in siemens.  [default: 1e-7 1e-4]")
@click.option("--power", type=Amount("watts"), metavar="W", help="Steer to this mean power, such as 10mW; 0: any.")
@click.option("--power-weight", type=float, metavar="W", help="What a watt adds to the loss, at first.")
@click.option("--parts", type=int, metavar="N", help="Prune to N resistors while training; 0: all stay.")
@click.option("--fan-in", type=int, metavar="N", help="Keep N resistors from each node towards the inputs; 0: all.")
@click.option(
    "--quantize",
    "--series",
    metavar="VALUES",
    help="Train a circuit of such values only: E24, AD5206, 16 levels, E12:series …",
)
@click.option(
    "--robust",
    metavar="TECHNOLOGY|NAME=VALUE,…",
    help="Train on another board each batch, drawn from what a technology deviates by, or from such as tolerance=10%.",
)
@CERTIFY_BITS
@click.option("--technology", help="Range and values of `diodeq devices technologies`; its spread is --robust.")
@click.option("--also", multiple=True, type=click.Choice(list(OTHERS)), help="Train these values too; repeatable.")
@WORKERS
@TIME_LIMIT
@click.option(
    "--from", "start", type=click.Path(path_type=Path), help="Train this circuit.npz instead of a new layered one."
)
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@STRICT
@click.option("--verify-with", type=ENGINE, help="Evaluate the result once more in this engine.")
@click.option("--live", is_flag=True, help="A dashboard on a terminal; elsewhere one line an epoch.")
@click.option("--verbose", "-v", is_flag=True, help="One line an epoch on stderr when it is not a terminal.")
@JSON
@click.pass_context
def train(
    context: click.Context,
    /,
    data: str | None,
    target: str | None,
    out: Path,
    diode: str | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    start: Path | None,
    resume: bool,
    overwrite: bool,
    strict: bool,
    verify_with: str | None,
    live: bool,
    verbose: bool,
    as_json: bool,
    **numbers: Any,
) -> None:
    """Train a resistor-diode circuit on DATA inside a simulator.

    DATA is iris, wine, breast-cancer, digits, xor, moons, for regression diabetes or friedman, idx:FOLDER (MNIST
    format), npz:FILE (arrays X and y), or a table, csv:FILE, parquet:FILE or arff:FILE, whose label is the last column
    or --target; --resume knows it. Numbers that are not given have sane values for it. The folder gets circuit.npz,
    netlist.cir, summary.json, metrics.jsonl, checkpoint.npz and training.svg.

    Example: diodeq train iris --out run
    """
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other", "give one of them")
    numbers["also"] = numbers["also"] or None
    given = _given(context)
    given |= with_bits(numbers) | _hold(numbers)
    if data is None and not resume:
        raise UsageError("DATA is missing", "name a data set such as iris, or add --resume")
    if target is not None:
        if data is None:
            raise UsageError("--target has no meaning without DATA", "leave it out")
        data = datasets.targeted(data, target)
    if data is None or resume:
        experiment, loaded = _resumed(stored(out), given, data, diode, simulator, start, numbers), None
    else:
        experiment, loaded = _fresh(given, data, diode, simulator, start, numbers)

    def begun(circuit: Circuit, samples: Dataset, done: int) -> None:
        lost = unread(circuit)
        if lost:
            shown = f"{', '.join(lost[:NAMED])}{' …' if len(lost) > NAMED else ''}"
            mention(f"nothing reads {len(lost)} of {counted(len(circuit.inputs), 'feature')}: {shown}")
        _say_volts(circuit, samples)
        progress.start(circuit, samples, done)

    mode = "resume" if resume else "overwrite" if overwrite else "new"
    with _interruptible(experiment.data, out), shown(experiment.recipe.epochs, verbose, live, out) as progress:
        summary = conduct(
            experiment,
            out,
            mode,
            data=loaded,
            workers=workers,
            time_limit=time_limit,
            verify_with=verify_with or "",
            on_engine=progress.engine,
            on_start=begun,
            on_batch=progress.batch,
            on_epoch=progress.epoch,
            picture=_picture,
        )
    certificate = proved(summary, out, workers, time_limit)
    if as_json:
        print_json(summary if certificate is None else {**summary, "certificate": certificate})
    else:
        say(_sentences(summary, out, sentence(certificate, summary) if certificate else ""))
    if strict and summary["ratings_exceeded"]:
        worst = summary["feasibility"]["exceeded"][0]
        raise NotRealizableError(
            f"the run in {out} asks for more than its parts are rated for: {worst['sentence']}",
            "train with a lower --supply, --encode range, --power or other parts; the run stays",
            parts=(worst["part"],),
        )


def _say_volts(circuit: Circuit, data: Dataset) -> None:
    """A note where features drive a circuit as they are, beyond what its own sources give."""
    if not circuit.scaling.untouched or not len(circuit.inputs):
        return
    highest = float(np.abs(data.x_train).max())
    own = float(np.abs(circuit.voltage_sources.values).max(initial=0.0)) or USUAL_VOLTS
    if highest > own:
        mention(
            f"the circuit takes features for volts, and they reach {quantity(highest, 'V')}; --encode range --supply"
            f" {own:g} puts them within ±{own:g} V"
        )


def _given(context: click.Context) -> set[str]:
    """Parameters named on the command line or in the environment: those are meant, defaults are not."""
    meant = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    return {name for name in context.params if context.get_parameter_source(name) in meant}


def _hold(numbers: dict[str, Any]) -> set[str]:
    """Put the range and the values that --conductances, --technology and --quantize ask for among the numbers.

    Returns the names that were put there. Parts that are programmed bring their range.
    """
    asked, named = numbers.pop("conductances"), numbers.pop("technology")
    held = technology.get(named) if named else None
    numbers["quantize"] = numbers["quantize"] or (held.levels or None if held else None)
    numbers["low"], numbers["high"] = asked or ((held.low, held.high) if held else (None, None))
    if numbers["low"] is None and numbers["quantize"]:
        numbers["low"], numbers["high"] = own_range(numbers["quantize"]) or (None, None)
    return {name for name in ("low", "high", "quantize") if numbers[name] is not None}


def _fresh(
    given: set[str], data: str, diode: str | None, simulator: str, start: Path | None, numbers: dict[str, Any]
) -> tuple[Experiment, Dataset | None]:
    """What is asked for, and its data where they had to be looked at for a recipe."""
    task = numbers["task"] or ""
    seed = Recipe().with_given(seed=numbers["seed"]).seed
    loaded = None if is_known(data) else datasets.load(data, seed, task)
    recipe = asked(recipe_for(data, loaded, task), conductance_range(simulator), numbers)
    diode = diode or Unit.parse(recipe.unit).kind.diode
    if start is None:
        return Experiment(data, recipe, diode, simulator), loaded
    fixed = [f"--{name}" for name in FIXED_BY_CIRCUIT if name in given]
    if fixed:
        raise UsageError(f"--from brings a circuit with its own {fixed[0][2:]}", f"leave {fixed[0]} or --from out")
    recipe = tuned(recipe, start, {name for name, value in numbers.items() if value is not None})
    return Experiment(data, recipe, diode, simulator, str(start)), loaded


def _resumed(
    before: Experiment,
    given: set[str],
    data: str | None,
    diode: str | None,
    simulator: str,
    start: Path | None,
    numbers: dict[str, Any],
) -> Experiment:
    """The run's own experiment; raises ``UsageError`` where an option asks for another one."""
    asked = {"data": data, "diode": diode, "simulator": simulator, "start": str(start or ""), **numbers}
    for name in sorted(given & set(asked)):
        was = getattr(before, name) if hasattr(before, name) else getattr(before.recipe, name)
        if asked[name] != was:
            option = "DATA" if name == "data" else "--" + ("from" if name == "start" else name.replace("_", "-"))
            raise UsageError(
                f"{option} was {was!r} when the run began, not {asked[name]!r}", "leave it out, or use --overwrite"
            )
    return before


@contextmanager
def _interruptible(data: str, out: Path) -> Iterator[None]:
    """Ctrl-C ends with one sentence and exit code 130; the checkpoint of the last whole epoch stays."""
    try:
        yield
    except BaseException as error:
        onward = f"go on with: diodeq train {shlex.quote(data)} --out {shlex.quote(str(out))} --resume"
        if isinstance(error, BenchLostError) and (out / "checkpoint.npz").exists():
            raise BenchLostError(error.problem, f"{error.remedy}, then {onward}") from error
        if not received(error):
            raise
        words = onward if (out / "checkpoint.npz").exists() else "nothing was trained yet"
        complain(f"interrupted; {words}")
        raise Exit(EXIT_CODE) from None


def _picture(path: Path, metrics: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    from diodeq.report.figures import render
    from diodeq.report.training_plot import training_figure

    title = (
        f"{summary['data']}: {counted(summary['diodes'], 'diode')}, {counted(summary['resistors'], 'resistor')}, in"
        f" {summary['simulator']}"
    )
    write_atomically(path, render(training_figure(metrics, title), path))


def _layers(summary: dict[str, Any]) -> str:
    """The widths of the circuit's layers, or the file that it was."""
    widths = (summary["features"], *summary["recipe"]["hidden"], len(summary["classes"] or summary["targets"]))
    return summary["start"] or "-".join(map(str, widths))


def _sentences(summary: dict[str, Any], out: Path, certified: str) -> str:
    diodes, nodes = counted(summary["diodes"], "diode"), counted(summary["nodes"], "node")
    recipe, measure = summary["recipe"], measure_of(summary)
    lines = [
        f"{summary['data']}: {measure.words(summary[f'test_{measure.key}'])} on"
        f" {counted(summary['test_samples'], 'held-out sample')}"
        f" ({measure.said(summary[f'train_{measure.key}'])} in training)",
        f"{_layers(summary)}: {counted(summary['resistors'], 'resistor')}, {diodes} ({summary['diode']}), {nodes};"
        f" learned in batches of {recipe['batch_size']:,} at a rate of {recipe['rate']:g}",
        summary["feasibility"]["sentence"],
        f"{counted(summary['epochs'], 'epoch')} in {summary['seconds']:.1f} s in {summary['simulator_version']}"
        f" ({summary['samples_per_second']:.0f} samples/s, {summary['rule']})",
    ]
    lines += [certified] if certified else []
    asked, took = recipe.get("power"), summary["static_watts_median"]
    if asked and took is not None and took > ABOVE * asked:
        lines.append(
            f"note: it takes more than the {quantity(asked, 'W')} that were asked for: allow more, fewer --parts or a"
            " lower --conductances"
        )
    if "verified" in summary:
        other = summary["verified"]
        lines.append(
            f"{other['simulator_version']} gives {measure.words(other[f'test_{measure.key}']).removesuffix(' right')},"
            f" outputs within {other['max_difference_volts']:.1e} V"
        )
    return "\n".join([*lines, f"results in {out}"])
