"""What a compilation did and why, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import amplifiers, inside
from diodeq.network.units import NOTHING
from diodeq.printable import counted
from diodeq.synthesis.amplified.swing import Swing
from diodeq.synthesis.plan import StagePlan
from diodeq.synthesis.remedy import Choice

# Rough cost of a part relative to one resistor, for comparing realizations, not for budgets: an op-amp with its two
# resistors makes a buffer, two transconductors a gyrator; transformers are wound.
UNIT_COSTS: dict[str, float] = {
    "resistors": 1.0,
    "diodes": 1.0,
    "voltage_sources": 5.0,
    "current_sources": 5.0,
    "transformers": 50.0,
    "gyrators": 20.0,
    "buffers": 10.0,
    "mirrors": 10.0,
    "amplifiers": 5.0,
}
OTHER_COST = 10.0


def parts_of(
    plan: StagePlan, first: bool, volts_per_unit: float, bias: float, amplified: bool = False
) -> dict[str, int]:
    """How many parts of each kind a stage takes whose diodes have a ``bias`` in V; its inputs' drivers are sources in
    the first stage, else buffers, or ``amplified`` with their gains' resistors, as are pumps."""
    core, element, feed = plan.core, plan.element, plan.feed
    own = plan.feedback_columns
    driven = np.unique(2 * feed.columns + plan.inverted) // 2
    feedback, constant = int((driven < own).sum()), int((driven == plan.bias_column).sum())
    drivers = int((driven < plan.bias_column).sum()) - feedback
    buffers, gains, pumps = feedback + (0 if first else drivers), 0, 0
    if amplified:
        isolated = driven[(driven < own) | (not first) & (driven < plan.bias_column)]
        straight = len(np.unique(isolated))
        inverted = np.unique(feed.columns[plan.inverted])
        inverted = inverted[np.isin(inverted, isolated)]
        pumps = len(np.unique(feed.rows[plan.pumped]))
        buffers, gains = straight + len(inverted), 2 * (straight * (plan.gain > 1.0) + len(inverted) + pumps)
    rails = [rail for rail in element.rails if rail.volts(volts_per_unit, bias) != 0.0]
    copies, chains = len(np.unique(core.copied.rows)), len(np.unique(core.turns.rows))
    counts = {
        "resistors": len(core.resistors.rows)
        + len(core.copied.rows)
        + chains
        + len(feed.rows)
        + int((plan.ground > 0).sum())
        + plan.size * len(element.resistors)
        + gains,
        "diodes": plan.size * len(element.diodes) + (int((plan.own.which != NOTHING).sum()) if plan.own else 0),
        "voltage_sources": constant + (drivers if first else 0) + len(rails) * (plan.size > 0),
        "current_sources": plan.size * len(element.currents),
        "transformers": copies + len(core.turns.rows),
        "gyrators": len(core.gyrators.rows) + (int(plan.own.currents.sum()) if plan.own else 0),
        "amplifiers" if amplified else "buffers": buffers + pumps,
    }
    return {kind: count for kind, count in counts.items() if count}


def cost(parts: Mapping[str, int]) -> float:
    """The sum of unit costs."""
    return sum(UNIT_COSTS.get(kind, OTHER_COST) * count for kind, count in parts.items())


