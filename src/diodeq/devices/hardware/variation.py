"""How hardware deviates from its drawing: the figures of one technology."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Self

from diodeq.errors import UsageError

SHAPES = ("uniform", "gaussian", "worst")


@dataclass(frozen=True)
class Variation:
    """The spread of a circuit's parts from board to board; zero everywhere is a perfect board.

    Resistors:
        tolerance: relative, of each resistance: uniform within ± it, or, where ``shape`` is "gaussian", Gaussian with
            a third of it as standard deviation, cut at it (SPICE's ``aunif`` and ``agauss`` with 3 sigma); or, in
            training alone, at the end where the loss of the batch rises, "worst".
        tempco: relative change per kelvin away from 25 °C, of each resistor anew within ± it.
        write_error: standard deviation of a programmed conductance, siemens.
        read_noise: standard deviation of a conductance from read to read, relative.
        drift: ν in ``G(t) = G (t / t0)^-ν`` (phase-change memory), its mean; drift_spread: its standard deviation.
        age: t / t0, the time since programming in units of the time at which conductances were verified.
        stuck_low, stuck_high: the share of cells stuck at the technology's least and largest conductance.

    Diodes:
        saturation: standard deviation of the logarithm of each diode's saturation current.
        emission: standard deviation of each diode's emission coefficient, relative.

    Operational amplifiers:
        amplifiers: how much each differs, 1 as is usual: offsets normal about 0 with the typical one as standard
            deviation, and the logarithms of input currents and gains with 0.5 and 0.3. With 0 all are as drawn.

    Board:
        coldest, hottest: °C; supply_error: relative, of each constant source, uniform within ± it.

    Raises:
        UsageError: a number that makes no sense.
    """

    tolerance: float = 0.0
    shape: str = "uniform"
    tempco: float = 0.0
    write_error: float = 0.0
    read_noise: float = 0.0
    drift: float = 0.0
    drift_spread: float = 0.0
    age: float = 1.0
    stuck_low: float = 0.0
    stuck_high: float = 0.0
    saturation: float = 0.0
    emission: float = 0.0
    amplifiers: float = 0.0
    coldest: float = 27.0
    hottest: float = 27.0
    supply_error: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UsageError(f"there is no distribution {self.shape!r}", f"use one of {', '.join(SHAPES)}")
        for name in NUMBERS:
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name not in ("coldest", "hottest")):
                raise UsageError(f"{name} = {value:g} is not possible", "give 0 or more")
        if self.age == 0:
            raise UsageError("age = 0 is not possible", "give a positive number, 1 for no drift")
        for name in ("tolerance", "supply_error", "emission"):
            if getattr(self, name) >= 1:
                raise UsageError(
                    f"{name} = {100 * getattr(self, name):g} % leaves nothing",
                    f"give less than 100 %; 1 per cent is written {name}=1%",
                )
        if self.stuck_low + self.stuck_high > 1:
            raise UsageError("more than all cells are stuck", "let stuck_low and stuck_high add up to at most 1")
        if not -273.15 < self.coldest <= self.hottest:
            raise UsageError(
                f"temperatures of {self.coldest:g} … {self.hottest:g} °C are not possible", "give coldest:hottest"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The variation that ``tolerance=10%,temperature=0:70,saturation=0.3`` spells: fields by name, % or plain.

        Raises:
            UsageError: naming what cannot be read.
        """
        given: dict[str, float | str] = {}
        for piece in text.split(","):
            name, equals, value = (part.strip() for part in piece.partition("="))
            key = name.replace("-", "_")
            if not equals or key not in (*NUMBERS, "shape", "temperature"):
                raise UsageError(
                    f"{piece.strip()!r} is not a variation", f"write NAME=VALUE with one of {', '.join(NAMES)}"
                )
            if key in given or (key == "temperature" and "coldest" in given):
                raise UsageError(f"{name} is given twice", "keep one of the two")
            if key == "shape":
                given[key] = value
            elif key == "temperature":
                cold, _, hot = value.partition(":")
                given["coldest"], given["hottest"] = _number(piece, cold), _number(piece, hot or cold)
            else:
                given[key] = _number(piece, value)
        return replace(cls(), **given)  # type: ignore[arg-type]


NUMBERS = tuple(each.name for each in fields(Variation) if each.name != "shape")
NAMES = ("temperature", *(name for name in NUMBERS if name not in ("coldest", "hottest")), "shape")


def _number(piece: str, text: str) -> float:
    stripped = text.strip()
    try:
        return float(stripped.removesuffix("%")) * (0.01 if stripped.endswith("%") else 1.0)
    except ValueError:
        raise UsageError(
            f"{piece.strip()!r} has no number", "write such as tolerance=10% or temperature=0:70"
        ) from None
