"""Minibatch training: a generator of epochs, each a new snapshot; the circuit is asked only through a simulator."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, check
from diodeq.circuit.bank import Bools
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError, SimulationError, UsageError
from diodeq.learning.boards import on_board
from diodeq.learning.datasets import Dataset
from diodeq.learning.knobs import Knobs
from diodeq.learning.losses import LOSSES, Loss
from diodeq.learning.power import FIRST_WEIGHT, Steering, contributions
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import named
from diodeq.learning.schedules import SCHEDULES
from diodeq.learning.updates import UPDATES, State, Update
from diodeq.printable import counted
from diodeq.simulators.base import Simulator, batches
from diodeq.synthesis.pruning import kept, without
from diodeq.tables import plain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Span = tuple[float, float]

PRUNED: Span = (0.2, 0.7)
"""Between these parts of the epochs a circuit that begins from nothing is pruned, …"""
SCORED = 1024
"""… by what resistors do in so many samples."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that training needs to go on after ``epoch`` epochs: with the recipe it determines every later bit.

    ``parameters`` float64[n_trainable] are θ of the recipe's space, ``state`` the update's. ``best`` are the parameters
    at the end of the epoch with the lowest training loss so far, ``best_epoch`` and ``best_loss`` say which. The random
    order of each epoch derives from seed and epoch, so no generator state is needed. ``stays`` bool[n_resistors] are
    the resistors of the circuit that training began with which were not pruned, and ``weight`` what a watt adds to the
    loss. ``seconds`` is wall time so far, ``learning_seconds`` the part of it in forward, gradient and update.
    """

    epoch: int
    parameters: Floats
    state: State
    best: Floats
    stays: Bools
    weight: float = 0.0
    best_epoch: int = 0
    best_loss: float = math.inf
    seconds: float = 0.0
    learning_seconds: float = 0.0


@dataclass(frozen=True)
class Metrics:
    """One line of ``metrics.jsonl``.

    ``loss`` and ``train_accuracy`` are means over the epoch's batches as they were learned; ``test_accuracy`` is
    measured on the held-out samples after the epoch; ``seconds`` is wall time since the start of training and
    ``solves`` the circuit solves of it, evaluation excluded.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    samples_per_second: float
    seconds: float
    solves: int = 0


OnBatch = Callable[[int, int, float], None]


def start(circuit: Circuit, recipe: Recipe, technology: Technology) -> Snapshot:
    """The snapshot before the first epoch, at the circuit's own conductances."""
    if not circuit.mask.any():
        raise InputError(f"circuit {circuit.title!r} has no trainable resistor", "mark some as trainable")
    turned = knobs(recipe, technology)
    for name, kind in zip(recipe.also, turned.kinds, strict=True):
        if not len(circuit.bank(kind)):
            raise UsageError(
                f"circuit {circuit.title!r} has no {kind}, whose {name} --also trains", f"leave {name} out"
            )
    parameters = turned.read(circuit)
    weight = recipe.power_weight or (FIRST_WEIGHT / recipe.power if recipe.power else 0.0)
    stays = np.ones(len(circuit.resistors), bool)
    return Snapshot(0, parameters, _update(recipe, 1).start(parameters), parameters, stays, weight)


def knobs(recipe: Recipe, technology: Technology) -> Knobs:
    """What the recipe turns."""
    return Knobs(recipe.space, technology, recipe.also)


