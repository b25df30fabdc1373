"""What the hardware can do: the conductances it can hold, its supply and its diode."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.errors import UsageError


@dataclass(frozen=True)
class Technology:
    """The limits a circuit is built and trained within.

    ``low`` and ``high`` bound every trainable conductance in siemens, ``levels`` is how many values a programmable
    resistor can take (0: continuous), ``volts`` the amplitude that stands for 1, ``supply`` the highest voltage of
    the hardware in volts (infinite: not limited), ``diode`` the name of a part of the catalogue.

    Raises:
        UsageError: the range is empty or a limit is not positive.
    """

    low: float = 1e-7
    high: float = 1e-2
    levels: int = 0
    volts: float = 5.0
    supply: float = math.inf
    diode: str = "1N4148"

    def __post_init__(self) -> None:
        if not 0.0 < self.low < self.high < math.inf:
            raise UsageError(
                f"the conductance range {self.low:g} … {self.high:g} S is empty or not positive", "give 0 < low < high"
            )
        if not (math.isfinite(self.volts) and self.volts > 0.0):
            raise UsageError(f"an amplitude of {self.volts:g} V is not possible", "give a positive number of volts")
        if not self.supply > 0.0:
            raise UsageError(f"a supply of {self.supply:g} V is not possible", "give a positive number of volts")
        if self.levels < 0 or self.levels == 1:
            raise UsageError(
                f"a resistor cannot have {self.levels} levels", "give 0 for continuous values, or at least 2"
            )

    def project(self, conductances: ArrayLike) -> NDArray[np.float64]:
        """The nearest conductances within the range, float64 of the same shape, in siemens."""
        return np.clip(np.asarray(conductances, dtype=np.float64), self.low, self.high)
