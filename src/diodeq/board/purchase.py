"""What to buy for a value or a model: packages and manufacturers' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.devices.hardware import preferred
from diodeq.documents import toml
from diodeq.errors import UsageError
from diodeq.netlist.bom import engineering


@cache
def _table() -> dict[str, Any]:
    return toml((files("diodeq.board") / "purchase.toml").read_bytes())


def diode_package(model: str) -> tuple[str, str]:
    """The footprint for a model of a diode, SOD-123 where nobody knows better, and its number, if any."""
    footprint, number = _table()["diodes"].get(model, ("SOD-123", ""))
    return footprint, number


def unpackaged(circuit: Circuit) -> list[str]:
    """The models of a circuit's diodes for which `diode_package` is a guess."""
    own = circuit.diodes.values[~inside(circuit, "diodes")]
    named = [circuit.models[int(k)].name for k in np.unique(own)]
    return [name for name in named if name not in _table()["diodes"]]


def on_series(ohms: float) -> bool:
    """Whether a resistance is one that shops have: of E24, E48 or E96."""
    return preferred.series_of(np.array([ohms])) not in ("", "E192")


def odd_values(circuit: Circuit) -> int:
    """How many of a circuit's resistors have a value that no shop has."""
    ohms = 1.0 / np.unique(circuit.conductances[~inside(circuit, "resistors")])
    odd = [value for value in ohms.tolist() if not on_series(value)]
    return int(np.isin(1.0 / circuit.conductances[~inside(circuit, "resistors")], odd).sum())


CHIPS = ("0603", "0805")
"""Sizes of resistors, in hundredths of an inch; the first where nobody says which."""


def resistor_number(ohms: float, chip: str) -> str:
    """The manufacturer's number of a resistor of 1 % in a size of `CHIPS`, empty for a value that is in no series."""
    if not 1.0 <= ohms <= 1e7 or not on_series(ohms):
        return ""
    text = engineering(ohms)
    letter = text[-1].upper() if text[-1].isalpha() else "R"
    digits = text.rstrip("kMG")
    code = digits.replace(".", letter) if "." in digits else digits + letter
    form: str = _table()["resistors"]["form"]
    return form.format(chip=chip, code=code)


def amplifier_number(name: str) -> str:
    """The manufacturer's number of an operational amplifier in SOIC, if one is known."""
    number: str = _table()["amplifiers"].get(name, "")
    return number


@dataclass(frozen=True)
class Chip:
    """A digital potentiometer's package: pins of each channel as (A, W, B), what the others are for by number, numbers
    of the manufacturer by end-to-end ohms; a word has ``bits``, the channel's address ``shift`` from its end."""

    footprint: str
    channels: tuple[tuple[int, int, int], ...]
    pins: dict[int, str]
    numbers: dict[int, str]
    bits: int
    shift: int


def chip(name: str) -> Chip:
    """The package of a digital potentiometer; raises ``UsageError`` where none is known."""
    known = _table()["potentiometers"]
    if name.upper() not in known:
        raise UsageError(
            f"no package is known for {name!r}", f"use one of {', '.join(known)}", arguments=("programmable",)
        )
    entry = known[name.upper()]
    return Chip(
        entry["footprint"],
        tuple((a, w, b) for a, w, b in entry["channels"]),
        {int(pin): use for pin, use in entry["pins"].items()},
        {int(ohms): number for ohms, number in entry["numbers"].items()},
        entry["bits"],
        entry["shift"],
    )
