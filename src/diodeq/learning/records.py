"""What a run's folder says about the run, read back: every entry that anybody relies on is there and of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diodeq.documents import from_json
from diodeq.errors import InputError
from diodeq.files import read_bytes
from diodeq.measures import MEASURES, measure_of

LARGEST = 1 << 26
"""Bytes of one file."""

LARGEST_NUMBER = 1e300

AGAIN = "train again with --overwrite"

METRICS = {"epoch": "int", **dict.fromkeys(("loss", "samples_per_second", "seconds"), "float")}
VERIFIED = {"simulator_version": "str", "max_difference_volts": "float"}
SUMMARY = {
    **dict.fromkeys(("data", "simulator", "simulator_version", "rule", "diode", "diodeq_version"), "str"),
    **dict.fromkeys(("epochs", "seed", "resistors", "diodes", "nodes", "train_samples", "test_samples"), "int"),
    **dict.fromkeys(("seconds", "samples_per_second"), "float"),
}
_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def read_summary(path: Path) -> dict[str, Any]:
    """The ``summary.json`` of a finished run.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged or of something else.
    """
    try:
        found = from_json(read_bytes(path, LARGEST))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable summary", AGAIN) from error
    sound = _sound(found, SUMMARY) and _counted(found) and _measured(found, "train_", "test_")
    if sound and "verified" in found:
        sound = _sound(found["verified"], VERIFIED) and _measured(found["verified"], "test_")
    if not sound:
        raise InputError(f"{path} is not a readable summary", AGAIN)
    summary: dict[str, Any] = found
    return summary


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl`` so far, none where there is no such file; a last line cut short by a crash is
    left out.

    Raises:
        InputError: it cannot be read, or a line is damaged; it is named.
    """
    try:
        lines = read_bytes(path, LARGEST).decode(errors="replace").rstrip("\n").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", AGAIN) from error
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = from_json(line)
        except ValueError:
            if number == len(lines):
                break
            entry = None
        if not (_sound(entry, METRICS) and _counted(entry) and _measured(entry, "train_", "test_")):
            raise InputError(f"{path}, line {number} is not a line of metrics", AGAIN)
        found.append(entry)
    return found


def _sound(table: Any, kinds: Mapping[str, str]) -> bool:
    return isinstance(table, dict) and all(_is(name, table.get(name), kind) for name, kind in kinds.items())


def _counted(table: Mapping[str, Any]) -> bool:
    """Whether circuit solves are a number, where they are given at all: early runs did not count them."""
    return _is("solves", table.get("solves", 0), "int")


def _measured(table: Mapping[str, Any], *prefixes: str) -> bool:
    """Whether it says how well the circuit does, by one measure."""
    measure = measure_of(table)
    return all(_is(prefix + measure.key, table.get(prefix + measure.key), "float") for prefix in prefixes)


def _is(name: str, value: Any, kind: str) -> bool:
    if type(value) not in _KINDS[kind]:  # a bool is an int to isinstance
        return False
    measure = MEASURES.get(name.rpartition("_")[2])
    least, most = (0.0, LARGEST_NUMBER) if measure is None else (max(measure.least, -LARGEST_NUMBER), 1.0)
    return isinstance(value, str) or least <= value <= most  # nor NaN
