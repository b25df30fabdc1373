"""One-ports straight across what fixes their voltage: they move no node, whatever they carry. And other corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diodeq.circuit import Circuit, Inputs, bank, check
from diodeq.circuit.one_ports import apart, without_idle
from diodeq.circuit.reduce import ReductionPlan
from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.diode.law import law
from diodeq.errors import SimulationError
from diodeq.simulators import create
from families import make
from truth import narrow


def idle(forward: float) -> Circuit:
    """A lamp behind a diode, and a diode straight across its supply, one across two sources, one across a buffer."""
    return check(
        Circuit(
            ("0", "a", "b", "c", "d"),
            resistors=bank("resistors", [(1, 3, 1e-3), (3, 0, 2e-3), (4, 0, 1e-3)]),
            diodes=bank("diodes", [(1, 0, 0), (3, 4, 0), (2, 0, 0), (4, 3, 1)]),
            models=(catalogue.get("1N4148"), catalogue.get("BAT54")),
            voltage_sources=bank("voltage_sources", [(1, 0, forward), (2, 1, 0.5)]),
            outputs=np.array([[3, 0], [4, 0]]),
            inputs=Inputs(np.array([0]), np.array([0]), np.array([1.0]), ("u",)),
        )
    )


@pytest.fixture(scope="module")
def engines(ngspice, reference):
    return [create("wave"), create("wave:float32"), ngspice, reference]


def test_which_are_idle():
    circuit = idle(5.0)
    assert apart(circuit).tolist() == [False, True, False, True]
    assert without_idle(circuit, apart(circuit)).diodes.terminals.tolist() == [[3, 4], [4, 3]]
    bare = without_idle(circuit, apart(circuit))
    assert without_idle(bare, apart(bare)) is bare
    # A buffer's current counts nowhere else; that of a mirror's sense port does, and so does a transformer's.
    rows = {"buffers": (4, 0, 3, 0, 0.5), "mirrors": (3, 0, 4, 0, 0.5), "transformers": (4, 0, 3, 0, 2.0)}
    for kind, row in rows.items():
        other = replace(circuit, diodes=bank("diodes", [(4, 0, 0)]), **{kind: bank(kind, [row])})
        assert apart(other).tolist() == [kind != "buffers"], kind


@pytest.mark.parametrize("forward", [-3.0, 0.2, 6.0, 40.0])
def test_what_is_idle_moves_nothing(forward, engines):
    circuit, drives = idle(forward), np.array([[0.0], [0.25]])
    bare = without_idle(circuit, apart(circuit))
    injected = np.array([[1.0, -0.5], [0.25, 2.0]])
    for engine in engines:
        near = {"rtol": 2e-5} if narrow(engine) else {}
        point, same = engine.operate(circuit, drives), engine.operate(bare, drives)
        np.testing.assert_allclose(point.node_voltages, same.node_voltages, atol=1e-9, **(near or {"rtol": 1e-9}))
        volts = point.node_voltages[:, 1]
        with np.errstate(over="ignore"):
            expected = law(circuit.models[0]).conductance(volts)
        np.testing.assert_allclose(point.diode_conductances[:, 0], expected, rtol=1e-3 if near else 1e-6)
        found, other = (engine.small_signal(each, injected).node_voltages for each in (point, same))
        np.testing.assert_allclose(found, other, **({"rtol": 1e-4, "atol": 1e-3} if near else {"rtol": 1e-7}))


def test_a_method_that_finds_no_number_spoils_no_row(engines):
    """Nor does a line of search that runs to infinity; the third sample has no operating point."""
    case = make("legal-a", 20198)
    rows = [0, 1, 3]
    found = engines[0].operate(case.circuit, case.drives[rows]).node_voltages
    np.testing.assert_allclose(found, engines[2].operate(case.circuit, case.drives[rows]).node_voltages, atol=1e-8)
    with pytest.raises(SimulationError, match=r"sample 2: .*no operating point") as caught:
        engines[0].operate(case.circuit, case.drives)
    np.testing.assert_allclose(caught.value.answered.node_voltages[rows], found, rtol=0, atol=1e-9)


def test_a_diode_at_its_breakdown_is_no_answer_where_it_only_leaks():
    """Newton's correction just below -BV is a few nanovolts, and the solution 8 V away."""
    case = make("legal-a", 20486)
    right = create("wave").operate(case.circuit, case.drives).node_voltages
    found = create("wave:float32").operate(case.circuit, case.drives).node_voltages
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5 * np.abs(right).max())


