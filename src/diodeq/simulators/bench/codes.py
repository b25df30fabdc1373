"""What the codes of a bench's converters and taps mean, as the host believes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from diodeq.devices.hardware import programmable
from diodeq.errors import NotRealizableError
from diodeq.printable import quantity
from diodeq.simulators.bench.body import Ints
from diodeq.simulators.bench.description import EXACT, Taps

Floats = NDArray[np.float64]
SLACK = 0.25
"""Conductances that are beyond the taps' range by no more than this part of them get the last tap: rules that turn all
values a little end there."""


@dataclass(frozen=True)
class Converter:
    """Between codes and volts or amperes: code k stands for k steps, so 0 is nothing.

    ``low`` … ``high`` are cut into 2^bits steps, ``unit`` is V or A, ``most`` bounds what a command may ask for.
    """

    low: float
    high: float
    bits: int
    unit: str = "V"
    most: float = math.inf

    @property
    def step(self) -> float:
        """What one code more stands for."""
        return (self.high - self.low) / 2.0**self.bits

    @property
    def first(self) -> int:
        """The least code."""
        return math.ceil(max(self.low, -self.most) / self.step - 1e-9)

    @property
    def last(self) -> int:
        """The largest code."""
        most = min(self.most, 2.0 * abs(self.high))
        return min(math.ceil(self.high / self.step - 1e-9) - 1, math.floor(most / self.step + 1e-9))

    def encode(self, values: Floats, what: str, corrected: Floats | None = None) -> Ints:
        """The nearest codes of ``values`` [B, n], or of these ``corrected`` by what is known of the channels, which end
        where the codes do.

        Raises:
            NotRealizableError: a value is out of range by more than a code; ``what`` says of what.
        """
        found = np.rint(values / self.step)
        low, high = self.first, self.last
        beyond = (found < low - 1) | (found > high + 1) | ~np.isfinite(found)
        if beyond.any():
            row, column = np.argwhere(beyond)[0].tolist()
            raise NotRealizableError(
                f"sample {row} asks for {quantity(float(values[row, column]), self.unit)} at {what} {column}, where the"
                f" bench has {quantity(low * self.step, self.unit)} to {quantity(high * self.step, self.unit)}",
                "ask for less, such as a lower --supply, or give the description a wider range and [limits]",
                sample=row,
            )
        if corrected is not None:
            found = np.rint(corrected / self.step)
        return np.asarray(np.clip(found, low, high).astype(np.int64))

    def decode(self, codes: Ints) -> Floats:
        """What codes stand for."""
        return np.asarray(codes * self.step)

    def sampled(self, values: Floats) -> Ints:
        """The codes that a reading gives; what is out of range reads as its end."""
        found = np.clip(np.rint(values / self.step), self.first, self.last)
        return np.asarray(found.astype(np.int64))


@dataclass(frozen=True)
class TapTable:
    """Between codes and conductances of programmable resistors in siemens."""

    taps: Taps

    @cached_property
    def _settings(self) -> tuple[Floats, Floats]:
        """Of a part: ohms of the potentiometer and of its wiper at every code."""
        part = programmable.get(self.taps.part)
        at = part.versions.index(self.taps.ohms)
        code = np.arange(part.positions)
        return code / (part.steps or part.positions) * self.taps.ohms, np.full(part.positions, part.wiper[at])

    @property
    def stepped(self) -> bool:
        """Whether there is a tap for each code; else codes are even parts of the largest conductance."""
        return bool(self.taps.part) and self.taps.quantized

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The least and the largest conductance."""
        taps = self.taps
        if not taps.part:
            return 1.0 / (taps.series + taps.ohms), 1.0 / (taps.series + taps.least)
        track, wiper = self._settings
        ohms = taps.series + track + wiper
        return float(1.0 / ohms.max()), float(1.0 / ohms.min())

    @property
    def count(self) -> int:
        """How many codes there are."""
        return len(self._settings[0]) if self.stepped else 2**EXACT + 1

    @property
    def first(self) -> int:
        """The least code: without steps that of the largest resistance."""
        return 0 if self.stepped else round(self.ends[0] * (2.0**EXACT / self.ends[1]))

    @property
    def spacing(self) -> float:
        """The largest ratio of neighbouring conductances."""
        if not self.stepped:
            return 1.0
        return float((self._siemens[:-1] / self._siemens[1:]).max())

    def encode(self, conductances: Floats) -> Ints:
        """The nearest codes in siemens.

        Raises:
            NotRealizableError: a conductance is out of their range by more than ``SLACK``.
        """
        low, high = self.ends
        beyond = (conductances < low * (1.0 - SLACK)) | (conductances > high * (1.0 + SLACK))
        if beyond.any():
            asked = float(conductances[beyond][0])
            raise NotRealizableError(
                f"a resistor is to have {quantity(1.0 / asked, 'Ω')}, and the bench's taps have"
                f" {quantity(1.0 / high, 'Ω')} to {quantity(1.0 / low, 'Ω')}",
                f"use --conductances {low:.4g} {high:.4g}, or describe other taps",
            )
        if self.stepped:
            between = 0.5 * (self._siemens[1:] + self._siemens[:-1])
            order = np.searchsorted(between[::-1], conductances)
            return np.asarray(len(self._siemens) - 1 - order).astype(np.int64)
        return np.asarray(np.rint(np.clip(conductances, low, high) * (2.0**EXACT / high)).astype(np.int64))

    def parts(self, codes: Ints) -> tuple[Floats, Floats]:
        """Ohms of the potentiometers and of their wipers at codes, as they are nominally."""
        if self.stepped:
            track, wiper = self._settings
            return track[codes], wiper[codes]
        ohms = 2.0**EXACT / self.ends[1] / codes - self.taps.series
        own = self._settings[1][0] if self.taps.part else 0.0
        return ohms - own, np.full(np.shape(codes), own)

    def decode(self, codes: Ints) -> Floats:
        """Nominal conductances."""
        if self.stepped:
            return np.asarray(self._siemens[codes])
        return np.asarray(codes * (self.ends[1] / 2.0**EXACT))

    @cached_property
    def _siemens(self) -> Floats:
        """Of every code, falling."""
        track, wiper = self._settings
        return np.asarray(1.0 / (self.taps.series + track + wiper))
