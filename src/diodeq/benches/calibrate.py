"""Calibration: what a bench's channels, taps and diodes deviate by, from its own readings.

Drives, pumps and taps are set at random, and the beliefs that explain the readings best are found by damped
Gauss-Newton steps (Levenberg, Quart. Appl. Math. 2(2), 1944; Marquardt, J. SIAM 11(2), 1963). What a description says
of its parts' tolerances is what is believed before; what no reading tells stays as it says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from diodeq.benches.model import Setting, Slopes, moved, predicted, sensitivities
from diodeq.circuit import Circuit
from diodeq.circuit.equations import EquationsPlan
from diodeq.errors import InputError
from diodeq.simulators.base import Simulator
from diodeq.simulators.bench.belief import Belief, spreads
from diodeq.simulators.bench.body import Body, Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.description import Description

Floats = NDArray[np.float64]
Tell = Callable[[int, int, str], None]
ROWS = 64
"""Rows of readings with the same taps"""
REPEATS = 64
"""Readings of the same that say how noisy they are"""
OWN = 0.4
"""The part of the settings in which a tap is where the circuit wants it"""
READINGS = 64
"""Numbers that are read for each that is sought, at least"""
LARGEST = 4000
"""Quantities that are sought together, at most"""
STEPS, DONE = 30, 1e-2
"""Steps at most, and the part of what was not known that the last one may move anything by"""
TOLD = 0.5
"""What a reading has to leave of how little was known, for a quantity to count as found"""
INSIDE = 0.9
"""The part of a pump's compliance within which it counts as a source"""
SHARES = (1.0, 1.0, 0.3)
"""Parts of the pumps' range that are tried"""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was found: the ``belief``, and standard deviations of each quantity before (``spread``) and after
    (``left``), by the names of ``Calibrated``; ``noise`` float64[n_reads] volts of a reading; root mean squares of what
    the readings missed in volts, before and after; ``excess``: by how much what is still missed is larger than noise.
    """

    belief: Belief
    spread: dict[str, Floats]
    left: dict[str, Floats]
    noise: Floats
    missed: tuple[float, float]
    excess: float
    readings: int
    seconds: float
    steps: int

    @property
    def description(self) -> Description:
        """The bench's with what is believed now."""
        return replace(self.belief.channels.description, calibrated=self.belief.written())

    @property
    def untold(self) -> dict[str, int]:
        """How many of each sort no reading tells much of."""
        found = {
            name: int(((self.left[name] > TOLD * each) & (each > 0.0)).sum()) for name, each in self.spread.items()
        }
        return {name: count for name, count in found.items() if count}

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        values = self.belief.values
        found = {
            name: {
                "values": values[name].tolist(),
                "before": self.spread[name].tolist(),
                "after": self.left[name].tolist(),
            }
            for name in self.spread
            if np.any(self.spread[name])
        }
        return {
            "bench": self.belief.channels.description.name,
            "readings": self.readings,
            "seconds": self.seconds,
            "steps": self.steps,
            "noise_volts": self.noise.tolist(),
            "missed_volts_before": self.missed[0],
            "missed_volts_after": self.missed[1],
            "excess": self.excess,
            "not_determined": self.untold,
            "found": found,
        }


def calibrate(
    body: Body,
    engine: Simulator,
    channels: Channels,
    *,
    codes: int = 5,
    seed: int = 0,
    on_setting: Tell | None = None,
) -> Calibration:
    """Measure a bench with ``codes`` settings of every tap, of which those of the circuit itself are one.

    ``engine`` computes what should be read; ``on_setting(done, total, what)`` tells how far it is.

    Raises:
        InputError: nothing can be read, or there is more to find than can be found together.
    """
    began, tell = time.perf_counter(), on_setting or (lambda done, total, what: None)
    circuit, counts = channels.circuit, channels.counts
    if not counts["reads"]:
        raise InputError(f"the bench {channels.description.name} reads no node", "correct reads.nodes")
    random = np.random.default_rng(seed)
    start, chosen = _begun(channels, codes, random)
    spread = spreads(channels) | {"ohms": _nonlinear(channels, len(start.codes))}
    sought = sum(int(np.count_nonzero(each)) for each in spread.values())
    if sought > LARGEST:
        raise InputError(
            f"{sought} quantities of circuit {circuit.title!r} are to be found, and {LARGEST} can be together",
            "give fewer --codes, or calibrate a smaller circuit",
        )
    count = max(codes, math.ceil(READINGS * sought / (ROWS * counts["reads"])))
    settings = []
    own = channels.taps.encode(circuit.conductances[circuit.mask])
    try:
        noise = _noise(body, channels, own)
        for number in range(count):
            tell(number, count, "reading")
            others = random.permuted(chosen, axis=1)[:, 0]
            taps = np.where(random.random(len(own)) < (OWN if number else 1.0), own, others)
            settings.append(measured(body, engine, start, taps, ROWS, random))
        tell(count, count, "reading")
    finally:
        body.rest()
    found = _fitted(engine, start, settings, spread, noise, tell)
    belief, left, missed, excess, steps = found
    readings = REPEATS + count * ROWS
    return Calibration(belief, spread, left, noise, missed, excess, readings, time.perf_counter() - began, steps)


