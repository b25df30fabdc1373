"""A run's folder: who may write it, and the files in it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

from diodeq.circuit import Circuit
from diodeq.errors import InputError, NotRealizableError, UsageError
from diodeq.files import write_atomically
from diodeq.learning.metrics import Metrics
from diodeq.learning.records import read_metrics

FILES = ("circuit.npz", "netlist.cir", "summary.json", "metrics.jsonl", "checkpoint.npz", "training.svg")
# Made of them later by others; a new run's folder must not keep that of the last.
DERIVED = ("report.html",)
MODES = ("new", "resume", "overwrite")


@contextmanager
def opened(path: Path, mode: str = "new") -> Iterator[RunFolder]:
    """The folder, made if need be and locked against other processes; ``mode`` is one of ``MODES``.

    "new" refuses anything that exists, "overwrite" removes a former run's files (and nothing else), "resume" needs a
    folder. A new one does not stay where its run turns out as not realizable before the end of an epoch.

    Raises:
        UsageError: it exists and the mode is "new".
        InputError: it cannot be made, read, written or locked.
    """
    exists = os.path.lexists(path)
    if exists and mode == "new":
        raise UsageError(
            f"{path} already exists", "add --resume to go on, --overwrite to start again, or choose another"
        )
    if not exists and mode == "resume":
        raise InputError(f"there is no run {path} to resume", "leave --resume out to start it")
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"the run folder {path} cannot be used: {error.strerror}", "choose another place") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"another diodeq process is training in {path}", "wait for it, or choose another"
            ) from None
        # The superuser may write anywhere but on a read-only file system; access() knows both.
        if not os.access(path, os.W_OK | os.X_OK):
            raise InputError(f"the run folder {path} is read-only", "choose another place or change its permissions")
        folder = RunFolder(path)
        folder.sweep()
        if mode == "overwrite":
            folder.clear()
        try:
            yield folder
        except NotRealizableError:
            # What no bench can do before anything is learned is tried again with other options: another run.
            if not exists and not folder.file("metrics.jsonl").exists():
                folder.clear()
                with suppress(OSError):  # somebody put something there
                    path.rmdir()
            raise
    finally:
        os.close(handle)


class RunFolder:
    """The paths of a run's files and how its metrics are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """The path of one of ``FILES``."""
        assert name in FILES
        return self.path / name

    def clear(self) -> None:
        """Remove the files of a former run."""
        for name in (*FILES, *DERIVED):
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise InputError(
                    f"{self.path / name} cannot be removed: {error.strerror}", "choose another place"
                ) from error

    def sweep(self) -> None:
        """Remove what a process killed in the middle of an atomic write left beside a file."""
        for name in FILES:
            for leftover in self.path.glob(f".{name}.*"):
                with suppress(OSError):  # a folder, say: not ours
                    leftover.unlink()

    def append(self, metrics: Metrics) -> None:
        """One more line of metrics, on disk when this returns."""
        path = self.file("metrics.jsonl")
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics.to_json()) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{path} cannot be written: {error.strerror}", "free space or choose another place"
            ) from error

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics so far (`records.read_metrics`)."""
        return read_metrics(self.file("metrics.jsonl"))

    def rewind(self, epoch: int) -> None:
        """Drop the metrics of epochs after ``epoch``: their process died before it wrote its checkpoint.

        Raises:
            InputError: those of an epoch up to it are missing, which nobody can make up.
        """
        kept = [line for line in self.metrics() if line["epoch"] <= epoch]
        for wanted, line in zip_longest(range(1, epoch + 1), kept):
            if wanted is None or line is None or line["epoch"] != wanted:
                raise InputError(
                    f"{self.file('metrics.jsonl')} does not hold the epochs 1 to {epoch} in order"
                    + (f": epoch {wanted} is missing" if wanted is not None else ""),
                    "put the file back, or train again with --overwrite",
                )
        write_atomically(self.file("metrics.jsonl"), "".join(json.dumps(line) + "\n" for line in kept))

    def write_results(self, circuit: Circuit, summary: dict[str, Any]) -> None:
        """The circuit, its netlist and the summary; the summary last: where it is, the rest is complete."""
        from diodeq.netlist.dialects import full_deck

        circuit.save(self.file("circuit.npz"))
        write_atomically(self.file("netlist.cir"), full_deck(circuit, dialect="ngspice").text)
        write_atomically(self.file("summary.json"), json.dumps(summary, indent=2) + "\n")

    def __repr__(self) -> str:
        return f"<RunFolder {self.path.name}>"

    def _repr_html_(self) -> str:
        from diodeq.learning.run_html import summary

        return summary(self.path)
