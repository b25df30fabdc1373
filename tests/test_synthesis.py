"""The compiler: every realization computes its network, refuses with numbers, and can be differentiated."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest
import rich_click as click
from click.testing import CliRunner

from diodeq.circuit import Circuit, check
from diodeq.cli.compile import compile_command
from diodeq.devices import catalogue
from diodeq.devices.elements import tanh_generator
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.induced import induced
from diodeq.devices.one_ports import one
from diodeq.errors import InputError, NotRealizableError, UsageError
from diodeq.learning.gradcheck import check_gradient
from diodeq.network import ACTIVATIONS, Activation, Network, Stage
from diodeq.network.certificate import weakest_direction
from diodeq.network.solve import solve
from diodeq.network.weights import load, save
from diodeq.synthesis import REALIZATIONS, compile_network
from diodeq.synthesis.nearest import ROOM, nearest_passive, nearest_passive_network
from diodeq.synthesis.passive import symmetrizing_scale
from diodeq.synthesis.remedy import REMEDIES
from oracle import Oracle

# DIODEQ_RANDOM_NETWORKS=300 for the full claim.
COUNT = int(os.environ.get("DIODEQ_RANDOM_NETWORKS", "24"))
KINDS = ("feed-forward", "passive", "symmetric", "general")
RELU, IDENTITY = Activation("relu"), Activation("identity")


def weights(rng, n, kind, margin=0.3):
    """W of a kind, None for feed-forward; the margin is positive."""
    if kind == "feed-forward":
        return None
    if kind == "passive":
        off = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.5), 1) / n
        return off + off.T + np.diag(rng.uniform(-0.3, 0.2, n))
    A, P = rng.normal(size=(2, n, n)) / np.sqrt(n)
    return (1 - margin) * np.eye(n) - A.T @ A + (P - P.T if kind == "general" else 0.0)


def stage(rng, n, n_in, kind="general", activation=RELU):
    U = rng.normal(size=(n, n_in)) / np.sqrt(max(n_in, 1))
    return Stage(U=U, b=0.3 * rng.normal(size=n), W=weights(rng, n, kind), activation=activation)


def network(seed, largest=40, kinds=None, read_out=True):
    """A random cascade of one to four stages of the given kinds (mixed by default)."""
    rng = np.random.default_rng(seed)
    kinds = kinds or [KINDS[k] for k in rng.integers(0, len(KINDS), rng.integers(1, 5))]
    n_in = into = int(rng.integers(1, 8))
    stages = []
    for kind in kinds:
        size = int(rng.integers(1, largest + 1))
        stages.append(stage(rng, size, into, kind))
        into = size
    if read_out:
        stages.append(stage(rng, 3, into, "feed-forward", IDENTITY))
    return Network(tuple(stages)), rng.uniform(-1, 1, (6, n_in))


def simulate(engine, circuit, x):
    return circuit.scaling.from_volts(engine.operate(circuit, circuit.scaling.to_volts(x)).outputs)


def deviation(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


def applies(net, realization):
    """Whether a realization can build all stages, judged from the matrices alone."""
    for each in net.stages:
        H = each.H
        off = H - np.diag(np.diag(H))
        if realization == "passive" and not (np.allclose(H, H.T, atol=1e-12) and off.max() <= 0):
            return False
    return True


# --- the circuits compute their networks ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_networks_in_ngspice(seed, ngspice):
    net, x = network(seed, largest=60 if COUNT >= 100 else 30)
    wanted = solve(net, x).outputs
    for realization in ["auto", *(name for name in REALIZATIONS if applies(net, name))]:
        # One that is named must build the smallest couplings too; auto has others when they are out of range.
        technology = Technology() if realization == "auto" else Technology(low=1e-9)
        compiled = compile_network(net, realization, technology=technology)
        assert compiled.circuit is check(compiled.circuit)
        assert deviation(simulate(ngspice, compiled.circuit, x), wanted) <= 1e-4
        for each, made in zip(net.stages, compiled.report.stages, strict=True):
            if np.ptp(made.row_scale) == 0:
                assert made.margin == pytest.approx(
                    made.siemens * np.linalg.eigvalsh((each.H + each.H.T) / 2)[0], rel=1e-6
                )
            low, high = made.conductance_range
            assert technology.low * (1 - 1e-9) <= low <= high <= technology.high * (1 + 1e-9)


@pytest.mark.parametrize("realization", REALIZATIONS)
def test_the_oracle_agrees(realization):
    net, x = network(3, largest=6, kinds=("passive", "feed-forward", "passive"))
    circuit = compile_network(net, realization).circuit
    assert deviation(simulate(Oracle(), circuit, x), solve(net, x).outputs) <= 1e-4


def test_every_resistor_is_in_the_range_and_counts_are_right():
    technology = Technology(low=1e-6, high=1e-3)
    net, x = network(5, largest=12, kinds=("general", "feed-forward", "symmetric"))
    compiled = compile_network(net, technology=technology)
    assert compiled.circuit.conductances.min() >= 1e-6 * (1 - 1e-9)
    assert compiled.circuit.conductances.max() <= 1e-3 * (1 + 1e-9)
    assert any(made.pairs for made in compiled.report.stages)
    total = {}
    for made in compiled.report.stages:
        for kind, count in made.parts.items():
            total[kind] = total.get(kind, 0) + count
    assert total == dict(compiled.report.parts)
    for remedy, sources in (("none", 1), ("bias", 2)):  # a rail that the diodes do not need is none
        report = compile_network(Network([Stage([[0.5]], [0.0])]), remedy=remedy, diode="1N4148").report
        assert report.stages[0].parts["voltage_sources"] == report.parts["voltage_sources"] == sources
    assert deviation(simulate(Oracle(), compiled.circuit, x), solve(net, x).outputs) <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_one_unit_duplicated_rows_and_rows_of_zeros(kind, ngspice):
    rng = np.random.default_rng(1)
    one = stage(rng, 1, 2, kind)
    W = weights(rng, 4, kind)
    four = Stage(U=np.array([[1.0], [1.0], [0.0], [0.0]]), b=np.array([0.2, 0.2, 0.0, 0.1]), W=W)
    twins = Stage(U=np.zeros((3, 4)), b=np.zeros(3), W=None if W is None else np.zeros((3, 3)))
    net = Network((one, four, twins))
    x = rng.uniform(-1, 1, (4, 2))
    compiled = compile_network(Network((one, four)))
    assert deviation(simulate(ngspice, compiled.circuit, x), solve(Network((one, four)), x).outputs) <= 1e-4
    assert np.abs(simulate(ngspice, compile_network(net).circuit, x)).max() < 1e-4


def test_an_empty_stage():
    empty = Stage(U=np.zeros((0, 2)), b=np.zeros(0), W=np.zeros((0, 0)))
    net = Network((empty, Stage(U=np.zeros((2, 0)), b=np.array([0.5, -0.5]))))
    for realization in REALIZATIONS:
        circuit = compile_network(net, realization).circuit
        assert simulate(Oracle(), circuit, np.zeros((1, 2))) == pytest.approx(np.array([[0.5, 0.0]]), abs=1e-4)


def test_row_scaling_makes_a_lopsided_relu_stage_passive(ngspice):
    rng = np.random.default_rng(2)
    H = np.eye(6) - weights(rng, 6, "passive")
    d = np.exp(rng.normal(size=6))
    lopsided = Stage(U=rng.normal(size=(6, 2)), b=rng.normal(size=6), W=np.eye(6) - H / d[:, None])
    scale = symmetrizing_scale(lopsided.H)
    assert np.allclose(lopsided.H * scale[:, None], (lopsided.H * scale[:, None]).T, atol=1e-12)
    compiled = compile_network(Network((lopsided,)), "passive")
    low, high = compiled.report.stages[0].row_scale
    assert high / low > 1.5
    x = rng.uniform(-1, 1, (8, 2))
    assert (
        deviation(simulate(ngspice, compiled.circuit, x), solve(Network((lopsided,)), x, tolerance=1e-9).outputs)
        <= 1e-4
    )
    with pytest.raises(NotRealizableError, match="not symmetric"):
        compile_network(Network((replace(lopsided, activation=Activation.parse("asinh")),)), "passive")


# --- activations ------------------------------------------------------------------------------------------------------

# The bridge's nearly ideal diodes are softer than the catalogue's: see devices/elements.py.
ELEMENT_ERROR = {"soft-threshold": 1e-3}


def test_every_activation_has_an_element_but_sigmoid():
    for name in ACTIVATIONS:
        if name == "sigmoid":
            with pytest.raises(InputError, match="no element"):
                Activation(name).element()
        else:
            assert Activation.parse(name).element(catalogue.get("1N4148")).branches is not None


@pytest.mark.parametrize("text", [*ACTIVATIONS, "leaky-relu:0.3", "leaky-relu:1", "hard-tanh:0.4", "asinh:0.2"])
@pytest.mark.parametrize("kind", ["feed-forward", "general"])
def test_elements_measured_in_ngspice(text, kind, ngspice):
    activation = Activation.parse(text)
    rng = np.random.default_rng(4)
    n = 1 if kind == "feed-forward" else 8
    net = Network(
        (Stage(U=2 * rng.normal(size=(n, 1)), b=np.zeros(n), W=weights(rng, n, kind), activation=activation),)
    )
    x = np.linspace(-1.5, 1.5, 40)[:, None]
    wanted = solve(net, x).outputs
    error = deviation(simulate(ngspice, compile_network(net).circuit, x), wanted)
    assert error <= ELEMENT_ERROR.get(activation.name, 1e-4)


def test_a_real_diode_is_a_diode_relu_at_the_right_volts(ngspice):
    net = Network((Stage(U=np.ones((1, 1)), b=np.zeros(1), activation=Activation.parse("diode-relu:0.05")),))
    x = np.linspace(-1.0, 1.0, 20)[:, None]
    compiled = compile_network(net, diode="1N4148", technology=Technology(high=1e-4))
    assert compiled.report.choice.volts_per_unit == pytest.approx(0.9, abs=0.05)
    assert deviation(simulate(ngspice, compiled.circuit, x), solve(net, x).outputs) <= 1e-3


@pytest.mark.parametrize("diode", ["ideal", "1N4148", "BAT54"])
@pytest.mark.parametrize("text", ["tanh", "sigmoid"])
@pytest.mark.parametrize("kind", ["feed-forward", "general"])
def test_the_error_of_a_fit_is_what_is_said(text, kind, diode, ngspice):
    rng = np.random.default_rng(6)
    activation = Activation(text)
    first = Stage(rng.normal(size=(6, 3)), rng.normal(size=6), weights(rng, 6, kind), activation)
    second = Stage(rng.normal(size=(4, 6)), rng.normal(size=4), None, activation)
    for net in (Network((first, second)), Network((first,))):
        x = rng.uniform(-1.0, 1.0, (12, 3))
        compiled = compile_network(net, diode=diode, inputs=x)
        wanted = solve(net, x).outputs
        error = deviation(simulate(ngspice, compiled.circuit, x), wanted)
        assert error == pytest.approx(compiled.report.choice.error, rel=0.25, abs=1e-6)
        assert error <= (1e-5 if diode == "ideal" else 0.06)
        assert compiled.network is net


def test_the_generator_of_tanh_is_as_near_as_it_says():
    x = np.linspace(-8.0, 8.0, 4001)
    found, slope = induced(tanh_generator(0.0), one(catalogue.get("ideal")), 1e3 * x, 1.0, 1e3, 0.0)
    assert 0.02 < np.abs(found / 1e3 - np.tanh(x)).max() < 0.0245
    assert slope.min() >= 0.0
    assert slope.max() <= 1.0


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("realization", ["transformer-gyrator", "buffered"])
def test_gradients_through_cascades(realization, ngspice, reference):
    net, x = network(11, largest=5, kinds=("symmetric", "general", "feed-forward"))
    circuit = compile_network(net, realization, diode="1N4148").circuit
    report = check_gradient(ngspice, reference, circuit, circuit.scaling.to_volts(x[:2]), limit=12)
    assert report["finite_difference"]["max_relative_error"] <= 1e-6
    assert report["ac"]["max_relative_error"] <= 1e-6


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_gradients_through_elements(text, ngspice, reference):
    rng = np.random.default_rng(7)
    first = stage(rng, 4, 2, "general", Activation.parse(text))
    net = Network((first, stage(rng, 2, 4, "feed-forward", IDENTITY)))
    circuit = compile_network(net, diode="1N4148").circuit
    report = check_gradient(ngspice, reference, circuit, circuit.scaling.to_volts(rng.uniform(-1, 1, (2, 2))), limit=8)
    assert report["finite_difference"]["max_relative_error"] <= 1e-6


# --- real diodes ------------------------------------------------------------------------------------------------------


def test_the_remedy_helps_as_much_as_it_says(ngspice):
    net, x = network(21, largest=12, kinds=("general", "feed-forward"))
    wanted = solve(net, x).outputs
    measured = {}
    for remedy in REMEDIES:
        compiled = compile_network(net, diode="1N4148", remedy=remedy, inputs=x)
        measured[remedy] = deviation(simulate(ngspice, compiled.circuit, x), wanted)
        expected = compiled.report.choice.error
        assert expected / 4 <= measured[remedy] <= 4 * expected
    assert measured["bias"] < measured["none"] / 2
    assert measured["volts"] < measured["none"] / 2
    assert measured["auto"] == min(measured[name] for name in ("none", "bias", "volts", "bias+volts"))
    assert measured["diode"] < measured["none"]


def test_the_supply_is_kept_to():
    net, x = network(22, kinds=("general",))
    compiled = compile_network(net, diode="1N4148", technology=Technology(supply=12.0), inputs=x)
    assert compiled.report.highest_volts <= 12.0 * (1 + 1e-12)
    point = Oracle().operate(compiled.circuit, compiled.circuit.scaling.to_volts(x))
    assert np.abs(point.node_voltages).max() <= 12.6
    with pytest.raises(NotRealizableError, match=r"above the supply of 12 V; take at most"):
        compile_network(net, technology=Technology(supply=12.0), volts_per_unit=5.0)
    with pytest.raises(UsageError, match="chooses the volts"):
        compile_network(net, remedy="volts", volts_per_unit=5.0)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_why_not_passive():
    def reason(W):
        with pytest.raises(NotRealizableError) as caught:
            compile_network(Network((Stage(U=np.ones((3, 1)), b=np.zeros(3), W=np.array(W)),)), "passive")
        assert caught.value.exit_code == 4
        return str(caught.value)

    assert "W[0, 1] = 0.3 and W[1, 0] = 0 differ by 0.3" in reason([[0, 0.3, 0], [0, 0, 0], [0, 0, 0]])
    assert "W[0, 2] = -0.2" in reason([[0, 0, -0.2], [0, 0, 0], [-0.2, 0, 0]])
    assert "row 1 of I - W is not diagonally dominant: it sums to -0.2" in reason(
        [[0, 0.6, 0], [0.6, 0, 0.6], [0, 0.6, 0]]
    )
    assert "would need a gain" in reason([[0.5, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])


def test_no_margin_is_refused_by_name():
    W = np.diag([0.2, 1.4, 0.0])
    net = Network((Stage(U=np.ones((3, 1)), b=np.zeros(3), W=W),))
    for realization in ("auto", *REALIZATIONS):
        with pytest.raises(NotRealizableError, match=r"margin of W is -0\.4,.*unit 1\b"):
            compile_network(net, realization)
    allowed = compile_network(net, "buffered", allow_nonunique=True)
    assert allowed.report.stages[0].margin < 0


def test_a_narrow_range_is_refused_with_numbers():
    off = np.array([[0.0, 0.4, 1e-4], [0.4, 0.0, 0.0], [1e-4, 0.0, 0.0]])
    net = Network((Stage(U=np.ones((3, 1)), b=np.zeros(3), W=off),))
    compile_network(net, "passive", technology=Technology(low=1e-8, high=1e-2))
    with pytest.raises(NotRealizableError, match=r"span a factor of .* the range 1e-06 … 0\.001 S only 1000"):
        compile_network(net, "passive", technology=Technology(low=1e-6, high=1e-3))


def test_auto_says_why_not():
    net, _ = network(0, kinds=("general",))
    made = compile_network(net).report.stages[0]
    assert made.realization == "transformer-gyrator"
    assert "not symmetric" in made.refused["passive"]
    assert made.alternatives["buffered"]["buffers"] > 0


@pytest.mark.parametrize(
    "options", [{"realization": "magic"}, {"remedy": "luck"}, {"diode": "1N9999"}, {"volts_per_unit": -1.0}]
)
def test_usage_errors(options):
    with pytest.raises(UsageError):
        compile_network(network(0)[0], **options)


# --- the nearest passive weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_nearest_passive_weights(n):
    rng = np.random.default_rng(n)
    W = weights(rng, n, "general")
    found = nearest_passive(W)
    S = np.eye(n) - found
    assert np.allclose(S, S.T, atol=1e-14)
    assert (S - np.diag(np.diag(S))).max() <= 0.0
    assert S.sum(axis=1).min() >= ROOM - 1e-12
    assert np.allclose(nearest_passive(found), found, atol=1e-7)
    # A projection onto a convex set: no member is closer, and the way there makes an obtuse angle with it.
    for _ in range(20):
        other = np.eye(n) - nearest_passive(found + 0.3 * rng.normal(size=(n, n)))
        assert np.sum((np.eye(n) - W - S) * (other - S)) <= 1e-6
    net, distances = nearest_passive_network(Network((Stage(U=np.ones((n, 1)), b=np.zeros(n), W=W),)))
    assert distances[0] == pytest.approx(np.linalg.norm(found - W))
    assert compile_network(net, "passive").report.stages[0].realization == "passive"


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_million_weights():
    rng = np.random.default_rng(0)
    net = Network((Stage(U=rng.normal(size=(1000, 1000)) / 30, b=rng.normal(size=1000)),))
    start = time.monotonic()
    circuit = compile_network(net).circuit
    assert time.monotonic() - start < 15
    assert len(circuit.resistors) >= 1_000_000


# --- the command line -------------------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(compile_command, [str(a) for a in arguments], catch_exceptions=True)


def test_compile_command(tmp_path):
    net, x = network(6, largest=6)
    save(net, tmp_path / "weights.npz")
    np.savetxt(tmp_path / "x.csv", x, delimiter=",")
    result = run(
        tmp_path / "weights.npz", "-o", tmp_path / "c.npz", "--diode", "1N4148", "--inputs", tmp_path / "x.csv"
    )
    assert result.exit_code == 0, result.output
    assert "stage 0" in result.output
    assert "remedy" in result.output
    circuit = Circuit.load(tmp_path / "c.npz")
    assert circuit.models[0] == catalogue.get("1N4148")
    result = run(tmp_path / "weights.npz", "-o", tmp_path / "c.npz", "--json")
    document = json.loads(result.output)
    assert len(document["stages"]) == len(net.stages)
    assert document["stages"][0]["margin_siemens"] > 0
    assert document["parts"] == {kind: n for kind, n in document["parts"].items() if n}
    assert isinstance(compile_command, click.Command)


def test_compile_command_nearest(tmp_path):
    net, x = network(9, largest=6, kinds=("general",))
    save(net, tmp_path / "weights.npz")
    refused = run(tmp_path / "weights.npz", "-o", tmp_path / "c.npz", "--realization", "passive")
    assert isinstance(refused.exception, NotRealizableError)
    assert not (tmp_path / "c.npz").exists()
    result = run(tmp_path / "weights.npz", "-o", tmp_path / "c.npz", "--nearest")
    assert result.exit_code == 0, result.output
    assert "Frobenius distance" in result.output
    moved = load(tmp_path / "c-weights.npz")
    assert weakest_direction(moved.stages[0])[0] > 0
    circuit = Circuit.load(tmp_path / "c.npz")
    assert deviation(simulate(Oracle(), circuit, x), solve(moved, x).outputs) <= 1e-4
