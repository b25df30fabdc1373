"""The law i(v) of diodes, the same one that ngspice solves: a junction behind its series resistance.

A `Law` follows the protocol `OnePorts`: many diodes at once, each with constants of its own, on arrays of voltages.
`law` makes that of one diode, for arrays of any shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import wrightomega

from diodeq.arrays import real
from diodeq.devices.diode.junction import Floats as Floats
from diodeq.devices.diode.junction import Junction, Numbers, pick
from diodeq.devices.diode.slopes import slopes
from diodeq.devices.diode.temperature import Temperatures
from diodeq.devices.evaluated import load_resistances
from diodeq.errors import InputError

EPSILON = float(np.finfo(np.float64).eps)
BLOCK = 1 << 15  # entries solved together: their working arrays stay in cache
LEAST = 1e-28  # A: ngspice's epsmin, the least saturation current, and the least knee current that has an effect
ITERATIONS = 200  # bisection alone, the slowest path, needs about 60


class DiodeCard(Protocol):
    """What a law is made of: a name, and SPICE's parameters of a diode with ngspice's defaults."""

    @property
    def name(self) -> str: ...
    def values(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Law(Junction):
    """The law of ``count`` diodes at one temperature; the last axis of every array runs over them.

    Currents flow from anode to cathode, voltages are anode minus cathode; V, A, S and Ω. Of one diode alone ``count``
    is None, and arrays have any shape. Methods raise `InputError` for a voltage that is not finite.
    """

    resistance: Numbers
    """Ω, in series with the junction"""
    name: str | NDArray[np.str_]
    temperature: float
    """°C"""
    count: int | None = None

    @classmethod
    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what has no value is refused
    def of(cls, models: Sequence[DiodeCard], temperature: float = 27.0, gmin: float = 1e-12) -> Self:
        """One diode for each model, with constants adjusted to ``temperature`` (°C) as ngspice does, and ``gmin`` (S).

        Raises `InputError` if the temperature is not one at which the models make sense.
        """
        if not 0.0 <= gmin < math.inf:
            raise InputError(
                f"gmin = {gmin} S is not a conductance", "give a finite value of at least 0, ngspice's is 1e-12"
            )
        given = _Columns([model.values() for model in models])
        heat = Temperatures.of(given, temperature)
        saturation = heat.saturation(np.maximum(given["is"], LEAST), given["n"])
        resistance = heat.polynomial(given["rs"], given["trs1"], given["trs2"])
        wrong = np.flatnonzero(~((saturation > 1e-100) & (saturation < 1e3) & (resistance >= 0.0)))
        if wrong.size:
            k = int(wrong[0])
            raise InputError(
                f"diode {models[k].name} at {temperature:g} °C has a saturation current of {saturation[k]:.3g} A "
                f"and a series resistance of {resistance[k]:.3g} ohm",
                "its EG, XTI, TRS1 and TRS2 do not hold there; choose a temperature nearer to TNOM",
            )
        grading = np.minimum(heat.polynomial(given["m"], given["tm1"], given["tm2"]), 0.9)
        constants = {
            "saturation": saturation,
            "n_vt": given["n"] * heat.vt,
            "breakdown": heat.breakdown(given, saturation),
            "n_vt_breakdown": given["nbv"] * heat.vt,
            "knee_forward": np.where(given["ikf"] >= LEAST, given["ikf"], math.inf),
            "knee_reverse": np.where(given["ikr"] >= LEAST, given["ikr"], math.inf),
            "recombination": heat.saturation(given["isr"], given["nr"]),
            "n_vt_recombination": given["nr"] * heat.vt,
            "potential": heat.potential(given["vj"], given["fc"]),
            "grading": grading,
            "depletion": heat.depletion(given["cjo"], given["vj"], grading),
            "forward_share": given["fc"],
            "transit": given["tt"],
            "resistance": resistance,
            "name": np.array([model.name for model in models], np.str_),
        }
        shared = {key: _shared(column) for key, column in constants.items()}
        return cls(gmin=gmin, temperature=temperature, count=len(models), **shared)

    def __len__(self) -> int:
        if self.count is None:
            raise TypeError("the law of one diode has no length")
        return self.count

    def take(self, chosen: Any) -> Self:
        """The laws of some of the diodes: an index array, a mask or a slice."""
        index = np.arange(len(self))[chosen]
        kept = {key: _shared(getattr(self, key)[index]) for key in self._varying}
        name = self.name if isinstance(self.name, str) else _shared(self.name[index])
        return replace(self, **kept, name=name, count=len(index))

    def junction(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        """Current through the junction with gmin, and its derivative, at junction voltages (inside the resistance)."""
        current, conductance = self._mapped(Law._through, voltage)
        return current, conductance

    def junction_voltage(self, voltage: ArrayLike) -> Floats:
        """The voltage left for the junction when ``voltage`` is applied to the terminals."""
        return self._behind(voltage, self.resistance)[0]

    def current(self, voltage: ArrayLike) -> Floats:
        """The current at terminal voltages."""
        return self._behind(voltage, self.resistance)[1]

    def conductance(self, voltage: ArrayLike) -> Floats:
        """di/dv at terminal voltages: g / (1 + Rs g) of the junction's own g."""
        return self.evaluate(voltage)[1]

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        """Current and conductance at terminal voltages."""
        _, i, g = self._behind(voltage, self.resistance)
        return i, g / (1.0 + self.resistance * g)

    def missed(self, voltage: ArrayLike, current: ArrayLike) -> Floats:
        """Amperes by which terminal currents fall short of the law's at terminal voltages, to first order: one look at
        the junction, where ``current`` has to solve for its voltage."""
        v, i = np.broadcast_arrays(np.asarray(voltage, np.float64), np.asarray(current, np.float64))
        through, conductance = self.junction(v - self.resistance * i)
        short: Floats = (through - i) / (1.0 + self.resistance * conductance)
        return short

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Terminal voltage, current and terminal conductance of diodes fed from sources through resistors.

        Args:
            source: open-circuit voltages, V, positive towards the anode; any shape.
            resistance: Ω, at least 0; broadcasts against ``source``.

        Solves ``source = v + resistance * current(v)``, both to rounding. Raises `InputError` for a negative or
        infinite resistance.
        """
        r = load_resistances(resistance)
        junction, i, g = self._behind(source, r + self.resistance)
        return junction + self.resistance * i, i, g / (1.0 + self.resistance * g)

    def along(self, source: Floats, resistance: Floats) -> tuple[Floats, Floats, Floats]:
        """``load_line`` of flat, finite arrays as long as the law itself, unchecked: for solvers that ask often."""
        junction, i, g = self._solve(source, resistance + self.resistance)
        return junction + self.resistance * i, i, g / (1.0 + self.resistance * g)

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        """The least and the largest (i(b) - i(a)) / (b - a) for terminal voltages a and b between ``low`` and ``high``.

        Infinite where the law jumps in between: upwards at -BV, downwards at -3 nVt with ISR or IKR. Tight but for ISR
        and IKF, which are enclosed piece by piece.
        """
        ends = (self._behind(each, self.resistance)[0] for each in np.broadcast_arrays(low, high))
        found = self._mapped(slopes, *ends)
        r = np.asarray(self.resistance)
        with np.errstate(divide="ignore", invalid="ignore"):
            # g / (1 + Rs g), which grows with g; a junction that falls more steeply than Rs can follow jumps.
            least, largest = (1.0 / (1.0 / g + r) for g in found)
            jumps = (found[0] < 0.0) & ~(r * found[0] > -1.0)
        least = np.where(jumps, -np.inf, np.where(found[0] == 0.0, 0.0, least))
        return least, np.where(found[1] == 0.0, 0.0, largest)

    def capacitance(self, voltage: ArrayLike) -> Floats:
        """The junction's small-signal capacitance at terminal voltages, F: that of the depletion layer and TT g.

        Raises `InputError` at a temperature where the depletion layer of a model has no positive potential.
        """
        junction, _, g = self._behind(voltage, self.resistance)
        (found,) = self._mapped(Law._stored_alone, junction, g)
        lost = np.isnan(found)
        if lost.any():
            names = np.broadcast_to(np.asarray(self.name), lost.shape)
            raise InputError(
                f"the junction potential VJ of diode {names[lost][0]} falls below 0 V at this temperature",
                "choose a temperature nearer to its TNOM, or leave out CJO",
            )
        return found

    def _mapped(self, function: Callable[..., tuple[Floats, ...]], *given: ArrayLike) -> tuple[Floats, ...]:
        """``function(law, *given)`` for flat blocks of the arguments with a law whose constants are as long."""
        arrays = [real("the voltages of diodes", each) for each in given]
        shape = np.broadcast_shapes(*(each.shape for each in arrays), () if self.count is None else (self.count,))
        flat = [np.broadcast_to(each, shape).reshape(-1) for each in arrays]
        size = flat[0].size
        width = self.count or 1 if self._varying else 1
        block = max(1, BLOCK // width) * width
        beside = self._at(np.arange(min(block, size)) % width) if self._varying else self
        found: list[tuple[Floats, ...]] = []
        for start in range(0, max(size, 1), block):
            rest = min(block, size - start)
            here = beside if rest == min(block, size) else beside._at(slice(0, rest))
            found.append(function(here, *(each[start : start + rest] for each in flat)))
        pieces = zip(*found, strict=True)
        return tuple((each[0] if len(each) == 1 else np.concatenate(each)).reshape(shape) for each in pieces)

    def _behind(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Junction voltage, current and junction conductance, of the junction fed through ``resistance`` in all."""
        s = real("the voltages of diodes", source)
        if not np.all(np.isfinite(s)):
            raise InputError("a diode voltage is not finite", "check the drives for NaN and infinity")
        junction, current, conductance = self._mapped(Law._solve, s, resistance)
        return junction, current, conductance

    def _stored_alone(self, v: Floats, conductance: Floats) -> tuple[Floats]:
        return (self._stored(v, conductance),)

    def _solve(self, s: Floats, r: Floats) -> tuple[Floats, Floats, Floats]:
        """`_behind` for a block: Newton from the closed form, kept inside a bracket that bisection shrinks if needed.

        The result is exact to rounding: the residual ``v + r i(v) - s`` is below its own rounding error, or no closer
        double exists; the current is that of the law's tangent there, so what v has lost of small differences it has
        not. A law that jumps upwards (at -BV, by a few parts per million of IS) is taken as the filled-in graph; one
        that jumps downwards (ISR, at -3 nVt) has two solutions there, and one of them is returned.
        """
        if not r.any():
            return (s.copy(), *self._through(s))
        low, high = np.minimum(s, 0.0), np.maximum(s, 0.0)
        v = np.clip(self._start(s, r), low, high)
        i, g = self._through(v)
        todo, those = np.arange(s.size), self
        previous = np.full(s.size, np.inf)
        stuck = np.zeros(s.size, bool)
        for _ in range(ITERATIONS):
            vt, st, rt, lt, ht = v[todo], s[todo], r[todo], low[todo], high[todo]
            drop = rt * i[todo]
            error = (vt - st) + drop
            lt = np.where(error <= 0.0, vt, lt)
            ht = np.where(error >= 0.0, vt, ht)
            step = error / (1.0 + rt * g[todo])
            newton = vt - step
            open_ = ht - lt > 2.0 * EPSILON * np.maximum(np.abs(lt), np.abs(ht))
            left = np.abs(error) > 2.0 * EPSILON * (np.abs(vt) + np.abs(drop) + np.abs(st))
            left &= np.abs(step) > 2.0 * EPSILON * np.abs(vt)
            stuck[todo] = left & ~open_
            left &= open_
            if not left.any():
                break
            poor = (newton <= lt) | (newton >= ht) | (np.abs(error) > 0.1 * previous[todo])
            keep = np.flatnonzero(left)
            todo, those = todo[keep], those._at(keep)
            previous[todo] = np.abs(error[keep])
            low[todo], high[todo] = lt[keep], ht[keep]
            v[todo] = np.where(poor, 0.5 * (lt + ht), newton)[keep]
            i[todo], g[todo] = those._through(v[todo])
        step = ((v - s) + r * i) / (1.0 + r * g)
        step[stuck] = 0.0
        v -= step
        i -= g * step
        i[stuck] = (s[stuck] - v[stuck]) / r[stuck]
        return v, i, g

    def _start(self, s: Floats, r: Floats) -> Floats:
        """The junction voltage of a plain Shockley junction with gmin, or of plain breakdown: closed forms."""
        divider = 1.0 / (1.0 + r * self.gmin)
        v = shockley_junction(s * divider, r * divider, self.saturation, self.n_vt)
        if not self.breaks:
            return v
        broken = np.flatnonzero(s < -self.breakdown * (1.0 + r * self.gmin) - r * self.saturation)
        if broken.size:
            d, edge, saturation = divider[broken], pick(self.breakdown, broken), pick(self.saturation, broken)
            excess = -s[broken] * d - edge
            leak = r[broken] * d * saturation
            # u + r is exp(u / nVt) = excess is the Shockley equation with its source lowered by r is
            width = pick(self.n_vt_breakdown, broken)
            v[broken] = -edge - shockley_junction(excess - leak, r[broken] * d, saturation, width)
        return v


def law(model: DiodeCard, temperature: float = 27.0, gmin: float = 1e-12) -> Law:
    """The model's law with its constants adjusted to ``temperature`` (°C) as ngspice does, and ``gmin`` (S) beside it.

    Raises `InputError` if the temperature is not one at which the model makes sense.
    """
    return replace(Law.of([model], temperature, gmin), count=None)


def shockley_junction(source: ArrayLike, resistance: ArrayLike, saturation: Numbers, n_vt: Numbers) -> Floats:
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


class _Columns(dict[str, Floats]):
    """Parameters of n cards as float64[n] each, made when asked for."""

    def __init__(self, rows: Sequence[Mapping[str, float]]) -> None:
        super().__init__()
        self.rows = rows

    def __missing__(self, key: str) -> Floats:
        self[key] = found = np.array([row[key] for row in self.rows], np.float64)
        return found


def _shared(column: NDArray[Any]) -> Any:
    """The number that all entries are, or the entries."""
    return column[0].item() if column.size and (column == column[0]).all() else column
