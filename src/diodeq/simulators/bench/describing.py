"""Descriptions of benches from TOML: every entry known, every number possible, or one sentence that names it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import fields, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from diodeq.devices.hardware import programmable
from diodeq.documents import toml
from diodeq.errors import DiodeqError, InputError, UsageError
from diodeq.files import read_bytes
from diodeq.simulators.bench.boards import BOARDS
from diodeq.simulators.bench.description import (
    EXACT,
    Amplifiers,
    Calibrated,
    Description,
    Diodes,
    Drives,
    Injections,
    Limits,
    Reading,
    Reads,
    Settling,
    Taps,
    Temperature,
)
from diodeq.simulators.bench.links import checked

SIZE = 1 << 20
"""Bytes of a description, at most"""
NARROW = 32
"""A range is at most so many times as far away from 0 as it is wide: its codes are whole numbers that floats hold"""


def load(spec: str) -> Description:
    """The description in a file, or the shipped one of a name.

    Raises:
        InputError: it cannot be read, or is no description; the sentence names the entry.
        UsageError: there is neither such a file nor such a name.
    """
    if spec in shipped():
        content = (_FOLDER / f"{spec}.toml").read_bytes()
    else:
        if not Path(spec).exists():
            near = get_close_matches(spec, shipped(), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"there is no bench {spec!r}", f"{hint}give a file, or one of {', '.join(shipped())}")
        try:
            content = read_bytes(spec, SIZE)
        except OSError as error:
            raise InputError(f"{spec} cannot be read: {error.strerror or error}", "give a TOML file") from error
    return read(content, spec)


def shipped() -> list[str]:
    """The names of the descriptions that come along."""
    return sorted(each.name.removesuffix(".toml") for each in _FOLDER.iterdir() if each.name.endswith(".toml"))


def read(content: bytes, place: str) -> Description:
    """A description from TOML; errors begin with ``place``."""
    try:
        table = toml(content)
    except ValueError as error:
        raise InputError(f"{place} is no TOML: {error}", "correct it") from error
    link = table.pop("link", {})
    if not isinstance(link, dict):
        raise InputError(f"{place}: link is no table", "write [link]")
    # Without the link: a board on another port, and its twin at the other end of one, are the same bench.
    sha = hashlib.sha256(json.dumps(table, sort_keys=True, default=str).encode()).hexdigest()
    table.setdefault("name", Path(place).stem)
    found: Description = _section(Description, table, place, "")
    return replace(found, link=_link(link, place), sha256=sha)


def _link(link: dict[str, Any], place: str) -> dict[str, Any]:
    try:
        return checked(link)
    except InputError as error:
        raise InputError(f"{place}: {error.problem}", error.remedy) from None


_FOLDER = files("diodeq.simulators.bench") / "descriptions"
_OWN = ("link", "sha256", "options")
SECTIONS: dict[str, Any] = {
    "drives": Drives,
    "holds": Drives,
    "reads": Reads,
    "injections": Injections,
    "taps": Taps,
    "settling": Settling,
    "temperature": Temperature,
    "amplifiers": Amplifiers,
    "diodes": Diodes,
    "limits": Limits,
    "reading": Reading,
    "calibrated": Calibrated,
}
_WHOLE = {"bits": (1, EXACT), "channels": (0, 4096), "repeats": (1, 4096), "seed": (0, 2**63 - 1)}
_SHARES = {"tolerance", "series_tolerance", "wiper_tolerance", "gain", "complement", "rails", "mismatch", "crosstalk"}
_POSITIVE = {"ohms", "least", "drift_seconds", "period", "amplitude", "volts", "amperes", "compliance"}
_RELATIVE = {"read_gains", "drive_gains", "rails", "complements", "pump_gains", "tracks", "ends", "fixed"}
_SIGNED = {"low", "high"}
CURRENTS = ("auto", "outputs", "nodes")
"""Where currents of a gradient go"""
_LEAST, _MOST = 1e-30, 1e12
"""What an entry other than 0 may be; beyond are slips of the pen, with which nothing can be computed"""
_BOUNDS = {
    **dict.fromkeys(("seconds", "pause"), (0.0, 1e6)),
    **dict.fromkeys(("drift_seconds", "period"), (1e-3, _MOST)),
    **dict.fromkeys(("low", "high"), (-273.15, 1e3)),
    **dict.fromkeys(("saturation", "emission"), (0.0, 3.0)),
    "tempco": (0.0, 0.1),
}


def _section(kind: Any, table: dict[str, Any], place: str, prefix: str) -> Any:
    known = [each.name for each in fields(kind) if each.name not in _OWN]
    made: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"{place}: there is no entry {prefix}{key}", f"{hint}use some of {', '.join(known)}")
        if not prefix and key in SECTIONS:
            if not isinstance(value, dict):
                raise InputError(f"{place}: {key} is no table", f"write [{key}]")
            made[key] = _section(SECTIONS[key], value, place, f"{key}.")
        else:
            made[key] = value_of(key, value, f"{place}: {prefix}{key}")
    found = kind(**made)
    demand(found, place)
    return found


def value_of(key: str, value: Any, called: str) -> Any:
    """One entry; raises ``InputError`` that begins with what it is ``called``."""
    if key in ("name", "about", "source", "circuit", "part"):
        if not isinstance(value, str):
            raise InputError(f"{called} is no text", f'write {key} = "…"')
        return value
    if key == "nodes":
        if isinstance(value, str) and value in ("all", "outputs"):
            return value
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            if twice := next((each for each in value if value.count(each) > 1), None):
                raise InputError(f"{called} has {twice!r} twice", "name it once: a node has one channel")
            return tuple(value)
        raise InputError(f"{called} names no nodes", 'write "all", "outputs" or a list of names')
    if key == "currents":
        if value not in CURRENTS:
            raise InputError(f"{called} = {value!r} is nowhere that currents go", f"write one of {', '.join(CURRENTS)}")
        return value
    if key == "amplitude" and value == "auto":
        return value
    if key == "quantized":
        if not isinstance(value, bool):
            raise InputError(f"{called} is neither true nor false", "write one of them")
        return value
    if key == "range":
        ends = value if isinstance(value, (list, tuple)) else ()
        if len(ends) != 2 or not all(_finite(each) for each in ends) or not ends[0] < ends[1]:
            raise InputError(f"{called} is no range", "write [LOW, HIGH]")
        most = max(abs(end) for end in ends)
        if not (_LEAST <= most <= _MOST and ends[1] - ends[0] >= most / NARROW):
            raise InputError(
                f"{called} = {list(ends)} is too wide, or too narrow to be told from a point", "correct it"
            )
        return float(ends[0]), float(ends[1])
    if called.endswith(f"calibrated.{key}") and key != "circuit":
        return _numbers(key, value, called)
    if key in _WHOLE:
        low, high = _WHOLE[key]
        if type(value) is not int or not low <= value <= high:
            raise InputError(f"{called} = {value!r} is not possible", f"give a whole number from {low} to {high}")
        return value
    if not _finite(value) and not (key in ("compliance", "volts", "amperes") and value == math.inf):
        raise InputError(f"{called} = {value!r} is no number", "give one")
    number = float(value)
    if key not in _SIGNED and (number < 0.0 or (key in _POSITIVE and number == 0.0)):
        raise InputError(f"{called} = {number:g} is not possible", "give a number above 0")
    if key in _SHARES and number >= 1.0:
        raise InputError(f"{called} = {number:g} is all or more of it", "give a share below 1; 1 % is 0.01")
    least, most = _BOUNDS.get(key, (-_MOST, _MOST))
    if number and number != math.inf and not (least <= number <= most and abs(number) >= _LEAST):
        raise InputError(
            f"{called} = {number:g} is not possible",
            f"give a number from {least if key in _SIGNED else 0:g} to {most:g}",
        )
    return number


def _numbers(key: str, value: Any, called: str) -> tuple[float, ...]:
    """Deviations of channels and parts; none that would turn a sign round."""
    whole = key in ("taps", "codes")
    listed = isinstance(value, (list, tuple))
    if not listed or not all(type(each) is int and each >= 0 if whole else _finite(each) for each in value):
        raise InputError(f"{called} is no list of {'whole ' if whole else ''}numbers", "calibrate again")
    least = -1.0 if key in _RELATIVE else -math.inf
    if not all(each > least for each in value):
        raise InputError(f"{called} has a deviation of {min(value):g}, which turns its sign round", "calibrate again")
    return tuple(value) if whole else tuple(map(float, value))


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def demand(found: Any, place: str) -> None:
    """Raises ``InputError`` where entries of a section contradict each other."""
    if isinstance(found, Description) and found.circuit and found.circuit not in BOARDS:
        raise InputError(
            f"{place}: there is no board {found.circuit!r}", f"use one of {', '.join(BOARDS)}, or leave it out"
        )
    if isinstance(found, Drives) and not found.range[0] <= 0.0 < found.range[1]:
        raise InputError(
            f"{place}: a range of drives or holds is without 0 V, where they rest", "give [LOW, HIGH] around"
        )
    if isinstance(found, Injections) and not found.range[0] < 0.0 < found.range[1]:
        raise InputError(f"{place}: injections.range has currents of one sign only", "give [-AMPERES, AMPERES]")
    if isinstance(found, Temperature):
        ends = (found.low, found.high)
        if math.isinf(found.low) != math.isinf(found.high) or not -273.15 < ends[0] <= ends[1]:
            raise InputError(f"{place}: temperature.low and high are no range", "give both, in °C")
    if isinstance(found, Calibrated) and not len(found.taps) == len(found.codes) == len(found.ohms):
        raise InputError(f"{place}: calibrated.taps, codes and ohms are not equally many", "calibrate again")
    if isinstance(found, Taps):
        if found.part:
            try:
                part = programmable.get(found.part)
            except DiodeqError as error:
                raise InputError(f"{place}: taps.part: {error.problem}", error.remedy) from None
            if found.ohms not in part.versions:
                versions = ", ".join(f"{each:g}" for each in part.versions)
                raise InputError(f"{place}: the {part.name} has no version of {found.ohms:g} Ω", f"use {versions}")
        elif not found.least < found.ohms:
            raise InputError(f"{place}: taps.least is not below taps.ohms", "give the range of resistances")
