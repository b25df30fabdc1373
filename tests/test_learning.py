"""Losses, rules, updates, schedules and the trainer, each against something that does not share its code."""

from __future__ import annotations

import itertools
import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from circuits import everything
from diodeq import archives
from diodeq.circuit import Bank, Circuit, bank, products
from diodeq.compiled import available
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError, SimulationError, UsageError
from diodeq.learning import checkpoint, datasets, objective, schedules, snapshots, trainer, updates
from diodeq.learning.encoding import units
from diodeq.learning.losses import LOSSES, cross_entropy, squared_error
from diodeq.learning.metrics import Metrics
from diodeq.learning.parametrization import BLOCK, OTHERS, Parametrization
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import RECIPES, asked, recipe_for
from diodeq.learning.rules import RULES, Gradient
from diodeq.learning.run_folder import opened
from diodeq.synthesis import layered
from oracle import Oracle

DIODE = catalogue.get("1N4148")


def targets_for(name: str, batch: int, classes: int):
    rng = np.random.default_rng(5)
    return rng.integers(classes, size=batch) if name == "cross-entropy" else rng.standard_normal((batch, classes))


# --- losses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_is_its_central_difference(name):
    outputs = np.random.default_rng(1).standard_normal((5, 3))
    loss = LOSSES[name](targets_for(name, 5, 3))
    _, gradient = loss(outputs)
    for i, j in np.ndindex(outputs.shape):
        up, down = outputs.copy(), outputs.copy()
        up[i, j] += 1e-6
        down[i, j] -= 1e-6
        assert gradient[i, j] == pytest.approx((loss(up)[0] - loss(down)[0]) / 2e-6, abs=1e-8)


def test_cross_entropy_knows_beta_and_smoothing():
    outputs = np.array([[0.0, math.log(3.0) / 2.0]])
    value, _ = cross_entropy([1], beta=2.0)(outputs)
    assert value == pytest.approx(-math.log(0.75))
    value, gradient = cross_entropy([1], beta=2.0, smoothing=0.2)(outputs)
    assert value == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))
    assert gradient[0] == pytest.approx([2 * (0.25 - 0.1), 2 * (0.75 - 0.9)])


def test_cross_entropy_is_stable_at_extremes():
    value, gradient = cross_entropy([0, 1])(np.array([[1e4, -1e4], [1e4, -1e4]]))
    assert value == pytest.approx(1e4)
    assert np.isfinite(gradient).all()


def test_squared_error_is_half_the_squared_distance():
    value, gradient = squared_error([[1.0, 0.0]])(np.array([[3.0, 1.0]]))
    assert value == 2.5
    assert gradient.tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize("name", LOSSES)
def test_loss_refuses_a_wrong_number_of_targets(name):
    with pytest.raises(InputError, match="one target per sample"):
        LOSSES[name](targets_for(name, 4, 2))(np.zeros((3, 2)))


# --- rules --------------------------------------------------------------------------------------------------------


def small_circuits() -> dict[str, Circuit]:
    plain = layered((2, 3, 2), DIODE, 3.0, seed=1)
    lateral = layered((2, 3, 2), DIODE, 3.0, seed=2, lateral=True)
    deep = layered((2, 3, 2, 2), DIODE, 5.0, seed=3)
    active = replace(
        plain,
        gyrators=bank("gyrators", [(plain.nodes.index("h1_0"), 0, plain.nodes.index("h1_1"), 0, 3e-5)]),
        transformers=bank("transformers", [(plain.nodes.index("h1_1"), 0, plain.nodes.index("h1_2"), 0, 1.5)]),
    )
    some = replace(plain, trainable=np.arange(len(plain.resistors)) % 3 == 0)
    return {"plain": plain, "lateral": lateral, "deep": deep, "gyrator and transformer": active, "some trainable": some}


def buffered() -> Circuit:
    """Two diode layers with a unilateral buffer of gain 4 between them."""
    plain = layered((2, 3, 2), DIODE, 3.0, seed=4)
    first = len(plain.nodes)
    resistors = plain.resistors
    more = np.array([[first, plain.nodes.index("y0_p")], [first, plain.nodes.index("h1_2")]])
    return replace(
        plain,
        nodes=(*plain.nodes, "copy"),
        resistors=Bank(np.concatenate([resistors.terminals, more]), np.append(resistors.values, [2e-5, 3e-5])),
        buffers=bank("buffers", [(first, 0, plain.nodes.index("h1_0"), 0, 4.0)]),
        trainable=np.ones(len(resistors) + 2, bool),
    )


