"""The direct-current law i(v) of a diode, the same one that ngspice solves, vectorised over arrays of voltages.

The junction's formulas are those of ngspice 39 (dioload.c: SPICE2's diode with recombination, knee currents and
breakdown). One difference is on purpose: conductances here are the true
derivatives; ngspice's own ``gd`` is not for a diode with ISR (its recombination term is multiplied once too often).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import wrightomega

from diodeq.devices.model import DiodeModel
from diodeq.devices.temperature import Heat
from diodeq.errors import InputError

Floats = NDArray[np.float64]

EXPONENT_LIMIT = 600.0  # beyond exp(600) every exponential goes on along its tangent: still increasing, never infinite
EPSILON = float(np.finfo(np.float64).eps)
BLOCK = 1 << 15  # entries solved together: their working arrays stay in cache
ITERATIONS = 200  # bisection alone, the slowest path, needs about 60


@dataclass(frozen=True)
class Law:
    """A diode's law at one temperature; currents flow from anode to cathode, voltages are anode minus cathode.

    All voltages in V, currents in A, conductances in S. Every method takes scalars or arrays of any shape and returns
    arrays of that shape. Absent effects: infinite `breakdown` and knee currents, zero `recombination`.
    """

    model: DiodeModel
    temperature: float
    """°C"""
    gmin: float
    """S, in parallel with the junction, inside the series resistance"""
    saturation: float
    n_vt: float
    """emission coefficient times the thermal voltage kT/q"""
    resistance: float
    """Ω, in series with the junction"""
    breakdown: float
    n_vt_breakdown: float
    knee_forward: float
    knee_reverse: float
    recombination: float
    n_vt_recombination: float
    potential: float
    grading: float
    _plain: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        absent = self.recombination == 0.0 and math.isinf(self.knee_forward) and math.isinf(self.knee_reverse)
        object.__setattr__(self, "_plain", absent)

    def junction(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        """Current through the junction with gmin, and its derivative, at junction voltages (inside the resistance)."""
        v = np.asarray(voltage, dtype=np.float64)
        current, conductance = self._junction(v.ravel())
        return current.reshape(v.shape), conductance.reshape(v.shape)

    def junction_voltage(self, voltage: ArrayLike) -> Floats:
        """The voltage left for the junction when ``voltage`` is applied to the terminals."""
        return self._behind(voltage, self.resistance)[0]

    def current(self, voltage: ArrayLike) -> Floats:
        """The current at terminal voltages."""
        return self._behind(voltage, self.resistance)[1]

    def conductance(self, voltage: ArrayLike) -> Floats:
        """di/dv at terminal voltages: g / (1 + Rs g) of the junction's own g."""
        g = self._behind(voltage, self.resistance)[2]
        return g / (1.0 + self.resistance * g)

    def forward_voltage(self, current: float) -> float:
        """The terminal voltage at which a forward ``current`` (A, above 0) flows: the data sheet's V_f.

        Raises `InputError` for a current that is not a positive number.
        """
        if not 0.0 < current < math.inf:
            raise InputError(f"a forward current of {current} A is not positive", "give amperes above 0")
        # At twice nVt per e-fold (high injection) this is still an upper bound, and doubling it finds one in any case.
        high = 2.0 * self.n_vt * math.log1p(current / self.saturation)
        while self.junction(high)[0] < current:
            high *= 2.0
        junction = brentq(lambda v: float(self.junction(v)[0]) - current, 0.0, high, xtol=1e-15, rtol=1e-14)
        return float(junction) + self.resistance * current

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Terminal voltage, current and terminal conductance of the diode fed from a source through a resistor.

        Args:
            source: open-circuit voltages, V, positive towards the anode; any shape.
            resistance: Ω, at least 0; broadcasts against ``source``.

        Solves ``source = v + resistance * current(v)``. Raises `InputError` for a negative or infinite resistance.
        """
        r = np.asarray(resistance, dtype=np.float64)
        if not np.all((r >= 0.0) & (r < np.inf)):
            raise InputError("a load line needs a finite resistance of at least 0 ohm", "check the resistances")
        junction, i, g = self._behind(source, r + self.resistance)
        return junction + self.resistance * i, i, g / (1.0 + self.resistance * g)

    def _junction(self, v: Floats) -> tuple[Floats, Floats]:
        """`junction` for a flat array."""
        current, conductance = _exponential(v, self.saturation, self.n_vt)
        if self.recombination:
            extra, slope = _recombination(v, self)
            current += extra
            conductance += slope
        if np.min(v, initial=0.0) < -3.0 * self.n_vt:
            off = np.flatnonzero(v < -3.0 * self.n_vt)
            current[off], conductance[off] = self._reverse(v[off])
        if not self._plain:
            _knee(v, current, conductance, self)
        current += self.gmin * v
        conductance += self.gmin
        return current, conductance

    def _reverse(self, v: Floats) -> tuple[Floats, Floats]:
        """The junction below -3 nVt: a cubic approach to saturation, then breakdown."""
        cube = (3.0 * self.n_vt / (v * math.e)) ** 3
        current = -self.saturation * (1.0 + cube)
        conductance = 3.0 * self.saturation * cube / v
        broken = np.flatnonzero(v < -self.breakdown)
        if broken.size:
            through, slope = _exponential(-(self.breakdown + v[broken]), self.saturation, self.n_vt_breakdown)
            current[broken] = -self.saturation - through
            conductance[broken] = slope
        return current, conductance

    def _behind(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Junction voltage, current and junction conductance, of the junction fed through ``resistance`` in all."""
        s, r = np.broadcast_arrays(np.asarray(source, np.float64), np.asarray(resistance, np.float64))
        if not np.all(np.isfinite(s)):
            raise InputError("a diode voltage is not finite", "check the drives for NaN and infinity")
        found = np.empty((3, s.size))
        flat_s, flat_r = s.ravel(), r.ravel()
        for part in _blocks(s.size):
            found[:, part] = self._solve(flat_s[part], flat_r[part])
        junction, current, conductance = found.reshape(3, *s.shape)
        return junction, current, conductance

    def _solve(self, s: Floats, r: Floats) -> tuple[Floats, Floats, Floats]:
        """`_behind` for a block: Newton from the closed form, kept inside a bracket that bisection shrinks if needed.

        The result is exact to rounding: the residual ``v + r i(v) - s`` is below its own rounding error, or no closer
        double exists. A law that jumps upwards (at -BV, by a few parts per million of IS) is taken as the filled-in
        graph; one that jumps downwards (ISR, at -3 nVt) has two solutions there, and one of them is returned.
        """
        low, high = np.minimum(s, 0.0), np.maximum(s, 0.0)
        v = np.clip(self._start(s, r), low, high)
        i, g = self._junction(v)
        todo = np.arange(s.size)
        previous = np.full(s.size, np.inf)
        for _ in range(ITERATIONS):
            vt, st, rt, lt, ht = v[todo], s[todo], r[todo], low[todo], high[todo]
            drop = rt * i[todo]
            error = vt + drop - st
            lt = np.where(error <= 0.0, vt, lt)
            ht = np.where(error >= 0.0, vt, ht)
            slope = 1.0 + rt * g[todo]
            step = error / slope
            newton = vt - step
            left = np.abs(error) > 2.0 * EPSILON * (np.abs(vt) + np.abs(drop) + np.abs(st))
            left &= np.abs(step) > 2.0 * EPSILON * np.abs(vt)
            left &= ht - lt > 2.0 * EPSILON * np.maximum(np.abs(lt), np.abs(ht))
            if not left.any():
                break
            poor = (newton <= lt) | (newton >= ht) | (np.abs(error) > 0.1 * previous[todo])
            todo = todo[left]
            previous[todo] = np.abs(error[left])
            low[todo], high[todo] = lt[left], ht[left]
            v[todo] = np.where(poor, 0.5 * (lt + ht), newton)[left]
            i[todo], g[todo] = self._junction(v[todo])
        # Where the resistor takes most of a change of voltage, its voltage tells the current more sharply.
        mostly_resistor = r * g > 1.0
        i[mostly_resistor] = (s[mostly_resistor] - v[mostly_resistor]) / r[mostly_resistor]
        return v, i, g

    def _start(self, s: Floats, r: Floats) -> Floats:
        """The junction voltage of a plain Shockley junction with gmin, or of plain breakdown: closed forms."""
        divider = 1.0 / (1.0 + r * self.gmin)
        v = shockley_junction(s * divider, r * divider, self.saturation, self.n_vt)
        if math.isinf(self.breakdown):
            return v
        broken = np.flatnonzero(s < -self.breakdown - r * (self.saturation + self.gmin * self.breakdown))
        if broken.size:
            d, excess = divider[broken], -s[broken] * divider[broken] - self.breakdown
            leak = r[broken] * d * self.saturation
            # u + r is exp(u / nVt) = excess is the Shockley equation with its source lowered by r is
            v[broken] = -self.breakdown - shockley_junction(
                excess - leak, r[broken] * d, self.saturation, self.n_vt_breakdown
            )
        return v


