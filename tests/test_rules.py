"""Every learning rule on every circuit in both engines: exact where it says so, visibly wrong where it does not."""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from circuits import CIRCUITS, DRIVES
from diodeq.circuit import Circuit, bank
from diodeq.circuit.inputs import Inputs
from diodeq.circuit.nudges import with_clamps, with_nudges
from diodeq.devices import catalogue
from diodeq.devices.diode.law import law
from diodeq.errors import InexactRuleWarning, UsageError
from diodeq.learning.audit import SWEPT, Agreement, audit, sweep
from diodeq.learning.gradcheck import thinned
from diodeq.learning.losses import cross_entropy, half_mean_square, squared_error
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import RULES, named, written
from diodeq.learning.rules.nudges import nonreciprocal, output_conductance
from diodeq.learning.solves import Counted
from diodeq.simulators import create
from oracle import Oracle

# The nudged rules as small as both engines resolve, so that what is left is what the rule itself gets wrong.
SPECS = {
    "equilibrium-propagation": "equilibrium-propagation:beta=0.001",
    "frequency-propagation": "frequency-propagation:gamma=0.001",
}
DIODES = ("1N4148", "ideal")


@pytest.fixture(scope="module")
def wave():
    with create("wave") as engine:
        yield engine


@pytest.fixture(params=["wave", "ngspice"])
def engine(request):
    return request.getfixturevalue(request.param)


def loss_of(circuit):
    return cross_entropy(np.arange(len(DRIVES)) % len(circuit.outputs), 2.0)


@functools.cache
def small(name: str, diode: str) -> Circuit:
    return thinned(CIRCUITS[name](diode), 12)


@functools.cache
def by_differences(name: str, diode: str):
    """By the wave engine, whose operating points are the most exact."""
    with create("wave") as engine:
        circuit = small(name, diode)
        return RULES["finite-difference"](engine, circuit, DRIVES, loss_of(circuit)).conductances


def quiet(rule, *arguments, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InexactRuleWarning)
        return rule(*arguments, **more)


def test_every_rule_is_registered_under_its_name():
    for name, rule in RULES.items():
        assert rule.name == name
        assert type(rule).__doc__
        assert rule.__class__() == rule == named(name)


@pytest.mark.parametrize("diode", DIODES)
@pytest.mark.parametrize("circuit", CIRCUITS)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_exact_where_it_says_so_and_nowhere_else(engine, name, circuit, diode):
    rule, part = named(SPECS.get(name, name)), small(circuit, diode)
    counted = Counted(engine)
    if rule.inexact(part) is None:
        found = rule(counted, part, DRIVES, loss_of(part))  # a warning would be an error
    else:
        with pytest.warns(InexactRuleWarning, match=name):
            found = rule(counted, part, DRIVES, loss_of(part))
    assert counted.solves == rule.cost(part) * len(DRIVES)
    assert found.conductances.shape == (np.count_nonzero(part.mask),)
    agreement = Agreement.of(found.conductances, by_differences(circuit, diode))
    if rule.inexact(part) is None:
        # The catalogue's ideal diode is only nearly a switch.
        assert agreement.largest_error < (1e-4 if name == "frozen-switch" else 1e-6)
    else:
        assert agreement.largest_error > 1e-4
    free = engine.operate(part, DRIVES).outputs
    close = 1e-3 if name == "perturbation" else 1e-8
    assert found.outputs == pytest.approx(free, abs=close)
    assert found.loss == pytest.approx(loss_of(part)(free)[0], rel=1e-3 if name == "perturbation" else 1e-6)


