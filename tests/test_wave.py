"""The wave engine: ngspice's voltages and gradients on every kind of circuit, and no answer that is not one."""

import itertools
import json
import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import array_api_compat.numpy
import numpy as np
import pytest
from scipy import sparse
from scipy.special import wrightomega

from circuits import CIRCUITS, DRIVES, plain
from diodeq.circuit import Bank, Circuit, Inputs, bank
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.newton import Newton
from diodeq.circuit.power import dissipation
from diodeq.circuit.products import branch_products
from diodeq.circuit.proof import Judge
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.diode.law import law
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.one_ports import one_ports
from diodeq.errors import CircuitError, InputError, SimulationError, SimulatorMissingError, UsageError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.network import Activation, Network, Stage
from diodeq.simulators import create
from diodeq.simulators.selftest import one_diode, self_test
from diodeq.simulators.wave import WaveSimulator
from diodeq.simulators.wave.arrays import Arrays
from diodeq.simulators.wave.diodes import Diodes, wright_omega
from diodeq.simulators.wave.following import Following
from diodeq.simulators.wave.general import General
from diodeq.simulators.wave.layers import Layers, Sweeps
from diodeq.simulators.wave.method import Unaided
from diodeq.simulators.wave.prepared import Prepared
from diodeq.simulators.wave.splitting import settle
from diodeq.simulators.wave.two_sets import two_sets
from diodeq.synthesis import compile_network
from diodeq.synthesis.layered import layered
from oracle import Oracle

VOLTS = 1e-8
SHARE = 1e-7  # of the largest entry of a gradient
KINDS = ("transformers", "gyrators", "buffers", "mirrors")
# More of them on request: DIODEQ_TEST_RANDOM_CIRCUITS=500
RANDOM = int(os.environ.get("DIODEQ_TEST_RANDOM_CIRCUITS", "12"))


def installed(*backends):
    """The backends as parameters; those that are not installed are skipped, and a GPU where there is none."""
    skip = pytest.mark.skip(reason="not installed")
    return [pytest.param(name, marks=() if _here(*name.split(":")) else (skip,)) for name in backends]


def _here(backend, device="cpu"):
    if backend == "numpy":
        return True
    if device == "cpu" or find_spec(backend) is None:
        return find_spec(backend) is not None
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="module", params=installed("numpy", "numba"))
def wave(request):
    with WaveSimulator(request.param) as engine:
        yield engine


def agree(circuit, drives, ours, theirs, volts=VOLTS, share=SHARE):
    """Voltages, and the gradients of every conductance, ratio and gain, of two engines."""
    circuit = replace(circuit, trainable=np.ones(len(circuit.resistors), bool))
    point, against = ours.operate(circuit, drives), theirs.operate(circuit, drives)
    assert np.abs(point.node_voltages - against.node_voltages).max() <= volts
    assert point.error.shape == (len(drives),)
    assert point.error.max() <= 1e-9 + 1e-12 * np.abs(point.node_voltages).max()
    kinds = [kind for kind in KINDS if len(circuit.bank(kind))] if theirs.name != "oracle" else []
    found = [
        RULES["hardware-linearization"](engine, circuit, drives, half_mean_square, also=kinds)
        for engine in (ours, theirs)
    ]
    pairs = [(found[0].conductances, found[1].conductances)]
    pairs += [(found[0].others[kind], found[1].others[kind]) for kind in kinds]
    for mine, other in pairs:
        assert np.abs(mine - other).max() <= share * np.abs(other).max()


# --- the same answers as ngspice -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CIRCUITS)
def test_voltages_and_gradients_are_those_of_ngspice(name, wave, ngspice):
    agree(CIRCUITS[name](), DRIVES, wave, ngspice)


@pytest.mark.parametrize("diode", catalogue.names("diode"))
@pytest.mark.parametrize("name", CIRCUITS)
def test_every_diode_in_every_circuit_agrees_with_the_oracle(name, diode, wave):
    circuit = CIRCUITS[name](diode)
    point, against = wave.operate(circuit, DRIVES), Oracle().operate(circuit, DRIVES)
    assert np.abs(point.node_voltages - against.node_voltages).max() <= 1e-10
    injected = np.random.default_rng(5).normal(size=point.outputs.shape)
    # The same frozen diodes: a steep diode's conductance differs by 1e-7 of itself for a picovolt.
    ours = wave.small_signal(against, injected).node_voltages
    theirs = Oracle().small_signal(against, injected).node_voltages
    assert np.abs(ours - theirs).max() <= 1e-10 * np.abs(theirs).max()


@pytest.mark.parametrize("shape", ["one diode a node", "diodes joined"])
def test_outputs_at_the_nodes_of_diodes(shape, wave):
    """A loss that pulls at nodes with diodes: the adjoint's currents enter there, too."""
    circuit = plain(lateral=shape == "diodes joined")
    h = [node for node, name in enumerate(circuit.nodes) if name.startswith("h")]
    outputs = np.array([(h[0], 0), (h[1], h[2]), (circuit.outputs[0, 0], h[3])], np.int32)
    circuit = replace(circuit, outputs=outputs, output_names=(), trainable=None)
    circuit = replace(circuit, trainable=np.ones(len(circuit.resistors), bool))
    point, injected = wave.operate(circuit, DRIVES), np.random.default_rng(6).normal(size=(len(DRIVES), 3))
    adjoint = wave.small_signal(point, injected).node_voltages
    a, b = circuit.resistors.terminals.T
    across = [volts[:, a] - volts[:, b] for volts in (point.node_voltages, adjoint)]
    gradient = -np.sum(across[0] * across[1], axis=0)
    for k, g in enumerate(circuit.conductances):
        step = 1e-5 * g * (np.arange(len(circuit.conductances)) == k)
        up, down = (
            np.sum(wave.operate(circuit.with_conductances(circuit.conductances + s), DRIVES).outputs * injected)
            for s in (step, -step)
        )
        assert gradient[k] == pytest.approx((up - down) / (2 * step[k]), abs=1e-6 * np.abs(gradient).max())
    # Without currents at the other outputs, each of them alone.
    for column in range(3):
        alone = injected * (np.arange(3) == column)
        ours, theirs = (engine.small_signal(point, alone).node_voltages for engine in (wave, Oracle()))
        assert np.abs(ours - theirs).max() <= 1e-10 * np.abs(theirs).max()


