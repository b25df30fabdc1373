"""Certificates and error budgets: against brute force, and against what circuits really do."""

import numpy as np
import pytest

from circuits import mirror, plain
from decks import run_gnucap, run_ngspice, run_ngspice_as_ltspice
from diodeq.analysis.certificate import certify_circuit
from diodeq.analysis.linear import linear_part
from diodeq.analysis.realized import realized, unit_nodes
from diodeq.analysis.verify import verify
from diodeq.errors import InputError
from diodeq.netlist.dialects import full_deck
from diodeq.network import Activation, Network, Stage
from diodeq.network.solve import solve
from diodeq.simulators import create
from diodeq.synthesis import REALIZATIONS, compile_network
from oracle import Oracle


def monotone(n, seed, symmetric=False, margin=0.3):
    random = np.random.default_rng(seed)
    a, p = random.normal(size=(2, n, n)) / np.sqrt(n)
    return (1 - margin) * np.eye(n) - a.T @ a + (0 if symmetric else p - p.T)


def cascade(seed=0):
    random = np.random.default_rng(seed)
    return Network(
        (
            Stage(random.normal(size=(5, 3)), random.normal(size=5), monotone(5, seed)),
            Stage(random.normal(size=(4, 5)), random.normal(size=4)),
            Stage(random.normal(size=(3, 4)), random.normal(size=3), None, Activation("identity")),
        )
    )


X = np.random.default_rng(3).normal(size=(6, 3))


@pytest.mark.parametrize("name", ["transformer-gyrator", "buffered"])
def test_the_linear_part_is_the_network(name):
    """H, seen from outside, is the scaled I - W of every stage, and what couples stages is U."""
    network = cascade()
    circuit = compile_network(network, name, diode="1N4148").circuit
    for wanted, found in zip(network.stages, realized(circuit, network).stages, strict=True):
        assert np.allclose(found.H, wanted.H, atol=1e-12)
        assert np.allclose(found.U, wanted.U, atol=1e-12)
        assert np.allclose(found.b, wanted.b, atol=1e-12)


def test_turned_conductances_are_seen_as_other_weights():
    network = cascade()
    circuit = compile_network(network, "buffered").circuit
    changed = circuit.with_conductances(
        circuit.conductances * np.exp(0.1 * np.random.default_rng(0).normal(size=len(circuit.resistors)))
    )
    actual = realized(changed, network)
    assert not np.allclose(actual.stages[0].W, network.stages[0].W, atol=1e-3)
    volts = 1 / changed.scaling.output_scale
    settled = Oracle().operate(changed, changed.scaling.to_volts(X)).outputs / volts
    assert np.allclose(settled, solve(actual, X).outputs, atol=2e-4 * np.abs(settled).max())


@pytest.mark.parametrize("name", REALIZATIONS)
def test_the_margin_is_that_of_a_dense_eigenvalue_computation(name):
    w = monotone(6, 1, symmetric=True)
    w = 0.3 * np.eye(6) - 0.05 * np.abs(w + w.T) * -1 if name == "passive" else w
    network = Network((Stage(np.random.default_rng(1).normal(size=(6, 3)), np.ones(6), w),))
    compiled = compile_network(network, name)
    certificate = certify_circuit(compiled.circuit)
    margin = np.linalg.eigvalsh((network.stages[0].H + network.stages[0].H.T) / 2)[0]
    assert certificate.margin == pytest.approx(compiled.report.stages[0].margin, rel=1e-9)
    assert certificate.margin == pytest.approx(margin * compiled.report.stages[0].siemens, rel=1e-9)
    assert certificate.unique


def test_a_layered_circuit_is_certified_by_construction():
    certificate = certify_circuit(plain(lateral=True))
    assert certificate.unique
    assert certificate.tolerance == 1.0
    part = linear_part(plain())
    matrix = part.matrix.toarray()
    assert np.allclose(matrix, matrix.T)
    assert certify_circuit(plain()).margin == pytest.approx(np.linalg.eigvalsh(matrix)[0], rel=1e-9)


