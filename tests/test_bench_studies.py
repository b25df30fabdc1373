"""Which nodes to read first, and how fast a gradient can be read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from circuits import everything
from diodeq.api import bench_studies
from diodeq.api.making import layered
from diodeq.benches.probes import probes
from diodeq.circuit import Circuit
from diodeq.cli.main import main
from diodeq.errors import InputError, SimulationError
from diodeq.learning.losses import usual
from diodeq.learning.rules import named
from diodeq.simulators import create
from diodeq.simulators.bench.filling import Tolerances, filled

DRIVES = np.random.default_rng(0).uniform(-2, 2, (6, 3))
LABELS = np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return layered((3, 5, 2), seed=2, spread=0.5)


def test_a_tone_answers_as_in_ngspice_and_slow_ones_are_exact(circuit):
    found = bench_studies.frequency(circuit, DRIVES, LABELS, low=10.0, high=1e9, check=True, units="volts")
    assert found.apart < 1e-4
    assert found.errors[0] < 1e-9
    assert found.errors[-1] > 0.9
    assert (np.diff(found.errors[found.errors < 0.5]) > 0).all()
    one, ten = found.reached[0.01], found.reached[0.1]
    assert found.hertz[found.errors < 0.01].max() < one < found.hertz[found.errors > 0.01].min()
    # Below all corners the part in phase is off by the square of the frequency.
    assert 10**0.4 < ten / one < 10**0.7
    slower = bench_studies.frequency(circuit, DRIVES, LABELS, wiring=4e-12, load=20e-12, low=1e3, units="volts")
    assert 0.45 * one < slower.reached[0.01] < 0.7 * one


def test_covariances_are_those_of_boards(circuit):
    """Of many boards drawn at random, with few per cent: to first order."""
    engine, random = create("wave"), np.random.default_rng(1)
    point = engine.operate(circuit, DRIVES[:2])
    spread = Tolerances.of(circuit, point, 0.01)
    volts = []
    for _ in range(400):
        ohms = 1.0 + 0.01 * random.uniform(-1, 1, len(circuit.resistors))
        board = circuit.with_conductances(circuit.conductances / ohms)
        volts.append(engine.operate(board, DRIVES[:2]).node_voltages[:, spread.free])
    drawn = np.stack(volts, axis=1) - point.node_voltages[:, None, spread.free]
    wanted = np.einsum("bki,bkj->bij", drawn, drawn) / len(volts)
    found = spread.covariance(point.node_voltages)
    assert np.linalg.norm(found - wanted) < 0.15 * np.linalg.norm(wanted)
    # What is read of a board corrects the rest, and by as much as is expected.
    left, missed = np.zeros(2), np.zeros(2)
    at = np.array([0, 2, 6, 8])
    told, seen = found[:, :, at], spread.free[at]
    over = found - told @ np.linalg.solve(found[:, at[:, None], at], told.transpose(0, 2, 1))
    for k in range(100):
        real = point.node_voltages.copy()
        real[:, spread.free] += drawn[:, k]
        better = filled(point.node_voltages, spread.free, found, seen, real[:, seen], 1e-9)
        np.testing.assert_array_equal(better[:, seen], real[:, seen])
        left += ((better - real) ** 2).sum(axis=1) / 100
        missed += (np.delete(drawn[:, k], at, axis=1) ** 2).sum(axis=1) / 100
    np.testing.assert_allclose(left, np.trace(over, axis1=1, axis2=2), rtol=0.3)
    assert (left < missed).all()


def test_probes_that_tell_most_come_first(circuit):
    engine, loss = create("wave"), usual(LABELS, circuit.scaling.output_scale)
    found = probes(engine, circuit, DRIVES, loss, 0.2, 1e-4, boards=8)
    assert set(found.nodes[: found.fixed]) == {circuit.nodes[k] for k in np.unique(circuit.outputs)}
    assert (np.diff(found.expected) <= 0).all()
    assert found.expected[-1] < 0.02 * found.expected[0]
    assert found.modelled[-1] > 0.99999
    assert found.corrected[-1] > 0.99999
    middle = slice(1, -1)
    assert (1 - found.corrected[middle]).sum() < (1 - found.modelled[middle]).sum()
    # The first choice is the best of all single ones.
    first = found.expected[1]
    for node in found.order[found.fixed + 1 :]:
        assert expected_with(engine, circuit, loss, found, int(node)) >= first - 1e-12


def expected_with(engine, circuit, loss, found, node):
    """The expected error with one more node read, by conditioning all at once."""
    point = engine.operate(circuit, DRIVES)
    adjoint = engine.small_signal(point, loss(point.outputs)[1]).node_voltages
    spread = Tolerances.of(circuit, point, 0.2)
    faint = 1e-4 * np.abs(adjoint[:, spread.free]).max() / np.abs(point.node_voltages[:, spread.free]).max()
    at = np.searchsorted(spread.free, [*found.order[: found.fixed], node])
    missed = 0.0
    for own, other, noise in ((point.node_voltages, adjoint, 1e-4), (adjoint, point.node_voltages, faint)):
        p, w = spread.covariance(own), spread.weights(other)
        among = p[:, at[:, None], at] + noise**2 * np.eye(len(at))
        left = p - p[:, :, at] @ np.linalg.solve(among, p[:, at, :])
        missed += float(np.einsum("bij,bji->", left, w))
    exact = np.linalg.norm(bench_gradient(engine, circuit, loss))
    return np.sqrt(missed) / exact


def bench_gradient(engine, circuit, loss):
    return named("hardware-linearization")(engine, circuit, DRIVES, loss).conductances


def test_what_makes_no_sense_is_refused(circuit):
    with pytest.raises(InputError, match="tolerance of 1 and"):
        bench_studies.probes(circuit, DRIVES, LABELS, tolerance=1.0, units="volts")
    with pytest.raises(InputError, match="is no band"):
        bench_studies.frequency(circuit, DRIVES, LABELS, low=10.0, high=1.0, units="volts")
    other = everything()
    with pytest.raises(SimulationError, match="the error does not travel back"):
        bench_studies.frequency(other, np.zeros((1, len(other.inputs))), units="volts")


def test_commands_print_and_draw(circuit, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    circuit.save("c.npz")
    np.savetxt("x.csv", DRIVES, delimiter=",")
    assert main(["bench", "probes", "c.npz", "--inputs", "x.csv", "--boards", "1", "--plot", "p.svg"]) == 0
    assert "read first: h1_" in capsys.readouterr().out
    assert main(["bench", "frequency", "c.npz", "--inputs", "x.csv", "--low", "1k", "--plot", "f.svg"]) == 0
    assert "its error comes to 1 % at" in capsys.readouterr().out
    assert main(["bench", "frequency", "c.npz", "--inputs", "x.csv", "--low", "1k", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ngspice_apart"] is None
    assert all((tmp_path / name).read_text().count("<svg") == 1 for name in ("p.svg", "f.svg"))
    assert main(["bench", "probes", "c.npz"]) == 2
    assert "give either --data" in capsys.readouterr().err