@dataclass(frozen=True)
class StageReport:
    """One stage: what was built and what else could have been.

    ``refused`` says per realization why it does not fit; ``alternatives`` counts the parts of those that would.
    """

    activation: str
    units: int
    realization: str
    refused: Mapping[str, str]
    alternatives: Mapping[str, Mapping[str, int]]
    margin: float
    siemens: float
    gain: float
    row_scale: tuple[float, float]
    conductance_range: tuple[float, float]
    pairs: int
    parts: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As a plain dict; siemens throughout."""
        return {
            "activation": self.activation,
            "units": self.units,
            "realization": self.realization,
            "refused": dict(self.refused),
            "margin_siemens": self.margin,
            "unit_conductance_siemens": self.siemens,
            "gain": self.gain,
            "row_scale": list(self.row_scale),
            "conductance_range_siemens": list(self.conductance_range),
            "paired_weights": self.pairs,
            "parts": dict(self.parts),
            "cost": cost(self.parts),
            "alternatives": {
                name: {"parts": dict(parts), "cost": cost(parts)} for name, parts in self.alternatives.items()
            },
        }


@dataclass(frozen=True)
class Report:
    """A whole compilation."""

    stages: tuple[StageReport, ...]
    choice: Choice
    considered: tuple[Choice, ...]
    highest_volts: float
    input_range: float
    parts: Mapping[str, int]
    distances: tuple[float, ...] | None = None
    amplifiers: Mapping[str, int] = field(default_factory=dict)
    why: str = ""
    swing: tuple[Swing, ...] = ()

    @classmethod
    def of(cls, circuit: Circuit, **rest: Any) -> Self:
        """That of a circuit with its parts counted: what an amplifier has inside are none."""
        counts = {kind: int((~inside(circuit, kind)).sum()) for kind in KINDS if len(circuit.bank(kind))}
        parts = {kind: count for kind, count in counts.items() if count}
        return cls(parts=parts, amplifiers={name: len(each) for name, each in amplifiers(circuit).items()}, **rest)

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        found = {
            **self.choice.to_json(),
            "considered": [choice.to_json() for choice in self.considered],
            "highest_rail_volts": self.highest_volts,
            "input_range": self.input_range,
            "parts": dict(self.parts),
            **({"amplifiers": dict(self.amplifiers)} if self.amplifiers else {}),
            **({"why": self.why} if self.why else {}),
            **({"swing": [each.to_json() for each in self.swing]} if self.swing else {}),
            "cost": cost({**self.parts, "amplifiers": sum(self.amplifiers.values())}),
            "stages": [stage.to_json() for stage in self.stages],
        }
        if self.distances is not None:
            found["nearest_distances"] = list(self.distances)
        return found

    def text(self) -> str:
        """A summary to read."""
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = []
        for k, stage in enumerate(self.stages):
            low, high = stage.conductance_range
            lines.append(
                f"stage {k}: {counted(stage.units, 'unit')}, {stage.activation}, {stage.realization}; "
                f"margin {stage.margin:.4g} S, conductances {low:.3g} … {high:.3g} S, driver gain {stage.gain:.4g}"
            )
            lines.append(f"  {listed(stage.parts)}; cost about {cost(stage.parts):g} resistors")
            if stage.pairs:
                lines.append(f"  below the range, as differences of two resistors: {counted(stage.pairs, 'weight')}")
            lines.extend(f"  not {name}: {why}" for name, why in stage.refused.items())
            lines.extend(
                f"  {name} would take {listed(parts)}; cost about {cost(parts):g}"
                for name, parts in stage.alternatives.items()
            )
            if self.distances is not None and self.distances[k] > 0.0:
                lines.append(f"  nearest passive weights: Frobenius distance {self.distances[k]:.4g} from W{k}")
        chosen = self.choice
        lines.append(
            f"{chosen.volts_per_unit:g} volts per unit, diode {chosen.diode.name}, remedy {chosen.remedy}: "
            f"expected error {chosen.error:.2g} of the largest output ({_others(self.considered)})"
        )
        if self.why:
            lines.append(self.why)
        lines.append(f"highest rail {self.highest_volts:.4g} V for inputs within ±{self.input_range:g}")
        lines.extend(f"stage {k}: {each.sentence()}" for k, each in enumerate(self.swing))
        lines.append(listed(self.parts))
        lines.extend(f"{counted(count, 'amplifier')} {name}" for name, count in self.amplifiers.items())
        return lines


def _others(considered: Sequence[Choice]) -> str:
    return ", ".join(f"{choice.remedy} {choice.error:.2g}" for choice in considered)


def listed(parts: Mapping[str, int]) -> str:
    """Such as "12 resistors, 1 diode"."""
    named = ((KINDS[kind].singular if kind in KINDS else kind.removesuffix("s"), n) for kind, n in parts.items() if n)
    return ", ".join(counted(count, singular) for singular, count in named) or "no parts"
