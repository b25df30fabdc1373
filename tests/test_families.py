"""Both engines on families of random circuits, against 50-digit arithmetic; ``scripts/families`` asks for many more."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pytest

from diodeq.circuit import Circuit, bank, check
from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.diode.law import law
from diodeq.errors import SimulationError
from diodeq.simulators import Simulator, create
from exact import Junction
from families import FAMILIES, make
from legal import SETTINGS
from sketch import Case
from truth import Truth, deck, narrow, ngspice, operating_points

NONE = np.zeros((1, 0))
EVERY = [*FAMILIES, *SETTINGS]

# What went wrong once, by family and seed.
LESSONS = [
    ("bridges", 7166),  # ngspice looked for it in a transient without end
    ("legal-a", 5017),  # a diode 2.6 V forward across an amplifier's output
    ("legal-a", 5107),  # one 8.7 V forward across a source that floats
    ("legal-a", 5356),  # branch currents of 1e90 A that no correction takes back
    ("legal-a", 20053),  # an adjoint that is 0
    ("legal-a", 20435),
    ("legal-a", 71195),  # outputs meet at a node of an island that leaks, and their injections all but cancel
    ("legal-b", 20021),
    ("legal-b", 20421),  # 3 A from one eliminated node to another, on an island that leaks
    ("legal-b", 20568),  # megavolts and islands
    ("legal-c", 61163),  # two sources of 28 kA meet at a node, and 10 pS decide
]


@pytest.fixture(scope="module")
def wave():
    return create("wave")


def sound(family: str, seed: int) -> int:
    """The seed of the first circuit from one on that has one operating point for certain."""
    for each in range(100 * seed, 100 * seed + 100):
        case = make(family, each)
        if case.passive and Truth(case.circuit).determined():
            return each
    raise AssertionError(f"{family} has no sound circuits")


def demand_right(case: Case, seed: int, engines: Iterable[Simulator], volts: float, small: float) -> None:
    """Every operating point is off by no more, adjoint by more than a small share; float32 by its own."""
    truth = Truth(case.circuit)
    injected = np.random.default_rng(seed).normal(size=(len(case.drives), len(case.circuit.outputs)))
    least = 1e-6 * np.abs(injected).max() / case.circuit.resistors.values.max()
    for engine in engines:
        wide = 1e-5 if narrow(engine) else 2e-12
        point = engine.operate(case.circuit, case.drives)
        solved = engine.small_signal(point, injected).node_voltages
        for row, drives in enumerate(case.drives):
            found = truth.confirm(drives, point.node_voltages[row])
            assert found is not None
            assert np.abs(found.volts - point.node_voltages[row]).max() <= volts + wide * np.abs(found.volts).max()
            exact = truth.adjoint(point.diode_conductances[row], injected[row])
            assert np.abs(exact - solved[row]).max() <= (small + wide) * max(np.abs(exact).max(), least)


@pytest.mark.parametrize(
    ("family", "seed"),
    [*((family, seed) for family in EVERY if family != "legal-c" for seed in range(3)), ("legal-c", 0)],
)
def test_both_engines_are_right(family, seed, wave, ngspice):
    seed = sound(family, seed)
    demand_right(make(family, seed), seed, (wave, ngspice), 2e-9, 2e-8)


@pytest.mark.parametrize(("family", "seed"), LESSONS)
def test_lessons(family, seed, wave, ngspice, reference):
    engines = [
        wave,
        create("wave:float32"),
        create("wave:mixed"),
        ngspice,
        *([reference] if family == "bridges" else []),
    ]
    demand_right(make(family, seed), seed, engines, 1e-6, 1e-6)


@pytest.mark.parametrize("engine", ["wave", "wave:float32", "wave:mixed", "ngspice"])
def test_what_needs_more_than_any_circuit_conducts_is_refused(engine):
    """Sources of hundreds of volts across diodes without a resistance: the law's tangent has an answer, no part has."""
    case = make("legal-c", 71077)
    simulator = create(engine)
    for drives in case.drives:
        with pytest.raises(SimulationError, match=r"nothing limits the current from n11 .* to n8 .* d3 and d2; put a"):
            simulator.operate(case.circuit, drives[None])