def random_circuit(seed):
    """Any circuit of the test suite, wide or narrow, with any diodes, over five decades of conductance."""
    random = np.random.default_rng([seed, 77])
    names = catalogue.names("diode")
    name = random.choice([*CIRCUITS, "deep"])
    diode = random.choice(names)
    if name == "deep":
        widths = (3, *random.integers(2, 9, size=random.integers(1, 4)), 2)
        circuit = layered(widths, catalogue.get(diode), 4.0, lateral=bool(random.integers(2)), seed=seed)
    else:
        circuit = CIRCUITS[name](diode)
    decades = 10.0 ** random.uniform(-7, -2, size=len(circuit.resistors))
    models = (*circuit.models, catalogue.get(random.choice(names)))
    which = random.integers(2, size=len(circuit.diodes)).astype(float)
    circuit = replace(
        circuit.with_conductances(decades),
        models=models,
        diodes=Bank(circuit.diodes.terminals, which),
        temperature=float(random.choice([27.0, 0.0, 60.0])),
    )
    return circuit, random.normal(size=(3, 3)) * random.choice([0.3, 3.0, 10.0])


@pytest.mark.parametrize("seed", range(RANDOM))
def test_random_circuits_agree_with_ngspice(seed, wave, ngspice):
    circuit, drives = random_circuit(seed)
    try:
        point = ngspice.operate(circuit, drives)
        ngspice.small_signal(point, point.outputs)
    except SimulationError:  # three of the first 500: laws that jump, and an ideal diode of many siemens
        agree(circuit, drives, wave, Oracle(), volts=1e-10)
    else:
        agree(circuit, drives, wave, ngspice)


def test_a_deep_lateral_circuit_agrees_with_the_oracle(wave):
    """More diodes than are solved directly: splitting and its adjoint end at the same place."""
    circuit = layered((6, 40, 24, 3), catalogue.get("1N4148"), 4.0, lateral=True, seed=2, median=3e-5)
    agree(circuit, np.random.default_rng(2).normal(size=(5, 6)) * 4, wave, Oracle(), volts=1e-10, share=1e-9)


def test_both_ways_of_solving_agree(wave, monkeypatch):
    circuit = layered((5, 30, 4), catalogue.get("1N4148"), 4.0, seed=2)
    drives = np.random.default_rng(2).normal(size=(40, 5)) * 4
    monkeypatch.setattr("diodeq.simulators.wave.prepared.Leaves.of", lambda *_: None)
    with WaveSimulator("numba" if "numba" in wave.version else "numpy") as general:
        agree(circuit, drives, wave, general, volts=2e-11, share=1e-9)


DEEP = {
    "two layers": {"widths": (6, 80, 70, 3)},
    "three layers": {"widths": (6, 30, 40, 30, 3)},
    "five layers": {"widths": (4, 30, 5, 30, 5, 30, 2)},
    "local": {"widths": (36, 20, 36, 3), "topology": "local:3x3"},
    "random": {"widths": (10, 60, 60, 3), "topology": "random:0.2"},
    "wide outputs": {"widths": (4, 30, 40)},
}


def deep(name, diode="1N4148"):
    return layered(diode=catalogue.get(diode), volts=5.0, median=1e-4, seed=1, **DEEP[name])


def there_and_back(engine, circuit, drives):
    """Outputs and adjoint voltages for currents into all free nodes."""
    point = engine.operate(circuit, drives)
    into = np.random.default_rng(5).normal(size=point.node_voltages.shape) * ~driven_nodes(circuit)
    return point.node_voltages, engine.small_signal(point, np.zeros_like(point.outputs), into).node_voltages


@pytest.mark.parametrize("name", DEEP)
def test_layers_are_solved_going_back_and_forth(name, wave, ngspice, monkeypatch):
    """And well: the judge has nothing to mend, in whatever order the diodes are."""
    circuit = deep(name)
    order = np.random.default_rng(4).permutation(len(circuit.diodes))
    circuit = replace(circuit, diodes=Bank(circuit.diodes.terminals[order], circuit.diodes.values[order]))
    drives = np.random.default_rng(3).uniform(-5.0, 5.0, (4, len(circuit.inputs)))
    with monkeypatch.context() as patched:
        for needless in ("settle", "polish", "polish_linear"):
            patched.delattr(Newton, needless)
        found = there_and_back(wave, circuit, drives)
    assert isinstance(wave._prepared.method, Layers)
    for ours, theirs in zip(found, there_and_back(ngspice, circuit, drives), strict=True):
        assert np.abs(ours - theirs).max() <= 1e-8 * max(1.0, np.abs(theirs).max())


def test_what_does_not_get_on_is_left_to_another_method(monkeypatch):
    """Sweeps and products that end too soon, and a ladder, whose error no few products take away."""
    circuit = deep("three layers")
    drives = np.random.default_rng(3).uniform(-5.0, 5.0, (20, 6))
    expected = there_and_back(WaveSimulator(), circuit, drives)
    for limit in ("SWEEPS", "PRODUCTS"):
        monkeypatch.setattr(f"diodeq.simulators.wave.layers.{limit}", 2)
        with WaveSimulator() as wave:
            found = there_and_back(wave, circuit, drives)
            assert wave._prepared.method.rescue.cache_info().currsize == 1
        for ours, theirs in zip(found, expected, strict=True):
            assert np.abs(ours - theirs).max() <= 1e-9 * np.abs(theirs).max()


