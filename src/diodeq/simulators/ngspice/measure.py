"""Any two-pin part that ngspice knows, measured there: its current at voltages chosen so that the monotone cubic
through as few of them as possible is ngspice's own curve."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.devices.curve.law import Curves
from diodeq.devices.curve.model import GMIN, CurveModel
from diodeq.devices.one_ports import forward_voltage
from diodeq.errors import InputError, SimulationError
from diodeq.pool import TIME_LIMIT, Pool
from diodeq.printable import counted
from diodeq.simulators.ngspice.probe import LIFTED, Probe
from diodeq.simulators.ngspice.session import Session

LOW, HIGH = -5.0, 5.0
"""Volts that are swept by default, as far as the current allows."""
CURRENT = 0.1
"""Amperes at which a sweep ends by default."""
POINTS = 200
"""Knots at most, by default."""
ACCURACY = 1e-4
"""Of the current between knots, that more knots are for."""
FORWARD = (1e-6, 1e-3, 1e-2)
"""Amperes at which forward voltages are compared."""

STEPS = 100  # of the first sweep, on each side of 0 V
FLOOR = 1e-9  # of the largest current: what flows below needs no relative accuracy
NARROWEST = 1e-9  # of the range: knots nearer than this are of no use
NOISE = 1e-6  # of a current, by which it may fall or differ when it is measured again
LEAST = 1e-11  # amperes that a part must conduct somewhere


@dataclass(frozen=True)
class MeasuredCurve:
    """A curve and how far from it ngspice is between its knots: ``error`` A at ``volts``, where it is largest,
    ``relative`` to the current where more than a millionth of the largest flows, ``checked`` points in all;
    ``forward`` has (A, V by the curve, V that it is off) where such a current was measured."""

    model: CurveModel
    error: float
    volts: float
    relative: float
    checked: int
    forward: tuple[tuple[float, float, float], ...]
    notes: tuple[str, ...]

    @property
    def share(self) -> float:
        """The largest error as a share of the largest current."""
        return self.error / max(abs(self.model.amperes[0]), abs(self.model.amperes[-1]))


@dataclass(frozen=True)
class MeasureJob:
    """A job: the part's text (see `devices.original`), the model to fill, the volts to sweep, the current that ends it,
    the knots at most."""

    model: CurveModel
    low: float
    high: float
    current: float
    points: int

    def run(self, session: Session) -> MeasuredCurve:
        """The curve; raises `InputError` for a part that no curve describes, `SimulationError` where ngspice fails."""
        # Some transistors' models write a log where they are.
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            return self._run(session)

    def _run(self, session: Session) -> MeasuredCurve:
        bench = Probe(session, self.model, {})
        zero = float(bench.measure(np.zeros(1))[0])
        ends = self._end(bench, self.low), self._end(bench, self.high)
        amperes = bench.curve(*ends)[1]
        largest = float(np.abs(amperes).max())
        if largest < LEAST:
            raise InputError(
                f"{self.model.name} conducts no more than {largest:.2g} A from {ends[0]:g} to {ends[1]:g} V",
                "tie its pins in another way with --pins, or widen the range with --from and --to",
            )
        if abs(zero) > 1e-6 * largest:
            raise InputError(
                f"{self.model.name} gives {zero:.3g} A at 0 V, and a part without a source gives no power",
                "take the source out of it and put it beside it",
            )
        knots = self._refine(bench, ends, FLOOR * largest)
        return self._checked(bench, knots, ends, largest)

    def _end(self, bench: Probe, end: float) -> float:
        """How far towards ``end`` the current allows, found with steps outward and then between the last two."""
        inside = 0.0
        outside = end
        for _ in range(4):
            steps = np.linspace(inside, outside, STEPS + 1)[1:] if outside != inside else np.zeros(0)
            found = bench.measure(steps, partly=True)
            fits = np.abs(found) <= self.current
            if len(found) == len(steps) and fits.all():
                return outside
            first = int(np.argmin(fits)) if not fits.all() else len(found)
            if first == len(found) and not np.any(np.abs(found) > 0.1 * self.current):
                raise SimulationError(
                    f"ngspice finds no current at {steps[first]:g} V: {bench.reason}",
                    "narrow the range with --from and --to",
                )
            inside, outside = (steps[first - 1] if first else inside), steps[min(first, len(steps) - 1)]
        return float(inside)

    def _refine(self, bench: Probe, ends: tuple[float, float], floor: float) -> Floats:
        """Knots between the ends, halved where the curve through them is worst until it is good or they are enough."""
        knots = np.unique([0.0, *ends, *np.linspace(ends[0], ends[1], 9)])
        least = NARROWEST * (ends[1] - ends[0])
        while True:
            middles = 0.5 * (knots[:-1] + knots[1:])
            wanted = np.flatnonzero(np.diff(knots) > least)
            law = through(self.model, knots, bench.currents(knots))
            exact = bench.currents(middles[wanted])
            off = np.abs(law.current(middles[wanted]) - exact) / (ACCURACY * np.abs(exact) + floor)
            room = self.points - len(knots)
            bad = int(np.count_nonzero(off > 1.0))
            if not bad or room <= 0:
                return knots
            worst = np.argsort(-off)[: min(bad, max(1, room // 4))]
            knots = np.sort(np.concatenate([knots, middles[wanted[worst]]]))

    def _checked(self, bench: Probe, knots: Floats, ends: tuple[float, float], largest: float) -> MeasuredCurve:
        """The curve of these knots, with what ngspice says between them: from the ends inward, lifted above ground."""
        volts, amperes = bench.curve(*ends)
        falls = np.maximum.accumulate(amperes) - amperes
        allowed = NOISE * np.maximum.accumulate(np.abs(amperes)) + NOISE * FLOOR * largest + 10.0 * GMIN
        if np.any(falls > allowed):
            worst = int(np.argmax(falls - allowed))
            top = int(np.argmax(amperes[: worst + 1]))
            raise InputError(
                f"the current of {self.model.name} falls from {amperes[top]:.3g} A at {volts[top]:.3g} V to"
                f" {amperes[worst]:.3g} A at {volts[worst]:.3g} V, and a curve's must not",
                "measure a part of its range alone with --from and --to",
            )
        law = through(self.model, knots, bench.currents(knots))
        between = np.concatenate([knots[:-1] + share * np.diff(knots) for share in (0.25, 0.5, 0.75)])
        at = _inward(np.unique(np.concatenate([knots, between])))
        again = bench.measure(at, lifted=True)
        self._demand_same(bench, _inward(knots), again[np.isin(at, knots)], largest)
        off = np.abs(law.current(at) - again)
        worst = int(np.argmax(off))
        flows = np.abs(again) > 1e-6 * largest
        relative = float(np.max(off[flows] / np.abs(again[flows]), initial=0.0))
        known = [i for i in FORWARD if i <= law_end(law, knots[-1])]
        volts = np.array([forward_voltage(law, i) for i in known])
        actual = bench.measure(volts)
        apart = (np.array(known) - actual) / law.conductance(volts) if known else volts
        falling = int(np.count_nonzero(np.diff(bench.currents(knots)) < 0.0))
        model = made(self.model, knots, bench.currents(knots))
        notes = [f"swept from {ends[0]:.6g} to {ends[1]:.6g} V"]
        for end, asked in zip(ends, (self.low, self.high), strict=True):
            if end != asked and abs(float(bench.currents(np.array([end]))[0])) < 0.9 * self.current:
                notes.append(f"at {end:.6g} V the current jumps beyond {self.current:g} A")
        if falling:
            notes.append(
                f"the current falls by less than a millionth at {counted(falling, 'point')}, which is taken for noise"
            )
        return MeasuredCurve(
            replace(model, description=_described(model)),
            float(off[worst]),
            float(at[worst]),
            relative,
            len(at),
            tuple(zip(known, volts.tolist(), np.abs(apart).tolist(), strict=True)),
            tuple(notes),
        )

    def _demand_same(self, bench: Probe, knots: Floats, again: Floats, largest: float) -> None:
        """Raise `InputError` where knots that are measured again in another order, above ground, are others."""
        before = bench.currents(knots)
        off = np.abs(again - before)
        bad = np.flatnonzero(off > 10.0 * NOISE * np.abs(before) + FLOOR * largest + 10.0 * LIFTED * GMIN)
        if not len(bad):
            return
        k = int(bad[np.argmax(off[bad])])
        back = float(bench.measure(knots)[k])
        where = f"{before[k]:.3g} A at {knots[k]:.3g} V"
        if abs(back - before[k]) > 0.5 * off[k]:
            raise InputError(
                f"{self.model.name} has a memory: {where} on the way out is {back:.3g} A on the way back",
                "a curve is a function of the voltage alone; measure a part of its range with --from and --to",
            )
        raise InputError(
            f"{self.model.name} is tied to ground inside: {where} is {again[k]:.3g} A {LIFTED:g} V above it",
            "a part has two pins; give one that uses node 0 nowhere",
        )


def made(model: CurveModel, volts: Floats, amperes: Floats) -> CurveModel:
    """The model with these knots; where noise lets a current fall outward from 0 V, it is what it was before."""
    currents = np.where(volts == 0.0, 0.0, amperes)
    up, down = volts >= 0.0, volts <= 0.0
    currents[up] = np.maximum.accumulate(np.maximum(currents[up], 0.0))
    currents[down] = np.minimum.accumulate(np.minimum(currents[down], 0.0)[::-1])[::-1]
    return replace(model, volts=tuple(volts.tolist()), amperes=tuple(currents.tolist()))


def through(model: CurveModel, volts: Floats, amperes: Floats) -> Curves:
    """The law of the model with these knots, without what lies beside it."""
    bare = replace(made(model, volts, amperes), temperature=None, original=())
    return CurveModel.laws([bare], 27.0, gmin=0.0)


def _inward(volts: Floats) -> Floats:
    """The volts from the highest down to 0, then from the lowest up."""
    return np.array(sorted(volts.tolist(), key=lambda v: (v < 0.0, -abs(v))))


def law_end(law: Curves, volts: float) -> float:
    """The current at the last knot."""
    return float(law.current(np.array([volts]))[0])


def _described(model: CurveModel) -> str:
    return (
        f"measured in ngspice at {model.temperature:g} °C, {len(model.volts)} knots from {model.volts[0]:.4g} to"
        f" {model.volts[-1]:.4g} V and {model.amperes[0]:.3g} to {model.amperes[-1]:.3g} A"
    )


def measure(
    name: str,
    original: tuple[str, ...],
    temperatures: Sequence[float],
    low: float = LOW,
    high: float = HIGH,
    current: float = CURRENT,
    points: int = POINTS,
    source: str = "",
    time_limit: float = TIME_LIMIT,
    pool: Pool | None = None,
) -> list[MeasuredCurve]:
    """A part's curve at each temperature (°C), in worker processes; of several each is called after its own.

    Args:
        name: of the part. original: its text, as `devices.vendor.foreign.wired` gives it.
        low, high: the volts to sweep; it ends where ``current`` A flow. points: the knots at most.
        source: where the text comes from. time_limit: processor seconds, of workers of its own.
        pool: sessions of ngspice that are open already.

    Raises:
        InputError: a part that no curve describes, or a range that is none.
        SimulationError: ngspice finds no currents.
    """
    if not (low <= 0.0 <= high and low < high):
        raise InputError(f"a range from {low:g} to {high:g} V has no 0 V inside", "start at or below 0, end above")
    if not (current > 0.0 and 10 <= points <= 2000 and max(-low, high) <= 1e4):
        raise InputError("the range, the current or the points are out of bounds", "up to 10 kV, 10 to 2,000 points")
    jobs = []
    for celsius in temperatures:
        called = name if len(temperatures) == 1 else f"{name}_{celsius:g}C".replace("-", "m")
        model = CurveModel(called, (0.0, 1.0), (0.0, 1.0), source, "", float(celsius), original)
        jobs.append(MeasureJob(model, low, high, current, points))
    if pool is not None:
        return list(pool.map(jobs))
    with Pool("diodeq.simulators.ngspice.session:Session", min(2, len(jobs)), time_limit) as own:
        return list(own.map(jobs))
