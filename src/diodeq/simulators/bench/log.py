"""What a bench was told and what it read, a JSON document a line, and the same told to another body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.documents import from_json
from diodeq.errors import DiodeqError, InputError, UsageError
from diodeq.files import open_binary
from diodeq.simulators.bench.body import Body, Ints

VARIABLE = "DIODEQ_BENCH_LOG"
"""Names the file that sessions are written to."""
LONGEST = 1 << 24
"""Bytes of a line that is read, at most"""
ROWS = ("drives", "injections", "holds", "reads")
ENTRIES = {"bench": 0, "readings": 0, "millihertz": 0, "taps": 1, **dict.fromkeys(ROWS, 2)}
"""What a line may say, with the dimensions of its codes"""


class Logged:
    """``body``, and every word with it at the end of ``path``; raises ``InputError`` where that cannot be written."""

    def __init__(self, body: Body, path: str | Path) -> None:
        self._body, self._path = body, Path(path)
        self._add({"bench": body.identity})

    @property
    def identity(self) -> str:
        """Of the body."""
        return self._body.identity

    @property
    def readings(self) -> int:
        """Of the body, where it counts them."""
        return int(self._body.readings)  # type: ignore[attr-defined]

    @readings.setter
    def readings(self, count: int) -> None:
        self._body.readings = count  # type: ignore[attr-defined]
        self._add({"readings": count})

    def set_taps(self, codes: Ints) -> None:
        """Set every programmable resistor, int64[n_taps]."""
        self._body.set_taps(codes)
        self._add({"taps": codes.tolist()})

    def taps(self) -> Ints:
        """The codes as they are read back, int64[n_taps]."""
        return self._body.taps()

    def read(self, drives: Ints, injections: Ints, holds: Ints | None = None) -> Ints:
        """What the channels read, int64[B, n_reads]; see ``Body``."""
        found = self._body.read(drives, injections, holds)
        held = {} if holds is None else {"holds": holds}
        self._add(_lists({"drives": drives, "injections": injections, **held, "reads": found}))
        return found

    def tone(self, drives: Ints, injections: Ints, millihertz: int) -> Ints:
        """What is in phase with a tone, int64[B, n_reads]; see ``Body``."""
        found = self._body.tone(drives, injections, millihertz)
        self._add({"millihertz": millihertz, **_lists({"drives": drives, "injections": injections, "reads": found})})
        return found

    def demand_holds(self) -> None:
        """Raises ``InputError`` where outputs cannot be held."""
        self._body.demand_holds()

    def rest(self) -> None:
        """Drives at 0 V, injections at 0 A, holds released."""
        self._body.rest()

    def close(self) -> None:
        """At rest, and the link released."""
        self._body.close()

    def _add(self, document: dict[str, Any]) -> None:
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(json.dumps(document, separators=(",", ":")) + "\n")
        except OSError as error:
            raise InputError(
                f"{self._path}, which {VARIABLE} names, cannot be written: {error.strerror}", "name another file"
            ) from error


@dataclass(frozen=True, eq=False)
class Replayed:
    """How a log differs from another body's readings, in codes, by channel: ``mean``, root mean square and ``worst``
    float64[n_reads] of ``rows`` samples; ``line`` int[n_reads] of the log has the worst. ``bench`` is what was logged,
    ``off`` float64[rows, n_reads] all that differs.
    """

    bench: str
    rows: int
    off: NDArray[np.float64]
    mean: NDArray[np.float64]
    rms: NDArray[np.float64]
    worst: NDArray[np.float64]
    line: NDArray[np.int64]

    @property
    def drift(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Codes by which each channel moves away from the first row to the last, by the straight line of least squares,
        and the standard error of that, float64[n_reads] each; 0 of fewer than three rows."""
        if self.rows < 3:
            return np.zeros_like(self.mean), np.zeros_like(self.mean)
        at = np.linspace(-0.5, 0.5, self.rows)
        slope = at @ self.off / (at @ at)
        left = self.off - self.mean - at[:, None] * slope
        return slope, np.sqrt((left**2).sum(axis=0) / (self.rows - 2) / (at @ at))


