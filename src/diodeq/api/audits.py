"""Learning rules against the exact gradient, and that against two other ways to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.api.units import labels_in, volts_of
from diodeq.circuit import Circuit
from diodeq.learning.audit import Audited, sweep
from diodeq.learning.audit import audit as audited
from diodeq.learning.gradcheck import check_gradient
from diodeq.learning.losses import usual
from diodeq.learning.rules import RULES
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import computing, create
from diodeq.simulators.ngspice import NgspiceReference


@dataclass(frozen=True, eq=False)
class Audit:
    """What each rule finds: ``rules`` one by one; ``curves`` the largest error of those that nudge, over the sizes of
    their nudges, None where one cannot be run."""

    rules: tuple[Audited, ...]
    curves: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def audit(
    circuit: Circuit,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    rules: Sequence[str] = (),
    limit: int = 200,
    sizes: ArrayLike = (),
    units: str = "network",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Audit:
    """Compare what learning rules find on a circuit with its exact gradient, per layer and over all.

    The loss is half the mean squared output voltage, or with ``labels`` the cross-entropy of the outputs, of a
    regression the squared error. On a bench the exact gradient is that of the circuit as it should be.

    Args:
        circuit: with trainable resistors.
        inputs: float64[B, n_in].
        labels: class numbers int[B] or quantities float64[B, n_out].
        rules: with their options; all unless given.
        limit: conductances that finite differences check, evenly spread.
        sizes: of nudges, float64[k], for the curves.
        units: of inputs and quantities.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.

    Raises:
        InputError: the circuit has no trainable resistor, or labels do not fit.
        UsageError: a rule or option that there is not.

    Example:
        >>> import diodeq
        >>> only = ["hardware-linearization", "equilibrium-propagation"]
        >>> found = diodeq.audit(diodeq.layered((2, 3, 2)), [[1.0, -1.0]], [0], rules=only)
        >>> [rule.solves for rule in found.rules], round(found.rules[0].overall.cosine, 6)
        ([2, 3], 1.0)
    """
    drives = volts_of(circuit, inputs, units)
    loss = usual(labels_in(circuit, labels, units), circuit.scaling.output_scale)
    swept = np.asarray(sizes, np.float64)
    with create(simulator, workers, time_limit) as engine:
        rows = audited(engine, circuit, drives, loss, tuple(rules) or tuple(RULES), limit)
        return Audit(tuple(rows), sweep(engine, circuit, drives, loss, swept) if swept.size else {})


def gradcheck(
    circuit: Circuit,
    inputs: ArrayLike,
    *,
    limit: int = 200,
    units: str = "network",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> dict[str, Any]:
    """How far hardware linearization is off ngspice's own small-signal analysis (``ac``) and finite differences
    (``finite_difference``), relative to the largest entry; the loss is half the mean squared output voltage.

    ``inputs`` are float64[B, n_in] in ``units``; at most ``limit`` conductances are checked, evenly spread.

    Raises:
        InputError: the circuit has no trainable resistor, or inputs do not fit.

    Example:
        >>> import diodeq
        >>> found = diodeq.gradcheck(diodeq.layered((2, 3, 1)), [[1.0, -1.0]])
        >>> found["ac"]["max_relative_error"] < 1e-5
        True
    """
    drives = volts_of(circuit, inputs, units)
    with computing(simulator, workers, time_limit) as engine, NgspiceReference(workers, time_limit) as reference:
        return check_gradient(engine, reference, circuit, drives, limit)
