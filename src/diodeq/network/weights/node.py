"""A node of an ONNX graph, and what an operator makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from diodeq.errors import InputError
from diodeq.network.weights.constants import Constants
from diodeq.network.weights.keys import Floats
from diodeq.network.weights.values import EXPORT, NetworkUnits, Value


@dataclass
class GraphNotes:
    """What was read differently from how it stands, gathered by reason."""

    reasons: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, what: str) -> None:
        """Note that ``reason`` holds for ``what``."""
        self.reasons.setdefault(reason, []).append(what)

    def sentences(self) -> tuple[str, ...]:
        """One sentence a reason, naming the first few it holds for."""
        return tuple(
            f"{reason}: {', '.join(what[:5])}" + (f" and {len(what) - 5} more" if len(what) > 5 else "")
            for reason, what in self.reasons.items()
        )


@dataclass(frozen=True, eq=False)
class GraphNode:
    """A node that takes something the network computes; ``where`` names it in a sentence."""

    kind: str
    where: str
    inputs: list[str]
    outputs: int
    attributes: dict[str, Any]
    constants: Constants
    values: dict[str, Value]
    units: NetworkUnits
    notes: GraphNotes
    opset: int

    @property
    def short(self) -> str:
        """What a note calls it."""
        return self.where.removeprefix("its node ")

    def computed(self, place: int) -> bool:
        """Whether the network computes the input at that place."""
        return place < len(self.inputs) and self.inputs[place] in self.values

    def value(self, place: int) -> Value:
        """What the network computes at one place of the inputs."""
        if not self.computed(place):
            raise InputError(f"{self.where} takes what the network computes in another place", EXPORT)
        return self.values[self.inputs[place]]

    def number(self, name: str, default: float) -> float:
        """A finite attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{self.where} has {name} {value!r}", f"give {name} as a finite number")
        return float(value)

    def has(self, place: int) -> bool:
        """Whether there is an input at that place."""
        return place < len(self.inputs) and bool(self.inputs[place])

    def weights(self, place: int) -> Floats:
        """The constant at one place of the inputs, float64."""
        return self.constants.floats(self.named(place))

    def whole(self, place: int, attribute: str) -> list[int] | None:
        """Whole numbers from an input, or in old models from an attribute; None if there are none."""
        if self.has(place):
            value = self.constants.raw(self.named(place))
            if value.dtype.kind not in "iu" or value.ndim > 1 or value.size > 64:
                raise InputError(f"{self.where} takes {self.inputs[place]!r}, not whole numbers", EXPORT)
            return [int(n) for n in value.reshape(-1)]
        return [int(n) for n in self.attributes[attribute]] if attribute in self.attributes else None

    def numbers(self, attribute: str, default: int, count: int) -> tuple[int, ...]:
        """Whole numbers of an attribute, ``count`` times the default where there is none."""
        return tuple(int(n) for n in self.attributes.get(attribute, [default] * count))

    def named(self, place: int) -> str:
        """The name of the constant at one place of the inputs."""
        name = self.inputs[place] if place < len(self.inputs) else ""
        if name not in self.constants:
            raise InputError(f"{self.where} takes {name!r}, which is not a constant", "use constants there")
        return name

    def axis(self, default: int, rank: int) -> int:
        """The attribute ``axis`` among those of a sample, 0 being its first.

        Raises:
            InputError: it is that of the samples, or there is no such axis.
        """
        return sample_axis(self.where, int(self.number("axis", default)), rank)


def sample_axis(where: str, axis: int, rank: int) -> int:
    """An axis of a tensor as one of its samples, which have ``rank`` axes.

    Raises:
        InputError: it is that of the samples, or there is no such axis.
    """
    found = axis + rank + 1 if axis < 0 else axis
    if not 1 <= found <= rank:
        raise InputError(f"{where} acts on axis {axis}, which is not one of a sample", "keep every sample for itself")
    return found - 1


Step = Callable[[GraphNode], Value | list[Value]]
