"""The trainer's bookkeeping, with engines and rules that only write down what they are asked: the order of samples,
which epoch was best, that an evaluation leaves no sample out, and how a gradient becomes a step of every knob."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from circuits import everything
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.learning import objective, snapshots, trainer, updates
from diodeq.learning.datasets import Dataset
from diodeq.learning.parametrization import OTHERS, Parametrization
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import Gradient
from diodeq.synthesis.layered import layered

CIRCUIT = layered((1, 2, 2), catalogue.get("1N4148"), volts=1.0)
TRAIN, HELD_OUT = 11, 9
RECIPE = Recipe(hidden=(2,), epochs=4, batch_size=4, update="sgd", rate=0.1, schedule="constant")


def numbered() -> Dataset:
    """Samples whose one feature is their number: those that are learned from 0, the held-out ones from 100."""
    x = np.append(np.arange(TRAIN), 100 + np.arange(HELD_OUT))[:, None].astype(float)
    y = x[:, 0].astype(int) % 2
    return Dataset("numbers", x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:], ("even", "odd"))


class Echo:
    """An engine whose outputs are right: (0, 1) for a sample of an odd number, (1, 0) for an even one."""

    name = "echo"

    def __init__(self) -> None:
        self.asked: list[list[float]] = []

    def operate(self, circuit, drives):
        self.asked.append(drives[:, 0].tolist())
        odd = np.round(drives[:, 0]) % 2
        return SimpleNamespace(outputs=np.stack([1 - odd, odd], axis=1))


class Scripted:
    """A rule that finds the losses it is told to, one a batch, and a gradient of ones."""

    name = "scripted"

    def __init__(self, losses) -> None:
        self.losses, self.batches = list(losses), []

    def cost(self, circuit):
        return 2

    def __call__(self, simulator, circuit, drives, loss, *, also=()):
        self.batches.append(drives[:, 0].astype(int).tolist())
        return Gradient(1e-3 / circuit.conductances, self.losses.pop(0), simulator.operate(circuit, drives).outputs)


def trained(monkeypatch, recipe=RECIPE, losses=None, begin=None):
    """(snapshots and metrics by epoch, the batches that were learned from)."""
    rule = Scripted(losses if losses is not None else [1.0] * 100)
    monkeypatch.setattr(trainer, "named", lambda name: rule)
    begin = begin or snapshots.start(CIRCUIT, recipe, Technology())
    found = list(trainer.train(CIRCUIT, numbered(), Echo(), recipe, Technology(), begin))
    return found, rule.batches


def orders(batches):
    """The order of each epoch, of its three batches."""
    assert [len(batch) for batch in batches] == [4, 4, 3] * (len(batches) // 3)
    return [[*chain(*batches[at : at + 3])] for at in range(0, len(batches), 3)]


def test_every_epoch_has_every_sample_once_in_an_order_of_its_own(monkeypatch):
    found = orders(trained(monkeypatch)[1])
    assert len(found) == RECIPE.epochs
    assert all(sorted(order) == list(range(TRAIN)) for order in found)
    assert len({tuple(order) for order in found}) == RECIPE.epochs
    assert list(range(TRAIN)) not in found


def test_the_order_derives_from_seed_and_epoch_alone(monkeypatch):
    snapshots, batches = trained(monkeypatch)
    found = orders(batches)
    assert orders(trained(monkeypatch)[1]) == found
    other = orders(trained(monkeypatch, replace(RECIPE, seed=RECIPE.seed + 1))[1])
    assert all(mine != theirs for mine, theirs in zip(found, other, strict=True))
    # Going on after the second epoch: the third's order, not the first's again.
    assert orders(trained(monkeypatch, begin=snapshots[1][0])[1]) == found[2:]
    # Runs of earlier versions are repeated, too.
    pinned = [np.random.default_rng([RECIPE.seed, 1, epoch]).permutation(TRAIN).tolist() for epoch in (1, 2, 3, 4)]
    assert found == pinned


def test_an_epochs_loss_weighs_samples_and_the_best_one_is_kept(monkeypatch):
    """Batches of 4, 4 and 3: a mean over samples, not over batches. The first of equals is the best."""
    losses = [5.0, 5.0, 5.0, *(1.0, 1.0, 4.0), *(1.8, 1.8, 1.9), *(4.0, 1.0, 4.0 / 3.0)]
    found, _ = trained(monkeypatch, losses=losses)
    means = [5.0, 20 / 11, (8 * 1.8 + 3 * 1.9) / 11, 24 / 11]
    assert [metrics.loss for _, metrics in found] == pytest.approx(means)
    course = [snapshot for snapshot, _ in found]
    assert [snapshot.best_epoch for snapshot in course] == [1, 2, 2, 2]
    assert [snapshot.best_loss for snapshot in course] == pytest.approx([means[0], *[means[1]] * 3])
    for snapshot in course[1:]:
        assert np.array_equal(snapshot.best, course[1].parameters)
        assert snapshot.epoch == 2 or not np.array_equal(snapshot.best, snapshot.parameters)
    last = course[-1]
    assert snapshots.chosen(last, replace(RECIPE, patience=3)) is last.best
    assert snapshots.chosen(last, RECIPE) is last.parameters
    equal, _ = trained(monkeypatch, losses=[2.0] * 12)
    assert [snapshot.best_epoch for snapshot, _ in equal] == [1, 1, 1, 1]


def test_patience_counts_epochs_without_a_better_loss(monkeypatch):
    losses = np.repeat([5.0, 2.0, 3.0, 2.0, 1.0, 0.5], 3)
    found, _ = trained(monkeypatch, replace(RECIPE, epochs=6, patience=2), losses)
    assert [metrics.epoch for _, metrics in found] == [1, 2, 3, 4]
    found, _ = trained(monkeypatch, replace(RECIPE, epochs=6, patience=3), losses)
    assert [metrics.epoch for _, metrics in found] == [1, 2, 3, 4, 5, 6]
    assert found[-1][0].best_epoch == 6


@pytest.mark.parametrize("samples", [1, 3, 4, 5, 8, 9])
def test_evaluation_in_blocks_has_every_sample_once(monkeypatch, samples):
    """Blocks of four, full and not: each sample's output once, in order."""
    monkeypatch.setattr("diodeq.simulators.base.AT_ONCE", 4)
    engine, x = Echo(), np.arange(samples, dtype=float)[:, None]
    found = objective.outputs(engine, CIRCUIT, x)
    assert np.array_equal(found, np.stack([1 - x[:, 0] % 2, x[:, 0] % 2], axis=1))
    assert [*chain(*engine.asked)] == x[:, 0].tolist()
    assert max(map(len, engine.asked)) <= 4
    # One wrong decision, wherever it is, costs its share.
    for wrong in range(samples):
        labels = (np.arange(samples) + (np.arange(samples) == wrong)) % 2
        assert objective.score(engine, CIRCUIT, x, labels) == pytest.approx(1 - 1 / samples)


