"""Plain junctions as the compiled loop and the vectorized one take them: their constants, shared or one a column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.devices.diode.law import Law
from diodeq.simulators.wave.arrays import Arrays

# Below -3 nVt ngspice's junction approaches saturation as -Is (1 + (3 nVt / (e v))^3).
REVERSE = -3.0
CUBE = (3.0 / math.e) ** 3
# The omega function of this is 2e-28: no part of any current, yet far from where single precision ends.
NOTHING = -64.0


@dataclass(frozen=True, eq=False)
class Plain:
    """Constants of plain junctions: each a float that all share, or the backend's array with one a column.

    ``breakdown`` and ``resistance`` are None where no junction has one.
    """

    saturation: Any
    n_vt: Any
    gmin: float
    resistance: Any
    breakdown: Any

    @staticmethod
    def of(laws: Law, arrays: Arrays) -> Plain:
        def put(numbers: Any) -> Any:
            return arrays.put(numbers) if isinstance(numbers, np.ndarray) else numbers

        return Plain(
            saturation=put(laws.saturation),
            n_vt=put(laws.n_vt),
            gmin=laws.gmin,
            resistance=put(laws.resistance) if np.any(laws.resistance) else None,
            breakdown=put(laws.breakdown) if laws.breaks else None,
        )