def train(
    circuit: Circuit,
    data: Dataset,
    simulator: Simulator,
    recipe: Recipe,
    technology: Technology,
    snapshot: Snapshot,
    on_batch: OnBatch | None = None,
    span: Span = PRUNED,
) -> Iterator[tuple[Snapshot, Metrics]]:
    """Train from ``snapshot`` to the recipe's last epoch; one new snapshot and its metrics per epoch. ``circuit`` is
    the one that training began with, whatever was pruned since; it is pruned within ``span`` of the epochs.

    ``on_batch(epoch, samples, mean loss so far)`` is called after every batch.

    Raises:
        InputError: the circuit does not fit the data.
        SimulationError: the simulator failed, or the loss is no longer a number.
    """
    fits(circuit, data)
    drives = circuit.scaling.to_volts(data.x_train)
    steps = steps_in_all(circuit, recipe, len(drives))
    update, rule, turned = _update(recipe, steps), named(recipe.rule), knobs(recipe, technology)
    cost = rule.cost(circuit)
    per_epoch = math.ceil(len(drives) / recipe.batch_size)
    epochs = math.ceil(steps / per_epoch)  # a budget may allow fewer
    left = remaining(circuit, snapshot.stays)
    first, last = _pruning(epochs, span)
    while not finished(snapshot, recipe, span) and snapshot.epoch * per_epoch < steps:
        began = time.perf_counter()
        epoch = snapshot.epoch + 1
        random = np.random.default_rng([recipe.seed, 1, epoch])
        order = random.permutation(len(drives))
        if (recipe.parts or recipe.fan_in) and first <= snapshot.epoch <= last:
            goal = _goal(recipe.parts, len(circuit.resistors), (snapshot.epoch - first + 1) / (last - first + 1))
            drawn = drives[order[:SCORED]]
            snapshot, left = _pruned(left, snapshot, turned, simulator, drawn, goal, recipe.fan_in)
        parameters, state = snapshot.parameters.copy(), snapshot.state.copy()
        now = turned.turn(left, parameters)
        # What is pruned later may take its power until then; what has learned nothing yet says nothing of the end.
        scale = math.sqrt(max(1.0, len(left.resistors) / recipe.parts)) if recipe.parts else 1.0
        steers = recipe.power and snapshot.epoch >= PRUNED[0] * epochs
        steering = Steering(
            simulator, snapshot.weight, recipe.power * scale if steers else 0.0, steps, trims=snapshot.epoch >= last
        )
        total, right = 0.0, 0
        order = order[: (steps - snapshot.epoch * per_epoch) * recipe.batch_size]
        for at in range(0, len(order), recipe.batch_size):
            batch = order[at : at + recipe.batch_size]
            volts = drives[batch]
            if recipe.noise:
                volts = volts + recipe.noise * recipe.supply * random.standard_normal(volts.shape)
                limit = circuit.scaling.limit
                np.clip(volts, -limit, limit, out=volts)
            labels = data.y_train[batch]
            asked = (simulator, now, volts, bind(recipe, circuit, labels))
            if recipe.robust:
                found = on_board(rule, technology, random, *asked, turned.kinds)
            else:
                found = rule(*asked, also=turned.kinds)
            if not math.isfinite(found.loss):
                raise SimulationError(f"the loss of epoch {epoch} is not a number", "lower the rate or the volts")
            found, trim = steering.joined(found, now, volts)
            if trim < 1.0:
                parameters = turned.scaled(now, parameters, trim)
            now, state = turned.step(now, found, update, parameters, state)
            total += found.loss * len(batch)
            right += int(np.sum(found.outputs.argmax(axis=1) == labels))
            if on_batch is not None:
                on_batch(epoch, at + len(batch), total / (at + len(batch)))
        learning = time.perf_counter() - began
        test_accuracy = accuracy(simulator, now, data.x_test, data.y_test)
        loss = total / len(order)
        better = loss < snapshot.best_loss
        snapshot = replace(
            snapshot,
            epoch=epoch,
            parameters=parameters,
            state=state,
            weight=steering.weight,
            best=parameters if better else snapshot.best,
            best_epoch=epoch if better else snapshot.best_epoch,
            best_loss=loss if better else snapshot.best_loss,
            seconds=snapshot.seconds + time.perf_counter() - began,
            learning_seconds=snapshot.learning_seconds + learning,
        )
        yield (
            snapshot,
            Metrics(
                epoch,
                loss,
                right / len(order),
                test_accuracy,
                len(order) / learning,
                snapshot.seconds,
                (snapshot.epoch - 1) * len(drives) * cost + len(order) * cost,
            ),
        )


