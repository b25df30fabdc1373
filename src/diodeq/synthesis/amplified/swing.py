"""What units need of the volts that their amplifiers leave them: on samples, and proved for the samples' whole box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.network import Network
from diodeq.network.intervals import intervals
from diodeq.printable import counted, quantity
from diodeq.synthesis.amplified.scaling import Solved
from diodeq.synthesis.plan import Floats


@dataclass(frozen=True, eq=False)
class Swing:
    """Of the units of a stage, V float64[n]: the most on the samples (``seen``), and what is proved of all inputs that
    are column by column between the samples' least and largest (``low`` and ``high``; None where nothing is).

    It is proved of the network; a circuit's units are off by what its parts make of it. ``reach`` is where an amplifier
    saturates.
    """

    reach: float
    seen: Floats
    low: Floats | None
    high: Floats | None

    @property
    def most(self) -> Floats | None:
        """The largest V of either sign that are proved."""
        return None if self.low is None or self.high is None else np.maximum(-self.low, self.high)

    @property
    def sure(self) -> int:
        """How many units never saturate within the box."""
        return 0 if self.most is None else int((self.most <= self.reach).sum())

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        return {
            "reach_volts": self.reach,
            "seen_volts": self.seen.tolist(),
            "proved_low_volts": None if self.low is None else self.low.tolist(),
            "proved_high_volts": None if self.high is None else self.high.tolist(),
            "units": len(self.seen),
            "units_proved_within": self.sure,
        }

    def sentence(self) -> str:
        """In a line."""
        told = f"units up to {quantity(float(self.seen.max(initial=0.0)), 'V')} of {quantity(self.reach, 'V')}"
        if self.most is None or not len(self.seen):
            return f"{told} on the samples, nothing proved"
        worst = int(np.argmax(self.most))
        all_of = f"{self.sure} of {counted(len(self.seen), 'unit')} proved within for every input in their box"
        if self.sure == len(self.seen):
            return f"{told} on the samples, {all_of}"
        return f"{told} on the samples, {all_of}, unit {worst} within {quantity(float(self.most[worst]), 'V')}"


def swings(network: Network, samples: Solved, scales: Sequence[Floats], reach: Sequence[float]) -> tuple[Swing, ...]:
    """Of each stage of a network, whose units are ``scales`` V per unit and saturate at ``reach`` V."""
    box = samples.inputs.min(axis=0), samples.inputs.max(axis=0)
    found = []
    for scale, volts, z, proved in zip(scales, reach, samples.states, intervals(network, *box), strict=True):
        low, high = (None, None) if proved is None else (scale * proved[0], scale * proved[1])
        found.append(Swing(volts, scale * np.abs(z).max(axis=0, initial=0.0), low, high))
    return tuple(found)