@pytest.mark.parametrize("share", [0.95, 1.05])
@pytest.mark.parametrize("between", [False, True])
def test_a_switch_closes_where_its_diode_conducts_as_well_as_what_surrounds_it(between, share):
    """By hand: x - G1 - p - diode - q - G2 - ground, read at q; or the diode from q to ground and G2 left out."""
    model, g1, g2 = catalogue.get("1N4148"), 1e-3, 3e-3
    diode = law(model)
    around = g1 * g2 / (g1 + g2) if between else g1

    def excess(v):
        return float(diode.current(v + 1e-6) - diode.current(v - 1e-6)) / 2e-6 - share * around

    v = brentq(excess, 0.1, 0.9, xtol=1e-14)
    i = float(diode.current(v))
    q = i / g2 if between else v
    x = (q + v if between else v) + i / g1
    resistors = [(1, 2, g1), (3, 0, g2)] if between else [(1, 2, g1)]
    circuit = Circuit(
        ("0", "x", "p", "q") if between else ("0", "x", "q"),
        resistors=bank("resistors", resistors),
        diodes=bank("diodes", [(2, 3, 0) if between else (2, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(model,),
        inputs=Inputs(np.array([0]), np.array([0]), np.array([1.0]), ("x",)),
        outputs=np.array([[3 if between else 2, 0]], np.int32),
        trainable=np.ones(len(resistors), bool),
    )
    found = quiet(RULES["frozen-switch"], Oracle(), circuit, np.array([[x]]), lambda out: (0.0, np.ones_like(out)))
    assert found.outputs[0, 0] == pytest.approx(q, abs=1e-9)
    if between:
        # Open: one ampere into q leaves through G2 alone; short: through both.
        wanted = [0.0, -q / g2] if share < 1 else [i / g1 / (g1 + g2), -q / (g1 + g2)]
    else:
        wanted = [(x - v) / g1] if share < 1 else [0.0]
    assert found.conductances == pytest.approx(wanted, abs=1e-5 * q / g2)


def slope(sizes, errors):
    return np.polyfit(np.log10(sizes), np.log10(errors), 1)[0]


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")  # of coupled learning
@pytest.mark.parametrize("circuit", ["layered", "lateral", "transformer"])
def test_on_reciprocal_circuits_the_error_falls_with_the_nudge(wave, circuit):
    part = CIRCUITS[circuit]()
    sizes = np.logspace(-2.0, -0.5, 7)
    curves = sweep(wave, part, DRIVES, half_mean_square, sizes)
    assert slope(sizes, curves["equilibrium propagation, one-sided"]) == pytest.approx(1.0, abs=0.1)
    assert slope(sizes, curves["equilibrium propagation, centered"]) == pytest.approx(2.0, abs=0.1)
    assert slope(sizes, curves["frequency propagation"]) == pytest.approx(2.0, abs=0.1)
    tiny = sweep(wave, part, DRIVES, half_mean_square, np.array([3e-4]))
    assert tiny["equilibrium propagation, centered"][0] < 1e-9  # what the solver leaves


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
@pytest.mark.parametrize("circuit", ["gyrator", "buffered", "everything"])
def test_elsewhere_no_nudge_is_small_enough_but_hardware_linearization_stays_exact(wave, circuit):
    part = CIRCUITS[circuit]()
    curves = sweep(wave, part, DRIVES, half_mean_square, np.logspace(-4.0, 0.0, 5))
    assert set(curves) == set(SWEPT)
    for errors in curves.values():
        assert min(errors) > 0.1
    checked = audit(wave, part, DRIVES, half_mean_square, ["finite-difference"], limit=30)[0]
    assert checked.overall.largest_error <= 1e-6


# --- what the rules are ---------------------------------------------------------------------------------------------


def test_frequency_propagation_of_two_samples_is_centered_equilibrium_propagation(wave):
    part = CIRCUITS["lateral"]()
    heard = named("frequency-propagation:gamma=0.1:samples=2")(wave, part, DRIVES, loss_of(part))
    nudged = named(f"equilibrium-propagation:beta={0.1 / math.sqrt(2)!r}")(wave, part, DRIVES, loss_of(part))
    assert heard.conductances == pytest.approx(nudged.conductances, rel=1e-9, abs=1e-12 * abs(heard.conductances).max())


def test_a_nudge_moves_an_output_by_about_beta(wave):
    part = CIRCUITS["layered"]()
    nudged = with_nudges(part)
    still = np.zeros((len(DRIVES), 2))
    one = still + np.array([1e-3 * output_conductance(part), 0.0])
    free, moved = (wave.operate(nudged, np.hstack([DRIVES, currents])) for currents in (still, one))
    assert free.node_voltages == pytest.approx(wave.operate(part, DRIVES).node_voltages, abs=1e-11)
    by = (moved.outputs - free.outputs)[:, 0]
    assert np.all((by > 0.2e-3) & (by < 5e-3))


def test_clamps_hold_the_difference_of_an_output_and_nothing_else(engine):
    part = CIRCUITS["everything"]()  # with a current source that is driven too
    wanted = np.random.default_rng(0).normal(size=(len(DRIVES), len(part.outputs)))
    free = engine.operate(part, DRIVES)
    clamped = engine.operate(with_clamps(part), np.hstack([DRIVES, wanted]))
    assert clamped.outputs == pytest.approx(wanted, abs=1e-8)
    moved = clamped.node_voltages - free.node_voltages
    assert np.abs(moved[:, part.outputs[0]]).min() > 1e-3  # both nodes of a pair give way
    again = engine.operate(with_clamps(part), np.hstack([DRIVES, free.outputs]))
    assert again.node_voltages == pytest.approx(free.node_voltages, abs=1e-7)


def single_output():
    part = CIRCUITS["layered"]()
    return replace(part, outputs=part.outputs[:1], output_names=())


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
def test_coupled_learning_with_one_output_goes_along_the_gradient(wave):
    part, rule = single_output(), named("coupled-learning:eta=0.0001")
    for drive in DRIVES:
        found, exact = (
            each(wave, part, drive[None], squared_error([[0.3]])) for each in (rule, RULES["hardware-linearization"])
        )
        assert Agreement.of(found.conductances, exact.conductances).cosine > 1 - 1e-8
    both = CIRCUITS["layered"]()
    found, exact = (
        each(wave, both, DRIVES[:1], squared_error([[0.3, -0.2]])) for each in (rule, RULES["hardware-linearization"])
    )
    assert Agreement.of(found.conductances, exact.conductances).cosine < 0.999


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
def test_contrastive_learning_is_coupled_learning_all_the_way(wave):
    part = CIRCUITS["lateral"]()
    all_the_way = named("coupled-learning:eta=1")(wave, part, DRIVES, loss_of(part))
    assert (
        RULES["contrastive"](wave, part, DRIVES, loss_of(part)).conductances.tolist()
        == all_the_way.conductances.tolist()
    )


def linear() -> Circuit:
    """Two driven nodes, two inner ones, two outputs; resistors only."""
    rows = [(1, 3, 1e-4), (1, 4, 2e-4), (2, 3, 3e-4), (2, 4, 1e-4), (3, 5, 2e-4), (4, 5, 1e-4), (4, 6, 3e-4)]
    rows += [(3, 4, 5e-5), (5, 0, 1e-4), (6, 0, 2e-4)]
    return Circuit(
        nodes=("0", "x0", "x1", "a", "b", "y0", "y1"),
        resistors=bank("resistors", rows),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, 0.0)]),
        inputs=Inputs(np.arange(2), np.arange(2), np.ones(2), ("x0", "x1")),
        outputs=np.array([[5, 0], [6, 0]]),
        trainable=np.ones(len(rows), bool),
    )


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
def test_in_a_linear_network_contrastive_learning_is_the_gradient_of_a_difference_of_powers(wave):
    circuit, drive, target = linear(), np.array([[1.0, -0.5]]), np.array([[0.4, 0.1]])
    scale = output_conductance(circuit)

    def difference(conductances):
        turned = circuit.with_conductances(conductances)
        volts = [wave.operate(turned, drive), wave.operate(with_clamps(turned), np.hstack([drive, target]))]
        ends = circuit.resistors.terminals
        free, clamped = (
            0.5 * conductances @ (at.node_voltages[0, ends[:, 0]] - at.node_voltages[0, ends[:, 1]]) ** 2
            for at in volts
        )
        return clamped - free

    g = circuit.conductances
    wanted = [(difference(g + h) - difference(g - h)) / 2e-8 for h in 1e-8 * np.eye(len(g))]
    found = RULES["contrastive"](wave, circuit, drive, squared_error(target))
    assert found.conductances * scale == pytest.approx(wanted, rel=1e-5, abs=1e-8)
    # Steps along it end where the outputs are at their targets.
    for _ in range(60):
        pull = RULES["contrastive"](wave, circuit, drive, squared_error(target)).conductances
        circuit = circuit.with_conductances(np.clip(circuit.conductances - 2e-9 * pull / scale * 1e-4, 1e-6, 1e-2))
    assert RULES["contrastive"](wave, circuit, drive, squared_error(target)).loss < found.loss