CIRCUITS = {**small_circuits(), "buffered": buffered()}


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize("loss", LOSSES)
def test_rules_agree(name, loss):
    circuit = CIRCUITS[name]
    drives = 3.0 * np.random.default_rng(0).standard_normal((4, 2))
    bound = LOSSES[loss](targets_for(loss, 4, 2))
    found = {
        rule: RULES[rule](Oracle(), circuit, drives, bound) for rule in ("hardware-linearization", "finite-difference")
    }
    wanted = found.pop("finite-difference")
    scale = np.abs(wanted.conductances).max()
    assert scale > 0
    assert wanted.conductances.shape == (np.count_nonzero(circuit.mask),)
    for rule, gradient in found.items():
        assert np.abs(gradient.conductances - wanted.conductances).max() < 3e-6 * scale, rule
        assert gradient.loss == pytest.approx(wanted.loss, rel=1e-9)
        assert gradient.outputs == pytest.approx(wanted.outputs, abs=1e-9)


def test_branch_products_by_matrix_and_by_gathering_are_the_same(monkeypatch):
    circuit = CIRCUITS["some trainable"]
    rng = np.random.default_rng(3)
    voltages, adjoint = rng.standard_normal((2, 7, len(circuit.nodes)))
    voltages[:, 0] = adjoint[:, :7] = 0.0
    a, b = circuit.resistors.terminals[circuit.mask].T
    wanted = -np.sum((voltages[:, a] - voltages[:, b]) * (adjoint[:, a] - adjoint[:, b]), axis=0)
    assert products.branch_products(circuit, voltages, adjoint) == pytest.approx(wanted, rel=1e-12)
    monkeypatch.setattr(products, "WASTE", 0)
    monkeypatch.setattr(products, "ENTRIES", 20)  # two resistors at a time
    assert products.branch_products(circuit, voltages, adjoint) == pytest.approx(wanted, rel=1e-12)


# --- updates and schedules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", updates.UPDATES)
@pytest.mark.parametrize("space", updates.SPACES)
def test_every_update_descends_and_stays_in_range(name, space):
    """Minimise (log G - log 3e-6)² from several starts, one of them wanting out of the range."""
    technology = Technology(1e-6, 1e-2)
    goal = np.log(np.array([3e-6, 3e-6, 1e-9]))
    parts = [(1, 0, 1e-5), (2, 0, 1e-6), (3, 0, 2e-6), (1, 2, 5.0)]
    circuit = Circuit(("0", "a", "b", "c"), resistors=bank("resistors", parts), trainable=np.array([1, 1, 1, 0], bool))
    knobs = Parametrization(space, technology)
    theta = knobs.read(circuit)
    rate = 0.05 if space == "log-conductance" else 1e-7 if name == "adam" else 1e-13
    rule = updates.UPDATES[name](rate)
    state = rule.start(theta)
    conductances = circuit.conductances[:3]
    before = np.sum((np.log(conductances) - goal) ** 2)
    for _ in range(200):
        gradient = 2 * (np.log(conductances) - goal) / conductances
        circuit, state = knobs.step(circuit, Gradient(gradient, 0.0, np.zeros((1, 1))), rule, theta, state)
        conductances = circuit.conductances[:3]
        assert circuit.conductances[3] == 5.0
        assert np.all((conductances >= 1e-6) & (conductances <= 1e-2))
    assert np.sum((np.log(conductances[:2]) - goal[:2]) ** 2) < 0.2 * before
    assert conductances[2] == pytest.approx(1e-6)


# The gradient as it is.
ALONE = updates.SPACES["conductance"].pull


def test_adam_is_the_published_algorithm():
    rule = updates.adam(0.1)
    theta, state = np.array([1.0, -2.0]), rule.start(np.zeros(2))
    first, second = np.zeros(2), np.zeros(2)
    for t in range(1, 4):
        gradient = theta * t
        before = theta.copy()
        updates.move(rule, ALONE, gradient, theta, state.slots, t - 1, theta, -np.inf, np.inf)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        step = -0.1 * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        assert theta - before == pytest.approx(step, rel=1e-12)


