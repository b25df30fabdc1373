"""A stage on its way to a circuit: what couples its units, then what feeds them. All of it is in units of g0."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diodeq.devices.elements import ActivationElement
from diodeq.network.units import OnePortUnits

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Joints(NamedTuple):
    """Entries of a sparse matrix: ``values[k]`` at ``(rows[k], columns[k])``."""

    rows: Index
    columns: Index
    values: Floats

    @staticmethod
    def of(matrix: Floats) -> Joints:
        """The entries of a dense matrix that are not zero."""
        rows, columns = np.nonzero(matrix)
        return Joints(rows, columns, matrix[rows, columns])


def _none() -> Joints:
    return Joints(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, eq=False)
class Core:
    """How a realization couples the units of one stage, and what it leaves at each unit for everything else.

    Args:
        row_scale: float64[n], D > 0: the circuit solves ``D (H z + F(z) - U x - b) = 0``.
        headroom: float64[n], conductance that inputs and a resistor to ground must together bring to each unit.
        resistors: conductances between two units.
        copied: conductances between the inverted copy of unit ``rows`` and unit ``columns``.
        turns: row k is a chain of secondaries in series across one resistor of conductance 1; unit i has n turns in it.
        gyrators: gyration conductances from unit ``rows`` to unit ``columns``.
        feedback: float64[n, n], weights that buffers feed back, or None.
        pumped: weights of negative sign end at a pump (``amplified.pumped``) instead of coming from inverted rails.
    """

    row_scale: Floats
    headroom: Floats
    resistors: Joints = field(default_factory=_none)
    copied: Joints = field(default_factory=_none)
    turns: Joints = field(default_factory=_none)
    gyrators: Joints = field(default_factory=_none)
    feedback: Floats | None = None
    pumped: bool = False


class StageFeed(NamedTuple):
    """Resistors from a rail to a unit: ``columns`` count fed-back units, then inputs, then 1 for the bias, then ground
    for what is pumped."""

    rows: Index
    columns: Index
    negative: Bools
    """on the inverted rail, or pumped"""
    values: Floats


@dataclass(frozen=True, eq=False)
class StagePlan:
    """A stage ready to be built: its core, the feeds, the resistors to ground and the scale.

    ``gain`` is the drivers' and buffers' K, ``siemens`` is g0, ``margin`` the smallest eigenvalue of the symmetric part
    of the grounded conductance matrix in siemens, ``pairs`` how many feeds are differences of two resistors,
    ``bias_column`` which of the feed's columns is 1.
    """

    realization: str
    core: Core
    feed: StageFeed
    ground: Floats
    gain: float
    siemens: float
    margin: float
    element: ActivationElement
    pairs: int
    bias_column: int
    conductance_range: tuple[float, float]
    flowing: Floats = field(default_factory=lambda: np.zeros(0))
    """what pumps bring their units at most where nothing is above 1, float64[n] in g0"""
    pumps: Floats = field(default_factory=lambda: np.zeros(0))
    """conductance of the pumps' feedback, float64[n] in g0"""
    own: OnePortUnits | None = None
    """units that are one-ports of a circuit, which then has no other element"""

    @property
    def size(self) -> int:
        """The number of units."""
        return len(self.ground)

    @property
    def inverted(self) -> Bools:
        """Which feeds come from an inverted rail."""
        return self.feed.negative & (not self.core.pumped)

    @property
    def pumped(self) -> Bools:
        """Which feeds end at a pump."""
        return self.feed.negative & self.core.pumped

    @property
    def feedback_columns(self) -> int:
        """How many of the feed's columns are the stage's own units."""
        return 0 if self.core.feedback is None else self.size
