"""What a learning rule finds on a circuit against the exact gradient, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.errors import CircuitError, NotRealizableError, SimulationError
from diodeq.learning.gradcheck import thinned
from diodeq.learning.losses import Loss
from diodeq.learning.rules import RULES, gradient_of, named
from diodeq.learning.solves import Counted
from diodeq.simulators import create
from diodeq.simulators.base import Counting, Simulator

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# What is swept over the size of its nudge: a label, and the rule with "{}" in place of the size.
SWEPT: dict[str, str] = {
    "equilibrium propagation, one-sided": "equilibrium-propagation:centered=no:beta={}",
    "equilibrium propagation, centered": "equilibrium-propagation:beta={}",
    "frequency propagation": "frequency-propagation:gamma={}",
    "coupled learning": "coupled-learning:eta={}",
}


@dataclass(frozen=True)
class Agreement:
    """Of a gradient with the exact one over some conductances.

    ``cosine`` of the angle, ``norm_ratio`` of the lengths and ``largest_error`` as a part of the largest exact entry;
    NaN where the exact gradient is zero.
    """

    cosine: float
    norm_ratio: float
    largest_error: float

    @staticmethod
    def of(gradient: Floats, exact: Floats) -> Agreement:
        """Of two gradients float64[n]."""
        length, wanted = float(np.linalg.norm(gradient)), float(np.linalg.norm(exact))
        if wanted == 0.0:
            return Agreement(np.nan, np.nan, np.nan)
        cosine = float(gradient @ exact) / (length * wanted) if length else 0.0
        return Agreement(cosine, length / wanted, float(np.max(np.abs(gradient - exact)) / np.max(np.abs(exact))))


@dataclass(frozen=True)
class Audited:
    """A rule on a circuit.

    ``inexact`` is the rule's own reason why not to expect the gradient, ``solves`` counts circuit solves for all
    samples, ``seconds`` is wall time, ``checked`` how many conductances were compared. ``layers`` maps a group of
    resistors to its agreement. ``failed`` says why the rule could not be run; the rest is then missing.
    """

    rule: str
    inexact: str | None
    solves: int = 0
    seconds: float = 0.0
    checked: int = 0
    overall: Agreement | None = None
    layers: Mapping[str, Agreement] | None = None
    failed: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dict; what is NaN becomes None."""
        document: dict[str, Any] = _without_nan(asdict(self))
        return document


def audit(
    simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, rules: Sequence[str], limit: int = 200
) -> list[Audited]:
    """Each rule, written as ``rules.named`` reads it, against hardware linearization; on a bench against that of the
    circuit as it should be, in wave.

    Args:
        drives: float64[B, n_in] volts.
        limit: finite differences check at most this many conductances, evenly spread.

    Raises:
        InputError: the circuit has no trainable resistor.
        UsageError: a rule or option that does not exist.
    """
    found = [(spec, named(spec)) for spec in rules]
    few = thinned(circuit, limit)
    exact = np.zeros(len(circuit.resistors))
    reference = create("wave") if isinstance(simulator, Counting) else simulator
    exact[circuit.mask] = RULES["hardware-linearization"](reference, circuit, drives, loss).conductances
    rows = []
    for spec, rule in found:
        part = few if rule.name == "finite-difference" else circuit
        counted, began = Counted(simulator), time.perf_counter()
        try:
            gradient = gradient_of(rule, counted, part, drives, loss).conductances
        except (CircuitError, NotRealizableError, SimulationError) as error:
            # Such as outputs that a source holds already and no clamp can move, or more volts than a bench has.
            rows.append(Audited(spec, rule.inexact(circuit), failed=error.problem))
            continue
        seconds = time.perf_counter() - began
        whole = np.zeros(len(circuit.resistors))
        whole[part.mask] = gradient
        layers = {label: Agreement.of(whole[own], exact[own]) for label, own in _layers(part) if own.any()}
        overall = Agreement.of(gradient, exact[part.mask])
        rows.append(Audited(spec, rule.inexact(circuit), counted.solves, seconds, len(gradient), overall, layers))
    return rows


def sweep(
    simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, sizes: Floats
) -> dict[str, list[float | None]]:
    """The largest error of every rule of ``SWEPT`` for nudges of all ``sizes``; None where it cannot be run."""
    found: dict[str, list[float | None]] = {}
    for label, spec in SWEPT.items():
        rows = audit(simulator, circuit, drives, loss, [spec.format(repr(float(size))) for size in sizes])
        found[label] = [row.overall.largest_error if row.overall else None for row in rows]
    return found


def _layers(circuit: Circuit) -> list[tuple[str, Bools]]:
    """The groups of resistors and which resistors are trainable ones of each, bool[n_resistors]."""
    found, start = [], 0
    for label, count in circuit.resistors.groups or (("resistors", len(circuit.resistors)),):
        own = np.zeros(len(circuit.resistors), bool)
        own[start : start + count] = circuit.mask[start : start + count]
        found.append((label, own))
        start += count
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