def test_momentum_and_descent_are_what_they_are_called():
    heavy, plain = updates.momentum(0.1, decay=0.5), updates.sgd(0.1, schedules.staircase(1, 0.5))
    theta, slots = np.array([1.0, 1.0, 1.0]), heavy.start(np.zeros(3)).slots
    updates.move(heavy, ALONE, np.array([1.0, 2.0, -9.0]), theta, slots, 0, theta, 0.0, 1.5)
    assert theta == pytest.approx([0.9, 0.8, 1.5])
    updates.move(heavy, ALONE, np.array([1.0, 0.0, 0.0]), theta, slots, 1, theta, 0.0, 1.5)
    assert theta == pytest.approx([0.75, 0.7, 1.5])
    assert plain.start(theta).slots == ()
    assert updates.move(plain, ALONE, np.ones(3), theta, (), 1, theta, 0.0, 1.5)
    assert theta == pytest.approx([0.7, 0.65, 1.45])


@pytest.mark.parametrize("space", updates.SPACES)
@pytest.mark.parametrize("name", updates.UPDATES)
def test_numba_moves_to_the_same_bits(name, space):
    pytest.importorskip("numba")
    assert updates.fastest_move() is not updates.move
    rng = np.random.default_rng(3)
    rule, count = updates.UPDATES[name](0.3, schedules.cosine(5)), 1003
    begin = rng.normal(size=count)
    theta = [begin.copy(), begin.copy()]
    slots = [rule.start(each).slots for each in theta]
    for step in range(4):
        gradient = rng.normal(size=count) * 10.0 ** rng.integers(-9, 3, count)
        gradient = gradient.astype(np.float32 if step % 2 else np.float64)
        asked = rule, updates.SPACES[space].pull, gradient, np.exp(rng.normal(size=count))
        moves = updates.move, updates.fastest_move()
        assert all(move(*asked, slots[k], step, theta[k], -2.0, 2.0) for k, move in enumerate(moves))
        assert np.array_equal(theta[0], theta[1])
        assert all(map(np.array_equal, *slots))


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_move_says_that_a_gradient_is_not_finite(lost):
    pytest.importorskip("numba")
    gradient, values = np.array([1.0, lost, 2.0]), np.ones(3)
    for move in (updates.move, updates.fastest_move()):
        for gradient[1], finite in ((lost, False), (3.0, True)):
            asked = updates.sgd(0.1), updates.SPACES["log-conductance"].pull, gradient, values
            assert move(*asked, (), 0, np.zeros(3), -1.0, 1.0) is finite


def test_a_numba_that_cannot_be_imported_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    caches = available, updates.fastest_move
    for each in caches:
        each.cache_clear()
    assert updates.fastest_move() is updates.move
    for each in caches:
        each.cache_clear()


@pytest.mark.parametrize("name", updates.UPDATES)
def test_parameters_may_be_moved_in_parts(name):
    """Block by block in threads, trained and fixed conductances mixed: the same bits as all at once."""
    rng = np.random.default_rng(3)
    count = 2 * BLOCK + 5
    terminals = np.stack([np.ones(count, int), np.zeros(count, int)], axis=1)
    values = np.exp(rng.normal(size=count) - 11)
    circuit = Circuit(("0", "a"), resistors=Bank(terminals, values), trainable=rng.random(count) < 0.99)
    knobs, rule = Parametrization("log-conductance", Technology()), updates.UPDATES[name](0.05)
    theta = knobs.read(circuit)
    state, whole, slots = rule.start(theta), theta.copy(), rule.start(theta).slots
    for step in range(3):
        gradient = rng.normal(size=len(theta))
        pull, old = updates.SPACES["log-conductance"].pull, circuit.conductances[circuit.mask]
        updates.move(rule, pull, gradient, old, slots, step, whole, float(np.log(1e-7)), float(np.log(1e-2)))
        circuit, state = knobs.step(circuit, Gradient(gradient, 0.0, np.zeros((1, 1))), rule, theta, state)
        assert state.steps == step + 1
        assert np.array_equal(theta, whole)
        assert all(map(np.array_equal, state.slots, slots))
        assert np.array_equal(circuit.conductances, knobs.turn(circuit, theta).conductances)
    assert np.array_equal(circuit.conductances[~circuit.mask], values[~circuit.mask])