def measured(
    body: Body, engine: Simulator, belief: Belief, taps: Ints, rows: int, random: np.random.Generator
) -> Setting:
    """Readings with the taps at codes, inputs at random and in three of four rows pumps too; what is at an end of its
    converter's range, or beyond a pump's reach as far as is believed, does not count."""
    channels = belief.channels
    counts, pump, drive = channels.counts, channels.injections, channels.drives
    drives = random.integers(drive.first, drive.last + 1, (rows, counts["drives"]))
    part = random.choice(SHARES, (rows, 1)) * (np.arange(rows) % 4 > 0)[:, None]
    pumps = np.rint(random.uniform(pump.first, pump.last, (rows, counts["injections"])) * part).astype(np.int64)
    body.set_taps(taps)
    codes = body.read(drives, pumps)
    own, reads = channels.description.injections, channels.reads
    inside = (codes > reads.first) & (codes < reads.last)
    if math.isfinite(own.compliance):
        board = belief.board.with_conductances(belief.conductances(taps))
        amperes = belief.pumped(pumps)
        point = engine.operate(board, np.hstack([belief.sources(drives), amperes]))
        each = np.maximum(belief.joined.sum(axis=(0, 1)), 1.0)
        reach = np.abs(point.node_voltages[:, channels.free] + amperes / each * own.ohms)
        # What a pump gives at rest stops there too.
        pumped = (np.abs(pumps) @ belief.joined.sum(axis=0) > 0.0) | (belief.joined.sum(axis=(0, 1)) * own.offset > 0.0)
        inside &= ~((reach > INSIDE * own.compliance) & pumped).any(axis=1)[:, None]
    return Setting(taps, drives, pumps, reads.decode(codes), inside)


def checked(
    body: Body, engine: Simulator, beliefs: Sequence[Belief], taps: Sequence[Ints], seed: int = 1
) -> list[float]:
    """Root mean squares of what new readings miss in volts, for each belief."""
    random = np.random.default_rng(seed)
    try:
        settings = [measured(body, engine, beliefs[-1], each, ROWS, random) for each in taps]
    finally:
        body.rest()
    return [_rms(engine, belief, settings) for belief in beliefs]


def _begun(channels: Channels, codes: int, random: np.random.Generator) -> tuple[Belief, Ints]:
    """What is believed at first, with the taps that are looked at [n_taps, codes] singled out where there are taps."""
    circuit, table = channels.circuit, channels.taps
    own = table.encode(circuit.conductances[circuit.mask])
    low, high = table.ends
    levels = np.geomspace(low, high, codes - 1) if codes > 2 else np.array([math.sqrt(low * high)])
    among = [
        table.encode(level * np.exp(0.1 * random.standard_normal(len(own))).clip(0.9, 1.1))
        for level in _within(levels, low, high)
    ]
    chosen = np.column_stack([own, *among])
    belief = Belief.of(channels, None)
    if table.stepped and channels.description.taps.nonlinearity:
        pairs = np.unique(np.stack([np.repeat(np.arange(len(own)), chosen.shape[1]), chosen.ravel()], axis=1), axis=0)
        values = belief.values | {"ohms": np.zeros(len(pairs))}
        belief = replace(belief, taps=pairs[:, 0], codes=pairs[:, 1], values=values)
    return belief, chosen


def _within(levels: Floats, low: float, high: float) -> Floats:
    return np.clip(levels, 1.1 * low, 0.9 * high)


def _nonlinear(channels: Channels, count: int) -> Floats:
    own = channels.description.taps
    return np.full(count, own.nonlinearity * own.ohms / max(channels.taps.count - 1, 1))


