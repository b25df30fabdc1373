"""Reading data sets from tables, one sample a row: comma-separated values, Parquet, ARFF. One column is the target."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq import archives, tables
from diodeq.errors import InputError, UsageError
from diodeq.files import open_binary
from diodeq.learning.dataset_files import Raw, unreadable
from diodeq.printable import counted

LARGEST_LABELS = 1 << 26
"""Letters: numpy keeps every label as wide as the longest"""
LONGEST_ESCAPES = 200
"""Backslashes of an ARFF line: scipy's reader takes a time that they multiply"""
LARGEST_EXACT = 1 << 53
"""From here on two whole numbers may be one as a float"""
LARGEST_ARFF = 1 << 28
"""Bytes: all of it is text in memory for a moment"""


def _place(path: Path, names: Sequence[str], target: str) -> int:
    """Which column is the target: the last, or the one of that name, in any case if need be, or of that number from 1.

    Raises `UsageError` where it is none, or several.
    """
    if not target:
        return len(names) - 1
    for key in (str, str.casefold):
        found = [k for k, name in enumerate(names) if key(name) == key(target)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{path} has {len(found)} columns called {target!r}", "give the number of one, from 1")
    if target.isascii() and target.isdigit() and 1 <= int(target[:9]) <= len(names):
        return int(target[:9]) - 1
    listed = ", ".join(name or f"{k}" for k, name in enumerate(names[:10], 1)) + (" …" if len(names) > 10 else "")
    raise UsageError(f"{path} has no column {target!r}", f"name one of {listed}, or its number from 1")


# --- comma-separated values ---------------------------------------------------------------------------------------


def read_csv(path: Path, target: str = "") -> Raw:
    """One sample a row, columns parted by commas, semicolons or tabs; the target is the last, or as `_place` finds it.

    The first row is a header where none of its cells but the label is a number, or where ``target``, which is no number
    itself, is one of its cells.

    Raises:
        InputError: naming the file, the row and the column.
        UsageError: there is no such target.
    """
    rows = tables.rows_of(path)
    first = next(rows)
    names = [cell.strip() for cell in first[1]]
    if len(names) < 2:
        raise InputError(f"{path} has a single column", "separate columns by commas, features first and the label last")
    named = bool(target) and target.casefold() in map(str.casefold, names)
    # A number is the name of a column only where the row is no sample.
    named &= not (tables.is_number(target) and any(map(tables.is_number, names[:-1])))
    at = _place(path, names, target) if named else -1
    # A label may be a number, and says nothing.
    others = [*names[:at], *names[at + 1 :]] if named else names[:-1]
    header = named or not any(map(tables.is_number, others))
    if not header:
        rows, names = chain([first], rows), [""] * len(names)
    at = at if named else _place(path, names, target)
    return _read_rows(path, rows, at, list(enumerate(names, 1)))


def _read_rows(path: Path, rows: Iterator[tuple[int, list[str]]], at: int, called: list[tuple[int, str]]) -> Raw:
    # Text takes ten times the memory of numbers, so it is never held for more than a block.
    values, places, known = array("d"), array("q"), dict[str, int]()
    features = [*called[:at], *called[at + 1 :]]
    names = tuple(name for _, name in features)
    while block := list(islice(rows, tables.TOLD)):
        labels = [row.pop(at).strip() for _, row in block]
        if "" in labels:
            line = block[labels.index("")][0]
            where = "its last column" if at == len(features) else f"column {at + 1}"
            raise InputError(f"{path}, line {line} has no label in {where}", "fill it in or remove the row")
        values.frombytes(tables.numbers(path, block, features).tobytes())
        places.extend([known.setdefault(label, len(known)) for label in labels])
    if not places:
        raise InputError(f"{path} holds no samples", "give one sample a row: its features, then its label")
    x, y = np.frombuffer(values).reshape(-1, len(features)), np.frombuffer(places, np.int64)
    if all(map(tables.is_number, known)):
        return Raw(x, _of_numbers(path, list(known))[y], features=names, target=called[at][1])
    _demand_short(path, max(map(len, known)), len(known))
    classes, order = np.unique(list(known), return_inverse=True)
    return Raw(x, order[y], classes=classes, features=names)


def _of_numbers(path: Path, labels: list[str]) -> NDArray[np.float64]:
    """Labels that are numbers, as such; raises ``InputError`` where two that differ would be one."""
    found = np.array([float(label) for label in labels])
    merged = np.flatnonzero(np.abs(found) >= LARGEST_EXACT)
    if len({int(labels[at]) if _whole(labels[at]) else labels[at].strip() for at in merged}) > len({*found[merged]}):
        raise InputError(f"{path} has labels of more than 15 digits that are numbers", "begin them with a letter")
    return found


def _whole(label: str) -> bool:
    return label.strip().lstrip("+-").isdecimal()


def _demand_short(path: Path, longest: int, count: int) -> None:
    if longest * count > LARGEST_LABELS:
        raise InputError(
            f"{path} has labels of up to {longest:,} letters", "give shorter ones, or choose another target"
        )


# --- Parquet ------------------------------------------------------------------------------------------------------


def read_parquet(path: Path, target: str = "") -> Raw:
    """A table whose columns are numbers, but for the target.

    Raises:
        InputError: pyarrow is not installed, the file cannot be read, or a column or row of it cannot be used.
        UsageError: there is no such target.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"{path} needs pyarrow, which is not installed", "pip install 'diodeq[data]'") from None
    try:
        with open_binary(path) as file:
            size = file.seek(0, 2)
            table = parquet.ParquetFile(file)
            names = list(table.schema_arrow.names)
            rows = table.metadata.num_rows
            if 8 * rows * len(names) > archives.believable(size):
                raise InputError(f"{path} says it holds {rows:,} rows, more than its size lets believe", "save it anew")
            columns = [column.combine_chunks() for column in table.read(use_threads=False).columns]
    except (OSError, pyarrow.ArrowException, ValueError) as error:
        raise unreadable(path, error) from error
    for k, column in enumerate(columns):
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]) + 1
            raise _unusable(path, row, k + 1, "empty", names[k])
    return _of_columns(path, names, [column.to_numpy(zero_copy_only=False) for column in columns], target)


def _unusable(path: Path, row: int, column: int, what: str, name: str) -> InputError:
    return InputError(f"{path}, row {row}, column {column} is {what} ({name})", "fill it in or remove the row")


# --- ARFF ---------------------------------------------------------------------------------------------------------


def read_arff(path: Path, target: str = "") -> Raw:
    """Weka's format as scipy reads it: attributes are numbers, but for the target, which may be nominal.

    Raises:
        InputError: the file cannot be read, has text, dates or sparse rows, or a column or row that cannot be used.
        UsageError: there is no such target.
    """
    import io

    from scipy.io import arff

    try:
        with open_binary(path) as file:
            text = file.read(LARGEST_ARFF + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(text) > LARGEST_ARFF:
        raise InputError(f"{path} is larger than {LARGEST_ARFF >> 20} MB", "give it as CSV, of any size, or Parquet")
    for number, line in enumerate(io.BytesIO(text), 1):
        if line.count(b"\\") > LONGEST_ESCAPES:
            raise InputError(f"{path}, line {number} has more than {LONGEST_ESCAPES} backslashes", "remove them")
        if b"\1" in line:
            raise InputError(f"{path}, line {number} is not text", "make the file again")
    try:
        # scipy encodes values in ASCII
        spelled = re.sub(r"[^\0-\x7f]", lambda letter: f"\1{ord(letter[0]):x}\2", text.decode("utf-8-sig"))
        data, attributes = arff.loadarff(io.StringIO(spelled))
        names = attributes.names()
        columns = [data[name] for name in names]
    except Exception as error:  # whatever a line that is no ARFF makes of scipy's reader
        raise unreadable(path, error) from error
    for k, column in enumerate(columns):
        gaps = column == b"?" if column.dtype.kind == "S" else np.isnan(column)
        if gaps.any():
            raise _unusable(path, int(np.flatnonzero(gaps)[0]) + 1, k + 1, "empty", names[k])
    texts = [_unspelled(each) if each.dtype.kind == "S" else each for each in columns]
    return _of_columns(path, [_letters(name) for name in names], texts, target)


def _unspelled(column: NDArray[Any]) -> NDArray[np.str_]:
    values, places = np.unique(column, return_inverse=True)
    return np.array([_letters(value.decode()) for value in values.tolist()], dtype=np.str_)[places]


def _letters(text: str) -> str:
    return re.sub(r"\x01([0-9a-f]{2,6})\x02", lambda found: chr(int(found[1], 16)), text)


def _of_columns(path: Path, names: list[str], columns: list[NDArray[Any]], target: str) -> Raw:
    """Samples of a table's columns."""
    if len(columns) < 2:
        raise InputError(f"{path} has {counted(len(columns), 'column')}", "give features and a label")
    at = _place(path, names, target)
    labels = columns.pop(at)
    places = [*range(at), *range(at + 1, len(names))]
    for k, column in zip(places, columns, strict=True):
        if column.dtype.kind not in "fiub":
            what = f"column {k + 1} ({names[k]}) is not of numbers"
            raise InputError(f"{path}, {what}", "encode it in numbers or leave it out")
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            raise _unusable(path, int(bad[0]) + 1, k + 1, str(column[bad[0]]), names[k])
    if labels.dtype.kind not in "fiu":
        if not all(isinstance(each, str | bool) for each in labels.tolist()):
            what = f"column {at + 1} ({names[at]}) is neither text nor numbers"
            raise InputError(f"{path}, {what}", "give labels as one of these")
        _demand_short(path, max((len(str(each)) for each in labels.tolist()), default=0), len(labels))
        labels = labels.astype(np.str_)
    if not len(labels):
        raise InputError(f"{path} holds no samples", "give one sample a row")
    features = tuple(names[k] for k in places)
    x = np.stack([column.astype(np.float64) for column in columns], axis=1)
    return Raw(x, labels, features=features, target=names[at])
