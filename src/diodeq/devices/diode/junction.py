"""The junction of a diode without its series resistance: current, conductance and capacitance of arrays of voltages.

The formulas are those of ngspice 39 (dioload.c: SPICE2's diode with recombination, knee currents and breakdown). One
difference is on purpose: conductances here are the true derivatives; ngspice's own ``gd`` is not for a diode with ISR
(its recombination term is multiplied once too often).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# A float that all share, or float64[n] with one for each.
Numbers = Any

EXPONENT_LIMIT = 600.0  # beyond exp(600) every exponential goes on along its tangent: still increasing, never infinite
CORNER = -3.0  # times nVt: below it the reverse current approaches saturation as a cubic
LEAST_BENT = 1e-18  # A: a smaller current meets no knee


@dataclass(frozen=True, eq=False, kw_only=True)
class Junction:
    """Constants of junctions at one temperature, each a number for all or an array.

    Voltages in V, currents in A, conductances in S, capacitances in F. Absent effects: infinite `breakdown` and knee
    currents, zero `recombination`. An array holds different numbers: what is the same for all is one number.
    """

    gmin: float
    """S, in parallel with the junction, inside the series resistance"""
    saturation: Numbers
    n_vt: Numbers
    """emission coefficient times the thermal voltage kT/q"""
    breakdown: Numbers
    n_vt_breakdown: Numbers
    knee_forward: Numbers
    knee_reverse: Numbers
    recombination: Numbers
    n_vt_recombination: Numbers
    potential: Numbers
    grading: Numbers
    depletion: Numbers
    """the depletion layer's capacitance at 0 V"""
    forward_share: Numbers
    """of the potential, where the depletion layer's capacitance goes on along its tangent: FC"""
    transit: Numbers
    """s, the charge stored for each ampere"""

    @cached_property
    def _varying(self) -> tuple[str, ...]:
        """The names of the numbers that are arrays."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return tuple(name for name, given in found if isinstance(given, np.ndarray) and given.dtype == np.float64)

    def _at(self, index: Any) -> Self:
        """The constants of some entries of the arrays."""
        varying = self._varying
        return replace(self, **{name: getattr(self, name)[index] for name in varying}) if varying else self

    @property
    def plain(self) -> NDArray[np.bool_]:
        """Which are Shockley's with gmin, and no more, down to their breakdown; one answer where it is the same."""
        knees = np.isinf(self.knee_forward) & np.isinf(self.knee_reverse)
        return np.asarray((np.asarray(self.recombination) == 0.0) & knees)

    @property
    def breaks(self) -> bool:
        """Whether any breaks down."""
        return not _absent(self.breakdown, math.inf)

    @property
    def _bends(self) -> bool:
        return not (_absent(self.knee_forward, math.inf) and _absent(self.knee_reverse, math.inf))

    def _through(self, v: Floats) -> tuple[Floats, Floats]:
        """Current and its derivative; ``v`` is one-dimensional, and as long as the constants that are arrays."""
        current, conductance = exponential(v, self.saturation, self.n_vt)
        if not _absent(self.recombination, 0.0):
            extra, slope = self._recombining(v)
            current += extra
            conductance += slope
        off = np.flatnonzero(v < CORNER * self.n_vt)
        if off.size:
            current[off], conductance[off] = self._blocking(v[off], off)
        if self._bends:
            self._bend(v, current, conductance)
        current += self.gmin * v
        conductance += self.gmin
        return current, conductance

    def _blocking(self, v: Floats, off: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Entries ``off`` below -3 nVt: a cubic approach to saturation, then breakdown."""
        saturation = pick(self.saturation, off)
        share = -CORNER * pick(self.n_vt, off) / (v * math.e)
        cube = share * share * share  # as ngspice has it; a power takes ten times as long
        current = -saturation * (1.0 + cube)
        conductance = 3.0 * saturation * cube / v
        if self.breaks:
            edge = pick(self.breakdown, off)
            broken = np.flatnonzero(v < -edge)
            if broken.size:
                at = off[broken]
                saturation, width = pick(self.saturation, at), pick(self.n_vt_breakdown, at)
                through, slope = exponential(-(pick(edge, broken) + v[broken]), saturation, width)
                current[broken] = -saturation - through
                conductance[broken] = slope
        return current, conductance

    def _recombining(self, v: Floats) -> tuple[Floats, Floats]:
        """The recombination current of forward junctions and its true derivative."""
        plain, plain_slope = exponential(v, self.recombination, self.n_vt_recombination)
        distance = 1.0 - v / self.potential
        base = distance**2 + 0.005
        factor = base ** (self.grading / 2.0)
        factor_slope = -self.grading * distance / self.potential * factor / base
        return plain * factor, plain_slope * factor + plain * factor_slope

    def _bend(self, v: Floats, current: Floats, conductance: Floats) -> None:
        """High-level injection: beyond a knee the current grows like its square root. Changes the arrays in place."""
        forward = v >= CORNER * self.n_vt
        for knee, sign, side in ((self.knee_forward, 1.0, forward), (self.knee_reverse, -1.0, ~forward)):
            if _absent(knee, math.inf):
                continue
            bent = np.flatnonzero(side & (sign * current > LEAST_BENT))
            root = np.sqrt(np.abs(current[bent]) / pick(knee, bent))
            conductance[bent] *= (1.0 + root / 2.0) / (1.0 + root) ** 2
            current[bent] /= 1.0 + root

    def _stored(self, v: Floats, conductance: Floats) -> Floats:
        """The capacitance at junction voltages ``v`` where the junction's conductance is as given.

        NaN where a depletion layer has no positive potential, as some models' at high temperature.
        """
        share = v / np.where(np.asarray(self.potential) > 0.0, self.potential, math.nan)
        below = np.minimum(share, self.forward_share)
        rest = 1.0 - below
        # From FC on along the tangent: (1 - FC (1 + M) + M share) / (1 - FC)^(1 + M).
        layer = rest**-self.grading * (1.0 + self.grading * (share - below) / rest)
        found = np.where(np.asarray(self.depletion) > 0.0, self.depletion * layer, 0.0)
        return np.asarray(found + self.transit * conductance)


def exponential(v: Floats, scale: Numbers, width: Numbers) -> tuple[Floats, Floats]:
    """``scale (exp(v / width) - 1)`` and its derivative, continued along the tangent beyond `EXPONENT_LIMIT`."""
    x = v / width
    beyond = not np.max(x, initial=0.0) <= EXPONENT_LIMIT  # or no number is among them
    value = np.expm1(np.minimum(x, EXPONENT_LIMIT) if beyond else x)
    slope = (value + 1.0) * (scale / width)
    value *= scale
    if beyond:
        value += slope * (width * np.maximum(x - EXPONENT_LIMIT, 0.0))
    return value, slope


def pick(numbers: Numbers, index: NDArray[np.intp]) -> Numbers:
    """Some entries of an array; one number stays what it is."""
    return numbers[index] if isinstance(numbers, np.ndarray) else numbers


def _absent(numbers: Numbers, nothing: float) -> bool:
    """Whether an effect is absent from all: arrays have two different numbers at least."""
    return not isinstance(numbers, np.ndarray) and numbers == nothing
