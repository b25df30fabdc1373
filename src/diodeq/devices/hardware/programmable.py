"""Digital potentiometers: which resistances their codes make."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from diodeq.documents import toml
from diodeq.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Potentiometer:
    """A digital potentiometer as a resistor, from the wiper to one end.

    ``versions`` are the end-to-end resistances it is sold with and ``wiper`` the contact's resistance of each, in ohms;
    ``positions`` the codes, ``steps`` the equal parts of the end-to-end resistance where those are not as many (0: they
    are), ``channels`` the resistors of one package, ``tolerance`` the relative one of the end-to-end
    resistance, ``volts`` what its terminals may be apart.
    """

    name: str
    description: str
    source: str
    positions: int
    channels: int
    versions: tuple[float, ...]
    wiper: tuple[float, ...]
    tolerance: float
    volts: float
    steps: int = 0

    def settings(self) -> tuple[Floats, Ints, Floats]:
        """(ohms, code, end-to-end ohms) of every code of every version: R = code / steps · R_AB + R_W."""
        code = np.arange(self.positions)
        versions, wiper = np.array(self.versions)[:, None], np.array(self.wiper)[:, None]
        ohms = code / (self.steps or self.positions) * versions + wiper
        return ohms.ravel(), np.tile(code, len(self.versions)), np.repeat(self.versions, self.positions)


def get(name: str, also: str = "") -> Potentiometer:
    """The potentiometer called ``name``, in any case; ``also`` names what else would have done.

    Raises `UsageError` with the nearest name if there is none.
    """
    known = parts()
    if name.upper() not in known:
        near = get_close_matches(name.upper(), known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        choices = ", ".join(known) + (f", {also}" if also else "")
        raise UsageError(f"there is no programmable resistor called {name!r}", f"{hint}use one of {choices}")
    return known[name.upper()]


@cache
def parts() -> MappingProxyType[str, Potentiometer]:
    """All that are known, by name."""
    tables = toml((files("diodeq.devices.hardware") / "programmable.toml").read_bytes())
    return MappingProxyType(
        {
            name: Potentiometer(name, **{**table, "versions": tuple(table["versions"]), "wiper": tuple(table["wiper"])})
            for name, table in tables.items()
        }
    )
