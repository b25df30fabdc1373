"""Comma-separated numbers in and out, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import InputError
from diodeq.files import open_binary
from diodeq.printable import counted
from diodeq.spice.numbers import NUMBER, SUFFIXES, number
from diodeq.spice.numbers import shortest as shortest

Floats = NDArray[np.float64]

TOLD = 1 << 12
"""Rows from one report of progress to the next."""

SEPARATORS = ",;\t"
SUFFIXED = re.compile(f"{NUMBER.pattern}(?:{'|'.join(SUFFIXES)})?v?", re.IGNORECASE)
_SAID = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)
MOST_COMMENTS = 10_000
"""Lines before the first row"""


def rows_of(path: str | Path, seen: Callable[[int], None] | None = None) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every row that is not blank, all of one width, UTF-8, one after the other.

    Cells are parted by commas, semicolons or tabs: by what a first line such as ``sep=;`` says, else by what parts the
    second row into most numbers, commas where it is the same. Lines before the first row that begin with # are
    comments; the last of them is a row where it names each of several columns of numbers, as numpy's ``savetxt``
    writes its header. ``seen`` is told now and then how many bytes of the file were read so far.

    Raises:
        InputError: missing, not text, empty, ragged, or with numbers that are not parted so.
    """
    width, told = None, 0
    try:
        with io.TextIOWrapper(open_binary(path), newline="", encoding="utf-8-sig") as file:
            begun, before, comment, separator = _beginning(path, file)
            if not separator:
                # Of equal ones max takes the first.
                separator = max(SEPARATORS, key=lambda each: _numbers(begun[-1], each)) if begun else ","
            reader = csv.reader(chain(begun, file), skipinitialspace=True, delimiter=separator)
            for row in reader:
                if not (row and row[0].strip()) and not any(map(str.strip, row)):
                    continue
                if told < 2 and any(_joined(cell, separator) for cell in row):
                    raise InputError(
                        f"{path}, line {before + reader.line_num} has numbers that are not separated by commas",
                        "separate the numbers with commas, semicolons or tabs, and write 0.5 for 0,5",
                    )
                if width is None:
                    width = len(row)
                    names = next(csv.reader([comment], skipinitialspace=True, delimiter=separator), [])
                    if width == len(names) > 1 and any(map(is_number, row)) and not any(map(is_number, names)):
                        yield before, names
                elif len(row) != width:
                    raise InputError(
                        f"{path}, line {before + reader.line_num} has {counted(len(row), 'column')} where the first"
                        f" row has {width}",
                        "give every row the same columns",
                    )
                told += 1
                if seen is not None and told % TOLD == 0 and file.buffer.seekable():
                    seen(file.buffer.tell())
                yield before + reader.line_num, row
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


def _beginning(path: str | Path, file: io.TextIOWrapper) -> tuple[list[str], int, str, str]:
    """The first two lines that are neither blank nor comments, how many lines came before, the last comment's text, and
    the separator that a line says."""
    begun: list[str] = []
    before, comment, separator = 0, "", ""
    while len(begun) < 2 and (line := file.readline()):
        if begun:
            begun.append(line)
            continue
        if (found := _SAID.fullmatch(line.rstrip("\r\n"))) and not separator:
            separator = found[1]
        elif line.lstrip().startswith("#"):
            comment = line.lstrip().lstrip("#").strip()
        elif line.strip():
            begun.append(line)
            continue
        before += 1
        if before > MOST_COMMENTS:
            raise InputError(f"{path} begins with more than {MOST_COMMENTS:,} lines that are no rows", "remove them")
    return begun, before, comment, separator


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