@pytest.mark.parametrize(
    ("precision", "name"), [("float64", "wide outputs"), ("mixed", "three layers"), ("float32", "three layers")]
)
def test_samples_leave_the_sweeps_when_they_are_settled(precision, name, monkeypatch):
    """And the judge has nothing to mend in those that stay."""
    circuit, at_work = deep(name), []
    drives = np.random.default_rng(3).uniform(-5.0, 5.0, (20, len(circuit.inputs)))
    drives[8:] *= 1e-4
    sweep = Sweeps.__call__
    monkeypatch.setattr(Sweeps, "__call__", lambda self, y, rows: at_work.append(len(rows)) or sweep(self, y, rows))
    with WaveSimulator(precision) as wave, monkeypatch.context() as patched:
        for needless in ("settle", "polish"):
            patched.delattr(Newton, needless)
        found = wave.operate(circuit, drives).node_voltages
        assert min(at_work) < max(at_work) == len(drives)
        alone = np.concatenate([wave.operate(circuit, each[None]).node_voltages for each in drives])
    allowed = {"float64": 2e-9, "mixed": 2e-8, "float32": 2e-5 * np.abs(found).max()}[precision]
    assert np.abs(found - alone).max() <= allowed


def test_products_of_rows_that_come_to_rest_are_exact():
    """Whichever rows are asked for, and whether they have moved far, little, or were not asked for before."""
    random = np.random.default_rng(8)
    start, matrix, given = random.normal(size=(6, 5)), random.normal(size=(9, 5)), random.normal(size=(6, 9))
    all_, some, one = None, np.array([1, 2, 5]), np.array([2])
    for asked in ([all_, all_, some, some, one, one], [some, some, one, one]):
        products = Following(start, matrix, matrix.astype(np.float32), Arrays.of())
        for turn, rows in enumerate(asked):
            at = slice(None) if rows is None else rows
            given[at] += random.normal(size=given[at].shape) * (1.0 if turn == 4 else 1e-6)
            assert np.abs(products(given[at].copy(), rows) - start[at] - given[at] @ matrix).max() < 1e-11


def test_sweeps_end_where_the_judge_has_no_bound(monkeypatch):
    """By how far they still move."""
    circuit = deep("three layers")
    drives = np.random.default_rng(3).uniform(-5.0, 5.0, (20, 6))
    expected = there_and_back(WaveSimulator(), circuit, drives)
    monkeypatch.setattr(Judge, "ohms", None)
    monkeypatch.setattr("diodeq.simulators.wave.layers.SWEEPS", 12)
    with WaveSimulator() as wave:
        found = there_and_back(wave, circuit, drives)
        assert wave._prepared.method.rescue.cache_info().currsize == 0
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-8 * np.abs(theirs).max()


def test_linear_maps_are_settled_in_as_many_steps_as_they_have_dimensions(monkeypatch):
    """And three more; whatever memory is empty holds no numbers."""
    for name in ("empty", "empty_like"):
        made = getattr(array_api_compat.numpy, name)

        def spoilt(*given, made=made, **options):
            found = made(*given, **options)
            found[...] = np.nan
            return found

        monkeypatch.setattr(array_api_compat.numpy, name, spoilt)
    random = np.random.default_rng(0)
    turn, _ = np.linalg.qr(random.normal(size=(4, 4)))
    matrix, wanted = turn * [0.99, 0.7, -0.5, 0.2] @ turn.T, random.normal(size=(30, 4))
    found, missing = settle(
        lambda x, rows: wanted[rows] + (x - wanted[rows]) @ matrix, 0 * wanted, np.full(30, 1e-10), 7
    )
    assert missing.max() <= 1e-10
    assert np.abs(found - wanted).max() <= 1e-8


@pytest.mark.parametrize(
    ("joined", "second"),
    [
        ([(0, 1), (1, 2), (3, 2)], [False, True, False, True]),
        ([(0, 1), (1, 2), (2, 0)], None),
        ([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)], None),
        ([(0, 3), (1, 2)], [False, False, True, True]),
        ([], [False, False]),
    ],
)
def test_two_sets_are_found_where_there_are(joined, second):
    size = len(second) if second is not None else 1 + max(max(pair) for pair in joined)
    matrix = np.eye(size)
    for a, b in joined:
        matrix[a, b] = matrix[b, a] = 1.0
    found = two_sets(sparse.csr_array(matrix))
    assert (found is None) if second is None else found.tolist() == second


