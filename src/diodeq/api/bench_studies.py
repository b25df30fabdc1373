"""What is done with a bench, a circuit on the table or its twin: it is calibrated, replayed, probed and timed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.api.units import labels_in, volts_of
from diodeq.benches.calibrate import Calibration, checked, joined
from diodeq.benches.calibrate import calibrate as calibrate_body
from diodeq.benches.frequency import ToneErrors, spectrum
from diodeq.benches.probes import Probes
from diodeq.benches.probes import probes as ordered
from diodeq.circuit import Circuit
from diodeq.circuit.check import check as demand_sound
from diodeq.learning.losses import usual
from diodeq.simulators import create
from diodeq.simulators.bench import Description, described
from diodeq.simulators.bench.belief import Belief
from diodeq.simulators.bench.engine import body_of
from diodeq.simulators.bench.writing import written
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.wave import WaveSimulator

CHECKS = 4
"""Settings of taps with which a calibration is checked"""


@dataclass(frozen=True, eq=False)
class CheckedCalibration:
    """What a calibration found, and if it was checked, by how many volts (root mean square) new readings were missed
    by what was believed before and by what is now, with the circuit's own taps and with taps at random."""

    found: Calibration
    check: dict[str, tuple[float, float]]

    @property
    def description(self) -> Description:
        """Of the bench as it is believed to be."""
        return self.found.description

    def to_toml(self) -> str:
        """The new description."""
        return written(self.description, f"{self.description.name} as it was calibrated")

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {**self.found.to_json(), **({"check": self.check} if self.check else {})}


def calibrate(
    description: str | Description,
    circuit: Circuit,
    *,
    codes: int = 5,
    seed: int = 0,
    check: bool = False,
    on_step: Callable[[int, int, str], None] | None = None,
) -> CheckedCalibration:
    """Measure what a bench's converters, pumps, taps and diodes deviate by, from its own readings.

    Args:
        description: of the bench: a file, a shipped name, with options after colons.
        circuit: that is on the table; its own taps are among those that are measured.
        codes: settings of every tap, at least 2.
        seed: of the drives, currents and taps that are tried.
        check: read anew afterwards and see what is missed.
        on_step: called with how much of what is done.

    Raises:
        InputError: the bench does not fit the circuit, or too much is to be found together.

    Example:
        >>> import diodeq
        >>> from diodeq.api.bench_studies import calibrate
        >>> circuit = diodeq.layered((2, 1, 1), median=3e-5, spread=0.3)
        >>> found = calibrate("iris", circuit, codes=2)
        >>> before, after = found.found.missed
        >>> bool(after < before / 10)
        True
    """
    own = described(*description.split(":")) if isinstance(description, str) else description
    channels = joined(own, demand_sound(circuit))
    own = channels.description
    with WaveSimulator(workers=1) as engine:
        body = body_of(own, circuit)
        try:
            found = calibrate_body(body, engine, channels, codes=codes, seed=seed, on_setting=on_step)
            checks: dict[str, tuple[float, float]] = {}
            if check:
                random = np.random.default_rng(seed + 1)
                taps = channels.taps.encode(circuit.conductances[circuit.mask])
                others = random.integers(channels.taps.first, channels.taps.count, (CHECKS, len(taps)))
                for name, some in (("own_taps", [taps] * CHECKS), ("other_taps", list(others))):
                    before, after = checked(body, engine, [Belief.of(channels), found.belief], some, seed + 1)
                    checks[name] = before, after
        finally:
            body.close()
    return CheckedCalibration(found, checks)


def probes(
    circuit: Circuit,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    tolerance: float = 0.2,
    noise: float = 1e-3,
    boards: int = 3,
    seed: int = 0,
    units: str = "network",
    simulator: str = "wave",
    on_step: Callable[[int, int, str], None] | None = None,
) -> Probes:
    """Which nodes to read first where not all can be: those that leave the least error in the gradient.

    Args:
        circuit: with outputs, which are always read.
        inputs: float64[B, n_in].
        labels: class numbers int[B] or quantities; half the squared outputs are the loss without.
        tolerance: of the resistors on the bench, within ±.
        noise: volts of a reading.
        boards: drawn at random to measure with.
        seed: of these.
        units: of inputs and quantities.
        simulator: the engine.
        on_step: called with how many boards are done.

    Raises:
        InputError: a number that is not possible, or nothing to choose from.

    Example:
        >>> import diodeq
        >>> from diodeq.api.bench_studies import probes
        >>> found = probes(diodeq.layered((2, 4, 2)), [[1.0, -1.0]], [0], boards=1)
        >>> len(found.nodes), bool(found.expected[0] > found.expected[-1])
        (8, True)
    """
    drives, known = volts_of(circuit, inputs, units), labels_in(circuit, labels, units)
    loss = usual(known, circuit.scaling.output_scale)
    with create(simulator) as engine:
        return ordered(engine, circuit, drives, loss, tolerance, noise, boards=boards, seed=seed, on_board=on_step)


def frequency(
    circuit: Circuit,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    wiring: float = 2e-12,
    load: float = 10e-12,
    low: float = 1.0,
    high: float = 1e9,
    check: bool = False,
    units: str = "network",
    simulator: str = "wave",
    on_step: Callable[[int, int, str], None] | None = None,
) -> ToneErrors:
    """How fast a gradient can be read: its error when the currents are a tone, from ``low`` to ``high`` Hz.

    Args:
        circuit: a reciprocal one.
        inputs: float64[B, n_in].
        labels: class numbers int[B] or quantities; half the squared outputs are the loss without.
        wiring: farads at every end of a part.
        load: farads at every node that an output reads.
        low, high: frequencies.
        check: compare the first samples with ngspice's ``.ac``.
        units: of inputs and quantities.
        simulator: the engine that finds where the circuit settles.
        on_step: called with how many tones are done.

    Raises:
        SimulationError: the circuit is not reciprocal.

    Example:
        >>> import diodeq
        >>> from diodeq.api.bench_studies import frequency
        >>> found = frequency(diodeq.layered((2, 4, 2)), [[1.0, -1.0]], [0])
        >>> bool(1e3 < found.reached[0.01] < found.reached[0.1])
        True
    """
    drives, known = volts_of(circuit, inputs, units), labels_in(circuit, labels, units)
    loss, farads = usual(known, circuit.scaling.output_scale), (wiring, load)
    with create(simulator) as engine, ExitStack() as stack:
        reference = stack.enter_context(NgspiceSimulator(1)) if check else None
        return spectrum(engine, circuit, drives, loss, farads, (low, high), reference, on_step)
