"""Networks: resolvents against their definition, the solver against brute force, gradients against differences."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from diodeq.errors import InputError, SimulationError
from diodeq.network import ACTIVATIONS, Activation, Network, Stage, certificate, certify_network, loss_gradient, solve
from diodeq.network.resolvents import SATURATION
from diodeq.network.solve import solve_each

SPECS = [
    "identity",
    "relu",
    "leaky-relu:0.2",
    "hard-tanh:0.7",
    "soft-threshold:0.3",
    "asinh:0.5",
    "diode-relu:0.05",
    "tanh",
    "elu:0.6",
    "sigmoid",
]


def monotone(rng, n: int, margin: float, skew: float = 1.0):
    """W with exactly that margin: AᵀA is singular."""
    A, P = rng.standard_normal((2, n, n)) / np.sqrt(n)
    A[-1] = 0.0
    return (1.0 - margin) * np.eye(n) - A.T @ A + skew * (P - P.T)


def stage(rng, n_in: int, n: int, spec: str = "relu", margin: float | None = 0.3) -> Stage:
    W = None if margin is None else monotone(rng, n, margin)
    return Stage(rng.standard_normal((n, n_in)), rng.standard_normal(n), W, Activation.parse(spec))


# --- activations --------------------------------------------------------------------------------------------------


def test_every_activation_is_tested():
    assert {Activation.parse(spec).name for spec in SPECS} == set(ACTIVATIONS)


def law(activation: Activation, v):
    """F(v) where it is single-valued, from its definition."""
    p = activation.parameter
    return {
        "identity": lambda: 0.0 * v,
        "relu": lambda: 0.0 * v,
        "leaky-relu": lambda: np.where(v < 0, (1 / p - 1) * v, 0.0),
        "hard-tanh": lambda: 0.0 * v,
        "soft-threshold": lambda: p * np.sign(v),
        "asinh": lambda: p * np.sinh(v / p),
        "diode-relu": lambda: -SATURATION * p * np.expm1(-v / p),
        "tanh": lambda: np.arctanh(v) - v,
        "elu": lambda: np.where(v < 0, np.log1p(np.minimum(v, 0.0) / p) - v, 0.0),
        "sigmoid": lambda: np.log(v / (1.0 - v)) - v,
    }[activation.name]()


@pytest.mark.parametrize("alpha", [1e-3, 0.4, 1.0, 30.0])
@pytest.mark.parametrize("spec", SPECS)
def test_resolvent_solves_its_equation(spec, alpha):
    activation = Activation.parse(spec)
    x = np.concatenate([np.linspace(-4, 4, 401), [-1e3, 1e3]])
    v = activation.resolvent(x, alpha)
    rest = (x - v) / alpha  # must be F(v), or in the set F(v) at a kink
    inner = {
        "relu": v > 0,
        "hard-tanh": np.abs(v) < 0.7,
        "soft-threshold": v != 0,
        "elu": v > -0.599,
        "tanh": np.abs(v) < 0.999,  # beyond, what is left to 1 has few digits
        "sigmoid": np.abs(v - 0.5) < 0.499,
    }.get(activation.name, np.full(len(x), True))
    with np.errstate(divide="ignore"):
        wanted = law(activation, v)
    close = 1e-12 * (1 + np.abs(x)) * (1 + 1 / alpha)
    assert (np.abs(rest - wanted)[inner] <= (close + 1e-11 * np.abs(wanted))[inner]).all()
    if activation.name == "relu":
        assert (v >= 0).all()
        assert (rest[v == 0] <= 0).all(), "the normal cone of v >= 0 points down"
    if activation.name == "hard-tanh":
        assert (np.sign(rest[~inner]) == np.sign(v[~inner])).all()
    if activation.name == "soft-threshold":
        assert (np.abs(rest[~inner]) <= 0.3 * (1 + 1e-12)).all()


@pytest.mark.parametrize("alpha", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("spec", SPECS)
def test_slopes_are_derivatives(spec, alpha):
    activation = Activation.parse(spec)
    x, step = np.linspace(-3, 3, 61) + 0.0123, 1e-6
    numeric = (activation.resolvent(x + step, alpha) - activation.resolvent(x - step, alpha)) / (2 * step)
    assert activation.law.resolvent(x, alpha, activation.parameter)[1] == pytest.approx(numeric, abs=1e-7)
    assert (activation.slope(x) >= 0).all()
    assert (activation.slope(x) <= 1).all()
    assert activation(0.0) == pytest.approx(0.5 if spec == "sigmoid" else 0.0, abs=1e-15)


@pytest.mark.parametrize(("spec", "scale"), [("tanh", 1.0), ("sigmoid", 2.0)])
def test_slopes_far_out_keep_their_digits(spec, scale):
    x = np.array([10.0, 60.0, 300.0])
    wanted = (1.0 / np.cosh(x / scale)) ** 2 / scale**2
    assert Activation.parse(spec).slope(x) == pytest.approx(wanted, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    "spec", [*SPECS, "asinh:1e-6", "asinh:1e6", "diode-relu:1e-9", "diode-relu:100", "elu:1", "elu:1e-6"]
)
def test_activations_never_overflow(spec):
    activation = Activation.parse(spec)
    x = np.array([-1e100, -1e30, -1e3, -1e-300, 0.0, 1e-300, 1e3, 1e30, 1e100])
    for alpha in (1e-12, 1.0, 1e12):
        v = activation.resolvent(x, alpha)
        assert np.isfinite(v).all()
        assert (np.diff(v) >= 0).all()
        assert (np.abs(v - activation.resolvent(0.0, alpha)) <= np.abs(x) + 1e-12).all()
    assert np.isfinite(activation.slope(x)).all()


def test_diode_relu_tends_to_relu():
    x = np.linspace(-2, 2, 41)
    errors = [np.abs(Activation("diode-relu", t)(x) - np.maximum(x, 0)).max() for t in (1e-1, 1e-2, 1e-3)]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[2] < 0.03


def test_leaky_relu_has_its_slope():
    assert Activation("leaky-relu", 0.2)([-5.0, 5.0]) == pytest.approx([-1.0, 5.0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("softmax", "there is no activation 'softmax'"),
        ("relu:2", "has no parameter"),
        ("leaky-relu:0", "slope below zero of leaky-relu is 0"),
        ("leaky-relu:1.5", "is 1.5"),
        ("leaky-relu:x", "does not give a number"),
        ("hard-tanh:-1", "limit of hard-tanh is -1"),
        ("soft-threshold:nan", "is nan"),
        ("asinh:inf", "is inf"),
        ("diode-relu:0", "is 0"),
    ],
)
def test_bad_activations(text, words):
    with pytest.raises(InputError) as caught:
        Activation.parse(text)
    assert words in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize("spec", [*SPECS, "leaky-relu:0.123456789012345", "asinh:1e-12", "hard-tanh:2"])
def test_activations_are_written_as_they_are_read(spec):
    assert Activation.parse(str(Activation.parse(spec))) == Activation.parse(spec)


# --- solver -------------------------------------------------------------------------------------------------------


def enumerate_relu(stage: Stage, q):
    """Every equilibrium of a small relu stage: all sets of active units, the linear complementarity problem."""
    found = []
    for active in itertools.product([False, True], repeat=stage.size):
        on = np.array(active)
        z = np.zeros(stage.size)
        if on.any():
            z[on] = np.linalg.solve(stage.H[np.ix_(on, on)], q[on])
        if (z[on] > 0).all() and (stage.H @ z - q >= -1e-12)[~on].all():
            found.append(z)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_relu_equilibria_are_those_found_by_enumeration(seed):
    rng = np.random.default_rng(seed)
    one = stage(rng, 3, int(rng.integers(1, 8)), margin=float(10.0 ** rng.uniform(-6, 0)))
    x = rng.standard_normal((5, 3))
    outputs = solve(Network((one,)), x).outputs
    for sample, z in zip(x, outputs, strict=True):
        (wanted,) = enumerate_relu(one, one.U @ sample + one.b)
        assert z == pytest.approx(wanted, abs=1e-9 * (1 + np.abs(wanted).max()))


@pytest.mark.parametrize("margin", [1.0, 0.1, 1e-3, 1e-7])
@pytest.mark.parametrize("spec", SPECS)
def test_equilibria_satisfy_their_equation(spec, margin):
    rng = np.random.default_rng(3)
    one = stage(rng, 4, 20, spec, margin)
    x = rng.standard_normal((16, 4))
    solution = solve(Network((one,)), x)
    z = solution.outputs
    error = np.abs(z - one.activation(z @ one.W.T + x @ one.U.T + one.b)).max()
    assert error <= 1e-11 * (1 + np.abs(z).max())
    assert solution.residual <= 1e-12


@pytest.mark.parametrize("spec", ["leaky-relu:0.2", "hard-tanh:0.7"])
def test_stiff_stages_are_solved_to_rounding(spec):
    """A residual of 1e-12 leaves an error of 1e-12 over the margin, unless the pieces' linear system is solved."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        one = stage(rng, 4, 10, spec, 1e-8)
        x = rng.standard_normal((16, 4))
        solution = solve(Network((one,)), x)
        drive = x @ one.U.T + one.b
        z = solution.outputs
        on = one.activation.slope(z @ one.W.T + drive)
        offset = one.activation(z @ one.W.T + drive) - on * (z @ one.W.T + drive)
        exact = np.array(
            [
                np.linalg.solve(np.eye(10) - d[:, None] * one.W, d * q + e)
                for d, q, e in zip(on, drive, offset, strict=True)
            ]
        )
        assert z == pytest.approx(exact, abs=1e-12 * np.abs(exact).max())