def test_a_gradient_that_is_no_number_is_refused():
    circuit = Circuit(("0", "a"), resistors=bank("resistors", [(1, 0, 1e-5)]), trainable=np.ones(1, bool))
    knobs, rule, theta = Parametrization("conductance", Technology()), updates.sgd(1.0), np.ones(1)
    with pytest.raises(SimulationError, match="gradient is not a number"):
        knobs.step(circuit, Gradient(np.array([np.nan]), 0.0, np.zeros((1, 1))), rule, theta, rule.start(theta))


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_schedules_begin_at_one_and_never_rise(name):
    factor = schedules.SCHEDULES[name](90)
    values = [factor(step) for step in range(100)]
    assert values[0] == 1.0
    assert all(a >= b >= 0 for a, b in itertools.pairwise(values))
    ends = {"constant": 1.0, "cosine": 0.0, "step": 0.01, "exponential": 0.01}
    assert values[89] == pytest.approx(ends[name], abs=1e-2)


# --- technology and recipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [{"low": 0.0}, {"low": 1.0}, {"volts": -1.0}, {"supply": 0.0}, {"levels": "1"}])
def test_technology_refuses_nonsense(limits):
    with pytest.raises(UsageError):
        Technology(**limits)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_json(name):
    recipe = recipe_for(name)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_what_is_not_given_follows_what_is():
    usual = recipe_for("digits")
    assert asked(usual, None, {"hidden": None}) == usual
    assert asked(usual, None, {"hidden": (64, 56)}).power == pytest.approx(usual.power * 3)
    assert asked(usual, None, {"hidden": (80,), "power": 1e-3}).power == 1e-3
    taps = asked(usual, (1e-6, 1e-3), {"hidden": (80,)})
    assert (taps.low, taps.high, taps.power) == (1e-6, 1e-3, 0.0)
    assert taps.median == pytest.approx(1e-5)
    assert asked(usual, (1e-6, 1e-3), {"low": 1e-5, "power": 0.1}).power == 0.1
    own = asked(usual, (1e-7, 1e-5), {"low": usual.low})
    assert (own.high, own.median, own.power) == (usual.high, usual.median, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"rate": math.nan},
        {"supply": 0.0},
        {"smoothing": 1.0},
        {"seed": -1},
        {"seed": 2**32},
        {"rule": "magic"},
        {"update": "magic"},
        {"schedule": "magic"},
        {"loss": "magic"},
        {"patience": -1},
    ],
)
def test_recipe_refuses_nonsense(wrong):
    with pytest.raises(UsageError) as caught:
        Recipe(**wrong)
    assert next(iter(wrong)) in str(caught.value)


# --- trainer, with the oracle as its simulator --------------------------------------------------------------------


TINY = Recipe(hidden=(4,), epochs=4, batch_size=64, supply=3.0, noise=0.1)


def tiny(recipe: Recipe):
    data = datasets.load("xor", recipe.seed)
    scaling = units(data.x_train, recipe.encode, recipe.supply, recipe.beta)
    circuit = layered((2, *recipe.hidden, 2), DIODE, recipe.supply, seed=recipe.seed, units=scaling)
    return circuit, data, Oracle(), recipe, Technology()


def run(recipe: Recipe, snapshot=None, samples: int = 300):
    parts = tiny(recipe)
    data = parts[1]
    parts = (parts[0], replace(data, x_train=data.x_train[:samples], y_train=data.y_train[:samples]), *parts[2:])
    begin = snapshot or snapshots.start(parts[0], recipe, parts[-1])
    return [each for each, _ in trainer.train(*parts, begin)], parts


def test_training_learns_and_repeats_bit_for_bit():
    recipe = replace(TINY, epochs=12, hidden=(8,), batch_size=32, noise=0.0)
    parts = tiny(recipe)
    lines = [line for _, line in trainer.train(*parts, snapshots.start(parts[0], recipe, parts[-1]))]
    assert [line.epoch for line in lines] == list(range(1, 13))
    assert lines[-1].loss < 0.5 * lines[0].loss
    assert lines[-1].test > 0.9
    assert lines[-1].samples_per_second > 0
    first, second = run(TINY)[0][-1], run(TINY)[0][-1]
    assert np.array_equal(first.parameters, second.parameters)
    other = run(replace(TINY, seed=1))[0][-1]
    assert not np.array_equal(first.parameters, other.parameters)


