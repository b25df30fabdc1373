"""Comma-separated numbers in and out, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.files import open_binary

Floats = NDArray[np.float64]


def read_rows(path: str | Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every row that is not blank, all of one width, UTF-8.

    Raises:
        InputError: missing, not text, empty or ragged.
    """
    try:
        with io.TextIOWrapper(open_binary(path), newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except FileNotFoundError:
        raise InputError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder", "name a file in it") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8", "export it as comma-separated text") from None
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}", "export it as comma-separated text") from error
    if not rows:
        raise InputError(f"{path} is empty", "give one row a sample")
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise InputError(
                f"{path}, line {line} has {len(row)} columns where the first row has {width}",
                "give every row the same columns",
            )
    return rows


def is_number(cell: str) -> bool:
    """Whether ``cell`` spells a number, NaN and infinity included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def finite(path: str | Path, line: int, column: int, cell: str) -> float:
    """The number in a cell; raises ``InputError`` naming the place (counted from 1) when it is none or not finite."""
    value = float(cell) if is_number(cell) else math.nan
    if not math.isfinite(value):
        shown = repr(cell.strip()) if cell.strip() else "empty"
        raise InputError(f"{path}, line {line}, column {column} is {shown}", "every value must be a finite number")
    return value


def read_matrix(path: str | Path, columns: int) -> Floats:
    """float64[B, columns] of a file with one row a sample; a first row without any number is a header.

    Raises:
        InputError: naming the file, and the line and column where there is one.
    """
    rows = read_rows(path)
    if not any(is_number(cell) for cell in rows[0][1]):
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path} has a header but no rows", "give one row a sample")
    width = len(rows[0][1])
    if width != columns:
        raise InputError(
            f"{path} has {width} columns but the circuit has {columns} inputs", "give one column per input"
        )
    return np.array([[finite(path, line, at, cell) for at, cell in enumerate(row, 1)] for line, row in rows])


def format_matrix(values: Floats) -> str:
    """One row a sample, no header, every number as ``%.17g``."""
    text = io.StringIO()
    np.savetxt(text, values, fmt="%.17g", delimiter=",")
    return text.getvalue()