@pytest.mark.parametrize("skew", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("spec", SPECS)
def test_stiff_stages_converge(spec, skew):
    rng = np.random.default_rng(4)
    U, b = rng.standard_normal((10, 4)), rng.standard_normal(10)
    network = Network((Stage(U, b, monotone(rng, 10, 1e-5, skew), Activation.parse(spec)),))
    assert solve(network, rng.standard_normal((16, 4))).residual <= 1e-12


def test_cascades_mix_equilibrium_and_feed_forward_stages():
    rng = np.random.default_rng(0)
    parts = (stage(rng, 3, 6, margin=None), stage(rng, 6, 5), stage(rng, 5, 2, "identity", None))
    x = rng.standard_normal((7, 3))
    solution = solve(Network(parts), x)
    first = np.maximum(x @ parts[0].U.T + parts[0].b, 0)
    assert np.array_equal(solution.states[0], first)
    assert np.array_equal(solution.states[1], solve(Network(parts[1:2]), first).outputs)
    assert solution.outputs == pytest.approx(solution.states[1] @ parts[2].U.T + parts[2].b)
    assert solution.iterations[0] == solution.iterations[2] == 0 < solution.iterations[1]


def test_samples_do_not_influence_each_other():
    rng = np.random.default_rng(1)
    network = Network((stage(rng, 3, 12, margin=0.01),))
    x = rng.standard_normal((9, 3)) * 10.0 ** np.arange(-4, 5)[:, None]
    together = solve(network, x).outputs
    for sample, z in zip(x, together, strict=True):
        assert solve(network, sample).outputs[0] == pytest.approx(z, rel=1e-8, abs=1e-9 * np.abs(z).max())


def test_zeros_and_duplicates_and_one_unit_and_none():
    rng = np.random.default_rng(2)
    W, U, b = monotone(rng, 4, 0.5), rng.standard_normal((4, 2)), rng.standard_normal(4)
    W[1], U[1], b[1] = 0.0, 0.0, 0.0  # a row of zeros is the unit z = relu(0)
    U[3], b[3], W[3], W[:, 3] = U[2], b[2], W[2], W[:, 2]  # duplicated rows
    assert certify_network(Network((Stage(U, b, W),))).margin > 0
    z = solve(Network((Stage(U, b, W),)), [[1.0, -2.0], [0.0, 0.0]]).outputs
    assert (z[:, 1] == 0.0).all()
    assert z[:, 2] == pytest.approx(z[:, 3])
    zeros = Network((Stage(np.zeros((3, 2)), np.zeros(3), np.zeros((3, 3))),))
    assert np.array_equal(solve(zeros, [[1.0, 2.0]]).outputs, [[0.0, 0.0, 0.0]])
    single = Network((Stage([[2.0]], [1.0], [[-1.0]]),))
    assert solve(single, [[3.0]]).outputs == pytest.approx(3.5)
    assert solve(single, np.zeros((0, 1))).outputs.shape == (0, 1)
    empty = Network((Stage(np.zeros((0, 2)), [], np.zeros((0, 0))), Stage(np.zeros((2, 0)), [1.0, -1.0])))
    solution = solve(empty, [[1.0, 2.0]])
    assert np.array_equal(solution.outputs, [[1.0, 0.0]])
    assert loss_gradient(empty, solution, [[1.0, 1.0]]).x == pytest.approx(0.0)
    assert certify_network(empty).unique


@pytest.mark.parametrize("spec", ["relu", "identity", "diode-relu:0.05"])
def test_where_there_is_no_equilibrium_the_stage_is_named(spec):
    bad = Stage([[0.0]], [1.0], [[1.0]], Activation.parse(spec))  # z = z + 1
    network = Network((Stage([[1.0]], [0.0]), bad))
    with pytest.raises(SimulationError, match=r"stage 1 did not .* sample 0.* margin is 0, weakest at unit 0"):
        solve(network, [[1.0]])


@pytest.mark.parametrize(
    ("x", "words"),
    [([[1.0, 2.0]], "has 3 inputs"), (np.zeros((2, 2, 3)), "has 3 inputs"), ([[0, np.nan, 0]], "input 1 of sample 0")],
)
def test_bad_inputs(x, words):
    with pytest.raises(InputError, match=words):
        solve(Network((Stage(np.ones((1, 3)), [0.0]),)), x)


# --- gradient -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS)
def test_gradient_is_that_of_finite_differences(spec):
    rng = np.random.default_rng(5)
    parts = (stage(rng, 3, 6, spec), stage(rng, 6, 4, spec, None), stage(rng, 4, 2, spec, 0.6))
    x, weight = rng.standard_normal((3, 3)), rng.standard_normal((3, 2))
    network = Network(parts)
    found = loss_gradient(network, solve(network, x), weight)

    def loss(stages, x):
        return float((solve(Network(stages), x, 1e-13).outputs * weight).sum())

    def central(change):
        return (change(1e-5) - change(-1e-5)) / 2e-5

    scale = max(np.abs(part.U).max() for part in found.stages)
    for k, part in enumerate(parts):
        for name in ("W", "U", "b"):
            value, got = getattr(part, name), getattr(found.stages[k], name)
            if value is None:
                assert got is None
                continue
            assert got.shape == value.shape
            for at in [tuple(rng.integers(0, extent) for extent in value.shape) for _ in range(5)]:

                def change(step, k=k, name=name, at=at):
                    fields = {n: getattr(parts[k], n) for n in ("W", "U", "b")}
                    fields[name] = fields[name].copy()
                    fields[name][at] += step
                    moved = Stage(**fields, activation=parts[k].activation)
                    return loss((*parts[:k], moved, *parts[k + 1 :]), x)

                assert got[at] == pytest.approx(central(change), abs=1e-7 * (1 + scale)), f"{name}{k}{at}"
    for at in itertools.product(range(3), range(3)):
        nudge = np.zeros_like(x)
        nudge[at] = 1.0
        assert found.x[at] == pytest.approx(central(lambda s, e=nudge: loss(parts, x + s * e)), abs=1e-7 * (1 + scale))
    assert scale > 1e-3, "a gradient of zeros proves nothing"


def test_gradient_refuses_what_does_not_fit():
    network = Network((Stage([[1.0]], [1.0], [[1.0]], Activation("hard-tanh", 1.0)),))
    solution = solve(network, [[1.0]])
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        loss_gradient(network, solution, [1.0, 2.0])
    half = Network((Stage([[0.0]], [0.0], [[1.0]], Activation("hard-tanh", 1.0)),))  # any z up to 1 is an equilibrium
    with pytest.raises(SimulationError, match="stage 0"):
        loss_gradient(half, solve(half, [[0.0]]), [[1.0]])


# --- certificate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_margin_is_the_lowest_eigenvalue(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    W = 2.0 * rng.standard_normal((n, n)) / np.sqrt(n) if seed % 2 else monotone(rng, n, 0.2)
    H = np.eye(n) - W
    values, vectors = np.linalg.eigh((H + H.T) / 2)
    found = certify_network(Network((Stage(np.ones((n, 1)), np.zeros(n), W),))).stages[0]
    assert found.margin == pytest.approx(values[0], abs=1e-12)
    assert abs(vectors[found.unit, 0]) == pytest.approx(np.abs(vectors[:, 0]).max())
    assert found.unique == (values[0] > 1e-12)
    if found.unique:
        assert found.radius == pytest.approx(values[0])


@pytest.mark.parametrize("kind", ["monotone", "any", "zeros", "identity", "degenerate", "groups"])
def test_lowest_eigenvalue_of_large_matrices(monkeypatch, kind):
    rng, n = np.random.default_rng(0), 300
    A = rng.standard_normal((n, n)) / np.sqrt(n)
    matrix = {
        "monotone": A.T @ A,
        "any": 1e-6 * (A + A.T),
        "zeros": np.zeros((n, n)),
        "identity": np.eye(n),
        "degenerate": np.ones((n, n)),
        "groups": (A.T @ A) * (np.arange(n)[:, None] % 3 == np.arange(n) % 3) - 0.1 * np.diag(np.arange(n) == 7),
    }[kind]
    monkeypatch.setattr(certificate, "DENSE", 10)
    value, vector = certificate.lowest(matrix)
    scale = np.abs(matrix).max() or 1.0
    assert value == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-10 * scale)
    assert matrix @ vector == pytest.approx(value * vector, abs=1e-8 * scale)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("slope", ["equal", "different"])
