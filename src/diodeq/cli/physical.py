"""What ``settle`` and ``noise`` are both asked: capacitances, rows of inputs, labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rich_click as click
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.cli import drives
from diodeq.cli.options import Amount
from diodeq.errors import UsageError
from diodeq.tables import Floats

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
    path: Path | None, circuit: Circuit, labelled: bool, units: str, samples: int | None, file: Path
) -> tuple[Floats, NDArray[np.int64] | None]:
    """Input volts float64[B, n_in] and class numbers int64[B] of a file; raises ``InputError`` for bad ones.

    ``file`` is the circuit's.
    """
    if labelled and circuit.scaling.regresses:
        raise UsageError(f"circuit {circuit.title!r} has no classes but quantities", "leave --labelled out")
    rows, labels = drives.rows_of(circuit, path, labelled, file)
    chosen = np.arange(len(rows))
    if samples is not None and samples < len(rows):
        chosen = np.linspace(0, len(rows) - 1, samples).round().astype(int)
    found = drives.volts(circuit, rows, path, units)[chosen]
    drives.told((chosen + 1).tolist())
    return found, None if labels is None else labels[chosen].astype(np.int64)