def _joined(cell: str, separator: str) -> bool:
    """Whether another separator joins numbers in it; behind them there may be a label."""
    parts = re.split(f"[{SEPARATORS.replace(separator, '')}]", cell.strip())
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
    classes: Sequence[str] = (),
) -> Iterator[Floats]:
    """float64[at most ``rows``, columns], block by block, of a file with one row a sample.

    The columns are a circuit's ``inputs``, and behind them the class number where samples are ``labelled``: a label is
    the name of one of the ``classes``, or a number. A first row whose columns of inputs have no number is a header, and
    columns are taken by its names. ``seen`` is as in ``rows_of``.

    Raises:
        InputError: naming the file, and the line and column where there is one.
    """
    found, first, order = rows_of(path, seen), True, None
    while block := list(islice(found, rows)):
        if first:
            cells = block[0][1]
            if len(cells) != len(inputs) + labelled:
                raise _misfit(path, cells, inputs, labelled)
            if is_header(cells[: len(inputs)]):
                block = [*block[1:], *islice(found, 1)]
                order = _order(path, cells[: len(inputs)], inputs)
            if not block:
                raise InputError(f"{path} has a header but no rows", "give one row a sample")
        first = False
        labels = [_label(path, line, row.pop(), classes) for line, row in block] if labelled else []
        values = numbers(path, block)
        if order is not None:
            values = values[:, order]
        yield np.column_stack([values, labels]) if labelled else values


def read_matrix(path: str | Path, inputs: Sequence[str], labelled: bool = False, classes: Sequence[str] = ()) -> Floats:
    """float64[B, columns] of a file, all of it: `read_blocks`."""
    return np.concatenate(list(read_blocks(path, inputs, 1 << 10, labelled=labelled, classes=classes)))


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first row's cells, without a label's, are names: none is a number, nor do all have a suffix."""
    return bool(cells) and not any(map(is_number, cells)) and any(_suffixed(cell) is None for cell in cells)


def plain(name: str) -> str:
    """A column's name as that of an input: ``Petal length (cm)`` is ``petal_length_cm``."""
    spelled = re.sub(r"[^a-z0-9]+", "_", unicodedata.normalize("NFKD", name.casefold())).strip("_")
    return spelled if spelled[:1].isalpha() else f"x_{spelled}".rstrip("_")


def _order(path: str | Path, names: list[str], inputs: Sequence[str]) -> list[int]:
    """Which column each input has, by the header's names.

    Raises ``InputError`` for a name that is no input's, or that is there twice.
    """
    known = {name.casefold(): at for at, name in enumerate(inputs)}
    order: dict[int, int] = {}
    for column, name in enumerate(names):
        name = name.strip()
        at = known.get(name.casefold(), known.get(plain(name)))
        if at is None or at in order:
            wrong = "which is no input of the circuit" if at is None else "as another before it"
            listed = ", ".join(inputs[:10]) + (" …" if len(inputs) > 10 else "")
            raise InputError(
                f"{path} calls its column {column + 1} {name!r}, {wrong}",
                f"name the columns {listed} in any order, or leave the header out",
            )
        order[at] = column
    return [order[at] for at in range(len(inputs))]


def _label(path: str | Path, line: int, cell: str, classes: Sequence[str]) -> float:
    """The class number that a label stands for; where classes are known by numbers, only these are names."""
    cell = cell.strip()
    if cell in classes:
        return classes.index(cell)
    value = float(cell) if is_number(cell) else math.nan
    called = [float(name) for name in classes if is_number(name)]
    if value in called and len(called) == len(classes):
        return called.index(value)
    if math.isnan(value) or called:
        listed = ", ".join(classes[:10]) + (" …" if len(classes) > 10 else "")
        remedy = f"give one of the classes {listed}" if classes else "give class numbers 0, 1, 2, …"
        raise InputError(f"{path}, line {line} has the label {cell!r}", remedy)
    return value


def _misfit(path: str | Path, cells: list[str], inputs: Sequence[str], labelled: bool) -> InputError:
    """What to say of a first row that is wider or narrower; columns that are no inputs are named, such as labels."""
    width, needs, remedy = len(cells), f"the circuit has {counted(len(inputs), 'input')}", "give one column per input"
    known = {name.casefold() for name in inputs}
    if is_header(cells):
        others = [cell.strip() for cell in cells if not {cell.strip().casefold(), plain(cell)} & known]
    else:
        others = [cell.strip() for cell in cells[len(inputs) :] if not is_number(cell)]
    if len(others) == width - len(inputs) == 1 and not labelled:
        at = next(at for at, cell in enumerate(cells, start=1) if cell.strip() == others[0])
        remedy = f"leave its column {at}, {others[0]!r}, out: it is no input, as a label is none"
    elif width == len(inputs) + 1 and not labelled:
        remedy = f"{remedy}, without a label"
    elif labelled:
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
