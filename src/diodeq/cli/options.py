"""Options and output that several commands share, so that they look the same everywhere."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from diodeq import pool
from diodeq.cli.names import ENGINE
from diodeq.errors import InputError, UsageError
from diodeq.files import demand_place
from diodeq.network.activations import Activation
from diodeq.spice.numbers import NUMBER, number, suffix_of

Command = TypeVar("Command", bound=Callable[..., Any])


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """One decorator for several options, which ``--help`` shows in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


class Written(click.Path):
    """The type of an option or argument that says where a command writes; ``diodeq.toml`` never does."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


WRITTEN = Written()


class Drawable(Written):
    """That of a picture, whose format and place are looked at before anything slow is done."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Path:
        """The path; raises ``UsageError`` for a format that cannot be drawn, ``InputError`` for a place that nothing
        can be written to."""
        from diodeq.report.figures import demand_drawable

        path = Path(os.fsdecode(super().convert(value, param, context)))
        demand_drawable(path)
        demand_place(path)
        return path


def plot(what: str) -> Callable[[Command], Command]:
    """The option ``--plot``, which says ``what`` is drawn."""
    return click.option("--plot", "picture", type=Drawable(), help=f"{what} (.svg, .png, .pdf).")


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


# Letters that are units and no factors.
_UNITS = {"v": "volts", "w": "watts", "a": "amperes"}
# What a unit is written as, other than by the beginning of its name.
_SYMBOLS = {"hertz": "hz", "ohms": "ω"}


class Amount(click.ParamType):  # type: ignore[type-arg]
    """A number as SPICE writes it: 0.1p, 4meg, 1e-12."""

    def __init__(self, unit: str) -> None:
        self.name = unit

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number in the unit."""
        try:
            return self.read(str(value))
        except InputError as error:
            self.fail(str(error), param, context)

    def read(self, text: str) -> float:
        """The number that ``text`` is; raises ``InputError`` where it is none, or in another unit."""
        own = _UNITS.get(self.name[0].lower(), self.name)
        unit = _UNITS.get(text[-1:].lower(), own)
        if unit != own:
            raise InputError(f"{text!r} is in {unit}", f"give {own}")
        found, letters = number(text), NUMBER.sub("", text, count=1).lower()
        rest = letters.removeprefix(suffix_of(letters))
        if not (own.startswith(rest) or rest == _SYMBOLS.get(own)):
            raise InputError(f"{text!r} ends in {rest!r}, which is no unit of {own}", f"give {own}, as in 1k or 1m")
        return found


def numbers(
    kind: Callable[[str], float], example: str = ""
) -> Callable[[click.Context, click.Parameter, str], tuple[Any, ...]]:
    """Reads numbers joined by commas, each by ``kind``."""

    def read(context: click.Context, parameter: click.Parameter, value: str) -> tuple[Any, ...]:
        try:
            return tuple(kind(part) for part in value.split(",") if part.strip())
        except (ValueError, InputError):
            shown = example or ("0,1,2" if kind is int else "0.03,0.1")
            raise click.BadParameter(f"{value!r} is not a list of numbers such as {shown}") from None

    return read


class Finite(click.FloatRange):
    """A finite number within bounds; click's own lets nan through, and infinity where one end is open."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number."""
        found = float(super().convert(value, param, context))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number.", param, context)
        return found


class Percent(Finite):
    """A number in per cent, with or without the sign."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number."""
        return super().convert(value.strip().removesuffix("%") if isinstance(value, str) else value, param, context)


POSITIVE = Finite(min=0.0, min_open=True)
# Of resistors, for a certificate.
PERCENT = Percent(min=0.0, max=100.0, max_open=True)


SIMULATOR = click.option(
    "--simulator", type=ENGINE, default="ngspice", show_default=True, help="The engine, and what it shall compute with."
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1, max=1024),
    help="Simulator processes.  [default: the usable cores]",
    show_default=False,
)
TIME_LIMIT = click.option(
    "--time-limit",
    type=click.FloatRange(min=0.0, min_open=True),
    default=pool.TIME_LIMIT,
    show_default=True,
    envvar="DIODEQ_TIME_LIMIT",
    metavar="SECONDS",
    help="Processor time that a process of ngspice may take for a deck of ordinary size; a larger one may take more.",
)


STRICT = click.option(
    "--strict", is_flag=True, help="Fail (exit code 4) where a rating of a part or the supply asked for is exceeded."
)


def _cluster(context: click.Context, parameter: click.Parameter, value: str) -> str:
    from diodeq.cluster import checked

    return checked(value)


CLUSTER = click.option(
    "--cluster",
    default="",
    callback=_cluster,
    metavar="local:N|tcp://HOST:PORT|slurm:N",
    help="Spread the work over Dask workers, which may die: N of this machine, those of a running scheduler, or N jobs"
    " of SLURM (settings: ~/.config/dask/jobqueue.yaml).",
)
JOB_SCRIPT = click.option(
    "--job-script", is_flag=True, help="Print what --cluster slurm:N hands to sbatch, and do nothing."
)
INPUTS = click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="CSV, one row a sample; a header may name the circuit's inputs in any order."
    "  [required unless CIRCUIT has no inputs]",
)
UNITS = click.option(
    "--units",
    type=click.Choice(["volts", "network"]),
    default="network",
    show_default=True,
    help="What the CSV holds: volts at the inputs, or the user's own units (features in, scores out).",
)


def _activation(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The names as given; raises ``UsageError`` for one that does not exist."""
    for name in [] if value is None else value.split(","):
        try:
            Activation.parse(name)
        except InputError as error:
            raise UsageError(f"--activation: {error.problem}", error.remedy) from None
    return value


# What a weights file does not say itself.
WEIGHTS = together(
    click.option(
        "--activation",
        metavar="NAME[,NAME…]",
        callback=_activation,
        help="Of a state dict, which holds none: one for all layers but the last, or one for each.",
    ),
    click.option(
        "--layers",
        metavar="NAME[,NAME…]",
        callback=lambda context, parameter, value: None if value is None else tuple(value.split(",")),
        help="Of a state dict: its layers in their order, such as fc1,fc2.  [default: the file's order]",
    ),
    click.option("--margin", type=POSITIVE, help="The m of a monotone equilibrium layer whose file does not hold it."),
)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, indent=2))


def rule_list(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """``all``, or learning rules joined by commas, each checked; raises ``UsageError`` for one that does not exist."""
    from diodeq.learning.rules import RULES, named

    rules = tuple(RULES) if value == "all" else tuple(part.strip() for part in value.split(","))
    for rule in rules:
        named(rule)
    return rules
