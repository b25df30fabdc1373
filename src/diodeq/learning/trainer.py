"""Minibatch training: a generator of epochs, each a new snapshot; the circuit is asked only through a simulator."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import SimulationError, UsageError
from diodeq.learning.boards import on_board
from diodeq.learning.datasets import Dataset
from diodeq.learning.metrics import Metrics
from diodeq.learning.objective import bind, demand, fits, labels_of, score
from diodeq.learning.parametrization import Parametrization
from diodeq.learning.power import Steering, contributions
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import gradient_of, named
from diodeq.learning.snapshots import Partial, Snapshot, parametrization, remaining, update_of
from diodeq.learning.solves import cost as cost_of
from diodeq.learning.solves import settled
from diodeq.learning.tasks import TASKS
from diodeq.learning.updates import State
from diodeq.measures import scored
from diodeq.simulators.base import Simulator
from diodeq.synthesis.pruning import kept

Floats = NDArray[np.float64]

Span = tuple[float, float]

PRUNED: Span = (0.2, 0.7)
"""Between these parts of the epochs a circuit that begins from nothing is pruned, …"""
SCORED = 1024
"""… by what resistors do in so many samples."""


OnBatch = Callable[[int, int, float], None]
OnStep = Callable[[Snapshot], None]


def train(
    circuit: Circuit,
    data: Dataset,
    simulator: Simulator,
    recipe: Recipe,
    technology: Technology,
    snapshot: Snapshot,
    on_batch: OnBatch | None = None,
    span: Span = PRUNED,
    on_step: OnStep | None = None,
) -> Iterator[tuple[Snapshot, Metrics]]:
    """Train from ``snapshot`` to the recipe's last epoch; one new snapshot and its metrics per epoch. ``circuit`` is
    the one that training began with, whatever was pruned since; it is pruned within ``span`` of the epochs.

    ``on_batch(epoch, samples, mean loss so far)`` is called after every batch, and ``on_step(snapshot)`` after every
    one but an epoch's last.

    Raises:
        InputError: the circuit does not fit the data.
        SimulationError: the simulator failed, or the loss is no longer a number.
    """
    fits(circuit, data)
    demand(recipe, data)
    measure = TASKS[data.task].measure
    drives, labels = circuit.scaling.to_volts(data.x_train), labels_of(circuit, data.y_train)
    each = settled(simulator, circuit)
    steps = steps_in_all(circuit, recipe, len(drives), each)
    update, rule, turned = update_of(recipe, steps), named(recipe.rule), parametrization(recipe, technology)
    cost = cost_of(rule, circuit, each)
    per_epoch = math.ceil(len(drives) / recipe.batch_size)
    epochs = math.ceil(steps / per_epoch)  # a budget may allow fewer
    left = remaining(circuit, snapshot.stays)
    first, last = _pruning(epochs, span)
    while not finished(snapshot, recipe, span) and snapshot.epoch * per_epoch < steps:
        began = time.perf_counter()
        epoch = snapshot.epoch + 1
        random = np.random.default_rng([recipe.seed, 1, epoch])
        order = random.permutation(len(drives))
        before = snapshot.partial
        if before is not None:
            random.bit_generator.state = before.random
        elif (recipe.parts or recipe.fan_in) and first <= snapshot.epoch <= last:
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
        total, seen = (before.loss, [before.outputs]) if before is not None else (0.0, [])
        order = order[: (steps - snapshot.epoch * per_epoch) * recipe.batch_size]
        for at in range(before.done if before is not None else 0, len(order), recipe.batch_size):
            batch = order[at : at + recipe.batch_size]
            volts = drives[batch]
            if recipe.noise:
                volts = volts + recipe.noise * recipe.supply * random.standard_normal(volts.shape)
                limit = circuit.scaling.limit
                np.clip(volts, -limit, limit, out=volts)
            asked = (simulator, now, volts, bind(recipe, circuit, labels[batch]))
            if recipe.robust:
                found = on_board(rule, technology, random, *asked, turned.kinds)
            else:
                found = gradient_of(rule, *asked, turned.kinds)
            if not math.isfinite(found.loss):
                raise SimulationError(f"the loss of epoch {epoch} is not a number", "lower the rate or the volts")
            found, trim = steering.joined(found, now, volts)
            if trim < 1.0:
                parameters = turned.scaled(now, parameters, trim)
            now, state = turned.step(now, found, update, parameters, state)
            total += found.loss * len(batch)
            seen.append(found.outputs)
            if on_batch is not None:
                on_batch(epoch, at + len(batch), total / (at + len(batch)))
            if on_step is not None and at + len(batch) < len(order):
                spent, generator = time.perf_counter() - began, dict(random.bit_generator.state)
                on_step(
                    replace(
                        snapshot,
                        parameters=parameters.copy(),  # updates write into them
                        state=state.copy(),
                        weight=steering.weight,
                        seconds=snapshot.seconds + spent,
                        learning_seconds=snapshot.learning_seconds + spent,
                        partial=Partial(at + len(batch), total, np.concatenate(seen), generator),
                    )
                )
        learning = time.perf_counter() - began
        test = score(simulator, now, data.x_test, data.y_test)
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
            partial=None,
        )
        yield (
            snapshot,
            Metrics(
                epoch,
                loss,
                scored(np.concatenate(seen), labels[order]),
                test,
                len(order) / learning,
                snapshot.seconds,
                (snapshot.epoch - 1) * len(drives) * cost + len(order) * cost,
                measure,
            ),
        )


def steps_in_all(circuit: Circuit, recipe: Recipe, samples: int, each: tuple[int, int] = (1, 1)) -> int:
    """How many updates the recipe's epochs and budget allow, where samples are ``solves.settled`` so often at ``each``.

    Raises:
        UsageError: not one.
    """
    per_epoch = math.ceil(samples / recipe.batch_size)
    if not recipe.budget:
        return recipe.epochs * per_epoch
    cost = cost_of(named(recipe.rule), circuit, each)
    step = cost * min(recipe.batch_size, samples)
    if step > recipe.budget:
        raise UsageError(
            f"one step of {recipe.rule} takes {step} circuit solves, more than the budget of {recipe.budget}",
            "give a larger budget or a smaller batch size",
        )
    # Whole epochs first: the last batch of one may be smaller than the others.
    whole, rest = divmod(recipe.budget, cost * samples)
    return min(recipe.epochs * per_epoch, whole * per_epoch + rest // step)


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
    before: Circuit,
    snapshot: Snapshot,
    turned: Parametrization,
    simulator: Simulator,
    drives: Floats,
    parts: int,
    fan_in: int,
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
