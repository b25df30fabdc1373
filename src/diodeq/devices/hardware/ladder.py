"""Ladders: the conductances that can be bought or programmed, and which parts make each of them.

A ladder comes from a word: ``E24`` (preferred values of IEC 60063), ``AD5206`` (the codes of a digital potentiometer),
``16`` (so many evenly spaced levels), each with ``:series`` or ``:parallel`` where two parts stand for one resistor.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real, text
from diodeq.devices.hardware import preferred, programmable
from diodeq.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PAIRS = ("series", "parallel")
# Pairs of more single values than this are refused: their table would need gigabytes.
MOST_PAIRED = 8192
MOST_LEVELS = 1 << 20


@dataclass(frozen=True, eq=False)
class Single:
    """Parts that are bought or set as they are: ``ohms`` float64[n] of each setting, and what it takes to make it.

    ``code`` int64[n] is what a programmable part is set to (-1: it is not programmable), ``nominal`` float64[n] the
    end-to-end ohms of the version to buy, ``name`` that of the ladder, ``part`` that of what is bought, ``channels``
    how many resistors one package has, ``span`` the volts its terminals may be apart (infinite: no limit is known).
    """

    ohms: Floats
    code: Ints
    nominal: Floats
    name: str
    part: str
    channels: int = 1
    span: float = math.inf

    @property
    def programmable(self) -> bool:
        """Whether the parts are set by a code."""
        return bool(len(self.code)) and int(self.code[0]) >= 0

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Single:
        """Some of the settings."""
        return replace(self, ohms=self.ohms[chosen], code=self.code[chosen], nominal=self.nominal[chosen])


@dataclass(frozen=True, eq=False)
class Ladder:
    """Conductances float64[n] in siemens, ascending; ``picks`` int64[n, 1 or 2] are the singles that make each
    (-1: no second one).

    ``pairs`` says how two of them are joined, "" where one is enough.
    """

    name: str
    single: Single
    conductances: Floats
    picks: Ints
    pairs: str = ""

    def __len__(self) -> int:
        return len(self.conductances)

    @property
    def low(self) -> float:
        """The least conductance, siemens."""
        return float(self.conductances[0])

    @property
    def high(self) -> float:
        """The largest conductance, siemens."""
        return float(self.conductances[-1])

    def nearest(self, conductances: ArrayLike) -> Ints:
        """The rung for each conductance, by the smallest difference in siemens; int64 of the same shape.

        Differences in siemens, not ratios: what a resistor does to a node's voltage is its share of the node's sum.
        """
        between = 0.5 * (self.conductances[1:] + self.conductances[:-1])
        return np.searchsorted(between, real("the conductances", conductances))

    def project(self, conductances: ArrayLike) -> Floats:
        """The nearest conductances on the ladder, float64 of the same shape."""
        found: Floats = self.conductances[self.nearest(conductances)]
        return found


def ladder(name: str, low: float = 0.0, high: float = math.inf) -> Ladder:
    """The ladder that ``name`` spells, its singles and its pairs within ``low`` … ``high`` siemens.

    Raises:
        UsageError: there is no such ladder, or the range leaves fewer than two values of it.
    """
    word, colon, how = text("the values", name).partition(":")
    if colon and how not in PAIRS:
        raise UsageError(f"{name!r} joins two parts in an unknown way", f"write {word}:series or {word}:parallel")
    single = _single(word.strip(), low, high)
    name = f"{single.name}:{how}" if how else single.name
    if how in PAIRS:
        found = _paired(name, single, how)
    else:
        order = np.argsort(-single.ohms, kind="stable")
        found = _unique(Ladder(name, single, 1.0 / single.ohms[order], order[:, None]))
    inside = (found.conductances >= low * (1 - 1e-12)) & (found.conductances <= high * (1 + 1e-12))
    if np.count_nonzero(inside) < 2:
        raise UsageError(
            f"{name} has fewer than two values between {low:g} and {high:g} S",
            f"give a wider range; it has {found.low:g} … {found.high:g} S" if len(found) else "give a wider range",
        )
    return replace(found, conductances=found.conductances[inside], picks=found.picks[inside])


def own_range(name: str) -> tuple[float, float] | None:
    """The range in siemens that parts bring which are programmed; None where ``name`` spells others.

    Raises:
        UsageError: there is no such ladder.
    """
    if name.isdigit():
        return None
    found = ladder(name)
    return (found.low, found.high) if found.single.programmable else None


def _single(word: str, low: float, high: float) -> Single:
    series = preferred.find(word)
    if series is not None:
        if low <= 0.0 or math.isinf(high):
            low, high = max(low, 1.0 / preferred.HIGHEST), min(high, 1.0 / preferred.LOWEST)
        ohms = preferred.values(series, 1.0 / high, 1.0 / low)
        return Single(ohms, np.full(len(ohms), -1), ohms, series, f"resistor {series}")
    if word.isascii() and word.isdigit():
        count = int(word[:20])  # what is longer is too many anyway
        if not 2 <= count <= MOST_LEVELS:
            raise UsageError(f"{count} levels are not possible", f"give from 2 to {MOST_LEVELS}")
        if low <= 0.0 or math.isinf(high):
            raise UsageError(f"{count} levels need a range", "give the least and the largest conductance")
        ohms = 1.0 / np.linspace(low, high, count)
        return Single(ohms, np.arange(count), np.full(count, 1.0 / high), f"{count} levels", f"cell of {count} levels")
    if re.fullmatch(r"[Ee][0-9]+", word):
        raise UsageError(f"there is no series {word}", f"use one of {', '.join(preferred.SERIES)}")
    pot = programmable.get(word, also=f"{', '.join(preferred.SERIES)} or a number of levels")
    ohms, code, nominal = pot.settings()
    return Single(ohms, code, nominal, pot.name, pot.name, pot.channels, pot.volts)


def _paired(name: str, single: Single, how: str) -> Ladder:
    """Every pair of singles, and every single alone, with -1 as its second pick."""
    single = single.take(np.sort(np.unique(single.ohms, return_index=True)[1]))
    count = len(single.ohms)
    if count > MOST_PAIRED:
        raise UsageError(f"{name} has {count} values, too many to pair", "leave the pairing out")
    first, second = np.triu_indices(count)
    alone = np.arange(count)
    ohms, g = single.ohms, 1.0 / single.ohms
    both = 1.0 / (ohms[first] + ohms[second]) if how == "series" else g[first] + g[second]
    conductances = np.concatenate([g, both])
    picks = np.stack([np.concatenate([alone, first]), np.concatenate([np.full(count, -1), second])], axis=1)
    # Of two ways to make one conductance, up to rounding, the single part comes first and stays.
    order = np.lexsort((picks[:, 1] >= 0, np.round(np.log(conductances), 11)))
    return _unique(Ladder(name, single, conductances[order], picks[order].astype(np.int64), how))


def _unique(found: Ladder) -> Ladder:
    """One rung for each conductance, up to rounding."""
    g = found.conductances
    new = np.ones(len(g), bool)
    new[1:] = np.diff(g) > 1e-10 * g[1:]
    return replace(found, conductances=g[new], picks=found.picks[new])