def test_a_sparse_circuit_agrees_with_ngspice(wave, ngspice):
    """A ladder of 800 nodes with a diode on every tenth: factored sparsely."""
    count = 800
    nodes = np.arange(1, count + 1)
    rungs = [(k, k + 1, 1e-3) for k in nodes[:-1]] + [(k, 0, 1e-5) for k in nodes[1:]]
    circuit = replace(
        plain(),
        nodes=("0", *(f"n{k}" for k in nodes)),
        resistors=bank("resistors", rungs),
        diodes=bank("diodes", [(k, 0, 0) if k % 20 else (0, k, 0) for k in nodes[9::10]]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=replace(plain().inputs, source=[0], column=[0], gain=[1.0], names=("x",)),
        outputs=[(count // 2, 0), (20, 40)],
        output_names=(),
        trainable=None,
        units=None,
    )
    agree(circuit, np.array([[5.0], [-5.0]]), wave, ngspice)
    assert isinstance(wave._prepared.method, General)  # back and forth would take hundreds of sweeps


@pytest.mark.parametrize("realization", ["transformer-gyrator", "buffered"])
@pytest.mark.parametrize("diode", ["ideal", "1N4148"])
@pytest.mark.parametrize("units", [4, 10])
def test_compiled_networks_agree_with_the_oracle(units, diode, realization, wave):
    """A monDEQ behind a feed-forward layer: transformers, gyrators and buffers by the hundred."""
    random = np.random.default_rng(units)
    a, p = random.normal(size=(2, units, units)) / np.sqrt(units)
    stages = (
        Stage(U=random.normal(size=(units, 3)), b=random.normal(size=units), W=None, activation=Activation("relu")),
        Stage(
            U=random.normal(size=(units, units)) / np.sqrt(units),
            b=random.normal(size=units),
            W=0.7 * np.eye(units) - a.T @ a + p - p.T,
            activation=Activation("relu"),
        ),
    )
    circuit = compile_network(Network(stages), realization, diode=diode).circuit
    drives = circuit.scaling.to_volts(random.uniform(-1, 1, size=(3, 3)))
    agree(circuit, drives, wave, Oracle(), volts=1e-9)


# --- the parts -------------------------------------------------------------------------------------------------------


def test_wright_omega_is_scipys():
    x = np.concatenate([np.linspace(-60.0, 60.0, 4001), [300.0, 1e4, 1e7]])
    assert np.abs(wright_omega(x) / wrightomega(x) - 1).max() < 1e-14
    assert 0.0 <= wright_omega(np.array([-1e7, -800.0, -80.0])).max() < 1e-27


@pytest.mark.parametrize("backend", installed("numpy", "numba"))
@pytest.mark.parametrize("temperature", [-20.0, 27.0, 85.0])
@pytest.mark.parametrize("name", catalogue.names("diode"))
def test_diodes_follow_their_law(name, temperature, backend):
    circuit = replace(plain(name), temperature=temperature)
    device = law(circuit.models[0], temperature)
    resistances = np.array([1.0, 1e3, 1e5, 1e8])
    sources = np.random.default_rng(0).normal(size=(200, 4)) * np.array([0.3, 3.0, 30.0, 1000.0])
    sources[:2] = [[0.0], [-3 * device.n_vt]]  # where one law ends and the other begins
    v, i, g = Diodes.of(circuit, Arrays.of([backend])).load_line(sources, resistances)
    expected = device.load_line(sources, resistances)
    assert np.abs(v - expected[0]).max() < 1e-10
    assert np.abs((i - expected[1]) * resistances).max() < 1e-10
    assert np.abs((g - expected[2]) / (expected[2] + 1 / resistances)).max() < 1e-9


@pytest.mark.parametrize("number", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [-20.0, 85.0])
@pytest.mark.parametrize("name", [*catalogue.names("diode"), "all that are plain"])
def test_what_currents_miss_is_what_the_law_says(name, temperature, number, monkeypatch):
    """Compiled as in numpy, around the corner at -3 nVt and at 0 V as elsewhere; what is unusual is the law's own."""
    pytest.importorskip("numba")
    known = [catalogue.get(each) for each in catalogue.names("diode")]
    models = [each for each in known if law(each).plain.all()] if name.startswith("all") else [catalogue.get(name)]
    assert len(models) == 1 or len(models) > 5
    which = np.arange(4 * len(models)) % len(models)
    circuit = SimpleNamespace(models=tuple(models), diodes=SimpleNamespace(values=which), temperature=temperature)
    found = Diodes.of(circuit, Arrays.of(["numba"]))
    device, rng = found.ports, np.random.default_rng(0)
    n_vt = np.broadcast_to(device.n_vt, len(which))
    volts = np.concatenate(
        [rng.uniform(-1, 1, (99, len(which))), [0 * n_vt, -3 * n_vt], rng.normal(0, 1e-3, (9, 1)) - 3 * n_vt]
    )
    volts = np.clip(volts, -0.9 * np.broadcast_to(device.breakdown, len(which)), 40.0 * n_vt).astype(number)
    currents = (device.current(volts) * rng.uniform(0.99, 1.01, volts.shape)).astype(number)
    expected = device.missed(volts, currents)
    saturation = np.broadcast_to(device.saturation, len(which))
    assert (np.abs(found.missed(volts, currents) - expected) <= 1e-13 * (np.abs(currents) + saturation)).all()
    if not device.plain.all():
        return
    with monkeypatch.context() as without:
        without.setattr(type(device), "missed", None)
        assert found.missed(volts, currents).shape == volts.shape
    edge = np.broadcast_to(device.breakdown, len(which))
    least = int(np.argmin(edge))
    broken = [-2.0 * edge[least]] if device.breaks else []
    for unusual in (*broken, 700.0 * n_vt[least], np.nan):
        volts[7, least] = unusual
        assert np.array_equal(found.missed(volts, currents), device.missed(volts, currents), equal_nan=True)


@pytest.mark.parametrize("name", ["ideal", "1N4148"])
def test_conductances_are_those_at_the_voltages_found(wave, name):
    """Blocking diodes' too, which are no more than gmin, whatever the last step moves them by."""
    circuit = layered((8, 20, 3), catalogue.get(name), 5.0, seed=1)
    rng = np.random.default_rng(1)
    circuit = circuit.with_conductances(np.exp(rng.uniform(np.log(1e-9), np.log(1e-5), len(circuit.resistors))))
    ends, device = circuit.diodes.terminals, law(circuit.models[0])
    for rows in np.split(3.0 * rng.normal(size=(32, 8)), 8):
        point = wave.operate(circuit, rows)
        across = point.node_voltages[:, ends[:, 0]] - point.node_voltages[:, ends[:, 1]]
        np.testing.assert_allclose(point.diode_conductances, device.conductance(across), rtol=2e-6)


def test_a_mixture_of_diodes_keeps_its_order():
    names = ["1N4148", "BZX84C3V3", "BAT54"]
    circuit = replace(
        plain(),
        models=tuple(catalogue.get(name) for name in names),
        diodes=Bank(plain().diodes.terminals, np.array([2.0, 0.0, 1.0, 0.0])),
    )
    sources = np.random.default_rng(0).normal(size=(50, 4)) * 3
    found = Diodes.of(circuit).load_line(sources, np.full(4, 300.0))
    for column, name in enumerate(["BAT54", "1N4148", "BZX84C3V3", "1N4148"]):
        expected = law(catalogue.get(name)).load_line(sources[:, column], 300.0)
        for mine, theirs in zip(found, expected, strict=True):
            assert np.allclose(mine[:, column], theirs, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("backend", installed("numpy", "numba", "torch", "torch:cuda"))
@pytest.mark.parametrize("temperature", [-20.0, 27.0, 85.0])
def test_diodes_of_every_kind_follow_their_laws_together(temperature, backend):
    """Constants go by the column: every diode of the catalogue, and ones with a recombination current and knees."""
    models = (*map(catalogue.get, catalogue.names("diode")), DiodeModel("knee", {"is": 1e-9, "ikf": 1e-5, "bv": 3.0}))
    which = np.random.default_rng(1).integers(0, len(models), 60)
    circuit = SimpleNamespace(models=models, diodes=SimpleNamespace(values=which), temperature=temperature)
    random = np.random.default_rng(0)
    sources = random.normal(size=(200, 60)) * 10.0 ** random.uniform(-2, 2, 60)
    resistances = 10.0 ** random.uniform(0, 8, 60)
    arrays = Arrays.of(backend.split(":"))
    found = Diodes.of(circuit, arrays).load_line(arrays.put(sources), arrays.put(resistances))
    v, i, g = map(arrays.take, found)
    expected = one_ports(models, which, temperature).load_line(sources, resistances)
    assert np.abs(v - expected[0]).max() < 1e-10
    assert np.abs((i - expected[1]) * resistances).max() < 1e-10
    assert np.abs((g - expected[2]) / (expected[2] + 1 / resistances)).max() < 1e-9


def test_what_diverged_is_not_a_number_and_leaves_its_neighbours_alone():
    models = (catalogue.get("1N4148"), catalogue.get("1N5711"))
    circuit = SimpleNamespace(models=models, diodes=SimpleNamespace(values=np.array([0, 1, 1])), temperature=27.0)
    sources = np.array([[1.0, 2.0, 3.0], [np.nan, np.nan, 3.0]])
    v, i, g = Diodes.of(circuit).load_line(sources, np.full(3, 1e3))
    for each in (v, i, g):
        assert np.array_equal(np.isnan(each), np.isnan(sources))
        assert each[1, 2] == each[0, 2]


# --- hard cases converge or raise ------------------------------------------------------------------------------------

STEEP = DiodeModel.from_json({"name": "steep", "description": "", "source": "", "parameters": {"is": 1e-14, "n": 0.01}})


@pytest.mark.parametrize("lateral", [False, True])
@pytest.mark.parametrize("diode", ["steep", "ideal", "1N4148", "BZX84C3V3", "1N5711", "1N4007"])
def test_hard_cases(diode, lateral, wave):
    model = STEEP if diode == "steep" else catalogue.get(diode)
    usual = layered((3, 12, 2), model, 4.0, lateral=lateral, seed=3, median=3e-5)
    wide = usual.with_conductances(10.0 ** np.random.default_rng(0).uniform(-9, -1, len(usual.resistors)))
    random = np.random.default_rng(3)
    for circuit in (usual, wide):
        for drives in (random.normal(size=(4, 3)) * 4, random.choice([-1e3, 1e3], size=(4, 3)), np.zeros((1, 3))):
            point = wave.operate(circuit, drives)
            balances(point)
            assert np.isfinite(wave.small_signal(point, np.ones((len(drives), 2))).node_voltages).all()
            try:
                against = Oracle().operate(circuit, drives).node_voltages
            except SimulationError:  # 1 kV across a diode with a law that jumps
                continue
            assert np.abs(point.node_voltages - against).max() <= 1e-8


def balances(point):
    """Kirchhoff's law and the diode law in the answer alone, at every node of the circuit as it is, unfolded."""
    circuit = point.circuit
    equations = EquationsPlan.of(circuit).fill(circuit)
    sources = circuit.source_values(point.drives)
    newton = Newton(equations, one_ports(circuit.models, circuit.diodes.values, circuit.temperature))
    # What a source carries is no unknown of the engine's; Kirchhoff's law at its node says it.
    through = np.zeros((len(sources), len(circuit.voltage_sources)))
    unknowns = equations.unknowns(point.node_voltages, {"voltage_sources": through})
    missed, _ = newton.residual(unknowns, equations.driven(sources))
    plus = circuit.voltage_sources.terminals[:, 0]
    unknowns[:, equations.branches["voltage_sources"]] = -missed[:, plus - 1]
    off = newton.volts(newton.correction(unknowns, equations.driven(sources)))
    assert off.max() <= 1e-9 + 1e-12 * np.abs(point.node_voltages).max()


def test_nothing_flows_at_zero_volts(wave):
    circuit = plain()
    silent = replace(circuit, voltage_sources=circuit.voltage_sources.with_values(0 * circuit.voltage_sources.values))
    point = wave.operate(silent, np.zeros((3, 3)))
    assert np.abs(point.node_voltages).max() < 1e-15
    assert not wave.small_signal(point, np.zeros((3, 2))).node_voltages.any()


def feedback(gain):
    """A node with a diode, 1 mS to ground and 1 mS to a buffer that follows it ``gain`` times."""
    return replace(
        plain(),
        nodes=("0", "h", "e"),
        resistors=bank("resistors", [(1, 0, 1e-3), (1, 2, 1e-3)]),
        diodes=bank("diodes", [(1, 0, 0)]),
        voltage_sources=bank("voltage_sources"),
        current_sources=bank("current_sources", [(0, 1, 0.0)]),
        buffers=bank("buffers", [(2, 0, 1, 0, gain)]),
        inputs=replace(plain().inputs, source=[0], column=[0], gain=[1.0], names=("x",)),
        outputs=[(1, 0)],
        output_names=(),
        trainable=None,
        units=None,
    )


def test_a_circuit_without_solution_is_refused(wave):
    """Beyond gain 2 the node's conductance is negative: no voltage takes up a current drawn from it."""
    assert wave.operate(feedback(1.999), np.array([[-1e-3]])).outputs[0, 0] == pytest.approx(-1e3, rel=1e-4)
    with pytest.raises(SimulationError, match="sample 1: no operating point"):
        wave.operate(feedback(3.0), np.array([[1e-2], [-1e-2]]))


def test_a_circuit_held_by_nothing_is_refused(wave):
    with pytest.raises(CircuitError, match="island has no path to ground"):
        wave.operate(replace(plain(), nodes=(*plain().nodes, "island")), DRIVES)
    wave.operate(plain(), DRIVES)
    with pytest.raises(CircuitError, match="positive and finite"):
        wave.operate(plain().with_conductances(-plain().conductances), DRIVES)
    circuit = CIRCUITS["everything"]()
    wave.operate(circuit, DRIVES)
    for kind in KINDS:
        with pytest.raises(CircuitError, match="make it finite"):
            wave.operate(circuit.with_values(kind, np.full(len(circuit.bank(kind)), np.nan)), DRIVES)


@pytest.mark.parametrize("engine", ["wave", "wave:float32", "ngspice"])
def test_diodes_that_short_a_source_are_named(engine):
    """Two in series without a resistance; the remedies that the error names help."""
    circuit = Circuit(
        ("0", "rail", "middle"),
        resistors=bank("resistors", [(2, 0, 1e-5)]),
        diodes=bank("diodes", [(1, 2, 0), (2, 0, 0)], ("d7", "d4")),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.1)]),
        models=(catalogue.get("ideal"),),
        inputs=Inputs(np.array([0]), np.array([0]), np.array([1.0]), ("x",)),
        outputs=np.array([[2, 0]]),
    )
    drives = np.array([[-0.6], [0.4], [-0.2], [0.9]])
    with create(engine) as simulator:
        with pytest.raises(SimulationError, match=r"sample 1 .*: nothing limits .* from rail at 0\.5 V") as said:
            simulator.operate(circuit, drives)
        assert set(said.value.failures) == {1, 3}
        assert "from rail at 1 V to ground through d7 and d4" in said.value.failures[3]
        assert "put a resistor in series" in said.value.remedy
        resisting = DiodeModel("real", (("is", 1e-12), ("n", 0.001), ("eg", 0.0), ("xti", 0.0), ("rs", 2.0)))
        found = simulator.operate(replace(circuit, models=(resisting,)), drives).outputs[:, 0]
    np.testing.assert_allclose(found[[1, 3]], [0.25, 0.5], rtol=1e-3)


def test_volts_that_are_no_numbers_are_refused(wave):
    with pytest.raises(InputError, match="sample 1"):
        wave.operate(plain(), np.array([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]]))


