"""The boards of a study on disk: one JSON line for the study and one for each board, written as boards are done."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from diodeq.analysis.montecarlo import Measured, Study
from diodeq.documents import from_json
from diodeq.errors import InputError, UsageError
from diodeq.files import read_bytes, write_atomically
from diodeq.measures import MEASURES

LARGEST = 1 << 32
"""Bytes of the file."""


def begin(path: Path, study: Study, resume: bool) -> list[Measured]:
    """Start the file at ``path``, or take up the boards 0, 1, … of it; a line cut short by a crash is dropped.

    Raises:
        UsageError: it exists and is not to be resumed, or holds another study.
        InputError: it cannot be read or written, or a line before the last is damaged; it is named.
    """
    head = json.dumps(study.to_json())
    kept: list[Measured] = []
    if path.exists() and not resume:
        raise UsageError(f"{path} already exists", "add --resume to go on, or choose another name")
    if resume and path.exists():
        try:
            lines = read_bytes(path, LARGEST).decode(errors="replace").splitlines()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}", "choose another name") from error
        if lines[:1] != [head]:
            raise UsageError(f"{path} holds boards of another study", "repeat its options or choose another name")
        kept = list(_boards(path, lines[1:], study.labels is not None))
    write_atomically(path, "".join(f"{line}\n" for line in (head, *map(_line, kept))))
    return kept


def logged(path: Path, boards: Iterable[Measured]) -> Iterator[Measured]:
    """The boards, each on disk before it is passed on."""
    for board in boards:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(_line(board) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", "free space and add --resume") from error
        yield board


def _line(board: Measured) -> str:
    return json.dumps(asdict(board))


def _boards(path: Path, lines: list[str], labelled: bool) -> Iterator[Measured]:
    for number, line in enumerate(lines):
        try:
            found = from_json(line)
        except ValueError:
            if number + 1 == len(lines):
                return
            found = None
        try:
            board = Measured(**found)
        except TypeError:
            board = None
        if board is None or not _sound(board, number, labelled):
            raise InputError(
                f"{path}, line {number + 2} is not the outcome of board {number}",
                "remove this line and those after it, and repeat the command",
            )
        yield board


def _sound(board: Measured, number: int, labelled: bool) -> bool:
    """Whether it is that board, settled or failed, with figures that are possible; an accuracy where labels are."""
    if type(board.board) is not int or board.board != number or not _within(board.temperature, -273.15, math.inf):
        return False
    figures = (board.agreement, board.accuracy, board.r2, board.rms, board.largest)
    if board.failed is not None:
        return isinstance(board.failed, str) and figures == (None,) * len(figures)
    known = [(measure, found) for measure in MEASURES.values() if (found := getattr(board, measure.key)) is not None]
    if len(known) != labelled or not all(_within(found, measure.least, 1.0) for measure, found in known):
        return False
    return _within(board.agreement, 0.0, 1.0) and all(
        _within(each, 0.0, math.inf) for each in (board.rms, board.largest)
    )


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value) and low <= value <= high
