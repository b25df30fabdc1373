"""Products with what is stored only: the same numbers as those of whole matrices."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from diodeq.circuit import dots
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.products import branch_products
from diodeq.devices import catalogue
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.layered import layered

pytest.importorskip("numba")


@pytest.mark.parametrize("number", ["float64", "float32"])
@pytest.mark.parametrize("samples", [0, 1, 33, 200])
def test_entries_alone_are_those_of_the_whole_product(samples, number):
    rng = np.random.default_rng(samples)
    left, right = rng.normal(size=(samples, 9)).astype(number), rng.normal(size=(samples, 70)).astype(number)[:, ::2]
    rows, columns = rng.integers(9, size=400), rng.integers(35, size=400)
    found = dots.dots(left, right, rows, columns)
    assert found.dtype == number
    scale = np.abs(left).T.astype(float) @ np.abs(right) + 1e-300
    exact = left.T.astype(float) @ right
    assert (np.abs(found - exact[rows, columns]) <= 20 * np.finfo(number).eps * scale[rows, columns]).all()


@pytest.mark.parametrize("number", ["float64", "float32"])
@pytest.mark.parametrize("samples", [0, 1, 33, 200])
def test_a_stored_matrix_multiplies_as_a_dense_one(samples, number):
    from diodeq.simulators.wave.stored import Stored

    rng = np.random.default_rng(samples)
    dense = np.where(rng.random((50, 23)) < 0.15, rng.normal(size=(50, 23)), 0.0)
    dense[:, 4] = 0.0
    given = rng.normal(size=(samples, 100)).astype(number)[:, ::2]
    found = given @ Stored.of(sparse.csr_array(dense.T), number)
    assert found.dtype == number
    assert found.shape == (samples, 23)
    assert (np.abs(found - given @ dense) <= 20 * np.finfo(number).eps * (np.abs(given) @ np.abs(dense))).all()


@pytest.mark.parametrize("topology", ["random:0.1", "local:3x3:stride2"])
def test_sparse_circuits_have_the_answers_and_gradients_of_whole_products(topology, monkeypatch):
    circuit = layered((64, 30, 4), catalogue.get("1N4148"), 5.0, topology=topology, seed=1)
    rng = np.random.default_rng(2)
    drives, injections = rng.normal(size=(70, 64)), rng.normal(size=(70, len(circuit.outputs)))
    found = []
    for engine, worth in (WaveSimulator(), dots.WORTH), (WaveSimulator("numba"), 1):
        monkeypatch.setattr(dots, "WORTH", worth)
        monkeypatch.setattr(dots, "ALONE", 0)
        assert dots.pays(100, 1000, 10) == (worth == 1)
        point = engine.operate(circuit, drives)
        volts = engine.small_signal(point, injections).node_voltages
        found.append((point.node_voltages, volts, branch_products(circuit, point.node_voltages, volts)))
        found[-1] += (branch_products(circuit, volts, volts, every=True),)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-10 * np.abs(one).max())


def test_voltages_and_adjoint_may_differ_in_precision(monkeypatch):
    circuit = layered((64, 30, 4), catalogue.get("1N4148"), 5.0, topology="random:0.1", seed=1)
    rng = np.random.default_rng(3)
    volts = rng.normal(size=(20, len(circuit.nodes))).astype(np.float32)
    adjoint = rng.normal(size=volts.shape) * 1e200
    monkeypatch.setattr(dots, "ALONE", 0)
    whole = branch_products(circuit, volts, adjoint)
    monkeypatch.setattr(dots, "WORTH", 1)
    np.testing.assert_allclose(branch_products(circuit, volts, adjoint), whole, rtol=1e-9)


def test_what_a_wiring_remembers_is_only_for_the_same_question():
    circuit = layered((64, 30, 4), catalogue.get("1N4148"), 5.0, topology="random:0.1", seed=1)
    rng = np.random.default_rng(4)
    circuit = replace(circuit, trainable=rng.random(len(circuit.resistors)) < 0.5)
    volts, all_ = rng.normal(size=(2, 20, len(circuit.nodes)))
    free = np.where(driven_nodes(circuit), 0.0, all_)
    a, b = circuit.resistors.terminals.T
    for adjoint, every in 2 * [(free, False), (all_, False), (free, True), (volts, False), (volts, True)]:
        wanted = -((volts[:, a] - volts[:, b]) * (adjoint[:, a] - adjoint[:, b])).sum(axis=0)
        found = branch_products(circuit, volts, adjoint, every=every)
        np.testing.assert_allclose(found, wanted if every else wanted[circuit.mask], rtol=0, atol=1e-9)
