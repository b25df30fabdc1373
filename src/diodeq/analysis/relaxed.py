"""The linear programs of units: what rectifiers that may change sides can do together, and not each on its own.

Each unit's output z is at or above two lines of its drive, ``u - leak`` and the least it can be, and at or below the
chord between the ends of u; and u is between sums of all outputs, since what a resistor's tolerance sends grows with
the voltage across it. So whatever combination of outputs is asked for has a largest value in a linear program. Its
multipliers y are the proof: for any y >= 0, ``c x <= y b + the most of (c - y A) x`` in the box, which is what is used
here; that the solver finds the best ones is not relied on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from diodeq.analysis.summing import Index
from diodeq.circuit.bank import Floats

if TYPE_CHECKING:
    from diodeq.analysis.summed import Ends, Summed

# How a sum may be rounded: of itself, and in volts.
ROUNDING, LEAST = 1e-9, 1e-10


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Of one sample, with unknowns x [n + m]: how far outputs are off the centre's, and each input, from -1 to 1.

    ``matrix`` [q, n + m] times x is at most ``limit`` [q], with x from ``low`` to ``high`` [n + m]. ``drives`` are
    rows [n, n + m] and volts [n] that each u is off by, at least and at most.
    """

    matrix: Floats
    limit: Floats
    low: Floats
    high: Floats
    drives: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]

    @staticmethod
    def of(found: Summed, s: Ends) -> Relaxed:
        """Of what is known of units, and the box of - inputs [n] for which it is."""
        frame = found.of
        summing, count = frame.summing, len(frame.z)
        # Magnitudes of outputs are at most these lines.
        low, high = (np.asarray(each, np.float64) for each in found.z)
        sizes = np.abs(low), np.abs(high)
        with np.errstate(divide="ignore", invalid="ignore"):
            leaning = np.where(high > low, (sizes[1] - sizes[0]) / (high - low), 0.0)
        slopes = np.where(low >= 0.0, 1.0, np.where(high <= 0.0, -1.0, np.clip(leaning, -1.0, 1.0)))
        starts = np.maximum(sizes[0] - slopes * low, sizes[1] - slopes * high)
        at = np.full(len(frame.volts), -1)
        at[summing.units] = np.arange(count)
        far, owner = at[summing.far], summing.owner
        shares = frame.off / frame.siemens[owner]
        fed = far >= 0
        sent = np.asarray(sparse.csr_array((shares[fed], (owner[fed], far[fed])), (count, count)).toarray())
        held = np.maximum(np.abs(frame.volts - frame.spread), np.abs(frame.volts + frame.spread))[summing.far]
        sinks = np.maximum(np.abs(s[0]), np.abs(s[1]))[owner]
        taken = np.bincount(owner, shares * (sinks + np.where(fed, 0.0, held)), count) + sent @ starts
        sent = sent * slopes
        taken = (taken + sent @ frame.z) * (1.0 + ROUNDING) + LEAST
        inputs = frame.inputs[:, np.flatnonzero(np.abs(frame.inputs).sum(axis=0))]
        least = np.hstack([frame.coupling - sent, inputs]), found.drift[0] - taken
        most = np.hstack([frame.coupling + sent, inputs]), found.drift[1] + taken
        own = np.eye(count, count + inputs.shape[1])
        chord, _, above = found.chords
        # Units that are at rest on every board have no line of their drive.
        some = ~summing.rectified | (chord > 0.0)
        matrix = np.vstack([own - chord[:, None] * most[0], (least[0] - own)[some]])
        below = frame.z - frame.u + found.leak - least[1]
        ones = np.ones(inputs.shape[1])
        return Relaxed(
            matrix,
            np.concatenate([chord * most[1] + above, below[some]]),
            np.concatenate([np.maximum(found.z[0], found.law[0]) - frame.z, -ones]),
            np.concatenate([np.minimum(found.z[1], found.law[1]) - frame.z, ones]),
            (least, most),
        )

    def most(self, rows: Floats) -> Floats:
        """The most [k] of ``rows`` [k, n + m] times x."""
        sizes, widest = np.abs(self.matrix), np.maximum(np.abs(self.low), np.abs(self.high))
        ends = list(zip(self.low.tolist(), self.high.tolist(), strict=True))
        found = np.empty(len(rows))
        for number, row in enumerate(rows):
            solved = linprog(-row, A_ub=self.matrix, b_ub=self.limit, bounds=ends, method="highs-ds")
            y = np.zeros(len(self.limit)) if solved.status else np.maximum(-solved.ineqlin.marginals, 0.0)
            rest = row - y @ self.matrix
            rounded = ROUNDING * ((np.abs(row) + y @ sizes) @ widest + y @ np.abs(self.limit))
            found[number] = y @ self.limit + np.maximum(rest * self.low, rest * self.high).sum() + rounded + LEAST
        return found

    def reach(self, rows: Floats) -> Ends:
        """How far [k] ``rows`` [k, n] times outputs are below and above the centre's at most."""
        wanted = np.hstack([rows, np.zeros((len(rows), len(self.low) - rows.shape[1]))])
        return self.most(-wanted), self.most(wanted)

    def driven(self, which: Index) -> Ends:
        """How far [k] the drives of units ``which`` int[k] are below and above the centre's at most."""
        (least, under), (most, over) = self.drives
        return self.most(-least[which]) - under[which], self.most(most[which]) + over[which]
