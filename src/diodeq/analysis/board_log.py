"""The boards of a study on disk: one JSON line for the study and one for each board, written as boards are done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from diodeq.analysis.montecarlo import Measured, Study
from diodeq.documents import from_json
from diodeq.errors import InputError, UsageError
from diodeq.files import read_bytes, write_atomically

LARGEST = 1 << 32
"""Bytes of the file."""


def begin(path: Path, study: Study, resume: bool) -> list[Measured]:
    """Start the file at ``path``, or take up the boards 0, 1, … of it; a line cut short by a crash is dropped.

    Raises:
        UsageError: it exists and is not to be resumed, or holds another study.
        InputError: it cannot be read or written.
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
        kept = list(_contiguous(lines[1:]))
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


def _contiguous(lines: list[str]) -> Iterator[Measured]:
    for number, line in enumerate(lines):
        try:
            board = Measured(**from_json(line))
        except (ValueError, TypeError):
            return
        numbers = (board.temperature, board.agreement, board.accuracy, board.rms, board.largest)
        if board.board != number or not all(each is None or type(each) in (int, float) for each in numbers):
            return
        yield board