@pytest.mark.parametrize("update", updates.UPDATES)
@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_resuming_from_a_checkpoint_changes_no_bit(tmp_path, update, epoch):
    recipe = replace(TINY, update=update, rate=0.02)
    whole, parts = run(recipe)
    begin = snapshots.start(parts[0], recipe, parts[-1])
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, ([begin, *whole])[epoch], {"experiment": 1})
    loaded = checkpoint.load(path, begin)
    assert checkpoint.read_document(path) == {"experiment": 1}
    rest, _ = run(recipe, loaded)
    assert len(rest) == recipe.epochs - epoch
    assert np.array_equal(rest[-1].parameters, whole[-1].parameters)
    assert np.array_equal(rest[-1].best, whole[-1].best)
    assert (rest[-1].best_epoch, rest[-1].best_loss) == (whole[-1].best_epoch, whole[-1].best_loss)


def test_patience_stops_and_keeps_the_epoch_of_lowest_training_loss():
    recipe = replace(TINY, rate=3.0, schedule="constant", epochs=12, patience=2)
    course, _ = run(recipe)
    last = course[-1]
    assert last.epoch < 12
    assert last.epoch - last.best_epoch == 2
    kept = snapshots.chosen(last, recipe)
    assert np.array_equal(kept, course[last.best_epoch - 1].parameters)
    assert np.array_equal(snapshots.chosen(last, replace(recipe, patience=0)), last.parameters)
    assert trainer.finished(last, recipe)
    assert not trainer.finished(last, replace(recipe, patience=0))


def test_only_trainable_conductances_change():
    circuit, data, simulator, recipe, technology = tiny(replace(TINY, epochs=1))
    mask = np.arange(len(circuit.resistors)) % 2 == 0
    circuit = replace(circuit, trainable=mask)
    begin = snapshots.start(circuit, recipe, technology)
    ((after, _),) = trainer.train(circuit, data, simulator, recipe, technology, begin)
    trained = snapshots.parametrization(recipe, technology).turn(circuit, after.parameters).conductances
    assert np.array_equal(trained[~mask], circuit.conductances[~mask])
    assert np.all(trained[mask] != circuit.conductances[mask])


@pytest.mark.parametrize("space", updates.SPACES)
def test_turns_gyration_and_gains_are_knobs_too(space):
    """θ and back changes nothing; a step turns every kind and keeps its sign in log-conductance."""
    circuit = everything()
    knobs = Parametrization(space, Technology(), tuple(OTHERS))
    theta = knobs.read(circuit)
    assert len(theta) == len(circuit.resistors) + 1 + 1 + 2
    same = knobs.turn(circuit, theta)
    moved = knobs.turn(circuit, theta + 1e-3)
    for kind in ("resistors", *OTHERS.values()):
        values = circuit.bank(kind).values
        assert same.bank(kind).values == pytest.approx(values, rel=1e-12)
        assert np.all(moved.bank(kind).values != values)
        if space == "log-conductance":
            assert moved.bank(kind).values == pytest.approx(values * np.exp(1e-3))


@pytest.mark.parametrize("space", updates.SPACES)
def test_every_kind_follows_its_own_gradient(space):
    circuit, rule = everything(), updates.sgd(1e-3)
    knobs = Parametrization(space, Technology(), tuple(OTHERS))
    theta = knobs.read(circuit)
    others = {kind: np.arange(1.0, 1 + len(circuit.bank(kind))) for kind in OTHERS.values()}
    found = Gradient(np.zeros(len(circuit.resistors)), 0.0, np.zeros((1, 1)), others)
    moved, _ = knobs.step(circuit, found, rule, theta, rule.start(theta))
    for kind, gradient in others.items():
        values = circuit.bank(kind).values
        expected = values - 1e-3 * gradient if space == "conductance" else values * np.exp(-1e-3 * gradient * values)
        assert moved.bank(kind).values == pytest.approx(expected, rel=1e-12)
    others["gyrators"][0] = np.nan
    with pytest.raises(SimulationError, match="gradient is not a number"):
        knobs.step(circuit, found, rule, theta, rule.start(theta))


