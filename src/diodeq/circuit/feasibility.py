"""What a circuit asks of its supplies and parts, in numbers and in a sentence: whether somebody can solder it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from diodeq.circuit.power_bound import Bound
from diodeq.errors import NotRealizableError
from diodeq.printable import counted, quantity

NAMED = 4
"""Outputs that a sentence names."""
TOLD = 20
"""So many ratings that are exceeded are told one by one, the worst first."""


@dataclass(frozen=True)
class Excess:
    """A part that is asked for more than it may be: ``rating`` of ``part`` (``what`` it is): ``value`` of ``limit``."""

    part: str
    what: str
    rating: str
    value: float
    limit: float
    unit: str

    def sentence(self) -> str:
        """Such as ``reverse voltage of d12 (1N4148): 120 V of 75 V``."""
        what = f" ({self.what})" if self.what else ""
        return f"{self.rating} of {self.part}{what}: {self._shown(self.value)} of {self._shown(self.limit)}"

    def _shown(self, value: float) -> str:
        return quantity(value, self.unit)


@dataclass(frozen=True)
class Feasibility:
    """What a circuit asks for over ``samples`` drives.

    ``supply_volts`` is the highest voltage of any source and amplifier, of either sign, for inputs within ±``reach``
    (V): what the circuit lets pass, where it limits inputs (``limited``), else the highest drive that was seen.
    ``watts_median`` and ``watts_max`` are what resistors and one-ports turned into heat, ``bound`` what they do for no
    input within the reach. Sources with the ``largest_source_amperes`` are named; it is None where nothing was solved
    or the engine does not tell. ``clipped`` counts values that the limit cut; ``exceeded`` are the worst of
    ``excesses`` ratings that parts exceed, ``unrated`` the one-ports of which no rating is known, and ``deaf`` the
    outputs that no input reaches. ``saturated`` are the samples in which the operational amplifier at a node was at its
    swing.
    """

    samples: int
    supply_volts: float
    reach: float
    limited: bool
    resistors: int
    smallest_ohms: float | None
    largest_ohms: float | None
    watts_median: float | None
    watts_max: float | None
    bound: Bound
    largest_source_amperes: float | None
    largest_source: str
    clipped: int
    excesses: int
    exceeded: tuple[Excess, ...]
    unrated: tuple[str, ...]
    deaf: tuple[str, ...] = ()
    saturated: Mapping[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The figures by which runs are compared; None for what is not known."""
        return {
            "supply_volts": self.supply_volts,
            "static_watts_median": self.watts_median,
            "static_watts_max": self.watts_max,
            "static_watts_bound": self.bound.watts if math.isfinite(self.bound.watts) else None,
            "largest_source_amperes": self.largest_source_amperes,
            "smallest_ohms": self.smallest_ohms,
            "largest_ohms": self.largest_ohms,
            "ratings_exceeded": self.excesses,
            "clipped_values": self.clipped,
        }

    def to_json(self) -> dict[str, Any]:
        """The same and all else that is known, as a plain dict."""
        return {
            **self.summary(),
            "samples": self.samples,
            "reach_volts": self.reach,
            "inputs_limited": self.limited,
            "static_watts_unbounded_because": self.bound.reason,
            "largest_source": self.largest_source,
            "exceeded": [{**asdict(each), "sentence": each.sentence()} for each in self.exceeded],
            "unrated": list(self.unrated),
            "outputs_without_inputs": list(self.deaf),
            **({"saturated": dict(self.saturated)} if self.saturated else {}),
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """All of it in a line."""
        supply = f"±{quantity(self.supply_volts, 'V')}" + ("" if self.limited else " (the highest seen)")
        parts = counted(self.resistors, "resistor")
        if self.smallest_ohms is not None and self.largest_ohms is not None:
            low, high = quantity(self.smallest_ohms, "Ω"), quantity(self.largest_ohms, "Ω")
            parts += f" of {low}" + ("" if low == high else f" … {high}")
        asked = [supply, parts, self._power()]
        if self.largest_source_amperes is not None and self.largest_source:
            current = quantity(self.largest_source_amperes, "A")
            asked.append(f"largest source current {current} ({self.largest_source})")
        verdict = [self._verdict()]
        if self.saturated:
            verdict.append(self._saturation())
        if self.clipped:
            verdict.append(f"{counted(self.clipped, 'value')} clipped")
        if self.deaf:
            more = f" and {len(self.deaf) - NAMED} more" if len(self.deaf) > NAMED else ""
            verdict.append(f"NO INPUT REACHES {', '.join(self.deaf[:NAMED])}{more}")
        return f"feasibility: {', '.join(filter(None, asked))}; {'; '.join(verdict)}"

    def _saturation(self) -> str:
        worst, most = max(self.saturated.items(), key=lambda each: each[1])
        count = sum(times > 0 for times in self.saturated.values())
        if not count:
            return "no amplifier saturates"
        return (
            f"{count} of {counted(len(self.saturated), 'amplifier')} saturate, the one at {worst} in"
            f" {most:,} of {counted(self.samples, 'sample')}"
        )

    def _power(self) -> str:
        if self.watts_median is None or self.watts_max is None:
            return ""
        if math.isfinite(self.bound.watts):
            within = "any input" if self.limited else f"any input within ±{quantity(self.reach, 'V')}"
            bound = f"at most {quantity(self.bound.watts, 'W')} for {within}"
        else:
            bound = f"no bound known, as {self.bound.reason}"
        median, most = quantity(self.watts_median, "W"), quantity(self.watts_max, "W")
        return f"{median} in the median sample ({most} worst of {self.samples:,}, {bound})"

    def _verdict(self) -> str:
        if self.exceeded:
            more = f", and {self.excesses - 1:,} more" if self.excesses > 1 else ""
            return f"exceeds: {self.exceeded[0].sentence()}{more}"
        if self.unrated:
            return f"within all ratings that are known (none of {', '.join(self.unrated)})"
        return "within all ratings"

    def demand(self, remedy: str) -> None:
        """Raise ``NotRealizableError`` where a rating is exceeded."""
        if self.exceeded:
            more = f" (and {counted(self.excesses - 1, 'rating')} more)" if self.excesses > 1 else ""
            worst = self.exceeded[0]
            raise NotRealizableError(f"{worst.sentence()}{more}", remedy, parts=(worst.part,))
