"""How far the figures of summing amplifiers may be off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.analysis.box import Box
from diodeq.analysis.summing import Summing
from diodeq.circuit.bank import Floats

Ends = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class Figures:
    """What amplifiers' own figures may be: offsets, volts that input currents add to u, gains, each from one end [n] to
    the other; and the share by which ``supply`` may be off."""

    offsets: Ends
    biases: Ends
    gains: Ends
    supply: float

    @staticmethod
    def of(summing: Summing, box: Box, siemens: Floats) -> Figures:
        """In the box, and as drawn."""

        def around(drawn: Floats, most: float) -> Ends:
            slack = box.supply * np.abs(drawn)
            return (
                (np.minimum(drawn, -most) - slack, np.maximum(drawn, most) + slack)
                if most
                else (drawn - slack, drawn + slack)
            )

        low, high = around(summing.bias, box.bias)
        known = summing.gain
        gains = (np.minimum(known, box.gain), np.full(len(known), np.inf)) if box.gain < np.inf else (known, known)
        biases = (low - summing.bias) / siemens, (high - summing.bias) / siemens
        return Figures(around(summing.offset, box.offset), biases, gains, box.supply)

    def sums(self, least: Floats, most: Floats) -> Ends:
        """The - inputs' volts [n] where what is amplified is from ``least`` to ``most`` behind the gain [n]."""
        (weakest, strongest), (low, high) = self.gains, self.offsets
        return (
            low - np.maximum(most / weakest, most / strongest),
            high - np.minimum(least / weakest, least / strongest),
        )
