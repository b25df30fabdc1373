"""What is done with a bench, a circuit on the table or its twin: it is calibrated, replayed, probed and timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.benches.calibrate import Calibration, checked, joined
from diodeq.benches.calibrate import calibrate as calibrate_body
from diodeq.circuit import Circuit
from diodeq.circuit.check import check as demand_sound
from diodeq.simulators.bench import Description, described
from diodeq.simulators.bench.belief import Belief
from diodeq.simulators.bench.engine import body_of
from diodeq.simulators.bench.writing import written
from diodeq.simulators.wave import WaveSimulator

CHECKS = 4
"""Settings of taps with which a calibration is checked"""


@dataclass(frozen=True, eq=False)
class Calibrated:
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
) -> Calibrated:
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
                others = random.integers(0, channels.taps.count, (CHECKS, len(taps)))
                for name, some in (("own_taps", [taps] * CHECKS), ("other_taps", list(others))):
                    before, after = checked(body, engine, [Belief.of(channels), found.belief], some, seed + 1)
                    checks[name] = before, after
        finally:
            body.close()
    return Calibrated(found, checks)