def test_training_by_finite_differences_takes_the_same_way():
    recipe = replace(TINY, epochs=1, hidden=(2,), batch_size=20, update="sgd")
    by_hardware = run(recipe, samples=40)[0][-1]
    by_differences = run(replace(recipe, rule="finite-difference"), samples=40)[0][-1]
    assert by_hardware.parameters == pytest.approx(by_differences.parameters, abs=1e-5)
    still = run(replace(recipe, rate=1e-9), samples=40)[0][-1]
    assert not np.allclose(by_hardware.parameters, still.parameters, atol=1e-4)


def test_a_loss_that_is_not_a_number_is_an_error():
    parts = tiny(TINY)

    class Broken(Oracle):
        def operate(self, circuit, drives):
            point = super().operate(circuit, drives)
            return replace(point, node_voltages=point.node_voltages * np.nan)

    with pytest.raises(SimulationError, match="not a number"), np.errstate(invalid="ignore"):
        next(trainer.train(parts[0], parts[1], Broken(), *parts[3:], snapshots.start(parts[0], TINY, parts[-1])))


def test_circuit_must_fit_the_data():
    circuit, data, *_ = tiny(TINY)
    iris = datasets.load("iris")
    with pytest.raises(InputError, match="2 inputs but iris has 4 features"):
        objective.fits(circuit, iris)
    with pytest.raises(InputError, match="3 outputs but xor has 2 classes"):
        objective.fits(layered((2, 2, 3), DIODE, 1.0), data)
    with pytest.raises(InputError, match="no trainable resistor"):
        snapshots.start(replace(circuit, trainable=None), TINY, Technology())


def test_a_checkpoint_of_another_update_is_refused(tmp_path):
    circuit, *_ = tiny(TINY)
    begin = snapshots.start(circuit, TINY, Technology())
    checkpoint.save(tmp_path / "checkpoint.npz", begin, {})
    for other in (replace(TINY, update="sgd"), replace(TINY, update="momentum")):
        with pytest.raises(InputError, match="another circuit or update"):
            checkpoint.load(tmp_path / "checkpoint.npz", snapshots.start(circuit, other, Technology()))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 cut short"])
def test_damaged_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        checkpoint.read_document(path)
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoint.read_document(tmp_path / "none.npz")


def test_a_cut_checkpoint_is_refused(tmp_path):
    circuit, *_ = tiny(TINY)
    path = tmp_path / "checkpoint.npz"
    begin = snapshots.start(circuit, TINY, Technology())
    checkpoint.save(path, begin, {})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        checkpoint.load(path, begin)


def test_metrics_are_rewound_to_the_checkpoint(tmp_path):
    with opened(tmp_path / "run") as folder:
        for epoch in (1, 2, 3):
            folder.append(Metrics(epoch, 1.0, 0.5, 0.5, 10.0, float(epoch)))
        with folder.file("metrics.jsonl").open("a") as file:
            file.write('{"epoch": 4, "lo')
        folder.rewind(2)
        assert [line["epoch"] for line in folder.metrics()] == [1, 2]
        assert folder.file("metrics.jsonl").read_text().endswith("}\n")


def test_a_run_folder_belongs_to_one_process_at_a_time(tmp_path):
    with (
        opened(tmp_path / "run"),
        pytest.raises(InputError, match="another diodeq process"),
        opened(tmp_path / "run", "resume"),
    ):
        pass
    with opened(tmp_path / "run", "resume"):
        pass


def test_overwriting_removes_a_runs_files_and_nothing_else(tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="already exists"), opened(tmp_path):
        pass
    with opened(tmp_path, "overwrite"):
        assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_killed_writer_left_behind_is_swept_away(tmp_path):
    (tmp_path / ".checkpoint.npz.x1y2").write_text("half")
    (tmp_path / ".mine").write_text("keep")
    with opened(tmp_path, "resume"):
        assert [each.name for each in tmp_path.iterdir()] == [".mine"]


def test_a_checkpoint_of_an_altered_document_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    begin = snapshots.start(tiny(TINY)[0], TINY, Technology())
    checkpoint.save(path, begin, {"experiment": 1})
    found = archives.read(path)
    header = json.loads(found["header"].tobytes())
    for altered in ({"document": {"experiment": 2}}, {"digest": "0" * 64}):
        text = json.dumps({**header, **altered}).encode()
        np.savez(path, **{**found, "header": np.frombuffer(text, np.uint8)})
        for read in (checkpoint.read_document, lambda path: checkpoint.load(path, begin)):
            with pytest.raises(InputError, match="not a readable checkpoint"):
                read(path)
