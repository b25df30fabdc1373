"""Operational amplifiers as data, and those that are known: the packaged catalogue and the user's own."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from diodeq.arrays import is_finite
from diodeq.devices import catalogue
from diodeq.documents import toml
from diodeq.errors import InputError, NotRealizableError, UsageError
from diodeq.files import read_bytes

SUPPLY = 12.0
"""Volts of either rail where nobody says more, if the amplifier bears them."""
MIDDLE = 2.5
"""Volts of either rail of amplifiers for 5 V, around a middle rail."""
LARGEST = 1 << 20
"""Bytes of a catalogue."""

_TEXTS, _PAIRS = ("name", "description", "source"), ("supply", "swing")
_EXAMPLE = "write one table a part, as in [mine] with supply = [5.0, 36.0], swing = [1.5, 1.5] and gain = 2e5"


@dataclass(frozen=True)
class Amplifier:
    """An operational amplifier by the typical figures of its data sheet.

    Args:
        supply: V between its supply pins, the least and the most.
        swing: V by which the output stays below the positive and above the negative supply.
        gain: V/V without feedback. bandwidth: Hz, gain times bandwidth. slew: V/s.
        offset: V between the inputs. bias: A into either input. quiescent: A of one amplifier.
        current: A the output gives at most, of either sign. resistance: Ω of the output without feedback.
        noise_volts, noise_amperes: V/√Hz and A/√Hz at an input.
        drift: V/K of the offset away from 25 °C, None where it is not known. doubling: K after which the input currents
            are twice as large, 0 where they stay (bipolar inputs).
        channels: amplifiers in a package.

    Infinite bandwidth, slew and current, and all else at 0, are those of no part. Raises `InputError` for a figure that
    makes no sense.
    """

    name: str
    supply: tuple[float, float]
    swing: tuple[float, float]
    gain: float
    bandwidth: float = math.inf
    slew: float = math.inf
    offset: float = 0.0
    bias: float = 0.0
    quiescent: float = 0.0
    current: float = math.inf
    resistance: float = 0.0
    noise_volts: float = 0.0
    noise_amperes: float = 0.0
    drift: float | None = None
    doubling: float = 0.0
    channels: int = 1
    description: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.search(r"[A-Za-z0-9]", self.name):
            raise InputError(f"an amplifier cannot be called {self.name!r}", "use a name with a letter or a digit")
        for key in _TEXTS:
            self._demand(isinstance(getattr(self, key), str), key, "must be text")
        for key in _PAIRS:
            pair = getattr(self, key)
            two = isinstance(pair, (list, tuple)) and len(pair) == 2 and all(_number(each) for each in pair)
            self._demand(two and min(pair) >= 0.0, key, "must be two volts of at least 0")
            object.__setattr__(self, key, tuple(map(float, pair)))
        self._demand(self.supply[0] <= self.supply[1], "supply", "must be the least and the most")
        self._demand(max(self.swing) < math.inf, "swing", "must be finite")
        for key in ("gain", "bandwidth", "slew", "current"):
            self._demand(_number(getattr(self, key)) and getattr(self, key) > 0.0, key, "must be above 0")
        self._demand(1.0 < self.gain <= 1e7, "gain", "must be above 1 and at most 1e7, which is all a double resolves")
        self._demand(_number(self.bias) and abs(self.bias) < math.inf, "bias", "must be finite")
        self._demand(_number(self.offset) and abs(self.offset) < math.inf, "offset", "must be finite")
        for key in ("quiescent", "resistance", "noise_volts", "noise_amperes", "drift", "doubling"):
            value = getattr(self, key)
            unknown = key == "drift" and value is None
            fits = unknown or (_number(value) and 0.0 <= value < math.inf)
            self._demand(fits, key, "must be finite and at least 0")
        whole = isinstance(self.channels, int) and not isinstance(self.channels, bool)
        self._demand(whole and 1 <= self.channels <= 64, "channels", "must be a whole number from 1 to 64")

    def _demand(self, holds: bool, key: str, what: str) -> None:
        if not holds:
            raise InputError(
                f"amplifier {self.name}: {key} = {getattr(self, key)!r} is not possible, it {what}", "correct it"
            )

    @property
    def spice_name(self) -> str:
        """The name of its subcircuit: ``amp_`` and the name in ``[a-z0-9_]``."""
        return "amp_" + re.sub(r"[^a-z0-9_]", "_", self.name.lower())

    def rail(self, volts: float | None) -> float:
        """The volts of either supply rail: ``volts``, else ±12 V, or ±2.5 V around the middle where it bears no more.

        Raises `NotRealizableError` where the amplifier does not work on them.
        """
        chosen = volts if volts is not None else SUPPLY if self.supply[1] >= 2.0 * SUPPLY else MIDDLE
        if not self.supply[0] <= 2.0 * chosen <= self.supply[1]:
            least, most = self.supply
            raise NotRealizableError(
                f"{self.name} works on {least:g} to {most:g} V between its supply pins, not on ±{chosen:g} V",
                f"give --supply {least / 2:g} to {most / 2:g}, or another amplifier",
                arguments=("supply",),
            )
        if chosen <= max(self.swing):
            raise NotRealizableError(
                f"the output of {self.name} has no room within ±{chosen:g} V", "give more volts", arguments=("supply",)
            )
        return chosen

    def reach(self, rail: float) -> float:
        """V that the output reaches on either side of the middle, with rails at ±``rail``."""
        return rail - max(self.swing)

    def to_json(self) -> dict[str, Any]:
        """A plain dict; None stands for what is infinite."""

        def plain(value: Any) -> Any:
            if isinstance(value, tuple):
                return [plain(each) for each in value]
            return None if value == math.inf else value

        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_entry(cls, name: str, table: object) -> Self:
        """That of a catalogue's table; raises `InputError` if it is none."""
        if not isinstance(table, Mapping):
            raise InputError(f"{name} is not a table", _EXAMPLE)
        known = {each.name for each in fields(cls)} - {"name"}
        unknown = sorted(set(map(str, table)) - known)
        if unknown:
            raise InputError(f"amplifier {name} has the unknown entry {unknown[0]!r}", f"known are {', '.join(known)}")
        missing = sorted({"supply", "swing", "gain"} - set(table))
        if missing:
            raise InputError(f"amplifier {name} has no {missing[0]}", _EXAMPLE)
        return cls(name=name, **table)


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return is_finite(value) or value == math.inf