def law(model: DiodeModel, temperature: float = 27.0, gmin: float = 1e-12) -> Law:
    """The model's law with its constants adjusted to ``temperature`` (°C) as ngspice does, and ``gmin`` (S) beside it.

    Raises `InputError` if the temperature is not one at which the model makes sense.
    """
    if not 0.0 <= gmin < math.inf:
        raise InputError(
            f"gmin = {gmin} S is not a conductance", "give a finite value of at least 0, ngspice's is 1e-12"
        )
    heat = Heat.of(model, temperature)
    saturation = heat.saturation(max(model.get("is"), 1e-28), model.get("n"))  # 1e-28: ngspice's epsmin
    resistance = heat.polynomial(model.get("rs"), model.get("trs1"), model.get("trs2"))
    if not 1e-100 < saturation < 1e3 or resistance < 0.0:
        raise InputError(
            f"diode {model.name} at {temperature:g} °C has a saturation current of {saturation:.3g} A "
            f"and a series resistance of {resistance:.3g} ohm",
            "its EG, XTI, TRS1 and TRS2 do not hold there; choose a temperature nearer to TNOM",
        )
    return Law(
        model=model,
        temperature=temperature,
        gmin=gmin,
        saturation=saturation,
        n_vt=model.get("n") * heat.vt,
        resistance=resistance,
        breakdown=heat.breakdown(model, saturation),
        n_vt_breakdown=model.get("nbv") * heat.vt,
        knee_forward=model.get("ikf") or math.inf,
        knee_reverse=model.get("ikr") or math.inf,
        recombination=heat.saturation(model.get("isr"), model.get("nr")),
        n_vt_recombination=model.get("nr") * heat.vt,
        potential=heat.potential(model.get("vj"), model.get("fc")),
        grading=min(heat.polynomial(model.get("m"), model.get("tm1"), model.get("tm2")), 0.9),
    )


