"""What isolates and inverts units, and pumps currents into them: ideal sources, or operational amplifiers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import NotRealizableError
from diodeq.printable import counted
from diodeq.synthesis.amplified.pumped import COMPLIANCE, brought
from diodeq.synthesis.amplifiers import AmplifierParts
from diodeq.synthesis.parts import Parts
from diodeq.synthesis.plan import Floats, Index, StagePlan

FEEDBACK = 1e-4
"""S of the resistors that set gains, at most."""
# No output is asked for more than this share of its current, nor for what makes its resistance take this share of its
# swing, and no driver of inputs for more than these amperes.
SHARE, TAKEN, DRIVER = 0.25, 0.05, 5e-3
HEADROOM = 0.75
"""Units reach this share of what the swing leaves them on the samples: others go further, of the digits that a network
did not learn up to 1.28 times as far."""
TRIES = 8


@dataclass(frozen=True)
class SuppliedAmplifier:
    """An operational amplifier on rails of ±``rail`` V."""

    amplifier: Amplifier
    rail: float

    @staticmethod
    def of(amplifier: Amplifier, technology: Technology) -> SuppliedAmplifier:
        """On the technology's supply, or what the amplifier bears; raises ``NotRealizableError`` where it does not."""
        return SuppliedAmplifier(
            amplifier, amplifier.rail(technology.supply if math.isfinite(technology.supply) else None)
        )

    @property
    def reach(self) -> float:
        """V that outputs reach on either side, given all that they are asked for."""
        return (1.0 - TAKEN) * self.amplifier.reach(self.rail)

    @property
    def amperes(self) -> float:
        """What an output is asked for at most."""
        most = [SHARE * self.amplifier.current, 1.0]
        if self.amplifier.resistance:
            most.append(TAKEN * self.amplifier.reach(self.rail) / self.amplifier.resistance)
        return min(most)

    def volts(self, pumped: bool) -> float:
        """What rails and units are scaled to on the samples, where some are pumped or none are."""
        return HEADROOM * self.reach * (COMPLIANCE if pumped else 1.0)

    def reaches(self, plans: Sequence[StagePlan]) -> list[float]:
        """V at which the units of each stage make an amplifier saturate, or a pump may."""
        found = []
        for plan, after in zip(plans, [*plans[1:], None], strict=True):
            gains = [plan.gain] if plan.feedback_columns else []
            gains += [] if after is None else [after.gain]
            found.append(self.reach * (COMPLIANCE if plan.core.pumped else 1.0) / max([1.0, *gains]))
        return found

    def light(self, make: Callable[[Technology], StagePlan], technology: Technology, first: bool) -> StagePlan:
        """The plan that ``make`` makes for a technology with no conductance larger than outputs can drive.

        Raises ``NotRealizableError`` where the smallest are too large.
        """
        wanted = technology
        for _ in range(TRIES):
            plan = make(technology)
            most = self._most(plan, first, wanted.high)
            if plan.siemens <= most * (1.0 + 1e-9):
                return plan
            high = technology.high * 0.99 * (most / plan.siemens) ** (1 if plan.core.pumped else 2)
            if not high > technology.low:
                break
            technology = replace(technology, high=high)
        raise NotRealizableError(
            f"its rails would ask for {plan.siemens / most:.3g} times what {self.amplifier.name} can give",
            "allow a smaller --low, or take an amplifier of more current",
            arguments=("low", "amplifier"),
        )

    def _most(self, plan: StagePlan, first: bool, high: float) -> float:
        """g0 in S at which an output of this plan is asked for all that it can give."""
        volts = self.reach * (COMPLIANCE if plan.core.pumped else 1.0)
        columns, values = plan.feed.columns, plan.feed.values
        driven = np.bincount(columns, values, plan.bias_column)[: plan.bias_column]
        most = [np.inf]
        for load, amperes in (
            (driven[: plan.feedback_columns], self.amperes),
            (driven[plan.feedback_columns :], DRIVER if first else self.amperes),
        ):
            if load.max(initial=0.0) > 0.0:
                most.append(amperes / (volts * float(load.max())))
        if plan.pumps.any():
            most += [self.amperes / (2.0 * volts * float(plan.flowing.max())), high / float(plan.pumps.max())]
        return min(most)

    def off(self, plan: StagePlan, first: bool) -> Floats:
        """V float64[n] that offsets, all of one sign, add to what each unit sums."""
        columns, rows = plan.feed.columns, plan.feed.rows
        driven = (columns < plan.feedback_columns) | (not first) & (columns < plan.bias_column)
        signs = np.where(plan.feed.negative, -1.0, 1.0)
        # A non-inverting buffer has its gain times the offset, an inverted one as much less and two of its own.
        each = 1.0 * signs if plan.core.pumped else plan.gain + (2.0 - 2.0 * plan.gain) * plan.feed.negative
        found = np.bincount(rows, driven * plan.feed.values * each, plan.size)
        pumps = brought(plan) + plan.pumps if plan.core.pumped else np.zeros(plan.size)
        return np.asarray(self.amplifier.offset * (found + pumps), np.float64)