@pytest.mark.parametrize("coupled", [0.0, 1.0])
def test_systems_of_samples(coupled, slope, transposed):
    rng = np.random.default_rng(3)
    W, right = coupled * monotone(rng, 5, 0.3), rng.standard_normal((4, 5))
    slopes = np.broadcast_to(rng.uniform(size=5), (4, 5)) if slope == "equal" else rng.uniform(size=(4, 5))
    found = solve_each(W, slopes, right, transposed)
    for d, r, z in zip(slopes, right, found, strict=True):
        matrix = np.eye(5) - d[:, None] * W
        assert (matrix.T if transposed else matrix) @ z == pytest.approx(r, abs=1e-12)
    assert solve_each(W, slopes[:0], right[:0], transposed).shape == (0, 5)


def test_thousands_of_units_that_nothing_couples_cost_nothing():
    """Their cubes would be minutes."""
    size = 4000
    network = Network((Stage(np.ones((size, 1)), np.zeros(size), np.zeros((size, size)), Activation("identity")),))
    began = time.process_time()
    assert certify_network(network).stages[0].margin == 1.0
    assert np.array_equal(solve(network, [[0.5]]).outputs, np.full((1, size), 0.5))
    assert time.process_time() - began < 8.0


@pytest.mark.parametrize("spec", SPECS)
def test_lipschitz_bound_and_radius_hold(spec):
    rng = np.random.default_rng(8)
    network = Network((stage(rng, 3, 8, spec, 0.2), stage(rng, 8, 4, spec, None)))
    bound = certify_network(network)
    x = rng.standard_normal((64, 3))
    step = 0.1 * rng.standard_normal((64, 3))
    moved = solve(network, x + step).outputs - solve(network, x).outputs
    ratios = np.linalg.norm(moved, axis=1) / np.linalg.norm(step, axis=1)
    assert ratios.max() <= bound.lipschitz
    assert bound.lipschitz < 1e4
    first = network.stages[0]
    away = rng.standard_normal((8, 8))
    away *= 0.999 * bound.radius / np.linalg.norm(away, 2)
    assert certify_network(Network((Stage(first.U, first.b, first.W + away, first.activation),))).unique


def test_verdict_without_a_margin():
    W = np.diag([0.0, 1.5, 0.0])
    weak = Stage(np.ones((3, 1)), np.zeros(3), W)
    found = certify_network(Network((Stage(np.ones((1, 1)), [0.0]), weak)))
    assert found.weakest == 1
    assert found.stages[1].unit == 1
    assert found.margin == pytest.approx(-0.5)
    assert not found.unique
    assert found.lipschitz == np.inf
    assert found.radius == 0.0
    compressed = Stage(weak.U, weak.b, W, Activation("asinh", 1.0))  # its element adds a conductance of at least 1
    assert certify_network(Network((compressed,))).stages[0].monotonicity == pytest.approx(0.5)
    assert certify_network(Network((compressed,))).unique
