"""What ``settle`` and ``noise`` are both asked: capacitances, rows of inputs, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.cli.drives import volts
from diodeq.cli.verify import labels_of
from diodeq.errors import InputError
from diodeq.spice.numbers import number
from diodeq.tables import Floats, read_matrix


class Amount(click.ParamType):  # type: ignore[type-arg]
    """A number as SPICE writes it: 0.1p, 4meg, 1e-12."""

    def __init__(self, unit: str) -> None:
        self.name = unit

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number in the unit."""
        try:
            return number(str(value))
        except InputError as error:
            self.fail(str(error), param, context)


WIRING = click.option(
    "--wiring",
    type=Amount("farads"),
    default="0.1p",
    show_default=True,
    help="Capacitance that every connected end of a part adds to its node: a pad and its piece of wire.",
)
LOAD = click.option(
    "--load",
    type=Amount("farads"),
    default="1p",
    show_default=True,
    help="Capacitance at each node that an output reads: what measures it.",
)
LABELLED = click.option("--labelled", is_flag=True, help="The last column is the class number: report accuracies.")
SAMPLES = click.option(
    "--samples", type=click.IntRange(min=1), metavar="N", help="At most N rows, evenly spread.  [default: all]"
)


def rows_of(
    path: Path, circuit: Circuit, labelled: bool, units: str, samples: int | None
) -> tuple[Floats, NDArray[np.int64] | None]:
    """Input volts float64[B, n_in] and class numbers int64[B] of a file; raises ``InputError`` for bad ones."""
    count = len(circuit.inputs)
    rows = read_matrix(path, count + labelled)
    labels = labels_of(path, rows) if labelled else None
    if labels is not None and labels.max() >= len(circuit.outputs):
        at = int(labels.argmax())
        raise InputError(
            f"{path}: the label of sample {at + 1} is {labels[at]}",
            f"give class numbers 0 … {len(circuit.outputs) - 1}",
        )
    chosen = np.arange(len(rows))
    if samples is not None and samples < len(rows):
        chosen = np.linspace(0, len(rows) - 1, samples).round().astype(int)
    drives = volts(circuit, rows[:, :count], path, units)[chosen]
    return drives, None if labels is None else labels[chosen]