def test_nodes_that_little_ties_to_the_rest_are_not_eliminated():
    def reduced(leak: float, fed: list[int] | None = None) -> int:
        rows = [(1, 2, 1e-3), (2, 3, 1.0), (3, 4, 1.0), (2, 4, 1.0), (4, 0, leak), (1, 0, 1e-3)]
        circuit = Circuit(
            ("0", "a", "b", "c", "d"),
            resistors=bank("resistors", [(1, 2, leak), *rows[1:]]),
            diodes=bank("diodes", [(1, 0, 0)]),
            models=(catalogue.get("1N4148"),),
        )
        return len(ReductionPlan.of(circuit, None if fed is None else np.array(fed)).reduce(circuit).circuit.nodes)

    assert reduced(1e-3) == 2
    assert reduced(1e-9) == 5
    assert reduced(1e-3, fed=[3]) == 3


def test_currents_that_all_but_cancel_at_a_node(engines):
    """78 A out of an island and back into it, less a nanoampere that only picosiemens take to ground."""
    big, small = 78.123456789012345, 1.234567890123e-9
    circuit = check(
        Circuit(
            ("0", "a", "b"),
            resistors=bank("resistors", [(1, 2, 1e-3), (2, 0, 1e-12)]),
            diodes=bank("diodes", [(2, 1, 0)]),
            models=(catalogue.get("1N4148"),),
            current_sources=bank("current_sources", [(1, 0, big), (0, 1, small), (0, 1, big), (2, 0, small / 2)]),
            outputs=np.array([[1, 0], [2, 1]]),
        )
    )
    for engine in engines[:1] + engines[2:]:
        volts = engine.operate(circuit, np.zeros((1, 0))).node_voltages[0]
        assert volts[2] == pytest.approx(small / 2 / 1e-12, rel=1e-12)
        assert volts[1] - volts[2] == pytest.approx(small / 1e-3, rel=1e-3)


def test_a_junction_whose_potential_heat_makes_negative(engines):
    """With a recombination current the law needs it, and ngspice's sweep is lost in its capacitance."""
    model = DiodeModel("x", {"is": 5e-13, "n": 1.04, "isr": 1e-8, "nr": 2.2, "vj": 0.33})
    circuit = check(
        Circuit(
            ("0", "a", "b"),
            resistors=bank("resistors", [(2, 0, 1e-3)]),
            diodes=bank("diodes", [(1, 2, 0), (0, 2, 0)]),
            models=(model,),
            voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
            outputs=np.array([[2, 0]]),
            inputs=Inputs(np.array([0]), np.array([0]), np.array([1.0]), ("u",)),
            temperature=150.0,
        )
    )
    for engine in engines:
        near = {"rtol": 1e-5} if narrow(engine) else {"rtol": 1e-9}
        point = engine.operate(circuit, np.array([[24.0], [12.0]]))
        np.testing.assert_allclose(point.node_voltages[0, 2], 23.56534345935, **near)
        assert np.isfinite(engine.small_signal(point, np.ones((2, 1))).node_voltages).all()


@pytest.mark.parametrize("amperes", [1e-9, 1e-3, 1.0, 100.0, 1e6])
def test_a_current_into_a_diode_alone(amperes, engines):
    circuit = Circuit(
        ("0", "a"),
        diodes=bank("diodes", [(1, 0, 0)]),
        models=(DiodeModel("x", {"is": 1e-14}),),
        current_sources=bank("current_sources", [(0, 1, amperes)]),
        outputs=np.array([[1, 0]]),
    )
    for engine in engines:
        found = float(engine.operate(circuit, np.zeros((1, 0))).outputs[0, 0])
        assert law(circuit.models[0]).current(found) == pytest.approx(amperes, rel=1e-3 if narrow(engine) else 1e-7)


@pytest.mark.parametrize(("family", "seed"), [("legal-a", 52019), ("legal-c", 20093)])
def test_one_absurd_voltage_excuses_nothing_at_the_others(family, seed, engines):
    """A mirror drives 8.8e18 V at one node; a share of that is no promise for the rest."""
    case = make(family, seed)
    for engine in engines[:3]:
        with pytest.raises(SimulationError):
            engine.operate(case.circuit, case.drives)
