"""Calibration: what a bench's channels, taps and diodes deviate by, from its own readings.

Drives, pumps and taps are set at random, and the beliefs that explain the readings best are looked for
(``fitting.py``). What a description says of its parts' tolerances is what is believed before; what no reading tells
stays as it says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.benches.fitting import LARGEST, Fit, Tell, fitted, missed_by
from diodeq.benches.model import Setting
from diodeq.benches.products import demand_products
from diodeq.circuit import Circuit
from diodeq.errors import InputError
from diodeq.simulators.base import Simulator
from diodeq.simulators.bench.belief import Belief, spreads
from diodeq.simulators.bench.body import Body, Ints
from diodeq.simulators.bench.channels import Channels
from diodeq.simulators.bench.description import Description

Floats = NDArray[np.float64]
ROWS = 64
"""Rows of readings with the same taps"""
REPEATS = 64
"""Readings of the same that say how noisy they are"""
OWN = 0.4
"""The part of the settings in which a tap is where the circuit wants it"""
READINGS, FEWER = 64, 16
"""Numbers that are read for each that is sought, at least; fewer where these are too many for one matrix"""
TOLD = 0.5
"""What a reading has to leave of how little was known, for a quantity to count as found"""
INSIDE = 0.9
"""The part of a pump's compliance within which it counts as a source"""
SHARES = (1.0, 1.0, 0.3)
"""Parts of the pumps' range that are tried"""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was found (``fit``), beside the standard deviations of each quantity before (``spread``), by the names of
    ``Calibrated``; ``noise`` float64[n_reads] volts of a reading; ``own`` int64[n_taps] the codes at which the circuit
    has its taps.
    """

    fit: Fit
    spread: dict[str, Floats]
    noise: Floats
    own: Ints
    readings: int
    seconds: float

    @property
    def belief(self) -> Belief:
        """What is believed now."""
        return self.fit.belief

    @property
    def left(self) -> dict[str, Floats]:
        """Standard deviations of each quantity afterwards, by the names of ``Calibrated``."""
        return self.fit.left

    @property
    def missed(self) -> tuple[float, float]:
        """Root mean squares of what the readings missed in volts, before and after."""
        return self.fit.missed

    @property
    def excess(self) -> float:
        """By how much what is still missed is larger than noise."""
        return self.fit.excess

    @property
    def resistances(self) -> tuple[Floats, Floats]:
        """Ohms of every tap where the circuit has it, and their relative standard deviations."""
        ohms = self.belief.ohms(self.own)
        return ohms, self.fit.ohms / ohms

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
        ohms, known = self.resistances
        return {
            "bench": self.belief.channels.description.name,
            "readings": self.readings,
            "seconds": self.seconds,
            "steps": self.fit.steps,
            "noise_volts": self.noise.tolist(),
            "missed_volts_before": self.missed[0],
            "missed_volts_after": self.missed[1],
            "excess": self.excess,
            "not_determined": self.untold,
            "resistances": {"ohms": ohms.tolist(), "relative_error": known.tolist()},
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
    enough = READINGS if sought <= LARGEST else FEWER
    count = max(codes, math.ceil(enough * sought / (ROWS * counts["reads"])))
    if sought > LARGEST:
        demand_products(start, ROWS * count)
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
    fit = fitted(engine, start, settings, spread, noise, own, tell)
    return Calibration(fit, spread, noise, own, REPEATS + count * ROWS, time.perf_counter() - began)


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
    return [missed_by(engine, belief, settings) for belief in beliefs]


def _begun(channels: Channels, codes: int, random: np.random.Generator) -> tuple[Belief, Ints]:
    """What is believed at first, with the taps that are looked at [n_taps, codes] singled out where there are taps."""
    circuit, table = channels.circuit, channels.taps
    own = table.encode(circuit.conductances[circuit.mask])
    low, high = table.ends
    if codes > 2:  # closer where resistances are small: a part of their own is what taps are known to
        levels = 1.0 / (1.0 / high + (1.0 / low - 1.0 / high) * np.linspace(0.0, 1.0, codes - 1) ** 2)
    else:
        levels = np.array([math.sqrt(low * high)])
    among = [
        table.encode(level * np.exp(0.1 * random.standard_normal(len(own))).clip(0.9, 1.1))
        for level in np.clip(levels, 1.1 * low, 0.9 * high)
    ]
    chosen = np.column_stack([own, *among])
    belief = Belief.of(channels, None)
    if table.stepped and channels.description.taps.nonlinearity:
        pairs = np.unique(np.stack([np.repeat(np.arange(len(own)), chosen.shape[1]), chosen.ravel()], axis=1), axis=0)
        values = belief.values | {"ohms": np.zeros(len(pairs))}
        belief = replace(belief, taps=pairs[:, 0], codes=pairs[:, 1], values=values)
    return belief, chosen


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


def joined(description: Description, circuit: Circuit) -> Channels:
    """The channels of a circuit on a bench as nothing were known of it but its description."""
    return Channels.of(circuit, replace(description, calibrated=None))
