"""Rows of a user's numbers as volts at a circuit's inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diodeq.circuit import Circuit
from diodeq.errors import InputError
from diodeq.tables import Floats, shortest


def volts(circuit: Circuit, rows: Floats, path: Path, units: str = "network", before: int = 0) -> Floats:
    """Input volts float64[B, n_in] of ``rows`` read from ``path``; ``before`` rows of the file came before them.

    Raises:
        InputError: a value is no finite voltage in the circuit's units; row and column are named.
    """
    if units != "network":
        return rows
    with np.errstate(over="ignore", invalid="ignore"):
        found = circuit.scaling.to_volts(rows)
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{path}: row {before + row + 1}, column {column + 1} is {shortest(float(rows[row, column]))}, which is no"
            " finite voltage in the units of the circuit",
            "give values such as it was made for, or --units volts",
        )
    return found