@pytest.mark.parametrize("name", ["layered", "everything"])
def test_wrong_answers_are_mended_or_refused(name, monkeypatch):
    circuit = CIRCUITS[name]()
    with WaveSimulator() as engine:
        point = engine.operate(circuit, DRIVES)
        method = type(engine._prepared.method)
        settle, linear = method.settle, method.linear

        def tampered(self, right):
            settled = settle(self, right)
            settled.unknowns[1] *= 1 + 1e-4
            return settled

        def astray(self, g, right, *, transposed):
            return linear(self, g * (1 + 1e-4), right, transposed=transposed)

        adjoint = engine.small_signal(point, np.ones_like(point.outputs))
        monkeypatch.setattr(method, "settle", tampered)
        monkeypatch.setattr(method, "linear", astray)
        # The judge notices, and Newton's method mends it …
        again = engine.operate(circuit, DRIVES)
        assert np.abs(again.node_voltages - point.node_voltages).max() < 1e-9
        assert np.allclose(engine.small_signal(point, np.ones_like(point.outputs)).node_voltages, adjoint.node_voltages)
        # … or the answer is refused, by its row.
        monkeypatch.setattr(Newton, "settle", lambda self, right, start=None: np.zeros_like(right))
        monkeypatch.setattr(
            Newton, "polish", lambda self, x, *_: (x, np.zeros((len(x), len(self.laws))), np.full(len(x), np.inf))
        )
        monkeypatch.setattr(Newton, "polish_linear", lambda self, x, *_, **__: (x, np.full(len(x), np.inf)))
        with pytest.raises(SimulationError, match="sample 1: ") as refused:
            engine.operate(circuit, DRIVES)
        assert set(refused.value.failures) == {1}
        assert np.isnan(refused.value.answered.outputs[1]).all()
        assert np.isnan(refused.value.answered.diode_currents).all(axis=1).tolist() == [False, True, False, False]
        assert np.allclose(refused.value.answered.outputs[[0, 2, 3]], point.outputs[[0, 2, 3]])
        with pytest.raises(SimulationError, match="linearized circuit"):
            engine.small_signal(point, np.ones_like(point.outputs))


