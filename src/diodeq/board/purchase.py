"""What to buy for a value or a model: packages and manufacturers' numbers."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from diodeq.devices.hardware import preferred
from diodeq.documents import toml
from diodeq.netlist.bom import engineering


@cache
def _table() -> dict[str, Any]:
    return toml((files("diodeq.board") / "purchase.toml").read_bytes())


def diode_package(model: str) -> tuple[str, str]:
    """The footprint for a model of a diode, SOD-123 where nobody knows better, and its number, if any."""
    footprint, number = _table()["diodes"].get(model, ("SOD-123", ""))
    return footprint, number


def on_series(ohms: float) -> bool:
    """Whether a resistance is one that shops have: of E24, E48 or E96."""
    return preferred.series_of(np.array([ohms])) not in ("", "E192")


def resistor_number(ohms: float) -> str:
    """The manufacturer's number of a resistor of 1 %, empty for a value that is in no series."""
    if not 1.0 <= ohms <= 1e7 or not on_series(ohms):
        return ""
    text = engineering(ohms)
    letter = text[-1].upper() if text[-1].isalpha() else "R"
    digits = text.rstrip("kMG")
    code = digits.replace(".", letter) if "." in digits else digits + letter
    form: str = _table()["resistors"]["form"]
    return form.format(code=code)


def amplifier_number(name: str) -> str:
    """The manufacturer's number of an operational amplifier in SOIC, if one is known."""
    number: str = _table()["amplifiers"].get(name, "")
    return number
