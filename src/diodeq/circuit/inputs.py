"""What drives a circuit: which sources follow which input, and how the user's numbers become volts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from diodeq.arrays import real, whole
from diodeq.circuit.bank import Floats, Ints, frozen, restore
from diodeq.circuit.blocks import Index, occurrence, run

# Sources on one column that are looked for as runs each.
RAILS = 2


@dataclass(frozen=True, eq=False)
class Inputs:
    """The driven ports: source number ``source`` gets its own value plus ``gain`` times input column ``column``.

    ``source`` int32[k] counts through the voltage sources and then the current sources. Two sources on one column
    with gains +1 and -1 are a dual rail. ``names`` has one name per column.
    """

    source: Ints
    column: Ints
    gain: Floats
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", frozen(np.ascontiguousarray(whole("the driven sources", self.source))))
        object.__setattr__(self, "column", frozen(np.ascontiguousarray(whole("the input columns", self.column))))
        object.__setattr__(self, "gain", frozen(np.ascontiguousarray(real("the gains of inputs", self.gain))))

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    def __len__(self) -> int:
        return len(self.names)

    def gains(self, sources: int) -> sparse.csr_array:
        """What one volt at each column adds to each of so many sources, sparse [sources, n_in]."""
        if sources not in self._found:
            found = sparse.csr_array((self.gain, (self.source, self.column)), shape=(sources, len(self)))
            self._found[sources] = found
        return self._found[sources]

    @np.errstate(over="ignore")  # engines refuse what is not finite by its sample
    def drive(self, constant: Floats, volts: Floats) -> Floats:
        """float64[B, n]: the values of all sources, ``constant`` float64[n] of their own and what ``volts``
        float64[B, n_in] add; row after row in memory."""
        found = np.empty((len(volts), len(constant)))
        found[:] = constant
        for sources, columns, gains in self._runs:
            found[:, sources] += gains * volts[:, columns]
        return found

    @cached_property
    def _runs(self) -> list[tuple[slice | Index, slice | Index, Any]]:
        """Sources, each once, their columns and gains. Rails of both signs are apart: each is a run of columns then."""
        at_source, at_column = (occurrence(each) for each in (self.source, self.column))
        kind = at_source * RAILS + np.minimum(at_column, RAILS - 1)
        found = []
        for each in np.unique(kind):
            here = kind == each
            gain = self.gain[here]
            alike = float(gain[0]) if (gain == gain[0]).all() else gain
            found.append((run(self.source[here].astype(np.intp)), run(self.column[here].astype(np.intp)), alike))
        return found

    @cached_property
    def _found(self) -> dict[int, sparse.csr_array]:
        """``gains`` that were asked for: circuits that differ in values alone share their inputs."""
        return {}

    @staticmethod
    def none() -> Inputs:
        """No driven ports."""
        return Inputs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), ())


@dataclass(frozen=True, eq=False)
class Units:
    """How the user's numbers become volts: ``drive = (x - offset) * scale`` and ``score = output * output_scale``.

    ``offset`` and ``scale`` are float64[n_in] (scale in volts per unit of x), ``output_scale`` is in scores per volt.
    No drive is beyond ± ``limit`` volts: what would be is clipped there, as a driver on such a supply does.

    Scores are what the user gets, but of a regression, which has ``target_offset`` and ``target_scale`` float64[n_out]:
    there ``y = target_offset + target_scale * score``.
    """

    offset: Floats
    scale: Floats
    output_scale: float = 1.0
    limit: float = math.inf
    target_offset: Floats | None = None
    target_scale: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "offset", frozen(np.ascontiguousarray(real("the offsets of inputs", self.offset))))
        object.__setattr__(self, "scale", frozen(np.ascontiguousarray(real("the scales of inputs", self.scale))))
        for name in ("target_offset", "target_scale"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, frozen(np.ascontiguousarray(real("the units of targets", given))))

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    @property
    def regresses(self) -> bool:
        """Whether outputs stand for quantities, not for scores of classes."""
        return self.target_scale is not None

    @property
    def untouched(self) -> bool:
        """Whether inputs are volts as they are."""
        return not self.offset.any() and bool(np.all(self.scale == 1.0)) and self.limit == math.inf

    def to_volts(self, x: ArrayLike) -> Floats:
        """Input volts float64[B, n_in] of rows ``x`` in the user's units."""
        with np.errstate(over="ignore"):  # what is not finite is refused by its sample
            volts = (real("the inputs", x) - self.offset) * self.scale
        return np.clip(volts, -self.limit, self.limit, out=volts) if self.limit < math.inf else volts

    def clipped(self, x: ArrayLike) -> int:
        """How many values of rows ``x`` in the user's units are beyond the limit."""
        volts = (real("the inputs", x) - self.offset) * self.scale
        return int(np.count_nonzero(np.abs(volts) > self.limit * (1.0 + 1e-9)))

    def from_volts(self, outputs: ArrayLike) -> Floats:
        """Outputs in the user's units of output volts float64[B, n_out]."""
        scores = real("the outputs", outputs) * self.output_scale
        if self.target_offset is None or self.target_scale is None:
            return scores
        return self.target_offset + self.target_scale * scores

    def target_volts(self, y: ArrayLike) -> Floats:
        """Output volts float64[B, n_out] that stand for quantities ``y`` in the user's units."""
        values = real("the targets", y)
        if self.target_offset is None or self.target_scale is None:
            return values / self.output_scale
        return (values - self.target_offset) / (self.target_scale * self.output_scale)
