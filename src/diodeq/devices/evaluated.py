"""What laws have in common whose current follows from the voltage outright, and what all load lines ask first."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.devices.protocol import Floats
from diodeq.errors import InputError

Index = NDArray[np.intp]


class Evaluated:
    """n one-ports of a family that says how to ``evaluate``: what else `OnePorts` asks of the current, for arrays of
    any shape."""

    part: ClassVar[str]
    """What one of them is called."""

    def __len__(self) -> int:
        raise NotImplementedError

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        """Current and conductance at terminal voltages."""
        raise NotImplementedError

    def current(self, voltage: ArrayLike) -> Floats:
        """The currents at terminal voltages."""
        return self.evaluate(voltage)[0]

    def conductance(self, voltage: ArrayLike) -> Floats:
        """di/dv at terminal voltages."""
        return self.evaluate(voltage)[1]

    def missed(self, voltage: ArrayLike, current: ArrayLike) -> Floats:
        """By how many amperes currents fall short of the law's."""
        return np.asarray(self.current(voltage) - real("the currents", current), np.float64)

    def _flat(self, rows: Index, *given: ArrayLike) -> tuple[Index, list[Floats], tuple[int, ...]]:
        """``rows`` [n] and the arguments as flat arrays of one length, and the shape of the answer."""
        arrays = [real(f"the voltages of {self.part}s", each) for each in given]
        if not all(np.isfinite(each).all() for each in arrays):
            raise InputError(f"a voltage across a {self.part} is not finite", "check the drives for NaN and infinity")
        shape = np.broadcast_shapes(*(each.shape for each in arrays), (len(self),))
        flat = [np.broadcast_to(each, shape).reshape(-1) for each in arrays]
        return np.broadcast_to(rows, shape).reshape(-1), flat, shape


def in_blocks(size: int, block: int, function: Callable[[slice], tuple[Floats, ...]]) -> tuple[Floats, ...]:
    """What ``function`` answers for all of ``size`` entries, asked for at most ``block`` at a time; once for none."""
    found = [function(slice(start, start + block)) for start in range(0, max(size, 1), block)]
    return tuple(each[0] if len(each) == 1 else np.concatenate(each) for each in zip(*found, strict=True))


def load_resistances(resistance: ArrayLike) -> Floats:
    """The resistances of load lines, Ω; raises `InputError` where one is negative or infinite."""
    r = np.asarray(resistance, np.float64)
    if not np.all((r >= 0.0) & (r < np.inf)):
        raise InputError("a load line needs a finite resistance of at least 0 ohm", "check the resistances")
    return r