def replay(path: str | Path, body: Body) -> Replayed:
    """Tell ``body`` what the log at ``path`` says that a bench was told, and compare what they read. A last line that
    was cut short is left out.

    Raises:
        InputError: the file cannot be read, is no log, or is of a bench with other channels; the sentence names the
            line.
        UsageError: the body knows nothing of what the bench was told.
    """
    bench, rows, differences, lines = "", 0, [], []
    try:
        with open_binary(path) as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    break
                try:
                    said = _entry(line)
                except ValueError as error:
                    raise InputError(
                        f"line {number} of {path} is no entry of a bench's log: {error}",
                        f"give a file that {VARIABLE} had written",
                    ) from error
                try:
                    bench = said.get("bench", bench)
                    if "readings" in said and hasattr(body, "readings"):
                        body.readings = said["readings"]
                    if "taps" in said:
                        body.set_taps(said["taps"])
                    if len(said.get("reads", ())):
                        asked = [said[name] for name in ("drives", "injections", "holds") if name in said]
                        tone, theirs = said.get("millihertz"), said["reads"]
                        ours = body.read(*asked) if tone is None else body.tone(asked[0], asked[1], tone)
                        if ours.shape != theirs.shape:
                            raise InputError(f"it reads {theirs.shape[1]} channels, not {ours.shape[1]}", "")
                        rows += len(theirs)
                        differences.append(theirs - ours)
                        lines.append(np.full(len(theirs), number))
                except UsageError as error:
                    raise UsageError(f"line {number} of {path}: {error.problem}", error.remedy) from error
                except DiodeqError as error:
                    raise InputError(
                        f"line {number} of {path} cannot be replayed: {error.problem}", "give its bench"
                    ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", "give a log") from error
    if not rows:
        raise InputError(f"{path} has no readings", f"write one by {VARIABLE}=FILE diodeq train …")
    off, places = np.concatenate(differences).astype(np.float64), np.concatenate(lines)
    most = np.abs(off).argmax(axis=0)
    return Replayed(
        bench, rows, off, off.mean(axis=0), np.sqrt((off**2).mean(axis=0)), np.abs(off).max(axis=0), places[most]
    )


def _lists(told: dict[str, Ints]) -> dict[str, Any]:
    return {name: codes.tolist() for name, codes in told.items()}


def _entry(line: bytes) -> dict[str, Any]:
    """What ``Logged`` wrote in a line; raises ``ValueError`` where it did not."""
    if len(line) == LONGEST:
        raise ValueError("it is too long")
    said = from_json(line)
    if not isinstance(said, dict) or not said or not said.keys() <= ENTRIES.keys():
        raise ValueError("it says something else")
    for name, value in said.items():
        dimensions = ENTRIES[name]
        if dimensions:
            said[name] = _codes(name, value, dimensions)
        elif not (isinstance(value, str) if name == "bench" else type(value) is int and value >= 0):
            raise ValueError(f"{name} cannot be {json.dumps(value)[:40]}")
    rows = {len(said[name]) for name in ROWS if name in said}
    if ("reads" in said) != ({"drives", "injections"} <= said.keys()) or len(rows) > 1:
        raise ValueError("drives, injections and reads do not go together")
    return said


def _codes(name: str, value: Any, dimensions: int) -> Ints:
    if value == []:
        return np.zeros((0,) * dimensions, np.int64)
    try:
        found = np.array(value)
    except ValueError:  # rows of different lengths
        found = np.array(None)
    if found.ndim != dimensions or (found.dtype.kind != "i" and found.size):
        raise ValueError(f"{name} are something else than codes")
    return found.astype(np.int64)