def test_answers_do_not_depend_on_the_batch(wave):
    circuit = plain(lateral=True)
    drives = np.random.default_rng(7).normal(size=(700, 3)) * 5
    together = wave.operate(circuit, drives).node_voltages
    alone = np.concatenate([wave.operate(circuit, row[None]).node_voltages for row in drives[::100]])
    assert np.abs(together[::100] - alone).max() < 2e-11
    assert np.array_equal(together, wave.operate(circuit.with_conductances(circuit.conductances), drives).node_voltages)


@pytest.mark.parametrize("widths", [(3, 5, 4, 2), (2, 4, 6, 1)])
@pytest.mark.parametrize("name", ["wave", "wave:mixed"])
def test_samples_that_have_no_answer_leave_deep_circuits_to_the_others(name, widths):
    circuit = layered(widths, catalogue.get("1N4148"), 5.0, median=3e-5, seed=3)
    drives = np.random.default_rng(7).normal(size=(4, widths[0])) * 3
    with create(name) as engine:
        usual = engine.operate(circuit, drives).node_voltages
        assert isinstance(engine._prepared.method, Layers)
        drives[1:3] = 1e12  # so many volts leave the batch at once
        found = engine.operate(circuit, drives).node_voltages
        assert np.abs(found[[0, 3]] - usual[[0, 3]]).max() < 1e-10
        drives[1:3] = 1e25
        with pytest.raises(SimulationError) as refused:
            engine.operate(circuit, drives)
        assert set(refused.value.failures) == {1, 2}
        assert np.abs(refused.value.answered.node_voltages[[0, 3]] - usual[[0, 3]]).max() < 1e-10