@pytest.mark.parametrize("name", ["transformer-gyrator", "buffered"])
@pytest.mark.parametrize("tolerance", [0.001, 0.01])
def test_the_bound_holds_on_boards_at_the_corners(name, tolerance):
    circuit = compile_network(cascade(), name, diode="1N4148").circuit
    certificate = certify_circuit(circuit)
    drives = circuit.scaling.to_volts(X)
    point = Oracle().operate(circuit, drives)
    bound = certificate.displacement(circuit, point.node_voltages, tolerance)
    assert np.isfinite(bound).all()
    random, engine = np.random.default_rng(2), create("wave")
    worst = np.zeros(len(X))
    for _ in range(12):
        corner = circuit.conductances * (1 + tolerance * random.choice([-1.0, 1.0], size=len(circuit.resistors)))
        moved = engine.operate(circuit.with_conductances(corner), drives)
        worst = np.maximum(worst, np.linalg.norm(moved.outputs - point.outputs, axis=1))
    assert np.all(worst > 0)
    assert np.all(worst <= bound)


def test_too_much_tolerance_leaves_no_guarantee():
    circuit = compile_network(cascade(), "buffered").circuit
    certificate = certify_circuit(circuit)
    assert 0 < certificate.tolerance < 1
    volts = np.zeros((1, len(circuit.nodes)))
    assert np.isinf(certificate.displacement(circuit, volts, 1.01 * certificate.tolerance)).all()
    # At the guaranteed tolerance every corner still has a positive margin.
    random = np.random.default_rng(0)
    for _ in range(10):
        signs = random.choice([-1.0, 1.0], size=len(circuit.resistors))
        corner = circuit.with_conductances(circuit.conductances * (1 + 0.99 * certificate.tolerance * signs))
        assert certify_circuit(corner).margin > 0


@pytest.mark.parametrize("diode", ["ideal", "1N4148"])
@pytest.mark.parametrize("name", ["transformer-gyrator", "buffered"])
def test_exported_cascades_run_in_other_simulators(name, diode, tmp_path):
    """gnucap has diode constants of its own, which show, amplified by the drivers."""
    circuit = compile_network(cascade(), name, diode=diode).circuit
    drives = circuit.scaling.to_volts(X[:1])
    wanted = Oracle().operate(circuit, drives).node_voltages[0]
    place = {node: k for k, node in enumerate(circuit.nodes)}
    ngspice, ltspice = (full_deck(circuit, dialect, drives[0]).text for dialect in ("ngspice", "ltspice"))
    runs = [
        (run_gnucap(ngspice, tmp_path), 1e-4 if diode == "ideal" else 5e-4),
        (run_ngspice(ngspice, tmp_path), 1e-8),
        (run_ngspice_as_ltspice(ltspice, tmp_path), 1e-8),
    ]
    for found, volts in runs:
        compared = [node for node in found if node in place]
        assert len(compared) > 20
        for node in compared:
            assert found[node] == pytest.approx(wanted[place[node]], abs=volts), node


def test_the_budget_tells_device_from_conductances(ngspice, reference):
    network = cascade()
    labels = solve(network, X).outputs.argmax(axis=1)
    circuit = compile_network(network, "buffered", diode="1N4148", remedy="none").circuit
    found = verify(ngspice, reference, circuit, network, X, labels)
    entry = found.budget(0)
    assert entry["conductances"]["max"] < 1e-12
    assert entry["ideal circuit"]["max"] < 1e-3
    assert entry["device"]["max"] > 10 * entry["ideal circuit"]["max"]
    assert found.solver < 1e-8
    assert found.score()["network"] == 1.0
    assert found.to_json()["certificate"]["unique"]
    shifted = circuit.with_conductances(circuit.conductances * np.linspace(0.9, 1.1, len(circuit.resistors)))
    assert verify(ngspice, reference, shifted, network, X).budget(0)["conductances"]["max"] > 1e-3


def test_other_circuits_and_labels_are_refused(ngspice, reference):
    network = cascade()
    with pytest.raises(InputError, match="no node 's0_0'"):
        unit_nodes(plain(), network)
    circuit = compile_network(network).circuit
    with pytest.raises(InputError, match="class numbers"):
        verify(ngspice, reference, circuit, network, X, np.full(len(X), 7))
    with pytest.raises(InputError, match="mirrors"):
        certify_circuit(mirror())
