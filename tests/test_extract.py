"""Extracted networks are what their circuits are: outputs, gradients, weights, files."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES
from diodeq.analysis import extract
from diodeq.analysis.extract import kernel_of
from diodeq.circuit import Bank, Circuit, Inputs, bank
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError, NotRealizableError, UsageError
from diodeq.learning.drives import drive_gradients
from diodeq.network import Activation, Network, Stage, loss_gradient, solve
from diodeq.network.certificate import certify_network
from diodeq.network.units import NOTHING, OnePortUnits
from diodeq.network.weights import load, save
from diodeq.simulators import create
from diodeq.synthesis import compile_network
from families import make
from one_port_samples import SAMPLES

RANDOM = [(family, seed) for family in ("bridges", "clamps", "ladders", "meshes", "antiparallel") for seed in range(4)]


@pytest.fixture(scope="module")
def wave():
    with create("wave") as engine:
        yield engine


def two(diode: str = "1N4148") -> Circuit:
    """The example of the guide's page."""
    return Circuit(
        ("0", "u", "a", "b"),
        resistors=bank("resistors", [(1, 2, 1e-3), (2, 3, 1e-3), (3, 0, 1e-3)]),
        diodes=bank("diodes", [(0, 2, 0), (0, 3, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(catalogue.get(diode),),
        inputs=Inputs([0], [0], [1.0], ("u",)),  # type: ignore[arg-type]
        outputs=np.array([(2, 0), (3, 0)]),
    )


def bridge() -> Circuit:
    """Four diodes between two floating nodes and a load: no voltages determine their currents."""
    return Circuit(
        ("0", "in", "p", "m"),
        resistors=bank("resistors", [(2, 3, 1e-3), (3, 0, 1e-7)]),
        diodes=bank("diodes", [(1, 2, 0), (0, 2, 0), (3, 1, 0), (3, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(catalogue.get("1N4148"),),
        inputs=Inputs([0], [0], [1.0], ("u",)),  # type: ignore[arg-type]
        outputs=np.array([(2, 3), (1, 3)]),
    )


def test_two_diodes_by_hand():
    kernel = kernel_of(two())
    assert not kernel.currents.any()
    np.testing.assert_allclose(kernel.H, [[2e-3, -1e-3], [-1e-3, 2e-3]], rtol=1e-13, atol=1e-18)
    np.testing.assert_allclose(kernel.B, [[1e-3], [0.0]], atol=1e-18)
    np.testing.assert_allclose(kernel.C, np.eye(2), atol=1e-14)
    assert not kernel.c.any()
    assert not kernel.D.any()
    assert kernel.margin == pytest.approx(1e-3)
    stage = kernel.network().stages[0]
    np.testing.assert_allclose(stage.W, [[0.0, 0.5], [0.5, 0.0]], atol=1e-14)
    np.testing.assert_allclose(stage.U, [[0.5], [0.0]], atol=1e-14)
    np.testing.assert_allclose(solve(kernel.network(), [[2.0]]).outputs, [[4 / 3, 2 / 3]], atol=1e-4)


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize("alpha", [None, 3e3])
def test_the_network_is_the_circuit(name, alpha, wave):
    circuit = CIRCUITS[name]()
    drives = np.concatenate([DRIVES, DRIVES[:, :1]], axis=1)[:, : len(circuit.inputs)]
    kernel = kernel_of(circuit)
    network = kernel.network(alpha)
    point = wave.operate(circuit, drives)
    solution = solve(network, drives)
    np.testing.assert_allclose(solution.outputs, point.outputs, rtol=0, atol=1e-8)
    if alpha is not None:
        assert len(network.stages) == len(kernel.stages) + 1
        for units, stage in zip(kernel.stages, network.stages, strict=False):
            W = np.eye(len(units)) - alpha * kernel.H[np.ix_(units, units)]
            np.testing.assert_allclose(stage.W[: len(units), : len(units)], W, atol=1e-12)


@pytest.mark.parametrize(("family", "seed"), RANDOM)
def test_random_circuits(family, seed, wave):
    case = make(family, seed)
    network = kernel_of(case.circuit).network()
    right = wave.operate(case.circuit, case.drives).outputs
    found = solve(network, case.drives).outputs
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-8 + 1e-11 * np.abs(right).max())


@pytest.mark.parametrize(
    "circuit", [two("ideal"), bridge(), CIRCUITS["gyrator"]("ideal"), CIRCUITS["lateral"]("ideal")]
)
def test_ideal_diodes_are_relu(circuit, ngspice):
    """The network with ReLU itself against ngspice, in voltage form and in current form."""
    circuit = replace(circuit, models=(catalogue.get("ideal"),))
    drives = np.random.default_rng(5).normal(size=(6, len(circuit.inputs))) * 4.0
    network = kernel_of(circuit).network()
    first, last = network.stages
    assert isinstance(first.activation, OnePortUnits)
    held = first.activation.which != NOTHING
    right = ngspice.operate(circuit, drives).outputs
    if held.all():
        relu = Network((replace(first, activation=Activation("relu")), last))
        np.testing.assert_allclose(solve(relu, drives).outputs, right, rtol=0, atol=2e-2)
    np.testing.assert_allclose(solve(network, drives).outputs, right, rtol=0, atol=1e-8)


def test_a_bridge_needs_currents(wave):
    kernel = kernel_of(bridge())
    assert kernel.currents.any()
    drives = np.array([[5.0], [-5.0], [0.3]])
    found = solve(kernel.network(), drives).outputs
    np.testing.assert_allclose(found, wave.operate(bridge(), drives).outputs, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["lateral", "gyrator", "everything", "transformer"])
def test_implicit_gradients_are_hardware_linearization(name, wave):
    """With respect to the inputs, and through the weights with respect to every conductance."""
    circuit = CIRCUITS[name]()
    drives = np.concatenate([DRIVES, DRIVES[:, :1]], axis=1)[:, : len(circuit.inputs)]
    injections = np.random.default_rng(2).normal(size=(len(drives), len(circuit.outputs)))
    network = kernel_of(circuit).network(2e3)
    found = loss_gradient(network, solve(network, drives), injections)
    point = wave.operate(circuit, drives)
    adjoint = wave.small_signal(point, injections)
    step = 1e-4
    for k in range(len(circuit.inputs)):
        move = step * np.eye(len(circuit.inputs))[k]
        up, down = (wave.operate(circuit, drives + sign * move).outputs for sign in (1, -1))
        slope = (injections * (up - down) / (2 * step)).sum(axis=1)
        np.testing.assert_allclose(found.x[:, k], slope, rtol=1e-5, atol=1e-7)
    ends = circuit.resistors.terminals
    across = [volts[:, ends[:, 0]] - volts[:, ends[:, 1]] for volts in (point.node_voltages, adjoint.node_voltages)]
    right = -(across[0] * across[1]).sum(axis=0)
    for k in range(0, len(circuit.resistors), 5):
        change = 1e-5 * circuit.conductances[k] * np.eye(len(right))[k]
        up, down = (
            kernel_of(circuit.with_conductances(circuit.conductances + s * change)).network(2e3) for s in (1, -1)
        )
        total = 0.0
        for one, two_, own in zip(up.stages, down.stages, found.stages, strict=True):
            for weight in ("W", "U", "b"):
                if getattr(one, weight) is not None:
                    total += float((getattr(own, weight) * (getattr(one, weight) - getattr(two_, weight))).sum())
        assert total / (2 * change[k]) == pytest.approx(right[k], rel=1e-4, abs=1e-6 * np.abs(right).max())


@pytest.mark.parametrize("realization", ["passive", "transformer-gyrator", "buffered"])
def test_compiled_networks_come_back(realization):
    """Up to what a cone leaves free: the scale of every row."""
    rng = np.random.default_rng(4)
    W = -np.abs(rng.normal(size=(5, 5))) * 0.1 if realization != "passive" else np.abs(rng.normal(size=(5, 5))) * 0.05
    W = (W + W.T) / 2 if realization == "passive" else W
    U = 0.3 * rng.normal(size=(5, 3)) * (1.0 if realization != "passive" else 0.3)
    network = Network((Stage(U, 0.1 * rng.normal(size=5), W),))
    circuit = compile_network(network, realization, diode="ideal", remedy="none").circuit
    stage = kernel_of(circuit).network().stages[0]
    H = np.eye(stage.size) - stage.W
    scale = np.diag(H)[:5] / np.diag(np.eye(5) - W)
    np.testing.assert_allclose(H[:5, :5] / scale[:, None], np.eye(5) - W, atol=1e-6)
    np.testing.assert_allclose(stage.U[:5] / scale[:, None], U, atol=1e-6)
    np.testing.assert_allclose(stage.b[:5] / scale, network.stages[0].b, atol=1e-6)


def cascade(diode, widths=(3, 4, 5, 3)):
    """A compiled cascade whose weights from one stage to the next are large."""
    rng = np.random.default_rng(8)
    stages = [
        Stage(1.5 * rng.normal(size=(n, before)), 0.3 * rng.normal(size=n), 0.5 / n * rng.normal(size=(n, n)))
        for before, n in itertools.pairwise(widths)
    ]
    return compile_network(Network(tuple(stages)), "buffered", diode=diode, remedy="none").circuit


def in_units(engine, circuit, x):
    """The outputs for inputs, all in the circuit's units."""
    return circuit.scaling.from_volts(engine.operate(circuit, circuit.scaling.to_volts(x)).outputs)


@pytest.mark.parametrize("diode", ["ideal", "1N4148", "BZX84C3V3"])
def test_a_cascade_comes_back_as_one(diode, ngspice, wave):
    """With every margin above 0, where one stage of all has none, and is compiled again."""
    circuit, engine = cascade(diode), ngspice if diode == "ideal" else wave
    kernel = kernel_of(circuit)
    assert np.linalg.eigvalsh((kernel.H + kernel.H.T) / 2.0)[0] < 0.0 < kernel.margin
    network = kernel.network()
    assert network.widths == (3, 4, 5, 3, 3)
    assert certify_network(network).unique
    x = np.random.default_rng(1).normal(size=(6, 3))
    solution, right = solve(network, x), in_units(engine, circuit, x)
    assert np.abs(solution.outputs - right).max() <= 1e-8
    again_ = compile_network(network, technology=WIDE, max_gain=1e6).circuit
    assert np.abs(in_units(engine, again_, x) - right).max() <= 1e-8
    injections = np.random.default_rng(2).normal(size=right.shape)
    point = engine.operate(circuit, circuit.scaling.to_volts(x))
    exact = drive_gradients(point, engine.small_signal(point, injections), injections)
    back = loss_gradient(network, solution, injections).x
    assert np.abs(back - exact).max() <= 1e-6 * np.abs(exact).max()


def test_what_later_stages_need_is_handed_on(wave):
    """Inputs and states that skip stages, and outputs of all of them, by no more units than sums or values need."""
    first = cascade("1N4148")
    nodes = {name: k for k, name in enumerate(first.nodes)}
    skips = [("x0_p", "s2_1"), ("x1_n", "s2_0"), ("x0_p", "s1_2")]
    own = np.concatenate([first.resistors.terminals, [(nodes[a], nodes[b]) for a, b in skips]])
    circuit = first.with_banks(
        {"resistors": Bank(own, np.concatenate([first.conductances, np.full(3, 1e-4)]))},
        outputs=np.array([(nodes["s2_0"], 0), (nodes["s0_1"], nodes["s2_1"]), (nodes["s1_0"], nodes["x1_n"])]),
        output_names=(),
        trainable=None,
    )
    network = kernel_of(circuit).network()
    # Two inputs past stage 0, past stage 1 a unit of stage 0 as well, and past stage 2 of these and one of stage 1 what
    # two outputs need.
    assert network.widths == (3, 4 + 2, 5 + 3, 3 + 2, 3)
    x = np.random.default_rng(1).normal(size=(6, 3))
    right = in_units(wave, circuit, x)
    assert np.abs(solve(network, x).outputs - right).max() <= 1e-8
    again_ = compile_network(network, technology=WIDE, max_gain=1e6).circuit
    assert np.abs(in_units(wave, again_, x) - right).max() <= 1e-8


def test_a_long_cascade_has_no_more_stages_than_are_kept(wave, monkeypatch):
    circuit, x = cascade("1N4148", (2, *[1] * 9)), np.array([[1.0, -0.5], [0.3, 2.0]])
    assert len(kernel_of(circuit).network().stages) == 10
    monkeypatch.setattr(extract, "MOST_STAGES", 4)
    network = kernel_of(circuit).network()
    assert network.widths[1:-1] == (3, 2, 2, 2)
    assert np.abs(solve(network, x).outputs - in_units(wave, circuit, x)).max() <= 1e-8


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
@pytest.mark.parametrize("circuit", [two(), bridge()])
def test_files(ending, circuit, tmp_path):
    network = kernel_of(circuit).network()
    save(network, tmp_path / f"n{ending}")
    again = load(tmp_path / f"n{ending}")
    drives = np.array([[2.0], [-3.0]])
    np.testing.assert_array_equal(solve(again, drives).outputs, solve(network, drives).outputs)


@pytest.mark.parametrize(
    "damage",
    [
        {"alpha": 0.0},
        {"ohms": float("nan")},
        {"which": [0, 7]},
        {"which": [0]},
        {"which": "all"},
        {"currents": [5]},
        {"models": [3]},
        {"models": []},
        {"temperature": 1e9},
    ],
)
def test_damaged_units_are_refused(damage, tmp_path):
    save(kernel_of(two()).network(), tmp_path / "n.npz")
    arrays = dict(np.load(tmp_path / "n.npz"))
    document = json.loads(str(arrays["activation0"]))
    document["one-ports"].update(damage)
    arrays["activation0"] = np.array(json.dumps(document))
    np.savez(tmp_path / "n.npz", **arrays)
    with pytest.raises(InputError, match=r"n\.npz cannot be used"):
        load(tmp_path / "n.npz")


def test_the_command(tmp_path, capsys):
    two().save(tmp_path / "two.npz")
    (tmp_path / "x.csv").write_text("2\n-2\n")
    place = str(tmp_path / "n.safetensors")
    assert main(["extract", str(tmp_path / "two.npz"), "-o", place, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["units"], said["currents"], said["unique"], said["feedthrough"]) == (2, 0, True, False)
    assert said["stages"] == 1
    cascade("ideal").save(tmp_path / "three.npz")
    assert main(["extract", str(tmp_path / "three.npz"), "-o", str(tmp_path / "three-network.npz")]) == 0
    assert "a cascade of 3 stages" in capsys.readouterr().out.replace("\n", " ")
    assert said["alpha_ohms"] == pytest.approx(500.0)
    assert said["margin_siemens"] == pytest.approx(1e-3)
    inputs = ["--weights", place, "--inputs", str(tmp_path / "x.csv")]
    assert main(["verify", str(tmp_path / "two.npz"), *inputs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["stages"][0]["total"]["max"] < 1e-8
    assert found["certificate"] is None
    assert main(["verify", str(tmp_path / "two.npz"), *inputs]) == 0
    assert main(["report", str(tmp_path / "two.npz"), *inputs, "-o", str(tmp_path / "r.html")]) == 0
    assert main(["extract", str(tmp_path / "two.npz"), "-o", place, "--alpha", "0"]) == 2
    capsys.readouterr()
    assert main(["compile", place, "-o", str(tmp_path / "again.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["volts_per_unit"] == 1.0
    assert main(["verify", str(tmp_path / "again.npz"), *inputs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"][0]["total"]["max"] < 1e-8


# Composites solve equations within equations, thousands of times over: tests/test_every_family.py has them.
@pytest.mark.parametrize("part", [None, *sorted(SAMPLES.keys() - {"composite"})])
@pytest.mark.parametrize(("family", "seed"), RANDOM[::4])
def test_networks_are_their_circuits_with_parts_of_every_family(family, seed, part, wave):
    """Outputs, and the implicit gradient of the inputs against hardware linearization."""
    case = make(family, seed)
    circuit = replace(case.circuit, models=tuple(SAMPLES[part] for _ in case.circuit.models)) if part else case.circuit
    network, point = kernel_of(circuit).network(), wave.operate(circuit, case.drives)
    solution = solve(network, case.drives)
    assert np.abs(solution.outputs - point.outputs).max() <= 1e-8
    injections = np.random.default_rng(seed).normal(size=point.outputs.shape)
    exact = drive_gradients(point, wave.small_signal(point, injections), injections)
    found = loss_gradient(network, solution, injections).x
    assert np.abs(found - exact).max() <= 1e-6 * np.abs(exact).max() + 1e-15


WIDE = Technology(low=1e-22, high=1e3)  # of conductances that are rounding too


def again(circuit, drives, wave, realization="auto"):
    """Largest difference of outputs after circuit to network to circuit, V."""
    network = kernel_of(circuit).network()
    made = compile_network(network, realization, technology=WIDE, max_gain=1e6, allow_nonunique=True).circuit
    units = circuit.scaling
    found = wave.operate(made, made.scaling.to_volts(drives / units.scale + units.offset))
    return np.abs(found.outputs - wave.operate(circuit, drives).outputs).max()


@pytest.mark.parametrize("diode", ["1N4148", "1N5711", "BZX84C3V3"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_an_extracted_network_is_compiled_again(name, diode, wave):
    assert again(CIRCUITS[name](diode), DRIVES, wave) < 1e-8


@pytest.mark.parametrize(("family", "seed"), RANDOM)
def test_extracted_networks_of_any_form_are_compiled_again(family, seed, wave):
    case = make(family, seed)
    if len(case.circuit.outputs):
        assert again(case.circuit, case.drives, wave, "buffered") < 1e-7


def test_one_ports_fix_the_scale(tmp_path):
    network = kernel_of(two()).network()
    with pytest.raises(UsageError, match="fix 1 volts per unit, 2 are given"):
        compile_network(network, volts_per_unit=2.0)
    with pytest.raises(NotRealizableError, match=r"fix the conductances from .* outside 0\.01 … 1 S.*; allow"):
        compile_network(network, technology=Technology(low=1e-2, high=1.0))
    hot = replace(network.stages[0], activation=replace(network.stages[0].activation, temperature=85.0))
    joined = Network((network.stages[0], replace(hot, U=np.ones((2, 2)))))
    with pytest.raises(NotRealizableError, match="stages 0 and 1 come from circuits of other"):
        compile_network(joined)


def test_without_one_ports_it_is_affine():
    circuit = replace(two(), diodes=bank("diodes"), models=())
    network = kernel_of(circuit).network()
    np.testing.assert_allclose(solve(network, [[3.0]]).outputs, [[2.0, 1.0]], atol=1e-12)