def shockley_junction(source: ArrayLike, resistance: ArrayLike, saturation: float, n_vt: float) -> Floats:
    """Voltage of a plain Shockley junction fed from ``source`` (V) through ``resistance`` (Ω): the closed form.

    Solves ``s = v + R Is (exp(v / nVt) - 1)`` by the Wright omega function ``w + log w = x``:
    ``v = s + a - nVt w((s + a) / nVt + log(a / nVt))`` with ``a = R Is`` (Banwell and Jayakumar 2000, in Lambert's W).
    Shapes broadcast. Absolute error of a few roundings of ``|s| + a``.
    """
    a = np.asarray(resistance, np.float64) * saturation
    shifted = np.asarray(source, np.float64) + a
    with np.errstate(divide="ignore"):
        exponent = shifted / n_vt + np.log(a / n_vt)
    return np.asarray(shifted - n_vt * wrightomega(exponent), np.float64)


def _exponential(v: Floats, scale: float, width: float) -> tuple[Floats, Floats]:
    """``scale (exp(v / width) - 1)`` and its derivative, continued along the tangent beyond `EXPONENT_LIMIT`."""
    x = v / width
    value = np.expm1(np.minimum(x, EXPONENT_LIMIT))
    slope = (value + 1.0) * (scale / width)
    value *= scale
    if np.max(x, initial=0.0) > EXPONENT_LIMIT:
        value += slope * (width * np.maximum(x - EXPONENT_LIMIT, 0.0))
    return value, slope


def _recombination(v: Floats, law: Law) -> tuple[Floats, Floats]:
    """The recombination current of a forward junction and its true derivative."""
    plain, plain_slope = _exponential(v, law.recombination, law.n_vt_recombination)
    distance = 1.0 - v / law.potential
    base = distance**2 + 0.005
    factor = base ** (law.grading / 2.0)
    factor_slope = -law.grading * distance / law.potential * factor / base
    return plain * factor, plain_slope * factor + plain * factor_slope


def _knee(v: Floats, current: Floats, conductance: Floats, law: Law) -> None:
    """High-level injection: beyond a knee the current grows like its square root. Changes the arrays in place."""
    forward = v >= -3.0 * law.n_vt
    for knee, sign, side in ((law.knee_forward, 1.0, forward), (law.knee_reverse, -1.0, ~forward)):
        if math.isinf(knee):
            continue
        bent = np.flatnonzero(side & (sign * current > 1e-18))
        root = np.sqrt(np.abs(current[bent]) / knee)
        conductance[bent] *= (1.0 + root / 2.0) / (1.0 + root) ** 2
        current[bent] /= 1.0 + root


def _blocks(size: int) -> Iterator[slice]:
    for start in range(0, size, BLOCK):
        yield slice(start, start + BLOCK)
