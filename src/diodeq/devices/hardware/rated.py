"""The ratings of resistors, and of what drives an input, where nobody says which they are."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

from diodeq.devices.ratings import Ratings
from diodeq.documents import toml

RESISTOR, DRIVER = "0603", "driver"
"""The parts that circuits are taken to be made of."""


@cache
def parts() -> MappingProxyType[str, Ratings]:
    """All that are known, by name."""
    tables = toml((files("diodeq.devices.hardware") / "rated.toml").read_bytes())
    return MappingProxyType({name: Ratings(**table) for name, table in tables.items()})
