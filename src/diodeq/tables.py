"""Comma-separated numbers in and out, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.files import open_binary
from diodeq.printable import counted
from diodeq.spice.numbers import NUMBER, SUFFIXES, number

Floats = NDArray[np.float64]

TOLD = 1 << 12
"""Rows from one report of progress to the next."""

SEPARATORS = re.compile("[;\t]")
SUFFIXED = re.compile(f"{NUMBER.pattern}(?:{'|'.join(SUFFIXES)})?v?", re.IGNORECASE)


def rows_of(
    path: str | Path, seen: Callable[[int], None] | None = None, separators: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every row that is not blank, all of one width, UTF-8, one after the other.

    ``seen`` is told now and then how many bytes of the file were read so far. Of several ``separators`` it is the one
    that parts the second row into most numbers, the first of these where it is the same.

    Raises:
        InputError: missing, not text, empty, ragged, or with numbers that commas do not separate.
    """
    width, told = None, 0
    try:
        with io.TextIOWrapper(open_binary(path), newline="", encoding="utf-8-sig") as file:
            begun = [line for line in (file.readline() for _ in range(2 if len(separators) > 1 else 0)) if line]
            # Of equal ones max takes the first.
            separator = max(separators, key=lambda each: _numbers(begun[-1], each)) if begun else separators[0]
            reader = csv.reader(chain(begun, file), skipinitialspace=True, delimiter=separator)
            for row in reader:
                if not (row and row[0].strip()) and not any(map(str.strip, row)):
                    continue
                if told < 2 and any(map(_joined, row)):
                    raise InputError(
                        f"{path}, line {reader.line_num} has numbers that are not separated by commas",
                        "separate the numbers with commas, and write 0.5 for 0,5",
                    )
                if width is None:
                    width = len(row)
                elif len(row) != width:
                    raise InputError(
                        f"{path}, line {reader.line_num} has {counted(len(row), 'column')} where the first row has"
                        f" {width}",
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


def _numbers(line: str, separator: str) -> int:
    """How many cells of a line are numbers, were they parted so."""
    return sum(map(is_number, next(csv.reader([line], skipinitialspace=True, delimiter=separator), [])))


def is_number(cell: str) -> bool:
    """Whether ``cell`` spells a number, NaN and infinity included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _joined(cell: str) -> bool:
    """Whether semicolons or tabs join numbers in it; behind them there may be a label."""
    parts = SEPARATORS.split(cell.strip())
    return len(parts) > 1 and all(map(is_number, parts[:-1]))


def _suffixed(cell: str) -> float | None:
    """The number that a suffix scales, as in 5k and 1m; None for anything else."""
    word = cell.strip()
    if len(word) > 40 or is_number(word) or not SUFFIXED.fullmatch(word):
        return None
    try:
        return number(word)
    except InputError:
        return None


def finite(path: str | Path, line: int, column: int, cell: str, name: str = "") -> float:
    """The number in a cell; raises ``InputError`` naming the place (counted from 1), and its column if that has a
    ``name``, when it is none or not finite."""
    value = float(cell) if is_number(cell) else math.nan
    if not math.isfinite(value):
        shown = repr(cell.strip()) if cell.strip() else "empty"
        meant = _suffixed(cell)
        remedy = "every value must be a finite number" if meant is None else f"write plain numbers, here {meant:g}"
        raise InputError(f"{path}, line {line}, column {column} is {shown}{f' ({name})' if name else ''}", remedy)
    return value


def read_blocks(
    path: str | Path,
    inputs: Sequence[str],
    rows: int,
    seen: Callable[[int], None] | None = None,
    labelled: bool = False,
) -> Iterator[Floats]:
    """float64[at most ``rows``, columns], block by block, of a file with one row a sample.

    The columns are a circuit's ``inputs``, and behind them the class number where samples are ``labelled``. A first row
    without any number is a header; where it has the names of the inputs, columns are taken by name, else in their
    order. ``seen`` is as in ``rows_of``.

    Raises:
        InputError: naming the file, and the line and column where there is one.
    """
    found, first, order = rows_of(path, seen), True, None
    while block := list(islice(found, rows)):
        if first:
            names = _header(block[0][1])
            if len(block[0][1]) != len(inputs) + labelled:
                raise _misfit(path, len(block[0][1]), len(inputs), labelled)
            if names:
                block = [*block[1:], *islice(found, 1)]
                order = _order(path, names[: len(inputs)], inputs)
            if not block:
                raise InputError(f"{path} has a header but no rows", "give one row a sample")
        first = False
        values = numbers(path, block)
        if order is not None:
            values[:, : len(order)] = values[:, order]
        yield values


def read_matrix(path: str | Path, inputs: Sequence[str], labelled: bool = False) -> Floats:
    """float64[B, columns] of a file, all of it: `read_blocks`."""
    return np.concatenate(list(read_blocks(path, inputs, 1 << 10, labelled=labelled)))


def _header(row: list[str]) -> list[str]:
    """The names in a row that is a header; none of one that has a number, or numbers with suffixes only."""
    if any(map(is_number, row)) or all(_suffixed(cell) is not None for cell in row):
        return []
    return [cell.strip().casefold() for cell in row]


def _order(path: str | Path, names: list[str], inputs: Sequence[str]) -> list[int] | None:
    """Which column each input has, by the header's names; None where none is an input's.

    Raises ``InputError`` where only some of them are, or one is there twice.
    """
    known = [name.casefold() for name in inputs]
    if not set(names) & set(known):
        return None
    for at, name in enumerate(names):
        if name not in known or name in names[:at]:
            wrong = "as another before it" if name in known else "which is no input of the circuit"
            listed = ", ".join(inputs[:10]) + (" …" if len(inputs) > 10 else "")
            raise InputError(
                f"{path} calls its column {at + 1} {name!r}, {wrong}",
                f"name the columns {listed} in any order, or leave the header out",
            )
    return [names.index(name) for name in known]


def _misfit(path: str | Path, width: int, inputs: int, labelled: bool) -> InputError:
    needs, remedy = f"the circuit has {counted(inputs, 'input')}", "give one column per input"
    if labelled:
        needs, remedy = f"{needs} and the class number needs a column too", f"{remedy}, then the class number"
    return InputError(f"{path} has {counted(width, 'column')} but {needs}", remedy)


def numbers(path: str | Path, block: list[tuple[int, list[str]]], called: Sequence[tuple[int, str]] = ()) -> Floats:
    """float64[rows, columns] of rows of ``rows_of``; raises ``InputError`` naming the first cell that is none, by the
    numbers and names that columns are ``called``."""
    try:
        values = np.array([list(map(float, row)) for _, row in block])
        if np.isfinite(values).all():
            return values
    except ValueError:
        pass
    names = called or [(at, "") for at in range(1, 1 + len(block[0][1]))]
    rows = ((line, zip(names, row, strict=True)) for line, row in block)
    return np.array([[finite(path, line, at, cell, name) for (at, name), cell in cells] for line, cells in rows])


def format_matrix(values: Floats) -> str:
    """One row a sample, no header, every number in the fewest digits that read back to it; NaN where there is none."""
    return "".join(",".join(map(shortest, row)) + "\n" for row in values.tolist())


def shortest(value: float) -> str:
    """The fewest digits that read back to the same number, as in 1, 0.1 and 1e-07."""
    return repr(value).removesuffix(".0")