def steps_in_all(circuit: Circuit, recipe: Recipe, samples: int) -> int:
    """How many updates the recipe's epochs and budget allow.

    Raises:
        UsageError: not one.
    """
    per_epoch = math.ceil(samples / recipe.batch_size)
    if not recipe.budget:
        return recipe.epochs * per_epoch
    cost = named(recipe.rule).cost(circuit)
    step = cost * min(recipe.batch_size, samples)
    if step > recipe.budget:
        raise UsageError(
            f"one step of {recipe.rule} takes {step} circuit solves, more than the budget of {recipe.budget}",
            "give a larger budget or a smaller batch size",
        )
    # Whole epochs first: the last batch of one may be smaller than the others.
    whole, rest = divmod(recipe.budget, cost * samples)
    return min(recipe.epochs * per_epoch, whole * per_epoch + rest // step)


def remaining(circuit: Circuit, stays: Bools) -> Circuit:
    """What pruning left of the circuit that training began with."""
    return circuit if stays.all() else without(circuit, stays)


def result(circuit: Circuit, snapshot: Snapshot, recipe: Recipe, technology: Technology) -> Circuit:
    """The circuit that training leaves of the one that it began with."""
    left = remaining(circuit, snapshot.stays)
    return check(knobs(recipe, technology).turn(left, chosen(snapshot, recipe)))


def _pruning(epochs: int, span: Span) -> tuple[int, int]:
    """After how many epochs pruning begins and ends: one epoch at least follows."""
    last = min(math.floor(span[1] * epochs), epochs - 1)
    return min(math.ceil(span[0] * epochs), last), last


def _goal(parts: int, whole: int, done: float) -> int:
    """To how many of the ``whole`` resistors (``parts`` at last; 0: all) the circuit is pruned when so much of the
    pruning is ``done``. The number falls by equal factors."""
    parts = min(parts or whole, whole)
    return parts if done == 1.0 else math.ceil(whole * math.pow(parts / whole, done))


def _pruned(
    before: Circuit, snapshot: Snapshot, turned: Knobs, simulator: Simulator, drives: Floats, parts: int, fan_in: int
) -> tuple[Snapshot, Circuit]:
    """The snapshot and what is left ``before`` with at most so many resistors, as they contribute over ``drives``."""
    now = turned.turn(before, snapshot.parameters)
    chosen = kept(now, contributions(simulator, now, drives), parts, fan_in)
    stays = snapshot.stays.copy()
    stays[np.flatnonzero(stays)] = chosen
    left = remaining(before, chosen)
    knob = np.concatenate([chosen[before.mask], np.ones(len(snapshot.parameters) - int(before.mask.sum()), bool)])
    parameters = snapshot.parameters[knob]
    state = State(snapshot.state.steps, tuple(slot[knob] for slot in snapshot.state.slots))
    # Earlier epochs were those of another circuit.
    return replace(snapshot, parameters=parameters, state=state, best=parameters, best_loss=math.inf, stays=stays), left


def finished(snapshot: Snapshot, recipe: Recipe, span: Span = PRUNED) -> bool:
    """Whether the last epoch is done, or patience has run out."""
    pruned = _pruning(recipe.epochs, span)[1] if recipe.parts or recipe.fan_in else 0
    waited = snapshot.epoch - max(snapshot.best_epoch, pruned)
    return snapshot.epoch >= recipe.epochs or 0 < recipe.patience <= waited


def chosen(snapshot: Snapshot, recipe: Recipe) -> Floats:
    """The parameters to keep: of the last epoch, or with patience of the epoch of lowest training loss.

    Held-out samples never choose: their accuracy would not be held out any more.
    """
    return snapshot.best if recipe.patience else snapshot.parameters


def bind(recipe: Recipe, circuit: Circuit, labels: Ints) -> Loss:
    """The recipe's loss of output volts for these labels; ``output_scale`` of the circuit turns volts into logits."""
    beta = circuit.scaling.output_scale
    if recipe.loss == "cross-entropy":
        return LOSSES["cross-entropy"](labels, beta, recipe.smoothing)
    # One logit for the class and none for the others.
    return LOSSES[recipe.loss](np.eye(len(circuit.outputs))[labels] / beta)


def outputs(simulator: Simulator, circuit: Circuit, x: Floats) -> Floats:
    """Output volts float64[n, n_out] for samples in the user's units."""
    drives = circuit.scaling.to_volts(x)
    return np.concatenate([point.outputs for point in batches(simulator, circuit, drives)])


def accuracy(simulator: Simulator, circuit: Circuit, x: Floats, y: Ints) -> float:
    """The share of samples whose highest output is that of their class."""
    return float(np.mean(outputs(simulator, circuit, x).argmax(axis=1) == y))


def fits(circuit: Circuit, data: Dataset) -> None:
    """Raises ``InputError`` unless the circuit has an input per feature, in this order, and an output per class."""
    features, classes = data.x_train.shape[1], len(data.classes)
    if len(circuit.inputs) != features:
        raise InputError(
            f"the circuit has {counted(len(circuit.inputs), 'input')} but {data.name} has"
            f" {counted(features, 'feature')}",
            "use a circuit made for this data",
        )
    if len(circuit.outputs) != classes:
        raise InputError(
            f"the circuit has {counted(len(circuit.outputs), 'output')} but {data.name} has {classes} classes",
            "use a circuit made for this data, or import it again with an --output for each class",
        )
    called = tuple(plain(name) for name in data.classes)
    if called != circuit.output_names and {*called} == {*circuit.output_names}:
        raise InputError(
            f"the circuit has its outputs in the order {', '.join(circuit.output_names)} but {data.name} its classes in"
            f" the order {', '.join(called)}",
            "put the outputs in the order of the classes",
        )
    names = circuit.inputs.names
    if data.features and data.features != names and {*data.features} == {*names}:
        at = next(at for at, name in enumerate(names) if name != data.features[at])
        raise InputError(
            f"{data.name} has its column {data.features[at]} where the circuit has its input {names[at]}",
            f"put the columns in the order {', '.join(names[:10])}{' …' if len(names) > 10 else ''}",
        )


def _update(recipe: Recipe, steps: int) -> Update:
    make: Any = UPDATES[recipe.update]
    result: Update = make(recipe.rate, SCHEDULES[recipe.schedule](steps))
    return result