def _noise(body: Body, channels: Channels, taps: Ints) -> Floats:
    """Standard deviations of a reading, float64[n_reads]; at least those of rounding."""
    counts, step = channels.counts, channels.reads.step
    body.set_taps(taps)
    none = np.zeros((REPEATS, counts["injections"]), np.int64)
    codes = body.read(np.zeros((REPEATS, counts["drives"]), np.int64), none)
    rounding = step / math.sqrt(12.0)
    return np.asarray(np.maximum(np.std(codes * step, axis=0, ddof=1), max(rounding, 1e-9)))


def _fitted(
    engine: Simulator,
    belief: Belief,
    settings: Sequence[Setting],
    spread: dict[str, Floats],
    noise: Floats,
    tell: Tell,
) -> tuple[Belief, dict[str, Floats], tuple[float, float], float, int]:
    """The most probable belief, what it leaves open, what it misses before and after, by how much that is more than
    noise, and in how many steps."""
    names, scale, loose = list(spread), np.concatenate(list(spread.values())), np.concatenate(list(spread.values())) > 0
    ends = np.cumsum([len(each) for each in spread.values()])[:-1]
    damping, before, steps = 1e-3, _rms(engine, belief, settings), 0
    cost, normal, slope, count = _assembled(engine, belief, settings, spread, noise)
    for steps in range(1, STEPS + 1):
        tell(steps, STEPS, "fitting")
        damped = normal + damping * np.diag(np.diag(normal))
        step = np.zeros(len(scale))
        step[loose] = linalg.solve(damped, -slope, assume_a="pos") * scale[loose]
        trial = moved(belief, dict(zip(names, np.split(step, ends), strict=True)))
        found = _assembled(engine, trial, settings, spread, noise)
        if found[0] <= cost:
            belief, (cost, normal, slope, count) = trial, found
            damping *= 0.1
            if np.abs(step[loose] / scale[loose]).max(initial=0.0) < DONE:
                break
        else:
            damping = min(10.0 * damping, 1e6)
    excess = math.sqrt(max(1.0, 2.0 * cost / max(count, 1)))
    covariance = linalg.inv(_sharpened(normal, excess))
    open_ = np.zeros(len(scale))
    open_[loose] = np.sqrt(np.diag(covariance)) * scale[loose]
    left = dict(zip(names, np.split(open_, ends), strict=True))
    return belief, left, (before, _rms(engine, belief, settings)), excess, steps


def _sharpened(normal: Floats, excess: float) -> Floats:
    """The information of readings that are noisier than thought, and of what was believed before."""
    one = np.eye(len(normal))
    return (normal - one) / excess**2 + one


def _assembled(
    engine: Simulator, belief: Belief, settings: Sequence[Setting], spread: dict[str, Floats], noise: Floats
) -> tuple[float, Floats, Floats, int]:
    """Half the sum of squares, its second and first derivatives by all that may deviate, in units of how much each may,
    and the number of readings that count."""
    scale = np.concatenate(list(spread.values()))
    loose = scale > 0
    value = np.concatenate([belief.values[name] for name in spread])[loose] / scale[loose]
    normal, slope, cost, count = np.eye(len(value)), value.copy(), 0.5 * float(value @ value), 0
    slopes, plan = Slopes(belief), EquationsPlan.of(belief.board)
    for each in settings:
        shown, by = sensitivities(engine, belief, each, slopes, plan)
        jacobian = np.concatenate([by[name] for name in spread], axis=2)[:, :, loose] * scale[loose]
        jacobian = (jacobian / noise[:, None])[each.counts]
        missed = ((shown - each.volts) / noise)[each.counts]
        normal += jacobian.T @ jacobian
        slope += jacobian.T @ missed
        cost += 0.5 * float(missed @ missed)
        count += len(missed)
    return cost, normal, slope, count


def _rms(engine: Simulator, belief: Belief, settings: Sequence[Setting]) -> float:
    missed = [
        (predicted(engine, belief, each.taps, each.drives, each.pumps) - each.volts)[each.counts] for each in settings
    ]
    return float(np.sqrt(np.mean(np.concatenate(missed) ** 2)))


def joined(description: Description, circuit: Circuit) -> Channels:
    """The channels of a circuit on a bench as nothing were known of it but its description."""
    return Channels.of(circuit, replace(description, calibrated=None))