class Drivers:
    """What adds them to the parts of a circuit; ideal sources where nothing is ``supplied``."""

    def __init__(self, parts: Parts, supplied: SuppliedAmplifier | None) -> None:
        self._parts, self._supplied = parts, supplied
        self._amplifiers: AmplifierParts | None = None

    @property
    def count(self) -> int:
        """How many amplifiers there are so far."""
        return 0 if self._amplifiers is None else self._amplifiers.count

    def _add(self, plus: Index | int, minus: Index, out: Index) -> None:
        assert self._supplied is not None
        if self._amplifiers is None:
            self._amplifiers = AmplifierParts(self._parts, self._supplied.amplifier, self._supplied.rail)
        self._amplifiers.add(plus, minus, out)

    def buffers(self, label: str, prefix: str, codes: Index, units: Index, gain: float) -> Index:
        """Rails that follow units: ``codes`` are 2 unit + 1 where it is inverted, sorted; a node for each.

        Made of amplifiers, the inverted rail is behind the other one, which then is there as well.
        """
        parts = self._parts
        if self._supplied is None:
            rails = parts.nodes(f"{prefix}{code // 2}_{'pn'[code % 2]}" for code in codes.tolist())
            parts.add("buffers", label, rails, 0, units[codes // 2], 0, values=gain * (1.0 - 2.0 * (codes % 2)))
            return rails
        own, inverted = np.unique(codes // 2), codes[codes % 2 == 1] // 2
        rails = np.zeros((len(units), 2), np.int64)
        rails[own, 0] = parts.nodes(f"{prefix}{unit}_p" for unit in own.tolist())
        rails[inverted, 1] = parts.nodes(f"{prefix}{unit}_n" for unit in inverted.tolist())
        straight = rails[own, 0]
        if gain > 1.0:
            minus = parts.nodes(f"{prefix}{unit}_ps" for unit in own.tolist())
            siemens = FEEDBACK / max(gain - 1.0, 1.0)
            parts.add("resistors", f"{label} gains", straight, minus, values=siemens)
            parts.add("resistors", f"{label} gains", minus, 0, values=siemens * (gain - 1.0))
            self._add(units[own], minus, straight)
        elif len(own):
            self._add(units[own], straight, straight)
        if len(inverted):
            minus = parts.nodes(f"{prefix}{unit}_ns" for unit in inverted.tolist())
            for end in (0, 1):
                parts.add("resistors", f"{label} gains", rails[inverted, end], minus, values=FEEDBACK)
            self._add(0, minus, rails[inverted, 1])
        return rails[codes // 2, codes % 2]

    def pumps(self, k: int, plan: StagePlan, units: Index) -> Index:
        """The - inputs of the pumps of a stage's units, int64[n], 0 where one needs none."""
        minus, own = np.zeros_like(units), np.flatnonzero(plan.pumps)
        if not len(own):
            return minus
        minus[own] = self._parts.nodes(f"s{k}_{unit}_s" for unit in own.tolist())
        outs = self._parts.nodes(f"s{k}_{unit}_o" for unit in own.tolist())
        for ends in (minus[own], units[own]):
            self._parts.add("resistors", f"stage {k}: pumps' gains", outs, ends, values=plan.siemens * plan.pumps[own])
        self._add(units[own], minus[own], outs)
        return minus


def notes(supplied: SuppliedAmplifier | None, count: int) -> tuple[str, ...]:
    """What a circuit says of its amplifiers."""
    if supplied is None or not count:
        return ()
    rail = supplied.rail
    return (
        f"{counted(count, 'amplifier')} {supplied.amplifier.name} on ±{rail:g} V; node 0 is the middle of the supply,"
        f" so that 0 and {2 * rail:g} V around a middle rail of {rail:g} V are the same circuit",
    )