@pytest.mark.filterwarnings("ignore::diodeq.errors.InexactRuleWarning")
def test_perturbation_is_right_on_average_and_repeats(wave):
    part = thinned(CIRCUITS["gyrator"](), 8)
    loss = loss_of(part)
    exact = RULES["hardware-linearization"](wave, part, DRIVES, loss, also=("gyrators",))
    errors = []
    for samples in (30, 300):
        found = named(f"perturbation:samples={samples}")(wave, part, DRIVES, loss, also=("gyrators",))
        # In log-conductance, where all directions are as noisy as each other.
        relative = part.conductances[part.mask]
        errors.append(np.linalg.norm((found.conductances - exact.conductances) * relative))
        assert found.others["gyrators"].shape == (2,)
    assert errors[1] < 0.6 * errors[0]
    assert Agreement.of(found.conductances * relative, exact.conductances * relative).cosine > 0.9

    def draw(spec, circuit):
        return named(spec)(wave, circuit, DRIVES, loss).conductances.tolist()

    assert draw("perturbation", part) == draw("perturbation", part)
    assert draw("perturbation", part) != draw("perturbation:seed=1", part)
    moved = part.with_conductances(part.conductances * (1 + 1e-9))
    directions = [np.sign(draw("perturbation:step=0.01", each)) for each in (part, moved)]
    assert abs(directions[0] @ directions[1]) < len(directions[0])  # other conductances, another direction


