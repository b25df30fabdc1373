"""A circuit made of other or of fewer resistors, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from diodeq.analysis.quantization import Cost, best_scaled, cost, drawn_drives
from diodeq.api.things import demand_circuit
from diodeq.api.units import labels_in, volts_of
from diodeq.circuit import Circuit
from diodeq.circuit.feasibility import Feasibility
from diodeq.circuit.survey import Survey
from diodeq.devices.hardware.ladder import Ladder, ladder, own_range
from diodeq.errors import InputError
from diodeq.learning import prune as pruning
from diodeq.learning.datasets import Dataset
from diodeq.learning.metrics import Metrics
from diodeq.learning.objective import fits, labels_of
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import suited
from diodeq.learning.trainer import SCORED, OnBatch
from diodeq.pool import TIME_LIMIT
from diodeq.printable import counted
from diodeq.simulators import computing, create
from diodeq.synthesis.quantize import Quantized, quantize

RATE = 0.05
"""Between that of a circuit learned anew and that of one which is only tuned: what is pruned has to be made up for."""


@dataclass(frozen=True, eq=False)
class Changed:
    """The changed ``circuit``, how far its outputs move and what they decide (``cost``), what it asks of parts and
    supplies (``feasibility``), and the ``version`` of the engine that says so."""

    circuit: Circuit
    cost: Cost
    feasibility: Feasibility
    version: str


@dataclass(frozen=True, eq=False)
class Exchanged(Changed):
    """One whose resistors were ``quantized``."""

    quantized: Quantized


def quantize_at_cost(
    circuit: Circuit,
    values: str | Ladder,
    *,
    scale: float | str = 1.0,
    inputs: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    units: str = "network",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Exchanged:
    """The circuit with every resistor replaced by the nearest of some values, and what that costs.

    Args:
        circuit: with resistors.
        values: as of `quantize`, such as ``"E24"``.
        scale: multiplies all conductances first; ``"auto"`` takes the best.
        inputs: float64[B, n_in] to measure the cost with; drawn at random unless given.
        labels: class numbers int[B] or quantities float64[B, n_out].
        units: of inputs and quantities.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.

    Raises:
        UsageError: there are no such values.
        InputError: the circuit has no resistors, or labels do not fit.

    Example:
        >>> import diodeq
        >>> changed = diodeq.quantize_at_cost(diodeq.layered((2, 3, 1)), "E24")
        >>> bool(0 < changed.cost.relative < 0.1), len(changed.quantized.ladder.name)
        (True, 3)
    """
    demand_circuit(circuit)
    if not len(circuit.resistors):
        raise InputError(f"circuit {circuit.title!r} has no resistors", "there is nothing to quantize")
    rungs = ladder(values) if isinstance(values, str) else values
    drives = drawn_drives(circuit) if inputs is None else volts_of(circuit, inputs, units)
    clipped = 0 if inputs is None or units != "network" else circuit.scaling.clipped(np.atleast_2d(inputs))
    known = labels_in(circuit, labels, units)
    with computing(simulator, workers, time_limit) as engine:
        if scale == "auto":
            quantized = best_scaled(engine, circuit, rungs, drives)
        else:
            quantized = quantize(circuit, rungs, float(scale))
        survey = Survey(quantized.circuit, made_of=rungs.single)
        moved = cost(engine, circuit, quantized.circuit, drives, known, survey)
        return Exchanged(quantized.circuit, moved, survey.feasibility(clipped), engine.version, quantized)


def prune_at_cost(
    circuit: Circuit,
    parts: int = 0,
    *,
    fan_in: int = 0,
    data: Dataset | None = None,
    recipe: Recipe | None = None,
    epochs: int | None = None,
    rule: str | None = None,
    seed: int | None = None,
    series: str = "",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    on_batch: OnBatch | None = None,
    on_epoch: Callable[[Metrics], None] | None = None,
) -> Changed:
    """The circuit of fewer resistors, which learns on while it is pruned where there are data, and what that costs.

    Without data samples are drawn at random, as wide as the circuit's constant sources, and nothing is trained. A
    circuit that has no more resistors than are allowed stays the same object.

    Args:
        circuit: with resistors and outputs.
        parts: at most so many resistors stay; 0: any number.
        fan_in: at most so many from each node towards the inputs; 0: any number.
        data: to learn on with; its held-out samples measure the cost.
        recipe: the data's own; by their size unless given.
        epochs: passes through the samples; 0 trains nothing.
        rule: the learning rule.
        seed: of the order.
        series: the only values that resistors may have, such as ``"E24"``.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.
        on_batch, on_epoch: called while it learns, as of the trainer.

    Raises:
        NotRealizableError: so few cannot hold every node.
        InputError: there are no resistors or outputs, or the data do not fit.

    Example:
        >>> import diodeq
        >>> changed = diodeq.prune_at_cost(diodeq.layered((4, 10, 3)), 60)
        >>> len(changed.circuit.resistors), bool(changed.cost.relative > 0)
        (60, True)
    """
    demand_circuit(circuit)
    before = pruning.open_to_pruning(circuit)
    stays = not pruning.has_more(before, parts, fan_in)
    drives = scored = drawn_drives(before) if data is None else np.zeros((0, len(before.inputs)))
    labels, clipped = None, 0
    if data is not None:
        fits(before, data)
        scored, drives = (before.scaling.to_volts(x) for x in (data.x_train[:SCORED], data.x_test))
        labels, clipped = labels_of(before, data.y_test), before.scaling.clipped(data.x_test)
    with create(simulator, workers, time_limit) as engine:
        if stays:
            after = circuit
        elif data is None or epochs == 0:
            after = pruning.pruned(before, engine, scored, parts, fan_in)
        else:
            given = {"parts": parts or None, "fan_in": fan_in or None, "epochs": epochs, "rule": rule, "seed": seed}
            asked = _pruning(recipe or suited(data), before, series).with_given(**given)
            after = pruning.trained(before, data, engine, asked, on_batch, on_epoch)
        single = ladder(series, *Recipe().range_with(after.conductances)).single if series else None
        survey = Survey(after, made_of=single)
        moved = cost(engine, before, after, drives, labels, survey)
        version = engine.version
    if not stays:
        note = f"pruned from {counted(len(before.resistors), 'resistor')} to {len(after.resistors):,}"
        after = replace(after, notes=(*after.notes, note))
    return Changed(after, moved, survey.feasibility(clipped), version)


def _pruning(usual: Recipe, circuit: Circuit, series: str) -> Recipe:
    """The data's own recipe for a circuit that exists: its own logits a volt, and neither noise nor power to steer to,
    which are of the supply that the data's own circuit would have."""
    low, high = (own_range(series) if series else None) or (None, None)
    return usual.with_given(low=low, high=high).with_given(
        quantize=series, rate=RATE, beta=circuit.scaling.output_scale, noise=0.0, power=0.0, power_weight=0.0
    )
