"""Chance as a function: what is drawn depends on a seed, a name, and numbers, never on what was drawn before.

So readings made one by one are those of a batch, and a twin elsewhere draws the same. A counter is mixed by the
finalizer of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

_GOLDEN, _FIRST, _SECOND = (np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
# Of flicker noise: the slowest octave stays for 2^20 readings.
OCTAVES = 21


def keys(names: Iterable[str]) -> Keys:
    """A number for each name, uint64[n], the same in every process."""
    return np.array([zlib.crc32(name.encode()) for name in names], np.uint64)


def uniform(seed: int, what: str, *counters: ArrayLike) -> Floats:
    """Evenly spread between 0 and 1, both excluded, one for each place of the counters (whole numbers of at least 0)
    broadcast against each other."""
    return _even(_start(seed, what), *counters)


def normal(seed: int, what: str, *counters: ArrayLike) -> Floats:
    """The same, normal about 0 with standard deviation 1."""
    return np.asarray(ndtri(uniform(seed, what, *counters)))


def flicker(seed: int, what: str, channels: ArrayLike, number: ArrayLike) -> Floats:
    """1/f noise at readings ``number``: octaves of equal variance 1 in all, each twice as slow as the one before.

    A sum of steps that halve in frequency has the spectrum 1/f between the fastest and the slowest (Voss & Clarke's
    method, told in Gardner, Scientific American 238(4), 1978).
    """
    counter, back = np.unique(np.asarray(number).astype(np.uint64), return_inverse=True)
    later = counter >> np.arange(OCTAVES, dtype=np.uint64)[:, None]
    fresh = np.ones(later.shape, bool)
    fresh[:, 1:] = later[:, 1:] != later[:, :-1]
    octave, first = np.nonzero(fresh)  # all octaves are drawn at once, each step of them once
    steps = ndtri(_even(_octaves(seed, what)[octave][:, None], channels, later[octave, first][:, None]))
    found: Floats = np.zeros(())
    for where in np.cumsum(fresh.ravel()).reshape(fresh.shape) - 1:
        found = found + steps[where]
    found = found[back.ravel()]
    return np.asarray(found / np.sqrt(OCTAVES))


def walk(seed: int, what: str, channels: ArrayLike, time: float) -> Floats:
    """A wandering quantity at a ``time`` in units of the time in which it forgets where it was: standard deviation 1
    at every whole unit, straight between them; one for each of ``channels`` [n]."""
    before = int(np.floor(time))
    part = time - before
    first, second = (normal(seed, what, channels, np.int64(before + each)) for each in (0, 1))
    return np.asarray((1.0 - part) * first + part * second)


@np.errstate(over="ignore")
def _start(seed: int, what: str) -> Keys:
    return _mixed(np.uint64(seed % 2**64) + _GOLDEN * np.uint64(zlib.crc32(what.encode())))


@cache
def _octaves(seed: int, what: str) -> Keys:
    return np.array([_start(seed, f"{what} {octave}") for octave in range(OCTAVES)])


@np.errstate(over="ignore")
def _even(mixed: Keys, *counters: ArrayLike) -> Floats:
    for counter in counters:
        mixed = _mixed(mixed + _GOLDEN * np.asarray(counter).astype(np.uint64))
    return np.asarray(((mixed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def _mixed(value: Keys | np.uint64) -> Keys:
    found = np.asarray(value, np.uint64)
    found = (found ^ (found >> np.uint64(30))) * _FIRST
    found = (found ^ (found >> np.uint64(27))) * _SECOND
    return found ^ (found >> np.uint64(31))