# --- names, options, refusals ---------------------------------------------------------------------------------------


def test_options_are_read_from_the_name_and_written_back():
    assert written(RULES["equilibrium-propagation"]) == "equilibrium-propagation:beta=0.01:centered=yes"
    for rule in (*RULES.values(), named("frequency-propagation:gamma=1e-07:samples=5")):
        assert named(written(rule)) == rule
    assert named("equilibrium-propagation:beta=0.5:centered=no") == type(RULES["equilibrium-propagation"])(0.5, False)
    assert named("perturbation:samples=3:seed=7").cost(CIRCUITS["layered"]()) == 6
    assert named("frequency-propagation:samples=6").cost(CIRCUITS["layered"]()) == 7


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("magic", "no rule 'magic'"),
        ("", "no rule ''"),
        ("contrastive:beta=1", "no option 'beta'; it has none"),
        ("coupled-learning:beta=1", "it has eta=0.01"),
        ("coupled-learning:eta=1:eta=1", "gives eta twice"),
        ("coupled-learning:eta", "eta= of the rule coupled-learning cannot be read"),
        ("coupled-learning:eta=2", "above 0 and at most 1"),
        ("coupled-learning:eta=nan", "above 0 and at most 1"),
        ("equilibrium-propagation:beta=-1", "positive"),
        ("equilibrium-propagation:beta=inf", "positive"),
        ("equilibrium-propagation:centered=2", "cannot be read"),
        ("equilibrium-propagation:name=x", "no option 'name'"),
        ("frequency-propagation:samples=1", "at least 2"),
        ("frequency-propagation:gamma=0", "positive"),
        ("perturbation:samples=0", "at least 1"),
        ("perturbation:samples=1.5", "cannot be read"),
        ("perturbation:seed=-1", "0 or more"),
        ("finite-difference:step=0", "positive"),
    ],
)
def test_nonsense_is_refused_in_words(spec, words):
    with pytest.raises(UsageError, match=words):
        named(spec)
    with pytest.raises(UsageError, match=words):
        Recipe(rule=spec)


def test_rules_that_find_conductances_only_say_so(wave):
    part = CIRCUITS["transformer"]()
    for name, rule in RULES.items():
        if rule.finds_others:
            assert quiet(rule, wave, thinned(part, 2), DRIVES, loss_of(part), also=("transformers",)).others[
                "transformers"
            ].shape == (2,)
            continue
        with pytest.raises(UsageError, match="conductances only"):
            rule(wave, part, DRIVES, loss_of(part), also=("transformers",))
        with pytest.raises(UsageError, match="cannot train turns"):
            Recipe(rule=name, also=("turns",))


def test_what_is_not_reciprocal_is_named():
    assert nonreciprocal(CIRCUITS["transformer"]()) is None
    assert "gyrators and buffers and mirrors" in nonreciprocal(CIRCUITS["everything"]())


def test_the_output_conductance_ignores_nodes_nothing_resistive_holds():
    part = linear()
    held = {"y0": 2e-4 + 1e-4 + 1e-4, "y1": 3e-4 + 2e-4}
    assert output_conductance(part) == pytest.approx(np.mean(list(held.values())))
    across = replace(part, outputs=np.array([[5, 6]]), output_names=())
    assert output_conductance(across) == pytest.approx(1 / (1 / held["y0"] + 1 / held["y1"]))