@pytest.mark.parametrize("name", ["wave", "wave:float32", "wave:mixed", "ngspice"])
def test_loss_gradients_of_any_size_keep_their_digits(name):
    """A row's answer is its own, whatever those beside it are; what no number holds is refused."""
    sizes = np.array([[1e-310], [1e-50], [1e-30], [1e30], [1e40], [1e300]])
    with create(name, workers=1) as engine:
        point = engine.operate(plain(), np.repeat(DRIVES[:1], len(sizes), axis=0))
        once = engine.small_signal(point, np.ones((len(sizes), 2))).node_voltages
        every = engine.small_signal(point, np.repeat(sizes, 2, axis=1)).node_voltages
        assert np.allclose(every / sizes, once, rtol=1e-5 if "32" in name else 1e-12, atol=0)
        products = branch_products(point.circuit, point.node_voltages, every)
        assert np.isfinite(products).all()
        assert products.any()
        with pytest.raises(SimulationError, match="larger than any number that the engine has; scale the loss") as told:
            engine.small_signal(point, np.where(sizes == 1e300, 1e308, np.repeat(sizes, 2, axis=1)))
        assert list(told.value.failures) == [len(sizes) - 1]
        assert np.array_equal(told.value.answered.node_voltages[:-1], every[:-1])


@pytest.mark.parametrize("name", ["wave", "ngspice"])
def test_volts_that_no_number_holds_are_refused(name):
    """Two sources on top of each other."""
    circuit = Circuit(
        nodes=("0", "a", "b"),
        resistors=bank("resistors", [(2, 0, 1e-3)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 1, 0.0)]),
        inputs=Inputs([0, 1], [0, 0], [1.0, 1.0], ("x",)),
        outputs=[(2, 0)],
    )
    with create(name, workers=1) as engine, pytest.raises(SimulationError, match="larger than any number"):
        engine.operate(circuit, [[1e308]])


def test_one_diode_has_no_core(wave):
    """Nothing is left for Newton's method: the load line is the answer."""
    circuit = one_diode()
    agree(replace(circuit, trainable=None), np.array([[1.0], [-1.0], [0.0]]), wave, Oracle(), volts=1e-12)
    assert self_test("wave")["works"]


# --- in use ----------------------------------------------------------------------------------------------------------