@pytest.mark.parametrize("family", EVERY)
def test_a_seed_makes_one_circuit(family):
    first, second = make(family, 7), make(family, 7)
    assert deck(first.circuit, first.drives[1]) == deck(second.circuit, second.drives[1])
    assert deck(first.circuit, first.drives[1]) != deck(make(family, 8).circuit, make(family, 8).drives[1])


def test_clamps_are_driven_from_both_sides_alike():
    def volts(case: Case) -> list[float]:
        values = case.circuit.source_values(case.drives)[0]
        return [values[0], *((values[k] + values[k + 1]) / 2 for k in range(1, len(values), 2))]

    for seed in range(10):
        middle = volts(make("clamps", seed))
        assert middle == pytest.approx([middle[0]] * len(middle), abs=1e-12)


@pytest.mark.parametrize("name", catalogue.names("diode"))
@pytest.mark.parametrize("temperature", [-40.0, 27.0, 120.0])
def test_the_truth_has_the_law_of_the_parts(name, temperature):
    constants = law(catalogue.get(name), temperature)
    junction = Junction(constants)
    for volts in (-120.0, -21.0, -3.5, -1.0, -0.05, 0.0, 1e-3, 0.02, 0.4, 1.3):
        if name == "ideal" and volts > 0.014:
            continue
        current, conductance, _ = (float(x) for x in junction.at(Decimal(volts)))
        assert current == pytest.approx(float(constants.current(volts)), rel=1e-11, abs=1e-27)
        assert conductance == pytest.approx(float(constants.conductance(volts)), rel=1e-9, abs=1e-27)


@pytest.mark.parametrize("family", ["bridges", "legal-a"])
def test_the_truth_is_what_ngspice_says(family):
    case = make(family, 5)
    found = ngspice(case.circuit, case.drives[0])
    assert found is not None
    points = operating_points(Truth(case.circuit), case.drives[0], [])
    np.testing.assert_allclose(found, points[0].volts, rtol=0, atol=1e-9 * (1 + np.abs(found).max()))
    searched = Truth(case.circuit).search(case.drives[0])
    assert searched is not None
    np.testing.assert_allclose(searched.volts, points[0].volts, rtol=0, atol=1e-12)


def test_the_truth_knows_what_has_no_operating_point():
    """A transformer whose windings lie across sources that contradict each other."""
    circuit = check(
        Circuit(
            ("0", "a", "b"),
            resistors=bank("resistors", [(1, 2, 1e-3)]),
            voltage_sources=bank("voltage_sources", [(1, 0, 1.0), (2, 0, 1.0)]),
            transformers=bank("transformers", [(1, 0, 2, 0, 2.0)]),
        )
    )
    truth = Truth(circuit)
    assert not truth.determined()
    assert truth.search(NONE[0]) is None


def test_the_truth_finds_both_states_of_a_latch():
    """A buffer that feeds back through a resistor what two diodes clamp: it rests at either side."""
    circuit = check(
        Circuit(
            ("0", "in", "out"),
            resistors=bank("resistors", [(1, 2, 1e-3)]),
            diodes=bank("diodes", [(1, 0, 0), (0, 1, 0)]),
            buffers=bank("buffers", [(2, 0, 1, 0, 3.0)]),
            models=(DiodeModel("x", {"is": 1e-9, "n": 1.5}),),
        )
    )
    truth = Truth(circuit)
    up, down = (truth.confirm(NONE[0], [0.0, side * 0.5, side * 1.5]) for side in (1.0, -1.0))
    assert up is not None
    assert down is not None
    assert up.volts[1] > 0.4
    np.testing.assert_allclose(down.volts, -up.volts, rtol=0, atol=1e-15)
