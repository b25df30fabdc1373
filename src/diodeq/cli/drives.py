"""Rows of a user's numbers as volts at a circuit's inputs: every command that drives a circuit reads them here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from click import get_current_context
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.cli.terminal import ROWS
from diodeq.errors import InputError, UsageError
from diodeq.measures import Labels
from diodeq.printable import counted
from diodeq.tables import Floats, read_blocks, read_matrix, shortest

Ints = NDArray[np.int64]


def told(rows: Sequence[int]) -> None:
    """From now on sample k of a batch is the row ``rows[k]`` of the file, which errors name instead."""
    context = get_current_context(silent=True)
    if context is not None and context.obj is not None:
        context.obj[ROWS] = rows


def rows_of(
    circuit: Circuit, path: Path | None, labelled: bool = False, file: Path | None = None
) -> tuple[Floats, Labels | None]:
    """Rows float64[B, n_in] of a file in whatever unit, and the class numbers int64[B] in its last column, if any,
    where labels may be the classes of the run in whose folder the circuit's ``file`` lies; of a regression the volts
    float64[B, 1] of the output that stand for the quantity there.

    Without a file a circuit without inputs has one row.

    Raises:
        UsageError: no file, or a file for nothing.
        InputError: the file cannot be read, or does not fit the circuit.
    """
    count = len(demand_file(circuit, path, labelled))
    if path is None:
        return np.zeros((1, 0)), None
    classes = classes_of(file, circuit) if labelled and file is not None else []
    rows = read_matrix(path, circuit.inputs.names, labelled, classes)
    told(range(1, len(rows) + 1))
    if not labelled:
        return rows[:, :count], None
    if not circuit.scaling.regresses:
        return rows[:, :count], labels_of(path, rows, len(circuit.outputs) or None)
    if len(circuit.outputs) > 1:
        raise UsageError(f"{path} has a column for one of {len(circuit.outputs)} quantities", "give --data npz:FILE")
    wanted: Labels = circuit.scaling.target_volts(rows[:, count:])
    return rows[:, :count], wanted


def quantities_of(circuit: Circuit, labels: Labels | None) -> Labels | None:
    """Labels in the user's units, in which those of a regression are quantities and not volts."""
    return labels if labels is None or labels.ndim == 1 else circuit.scaling.from_volts(labels)


def blocks(
    circuit: Circuit, path: Path | None, rows: int, seen: Callable[[int], None] | None = None
) -> Iterator[Floats]:
    """The same without labels, at most ``rows`` at a time; ``seen`` is told how many bytes of the file were read."""
    names = demand_file(circuit, path)
    done = 0
    for block in [np.zeros((1, 0))] if path is None else read_blocks(path, names, rows, seen):
        told(range(done + 1, done + len(block) + 1))
        yield block
        done += len(block)


def demand_file(circuit: Circuit, path: Path | None, labelled: bool = False) -> tuple[str, ...]:
    """The names of the circuit's inputs; raises ``UsageError`` where a file lacks or has no use."""
    names = circuit.inputs.names
    if path is not None and not names:
        raise UsageError(
            f"circuit {circuit.title!r} has no inputs for {path}",
            "leave the file out, or make inputs with diodeq import --input NAME",
        )
    if path is None and names:
        raise UsageError(f"circuit {circuit.title!r} has inputs", "give --inputs X.csv, one row a sample")
    if path is None and labelled:
        raise UsageError("--labelled has no meaning without --inputs", "leave it out")
    return names


def labels_of(path: Path, rows: Floats, classes: int | None = None) -> Ints:
    """The class numbers in the last column; raises ``InputError`` for anything that is none of so many ``classes``."""
    column = rows[:, -1]
    wrong = (column % 1 != 0) | (column < 0) | (column >= (2**31 if classes is None else classes))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(
            f"{path}: the label of row {at + 1} is {column[at]:g}",
            f"give class numbers {'0, 1, 2, …' if classes is None else f'0 … {classes - 1}'}",
        )
    return column.astype(np.int64)


def volts(circuit: Circuit, rows: Floats, path: Path | None, units: str = "network", before: int = 0) -> Floats:
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


def classes_of(path: Path, circuit: Circuit) -> list[str]:
    """The classes that the outputs score, by the run whose folder the circuit lies in; none where it says nothing."""
    written = path.parent / "summary.json"
    if not written.exists():
        return []
    try:
        from diodeq.learning.records import read_summary

        summary = read_summary(written)
    except (InputError, OSError):
        return []
    names = summary.get("classes")
    if not isinstance(names, list) or len(names) != len(circuit.outputs) or len(names) < 2:
        return []
    # Another circuit may lie there too.
    ours = summary["resistors"] == len(circuit.resistors) and summary["nodes"] == len(circuit.nodes)
    return [str(name) for name in names] if ours else []


def row_of(circuit: Circuit, path: Path | None, row: int, units: str) -> Floats:
    """The volts of one row of a file, counted from 1, or 0 at all inputs without a file.

    Raises:
        InputError: there is no such row.
    """
    if path is None:
        return np.zeros(len(circuit.inputs))
    rows, _ = rows_of(circuit, path)
    if row > len(rows):
        raise InputError(
            f"{path} has {counted(len(rows), 'row')}, so there is no row {row}", "give --row a smaller number"
        )
    told([row])
    chosen: Floats = volts(circuit, rows[row - 1 : row], path, units, row - 1)[0]
    return chosen
