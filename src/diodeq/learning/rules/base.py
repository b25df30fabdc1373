"""What every learning rule takes and gives."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.errors import InexactRuleWarning, UsageError
from diodeq.learning.losses import Loss
from diodeq.simulators.base import OperatingPoint, Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of the mean loss of a batch.

    ``conductances`` float64[n_trainable], dℓ/dG per siemens, in the order of ``circuit.mask``; ``loss`` the mean
    loss; ``outputs`` float64[B, n_out] in volts; ``others`` maps each other kind that was asked for to the gradient of
    its values, float64[n]; ``point`` is where the circuit was for it, where the rule lets it settle on its own.
    """

    conductances: Floats
    loss: float
    outputs: Floats
    others: Mapping[str, Floats] = field(default_factory=dict)
    point: OperatingPoint | None = None


class Rule(Protocol):
    """A learning rule: a frozen dataclass whose fields are its options, called to find the gradient by operating the
    circuit. Equal arguments give equal gradients: rules that draw at random derive their draws from the arguments.

    ``name`` is its key in ``RULES``; ``finds_others``: whether ``also`` may name anything.
    """

    name: ClassVar[str]
    finds_others: ClassVar[bool]

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient at ``circuit`` for input volts ``drives`` float64[B, n_in].

        ``also`` names further banks with wanted gradients, of kinds that are ``Kind.trainable``.

        Warns:
            InexactRuleWarning: ``inexact`` gives a reason.

        Raises:
            UsageError: ``also`` names what the rule cannot find.
        """
        ...

    def inexact(self, circuit: Circuit) -> str | None:
        """Why what the rule finds on this circuit is not the gradient, one clause; None where it is.

        A rule that nudges counts as exact where it is in the limit of small nudges.
        """
        ...

    def cost(self, circuit: Circuit) -> int:
        """Circuit solves per sample: how often the circuit settles for one gradient, linearized or not."""
        ...


def caution(rule: Rule, circuit: Circuit, also: Sequence[str] = ()) -> None:
    """Warn where the rule is not exact, and refuse what it cannot find."""
    if also and not rule.finds_others:
        raise UsageError(
            f"the rule {rule.name} finds the gradient of conductances only, not of {', '.join(also)}",
            "use hardware-linearization",
        )
    reason = rule.inexact(circuit)
    if reason is not None:
        warnings.warn(f"{rule.name} does not find the gradient here: {reason}", InexactRuleWarning, stacklevel=3)


def positive(name: str, value: float) -> None:
    """Raises ``UsageError`` unless an option is a positive number."""
    if not (np.isfinite(value) and value > 0):
        raise UsageError(f"{name} = {value:g} is not possible", "give a positive number")