def get(name: str) -> Amplifier:
    """The amplifier called ``name``, in any case; the user's own win over the packaged ones.

    Raises `UsageError` with the nearest names if there is none, `InputError` if the user's catalogue is unreadable.
    """
    there = {key.casefold(): part for key, part in parts().items()}
    if name.casefold() not in there:
        near = get_close_matches(name.casefold(), there, n=2)
        hint = f"did you mean {' or '.join(there[key].name for key in near)}? " if near else ""
        raise UsageError(
            f"there is no amplifier called {name!r}",
            f"{hint}`diodeq devices amplifiers` shows all",
            arguments=("amplifier",),
        )
    return there[name.casefold()]


def parts() -> dict[str, Amplifier]:
    """All by name: the packaged ones in the catalogue's order, then the user's own.

    Raises `InputError` if the user's catalogue is unreadable; one that is named on purpose must exist.
    """
    path = user_path()
    own = read(path) if path.exists() or os.environ.get("DIODEQ_AMPLIFIERS") else {}
    return {**_packaged(), **own}


def user_path() -> Path:
    """Where the user's own are kept: ``$DIODEQ_AMPLIFIERS``, else ``amplifiers.toml`` in ``~/.config/diodeq``."""
    return catalogue.own_file("DIODEQ_AMPLIFIERS", "amplifiers.toml")


def read(path: Path) -> dict[str, Amplifier]:
    """The amplifiers in a catalogue file; raises `InputError` naming it if it cannot be read or holds none such."""
    try:
        content = read_bytes(path, LARGEST)
    except OSError as error:
        raise InputError(
            f"the amplifier catalogue {path} cannot be read: {error.strerror or error}",
            "check its path and permissions",
        ) from error
    return _parse(content, str(path))


@cache
def _packaged() -> dict[str, Amplifier]:
    content = (files("diodeq.devices") / "amplifiers.toml").read_bytes()
    return _parse(content, "diodeq's own amplifier catalogue")


def _parse(content: bytes, where: str) -> dict[str, Amplifier]:
    try:
        tables = toml(content)
    except ValueError as error:
        raise InputError(f"{where} is not valid TOML: {error}", _EXAMPLE) from error
    try:
        return {name: Amplifier.from_entry(name, table) for name, table in tables.items()}
    except InputError as error:
        raise InputError(f"{where}: {error.problem}", error.remedy) from error
