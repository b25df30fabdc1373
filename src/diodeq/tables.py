"""Comma-separated numbers in and out, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.files import open_binary

Floats = NDArray[np.float64]

TOLD = 1 << 12
"""Rows from one report of progress to the next."""


def rows_of(path: str | Path, seen: Callable[[int], None] | None = None) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every row that is not blank, all of one width, UTF-8, one after the other.

    ``seen`` is told now and then how many bytes of the file were read so far.

    Raises:
        InputError: missing, not text, empty or ragged.
    """
    width, told = None, 0
    try:
        with io.TextIOWrapper(open_binary(path), newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for row in reader:
                if not (row and row[0].strip()) and not any(map(str.strip, row)):
                    continue
                if width is None:
                    width = len(row)
                elif len(row) != width:
                    raise InputError(
                        f"{path}, line {reader.line_num} has {len(row)} columns where the first row has {width}",
                        "give every row the same columns",
                    )
                told += 1
                if seen is not None and told % TOLD == 0 and file.buffer.seekable():
                    seen(file.buffer.tell())
                yield reader.line_num, row
    except FileNotFoundError:
        raise InputError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder", "name a file in it") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8", "export it as comma-separated text") from None
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}", "export it as comma-separated text") from error
    if width is None:
        raise InputError(f"{path} is empty", "give one row a sample")


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


def read_blocks(
    path: str | Path, columns: int, rows: int, seen: Callable[[int], None] | None = None
) -> Iterator[Floats]:
    """float64[at most ``rows``, columns], block by block, of a file with one row a sample.

    A first row without any number is a header. ``seen`` is as in ``rows_of``.

    Raises:
        InputError: naming the file, and the line and column where there is one.
    """
    found, first = rows_of(path, seen), True
    while block := list(islice(found, rows)):
        if first and not any(is_number(cell) for cell in block[0][1]):
            block = [*block[1:], *islice(found, 1)]
        if first and not block:
            raise InputError(f"{path} has a header but no rows", "give one row a sample")
        width = len(block[0][1])
        if width != columns:
            raise InputError(
                f"{path} has {width} columns but the circuit has {columns} inputs", "give one column per input"
            )
        first = False
        yield numbers(path, block)


def read_matrix(path: str | Path, columns: int) -> Floats:
    """float64[B, columns] of a file, all of it: `read_blocks`."""
    return np.concatenate(list(read_blocks(path, columns, 1 << 10)))


def numbers(path: str | Path, block: list[tuple[int, list[str]]]) -> Floats:
    """float64[rows, columns] of rows of ``rows_of``; raises ``InputError`` naming the first cell that is none."""
    try:
        values = np.array([list(map(float, row)) for _, row in block])
        if np.isfinite(values).all():
            return values
    except ValueError:
        pass
    return np.array([[finite(path, line, at, cell) for at, cell in enumerate(row, 1)] for line, row in block])


def format_matrix(values: Floats) -> str:
    """One row a sample, no header, every number in the fewest digits that read back to it; NaN where there is none."""
    return "".join(",".join(map(shortest, row)) + "\n" for row in values.tolist())


def shortest(value: float) -> str:
    """The fewest digits that read back to the same number, as in 1, 0.1 and 1e-07."""
    return repr(value).removesuffix(".0")
