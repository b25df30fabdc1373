"""The options that say which samples a circuit is judged on: a data set's held-out ones, or a CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.cli.drives import rows_of, volts
from diodeq.cli.names import DATA
from diodeq.cli.options import together
from diodeq.devices.hardware.ladder import ladder
from diodeq.devices.hardware.preferred import series_of
from diodeq.errors import InputError, UsageError
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import is_known
from diodeq.learning.tasks import TASKS
from diodeq.measures import Labels

if TYPE_CHECKING:
    from diodeq.learning.datasets import Dataset

LABELLED = click.option(
    "--labelled", is_flag=True, help="The last column of --inputs is the class number, or what a regression shall find."
)
TARGET = click.option(
    "--target", metavar="NAME", help="The column of a csv:, parquet: or arff: file to learn, or its number."
)
TASK = click.option(
    "--task",
    type=click.Choice(list(TASKS)),
    help="Learn classes, or quantities.  [default: quantities where the target has more than 20 different numbers, not"
    " all whole or more than one to ten samples, or several columns, not all whole]",
)
# --data, --target, --split, --inputs and --labelled.
sampled = together(
    click.option("--data", type=DATA, help="A data set of `diodeq train`: its held-out samples."),
    TARGET,
    click.option(
        "--split",
        type=click.IntRange(min=0),
        help="Seed of --data's split.  [default: that of the run whose folder CIRCUIT lies in, else 0]",
    ),
    click.option(
        "--inputs", type=click.Path(path_type=Path), help="CSV of inputs in the user's units instead of --data."
    ),
    LABELLED,
)


@dataclass(frozen=True)
class Samples:
    """The values of the options."""

    data: str | None
    target: str | None
    split: int | None
    inputs: Path | None
    labelled: bool

    def read(self, path: Path, circuit: Circuit) -> tuple[Floats | None, Labels | None]:
        """Input volts float64[B, n_in] for the circuit read from ``path``, and class numbers, or the volts of the
        outputs that stand for quantities; None where not given.

        Raises:
            UsageError: options that exclude each other.
            InputError: the samples cannot be read or do not fit the circuit.
        """
        if not self.given and len(circuit.inputs):
            return None, None
        rows, labels = self.rows(path, circuit)
        return volts(circuit, rows, self.inputs), labels

    def rows(self, path: Path, circuit: Circuit) -> tuple[Floats, Labels | None]:
        """The same in the user's units, one row of nothing where a circuit has no inputs and none are given."""
        self.demand_sense()
        if self.data is None:
            return rows_of(circuit, self.inputs, self.labelled, path)
        from diodeq.learning.objective import fits, labels_of

        found = self.held_out(path, lambda data: task_of(circuit, data))
        fits(circuit, found)
        return found.x_test, labels_of(circuit, found.y_test)

    def held_out(self, path: Path, task: Callable[[str], str]) -> Dataset:
        """The data set of --data, split as that of the run beside ``path``; ``task`` says what its target is."""
        from diodeq.learning import datasets

        assert self.data is not None
        data = datasets.targeted(self.data, self.target)
        return datasets.load(data, split_of(path, data) if self.split is None else self.split, task(data))

    @property
    def given(self) -> bool:
        """Whether there are any; raises ``UsageError`` for options that exclude each other or mean nothing."""
        self.demand_sense()
        return self.data is not None or self.inputs is not None

    def demand_sense(self) -> None:
        """Raise ``UsageError`` for options that exclude each other or mean nothing."""
        if self.data is not None and self.inputs is not None:
            raise UsageError("--data and --inputs exclude each other", "give one of them")
        if self.split is not None and self.data is None:
            raise UsageError("--split has no meaning without --data", "leave it out")
        if self.labelled and self.inputs is None:
            raise UsageError("--labelled has no meaning without --inputs", "leave it out")
        if self.target is not None and self.data is None:
            raise UsageError("--target has no meaning without --data", "leave it out")

    def needed(self, path: Path, circuit: Circuit, most: int | None = None) -> tuple[Floats, Labels | None]:
        """The same, of the first ``most`` samples; raises ``UsageError`` where there are none."""
        drives, labels = self.read(path, circuit)
        if drives is None:
            raise UsageError("the circuit needs inputs", "give either --data, such as digits, or --inputs X.csv")
        return drives[:most], None if labels is None else labels[:most]


def task_of(circuit: Circuit, data: str) -> str:
    """What the target of a file is taken for: what the circuit's outputs are, where the data do not say themselves."""
    return "" if is_known(data) else "regression" if circuit.scaling.regresses else "classification"


def from_csv(path: Path, circuit: Circuit, labelled: bool, file: Path) -> tuple[Floats, Labels | None]:
    """Input volts float64[B, n_in] of a CSV in the user's units, and the class numbers in its last column, or the volts
    of the outputs that stand for the quantities in its last columns, if any; ``file`` is the circuit's."""
    rows, labels = rows_of(circuit, path, labelled, file)
    return volts(circuit, rows, path), labels


def split_of(circuit: Path, data: str) -> int:
    """The seed of the run beside the circuit, whose held-out samples it never saw; 0 where there is none."""
    summary = _summary_beside(circuit)
    return int(summary["seed"]) if summary.get("data") == data else 0


def values_of(path: Path, circuit: Circuit) -> str:
    """What the resistors of a circuit read from ``path`` are of: the values that the run beside it kept to, or a series
    of preferred ones, where all of them are; "" else."""
    recipe = _summary_beside(path).get("recipe")
    named = recipe.get("quantize") if isinstance(recipe, dict) else None
    given = circuit.conductances
    if named and isinstance(named, str) and len(given):
        try:
            found = ladder(named, *Recipe().range_with(given)).project(given)
        except UsageError:  # somebody else's summary
            found = np.zeros_like(given)
        if np.allclose(found, given, rtol=1e-9, atol=0.0):
            return named
    return series_of(1.0 / given) if given.all() else ""


def _summary_beside(circuit: Path) -> dict[str, Any]:
    """Of the run in whose folder the circuit lies; empty where there is none."""
    from diodeq.learning.records import read_summary

    try:
        return read_summary(circuit.parent / "summary.json")
    except (OSError, InputError):
        return {}