def test_both_accuracies_are_of_all_their_samples(monkeypatch):
    data = numbered()
    wrong = replace(data, y_train=1 - data.y_train, y_test=1 - data.y_test)
    for each, share in ((data, 1.0), (wrong, 0.0)):
        monkeypatch.setattr(trainer, "named", lambda name: Scripted([1.0] * 3))
        begin = snapshots.start(CIRCUIT, RECIPE, Technology())
        _, metrics = next(trainer.train(CIRCUIT, each, Echo(), RECIPE, Technology(), begin))
        assert (metrics.train, metrics.test) == (share, share)


@pytest.mark.parametrize("space", updates.SPACES)
def test_a_step_follows_the_gradient_of_every_knob_in_its_space(space):
    """Plain descent: v ← v·exp(-rate·v·dℓ/dv) for a logarithm, v ← v - rate·dℓ/dv else; signs stay, and so does 0."""
    circuit = everything()
    gains = np.array([1.5, 0.0])
    circuit = circuit.with_values("buffers", gains)
    rate = 1e-3 if space == "log-conductance" else 1e-9
    knobs = Parametrization(space, Technology(1e-9, 1.0), tuple(OTHERS))
    random = np.random.default_rng(3)
    slopes = {kind: random.normal(size=len(circuit.bank(kind))) for kind in ("resistors", *OTHERS.values())}
    if space == "log-conductance":  # of the size that moves a value by some per cent
        for kind, slope in slopes.items():
            slope /= np.where(circuit.bank(kind).values == 0, 1.0, np.abs(circuit.bank(kind).values)) / 30.0
    others = {kind: slopes[kind] for kind in OTHERS.values()}
    theta, update = knobs.read(circuit), updates.UPDATES["sgd"](rate)
    before = theta.copy()
    found = Gradient(slopes["resistors"], 1.0, np.zeros((1, 1)), others)
    after, _ = knobs.step(circuit, found, update, theta, update.start(theta))
    assert not np.array_equal(theta, before)
    for kind, slope in slopes.items():
        old = circuit.bank(kind).values
        moved = old * np.exp(-rate * old * slope) if space == "log-conductance" else old - rate * slope
        assert after.bank(kind).values == pytest.approx(moved, rel=1e-12), kind
        assert np.all(np.abs(after.bank(kind).values - old)[old != 0] > 0)
    # θ stands for the very circuit that the step gave.
    again = knobs.turn(circuit, theta)
    for kind in slopes:
        assert again.bank(kind).values == pytest.approx(after.bank(kind).values, rel=1e-12)