def test_training_in_wave_is_confirmed_by_ngspice(tmp_path):
    out = tmp_path / "run"
    command = ["train", "iris", "--simulator", "wave", "--hidden", "6", "--epochs", "3", "--out", str(out)]
    assert main([*command, "--verify-with", "ngspice"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["simulator"] == "wave"
    assert summary["verified"]["simulator"] == "ngspice"
    assert summary["verified"]["test_accuracy"] == summary["test_accuracy"]
    assert summary["verified"]["max_difference_volts"] < 1e-8


# --- other arrays, other precision -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", installed("numba", "torch", "torch:cuda"))
@pytest.mark.parametrize("diode", ["1N4148", "BZX84C3V3", "1N5711", "ideal"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_every_backend_finds_what_numpy_finds(name, diode, backend):
    with create(f"wave:{backend}") as other, create("wave") as wave:
        agree(CIRCUITS[name](diode), DRIVES, other, wave, volts=1e-10, share=1e-10)


@pytest.mark.parametrize("backend", installed("numpy", "numba", "torch", "torch:cuda"))
@pytest.mark.parametrize("diode", catalogue.names("diode"))
def test_float32_is_right_to_the_accuracy_stated(diode, backend):
    with create(f"wave:{backend}:float32") as rough, create("wave") as wave:
        for name in CIRCUITS:
            circuit = CIRCUITS[name](diode)
            point, exact = rough.operate(circuit, DRIVES), wave.operate(circuit, DRIVES)
            assert point.node_voltages.dtype == np.float32
            largest = np.abs(exact.node_voltages).max()
            assert np.abs(point.node_voltages - exact.node_voltages).max() <= 1e-5 * largest
            found, wanted = (
                RULES["hardware-linearization"](engine, circuit, DRIVES, half_mean_square).conductances
                for engine in (rough, wave)
            )
            assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_what_single_precision_leaves_is_mended_with_right_sides_in_double():
    circuit = layered((20, 30, 2), catalogue.get("1N4148"), 5.0)
    drives = np.random.default_rng(1).normal(size=(4, 20))
    with create("wave:float32") as narrow, create("wave") as wide:
        found, wanted = (
            (engine.operate(circuit, drives), engine._prepared.right_side(circuit.source_values(drives)))[1]
            for engine in (narrow, wide)
        )
    assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max()


@pytest.mark.parametrize("backend", installed("numpy", "numba", "torch", "torch:cuda"))
@pytest.mark.parametrize("diode", ["1N4148", "BZX84C3V3", "1N5711", "ideal"])
def test_mixed_is_right_to_the_accuracy_stated(diode, backend):
    model = catalogue.get(diode)
    deep = {str(widths): layered(widths, model, 5.0, seed=1) for widths in ((3, 6, 5, 2), (3, 40, 30, 30, 2))}
    random = np.random.default_rng(2)
    with create(f"wave:{backend}:mixed") as mixed, create("wave") as wave:
        for name, circuit in (deep | {name: CIRCUITS[name](diode) for name in CIRCUITS}).items():
            drives = np.eye(70, len(circuit.inputs)) * 5.0 if name in deep else DRIVES
            point, exact = mixed.operate(circuit, drives), wave.operate(circuit, drives)
            assert isinstance(mixed._prepared.method, Layers) or name not in deep
            assert point.node_voltages.dtype == np.float64
            assert point.error.max() <= 1e-8 + 1e-12 * np.abs(point.node_voltages).max()
            assert np.abs(point.node_voltages - exact.node_voltages).max() <= 1e-8
            injected = random.normal(size=exact.outputs.shape)
            found, wanted = (engine.small_signal(exact, injected).node_voltages for engine in (mixed, wave))
            assert (np.abs(found - wanted).max(axis=1) <= 1e-7 * np.abs(wanted).max(axis=1)).all()


def test_options_that_cannot_be_met():
    for name in (
        "wave:fast",
        "wave:torch:numpy",
        "wave:cuda",
        "wave:numba:cuda",
        "wave:float32:float64",
        "wave:mixed:float32",
        "ngspice:torch",
    ):
        with pytest.raises(UsageError):
            create(name)
    try:
        import torch
    except ImportError:
        with pytest.raises(SimulatorMissingError, match="PyTorch"):
            create("wave:torch")
    else:
        if not torch.cuda.is_available():
            with pytest.raises(SimulatorMissingError, match="CUDA"):
                create("wave:torch:cuda")


def test_a_missing_numba_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(SimulatorMissingError, match="numba") as told:
        create("wave:numba")
    assert "diodeq[numba]" in told.value.remedy


@pytest.mark.parametrize("backend", installed("numpy", "numba"))
def test_the_number_of_workers_changes_no_bit(backend):
    circuit = layered((20, 300, 4), catalogue.get("1N4148"), 4.0, lateral=False, seed=1)
    drives = np.random.default_rng(0).normal(size=(400, 20)) * 4.0
    answers = []
    for workers in (1, 2, 3):
        with WaveSimulator(backend, workers=workers) as engine:
            point = engine.operate(circuit, drives)
            answers.append((point.node_voltages, engine.small_signal(point, point.outputs).node_voltages))
    for volts, adjoint in answers[1:]:
        assert np.array_equal(volts, answers[0][0])
        assert np.array_equal(adjoint, answers[0][1])


@pytest.mark.parametrize("number", ["float64", "float32"])
@pytest.mark.parametrize("backend", installed("numpy", "numba", "torch"))
def test_products_for_a_whole_batch_are_those_of_its_parts(backend, number, monkeypatch):
    """As wide a layer as is worth it, for as many samples as make several parts."""
    circuit = layered((5, 300, 3), catalogue.get("1N4148"), 5.0, seed=1)
    drives = np.random.default_rng(0).normal(size=(700, 5))
    with create(f"wave:{backend}:{number}") as engine:
        point = engine.operate(circuit, drives)
        assert engine._prepared.wide
        monkeypatch.setattr(Prepared, "wide", False)
        parts = engine.operate(circuit, drives)
    rounding = 1e-5 if number == "float32" else 1e-12
    assert np.abs(point.node_voltages - parts.node_voltages).max() < rounding


@pytest.mark.parametrize("backend", installed("numpy", "numba"))
def test_volts_too_large_for_single_precision_are_told_by_their_sample(backend):
    circuit = layered((5, 300, 3), catalogue.get("1N4148"), 5.0, seed=1)
    drives = np.ones((700, 5))
    drives[650, 2] = 1e39
    with (
        create(f"wave:{backend}:float32") as engine,
        pytest.raises(InputError, match="sample 650 are too large") as told,
    ):
        engine.operate(circuit, drives)
    assert told.value.sample == 650


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize("backend", installed("numpy", "numba", "torch"))
def test_currents_of_diodes_are_those_of_their_laws(backend, name):
    circuit = CIRCUITS[name]()
    ends, ports = circuit.diodes.terminals, one_ports(circuit.models, circuit.diodes.values, circuit.temperature)
    with create(f"wave:{backend}") as engine:
        point = engine.operate(circuit, DRIVES)
    across = point.node_voltages[:, ends[:, 0]] - point.node_voltages[:, ends[:, 1]]
    np.testing.assert_allclose(point.diode_currents, ports.current(across), rtol=1e-7, atol=1e-15)
    usual = dissipation(circuit, point.node_voltages)
    for mine, theirs in zip(
        dissipation(circuit, point.node_voltages, currents=point.diode_currents), usual, strict=True
    ):
        assert (mine.kind, mine.label) == (theirs.kind, theirs.label)
        np.testing.assert_allclose(mine.watts, theirs.watts, rtol=1e-6, atol=1e-15)


def test_no_method_gives_one_array_twice():
    for settled in (Unaided(3).settle(np.ones((2, 4))), Unaided(0).settle(np.ones((2, 4)))):
        arrays = (settled.unknowns, settled.currents, settled.conductances)
        assert not any(np.shares_memory(one, other) for one, other in itertools.combinations(arrays, 2))


def test_currents_of_diodes_are_mended_with_the_voltages(monkeypatch):
    circuit = CIRCUITS["layered"]()
    with WaveSimulator() as engine:
        point = engine.operate(circuit, DRIVES)
        method = type(engine._prepared.method)
        settle = method.settle

        def tampered(self, right):
            settled = settle(self, right)
            settled.currents[1] *= 1.1
            return settled

        monkeypatch.setattr(method, "settle", tampered)
        again = engine.operate(circuit, DRIVES)
    np.testing.assert_allclose(again.diode_currents, point.diode_currents, rtol=1e-7, atol=1e-15)
