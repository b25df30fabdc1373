"""The judge, and what it stands on: methods that lie are found out, linear systems are solved as they stand."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from circuits import CIRCUITS
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.elimination import Extended
from diodeq.circuit.equations import EquationsPlan, parts, total
from diodeq.circuit.jacobian import DENSE_BELOW, Jacobian
from diodeq.circuit.one_ports import laws_of
from diodeq.circuit.proof import Judge
from diodeq.circuit.update import PortUpdate
from diodeq.devices import catalogue
from diodeq.devices.one_ports import one_ports
from diodeq.errors import SimulationError
from diodeq.simulators import create
from diodeq.simulators.wave import WaveSimulator
from diodeq.simulators.wave.method import Settled
from families import make


@pytest.mark.parametrize("count", [3, 6, 10])
def test_no_answer_is_off_by_more_than_its_bound(count):
    """A ladder that is tied to ground at one end alone, where what all nodes miss adds up."""
    nodes = ("0", *(f"n{k}" for k in range(count)))
    circuit = Circuit(nodes, resistors=bank("resistors", [(k, k + 1, 1e-3) for k in range(count)]))
    equations = EquationsPlan.of(circuit).fill(circuit)
    judge = Judge(equations, laws_of(circuit))
    missed = 1e-9 * np.concatenate([np.ones((1, count)), np.eye(count), -np.eye(count)])
    off = np.abs(np.linalg.solve(equations.matrix.toarray(), missed.T).T).max(axis=1)
    bound = judge.bound(missed, np.zeros(len(missed)))
    assert np.isfinite(bound).all()
    assert (off <= bound * (1 + 1e-12)).all()


def test_a_correction_across_a_corner_proves_nothing(monkeypatch):
    """Just below -BV one Newton correction is less than a nanovolt, and the solution a millivolt above."""
    model, leak = catalogue.get("BAT85"), 1e-12
    law = one_ports([model], [0], 27.0)
    circuit = Circuit(
        ("0", "a"),
        resistors=bank("resistors", [(1, 0, leak)]),
        diodes=bank("diodes", [(1, 0, 0)]),
        current_sources=bank("current_sources", [(1, 0, 0.0)]),
        models=(model,),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(1, 0)],
    )
    # Its junction breaks down at -BV; the current there is what it leaks.
    corner = -float(law.breakdown) + float(law.resistance) * law.current(np.array([[-float(law.breakdown)]]))
    right, wrong = corner + 1e-3, corner - 3e-11
    assert law.conductance(wrong) > 1e6 * law.conductance(right)
    drives = -(law.current(right) + leak * right)
    with WaveSimulator() as engine:
        np.testing.assert_allclose(engine.operate(circuit, drives).outputs, right, rtol=0, atol=1e-8)
        method = type(engine._prepared.method)
        monkeypatch.setattr(method, "settle", lambda self, _: Settled(wrong.copy(), *map(np.copy, law.evaluate(wrong))))
        np.testing.assert_allclose(engine.operate(circuit, drives).outputs, right, rtol=0, atol=1e-8)


@pytest.mark.parametrize("ends", [(2, 0), (0, 2)])
def test_currents_that_lie_hide_nothing(ends, monkeypatch):
    """The judge asks the laws what flows at a method's voltages, whatever the method says flows."""
    model, siemens, off = catalogue.get("1N4148"), 1e-4, 1e-3
    law, sign = one_ports([model], [0], 27.0), 1.0 if ends[0] else -1.0
    circuit = Circuit(
        ("0", "in", "a"),
        resistors=bank("resistors", [(1, 2, siemens)]),
        diodes=bank("diodes", [(*ends, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(model,),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(2, 0)],
    )
    drives = np.array([[2.0], [-2.0], [0.5]])
    with WaveSimulator() as engine:
        right = engine.operate(circuit, drives).outputs
        method = type(engine._prepared.method)
        settle = method.settle
        for share in (-1.0, 0.0, 0.5, 1.0, 2.0):  # of what the voltages miss

            def tampered(self, given, share=share):
                found = settle(self, given)
                found.unknowns[:] = right + off
                through = law.current(sign * found.unknowns)
                missed = siemens * (found.unknowns - drives) + sign * through
                found.currents[:] = through + share * missed
                return found

            monkeypatch.setattr(method, "settle", tampered)
            np.testing.assert_allclose(engine.operate(circuit, drives).outputs, right, rtol=0, atol=1e-8)


@pytest.mark.parametrize("wide", [False, True])
def test_sums_lose_nothing_of_what_is_left(wide):
    """What all but cancels, in rows whose exact sums are known as fractions: right to the last digits of the sum, not
    of its terms, and in two parts to those of what is left of a float64."""
    rng = np.random.default_rng(7)
    signs = sparse.csr_array(rng.choice([-1.0, 0.0, 1.0], (6, 20)))
    values = (rng.normal(size=(3, 20)) * 10.0 ** rng.uniform(-12, 12, (3, 20))).astype(Extended)
    if wide:
        values += values * Extended(1e-18) * rng.integers(1, 40, values.shape)
    values = values if wide else values.astype(np.float64)
    both = parts(signs, values)
    found = total(both)
    for sample, row in np.ndindex(found.shape):
        terms = [Fraction(*values[sample, k].as_integer_ratio()) * int(signs[[row], [k]][0]) for k in range(20)]
        off = abs(Fraction(*found[sample, row].as_integer_ratio()) - sum(terms))
        assert off <= Fraction(float(np.finfo(Extended).eps)) * abs(sum(terms))
        assert abs(sum(Fraction(part) for part in both[sample, :, row]) - sum(terms)) <= abs(sum(terms)) / 2**104


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", ["everything", "gyrator", "buffered", "mirror"])
def test_one_inverse_serves_circuits_that_are_not_reciprocal(name, transposed):
    rng = np.random.default_rng(3)
    circuit = CIRCUITS[name]()
    equations = EquationsPlan.of(circuit).fill(circuit)
    matrix, ports = equations.matrix.toarray(), equations.ports
    update = PortUpdate.of(matrix, ports, np.full(ports.shape[0], 1e-4))
    assert np.abs(update.seen - update.seen.T).max() > 1e-3 * np.abs(update.seen).max()
    conductances = np.exp(rng.uniform(np.log(1e-9), np.log(1e-1), (5, ports.shape[0])))
    right = rng.normal(size=(5, len(matrix)))
    found, _ = update.solve(right, conductances, transposed=transposed)
    for k in range(5):
        jacobian = matrix + ports.T @ (conductances[k][:, None] * ports.toarray())
        wanted = np.linalg.solve(jacobian.T if transposed else jacobian, right[k])
        np.testing.assert_allclose(found[k], wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


@pytest.mark.parametrize("transposed", [False, True])
def test_large_jacobians_are_solved_as_they_stand(transposed):
    count = DENSE_BELOW + 20
    circuit = Circuit(
        ("0", *(f"n{k}" for k in range(1, count + 1))),
        resistors=bank(
            "resistors", [(k, k + 1, 1e-3) for k in range(1, count)] + [(k, 0, 1e-4) for k in range(1, count)]
        ),
        diodes=bank("diodes", [(k, 0, 0) for k in range(10, count, 10)]),
        gyrators=bank("gyrators", [(k, 0, k + 2, 0, 5e-4) for k in range(1, count - 2, 7)]),
        models=(catalogue.get("1N4148"),),
    )
    equations = EquationsPlan.of(circuit).fill(circuit)
    rng = np.random.default_rng(0)
    conductances = 10.0 ** rng.uniform(-9, -2, (2, len(circuit.diodes)))
    right = rng.normal(size=(2, equations.size))
    found = Jacobian(equations).solve(right, conductances, transposed=transposed)
    for k in range(2):
        matrix = equations.matrix + equations.ports.T @ (conductances[k][:, None] * equations.ports.toarray())
        wanted = np.linalg.solve(matrix.T if transposed else matrix, right[k])
        np.testing.assert_allclose(found[k].astype(float), wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("huge", [np.inf, -np.inf, np.nan, 1e308])
def test_sums_of_what_is_no_number_are_none(huge):
    signs = sparse.csr_array(np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0]]))
    with np.errstate(over="ignore", invalid="ignore"):
        found = total(parts(signs, np.array([[1.0, 2.0, 4.0], [huge, huge, -huge]])))
    assert found[0].tolist() == [3.0, 3.0]
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(("seed", "row", "engine"), [(61857, 2, "wave"), (61106, 0, "ngspice")])
def test_where_solving_loses_what_leaks_hold_nothing_is_claimed(seed, row, engine):
    """Two diodes without resistance in series across 7 V carry 1e33 A or more: what a microsiemens to ground decides is
    40 decades below, and no arithmetic of 19 digits tells where the nodes are; answers were off by all of their
    volts."""
    case = make("legal-b", seed)
    with create(engine) as simulator, pytest.raises(SimulationError) as caught:
        simulator.operate(case.circuit, case.drives[row : row + 1])
    assert list(caught.value.failures) == [0]


def test_corrections_that_are_about_to_settle_are_not_cut_off():
    """From too high a voltage each brings an exponential down by as much, until they are as short as they should be."""
    circuit = Circuit(
        ("0", "a"),
        resistors=bank("resistors", [(0, 1, 1e-3)]),
        diodes=bank("diodes", [(1, 0, 0)]),
        models=(catalogue.get("ideal"),),
    )
    judge = Judge(EquationsPlan.of(circuit).fill(circuit), laws_of(circuit))
    right = np.full((400, 1), 1e-3)
    exact = judge.newton.settle(right[0])
    found, _, volts = judge.newton.polish(exact + np.linspace(0.0, 16.0 * 2.6e-5, 400)[:, None], right, judge.promised)
    short = volts <= judge.promised(found)
    assert short.any()
    assert not short.all()
    assert (volts[~short] > 1e-5).all()
    assert np.allclose(found[short], exact, rtol=0.0, atol=1e-12)
