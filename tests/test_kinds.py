"""What ``KINDS`` says of every element kind agrees with itself and with ngspice; a kind from outside is one entry."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from circuits import DRIVES, plain
from decks import run_ngspice, run_ngspice_as_ltspice, run_python, run_xyce_in_ngspice
from diodeq.analysis.settling import levels
from diodeq.circuit import Bank, Circuit, bank, check, transpose
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.kinds import KINDS, Adjoint, Card, Flow, Kind
from diodeq.circuit.schematic import svg
from diodeq.devices import catalogue
from diodeq.errors import CircuitError, InputError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.learning.rules.nudges import nonreciprocal
from diodeq.netlist.bom import bill
from diodeq.netlist.dialects import DIALECTS, full_deck
from diodeq.netlist.listing import circuit_digest
from diodeq.report.parts import parts_section
from diodeq.simulators.ngspice.jobs import judge_of
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.quantize import scaled_impedance

# A current of the value times the control voltage flows from out_plus through the part to out_minus.
TRANSCONDUCTOR = Kind(
    singular="transconductor",
    prefix="g",
    terminals=("out_plus", "out_minus", "ctrl_plus", "ctrl_minus"),
    quantity="siemens",
    unit="S",
    ports=(),
    stamp=(Flow((0, 1), (2, 3)),),
    adjoint=Adjoint("transconductors", (2, 3, 0, 1), 1.0),
    level=1,
    cards=(Card("{}", (0, 1, 2, 3)),),
)

ALL = {**KINDS, "transconductors": TRANSCONDUCTOR}
FARADS = (1e-13, 1e-12)


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    """Every test runs with the kind from outside, those of the house included: it must not disturb them."""
    monkeypatch.setitem(KINDS, "transconductors", TRANSCONDUCTOR)


def small(kind, factor=1.0):
    """One part of a kind in a mesh of resistors between four nodes, driven by a voltage and a current."""
    spec, random = KINDS[kind], np.random.default_rng(3)
    mesh = [(a, b, random.uniform(1e-4, 1e-3)) for a in range(5) for b in range(a)]
    usual = {"S": 3e-4, "A": 2e-4, "V": 1.5}.get(spec.unit, 0.7)
    value = 0 if spec.nonlinear else factor * usual
    row = (*((1, 3) if len(spec.terminals) == 2 else (1, 2, 3, 4)), value)
    banks = {
        "resistors": bank("resistors", mesh),
        "voltage_sources": bank("voltage_sources", [(5, 0, 2.0)]),
        "current_sources": bank("current_sources", [(0, 2, 3e-4)]),
    }
    banks["resistors"] = bank("resistors", [*mesh, (5, 1, 1e-3)])
    old = banks.get(kind, bank(kind))
    more = bank(kind, [row])
    banks[kind] = Bank(np.concatenate([old.terminals, more.terminals]), np.concatenate([old.values, more.values]))
    models = (catalogue.get("1N4148"),) if spec.nonlinear else ()
    return Circuit.of_banks(banks, nodes=("0", "a", "b", "c", "d", "s"), models=models, outputs=[(3, 0), (4, 2)])


def solved(circuit):
    """Node voltages [N] by the equations, proved."""
    judge = judge_of(circuit)
    right = judge.equations.driven(circuit.source_values(np.zeros((1, 0))))
    found, _, error = judge.settle(np.zeros((1, judge.equations.size)), right, anew=True)
    assert error[0] <= judge.promised(found)[0]
    return judge.equations.voltages(found)[0]


@pytest.mark.parametrize("kind", ALL)
def test_the_transposed_equations_are_those_of_the_adjoint_kind(kind):
    circuit = small(kind)
    matrix = EquationsPlan.of(circuit).fill(circuit).matrix.toarray()
    turned = transpose(circuit)
    assert EquationsPlan.of(turned).fill(turned).matrix.toarray() == pytest.approx(matrix.T, rel=1e-15, abs=0)
    asymmetric = not np.array_equal(matrix, matrix.T)
    assert asymmetric == (not KINDS[kind].reciprocal)
    twice = transpose(turned).bank(kind)
    assert np.array_equal(twice.terminals, circuit.bank(kind).terminals)
    assert KINDS[kind].source or np.array_equal(twice.values, circuit.bank(kind).values)
    assert (nonreciprocal(circuit) is None) == KINDS[kind].reciprocal


@pytest.mark.parametrize("kind", ALL)
def test_the_spelling_means_what_the_equations_say(kind, tmp_path):
    circuit = check(small(kind))
    found = run_ngspice(full_deck(circuit).text, tmp_path)
    wanted = solved(circuit)
    assert [found[node] for node in circuit.nodes[1:]] == pytest.approx(wanted[1:], rel=1e-8, abs=1e-9)
    # The part does something: without it the voltages are others.
    assert np.abs(wanted - solved(small("resistors", 1e-9))).max() > 1e-2


@pytest.mark.parametrize("kind", ALL)
def test_the_level_of_admittance_is_nobody_s_voltage(kind):
    if KINDS[kind].nonlinear:
        pytest.skip("a one-port has its own level")
    circuit = small(kind)
    assert solved(scaled_impedance(circuit, 7.3)) == pytest.approx(solved(circuit), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_values_that_are_none_are_refused(kind):
    spec, circuit = KINDS[kind], small(kind)
    if spec.nonlinear:
        pytest.skip("values number models")
    bad = {"positive": [0.0, -1.0], "not zero": [0.0], "finite": []}[spec.allowed]
    for value in (*bad, np.nan, np.inf):
        with pytest.raises(CircuitError, match=rf"{spec.singular} {spec.prefix}\d+ between .* has the value"):
            check(_last(circuit, kind, value))
    good = {"positive": [1e-9], "not zero": [-2.0], "finite": [0.0, -2.0]}[spec.allowed]
    for value in good:
        check(_last(circuit, kind, value))


def _last(circuit, kind, value):
    return circuit.with_values(kind, np.append(circuit.bank(kind).values[:-1], value))


# A kind from outside, through the whole house.


def amplified():
    """The layered circuit with two transconductors: from one hidden node to another, and around the second output."""
    circuit = plain()
    h = [k for k, name in enumerate(circuit.nodes) if name.startswith("h")]
    y = circuit.outputs[1, 0]
    rows = [(h[0], 0, h[1], 0, 3e-5), (y, h[3], h[2], y, -2e-5)]
    return replace(circuit, others={"transconductors": bank("transconductors", rows)}, title="amplified")


@pytest.fixture(scope="module")
def waved():
    with WaveSimulator() as engine:
        yield engine


def decked(circuit, drives, tmp_path, dialect="ngspice", run=run_ngspice):
    found = run(full_deck(circuit, dialect, drives).text, tmp_path)
    return np.array([found[node] for node in circuit.nodes[1:]])


def test_check_knows_a_kind_from_outside():
    circuit = check(amplified())
    # A transconductor is no path to ground.
    parts = bank("transconductors", [(1, 0, len(circuit.nodes), 0, 1e-3)])
    lost = replace(circuit, nodes=(*circuit.nodes, "z0"), others={"transconductors": parts})
    with pytest.raises(CircuitError, match="node z0 has no path to ground"):
        check(lost)
    shorted = replace(circuit, others={"transconductors": bank("transconductors", [(3, 3, 1, 0, 1e-3)])})
    with pytest.raises(CircuitError, match="both ends of transconductor g1"):
        check(shorted)
    named = replace(circuit, others={"transconductors": bank("transconductors", [(3, 0, 1, 0, 1e-3)], ("t1",))})
    with pytest.raises(CircuitError, match="transconductor t1 must begin with 'g'"):
        check(named)
    with pytest.raises(CircuitError, match="transconductors name a node that does not exist"):
        replace(circuit, others={"transconductors": bank("transconductors", [(99, 0, 1, 0, 1e-3)])})


def test_all_engines_know_it_as_ngspice_alone_does(ngspice, reference, waved, tmp_path):
    circuit = amplified()
    wanted = np.array([decked(circuit, drives, tmp_path) for drives in DRIVES])
    without = ngspice.operate(plain(), DRIVES).node_voltages
    assert np.abs(wanted - without[:, 1:]).max() > 0.05
    for engine in (ngspice, reference, waved):
        found = engine.operate(circuit, DRIVES).node_voltages
        assert found[:, 1:] == pytest.approx(wanted, rel=0, abs=5e-9), engine.name


def test_its_gradient_is_exact_in_all_engines(ngspice, reference, waved):
    circuit = amplified()
    gradients = {
        engine.name: RULES["hardware-linearization"](
            engine, circuit, DRIVES, half_mean_square, also=("transconductors",)
        )
        for engine in (ngspice, reference, waved)
    }
    differences = RULES["finite-difference"](waved, circuit, DRIVES, half_mean_square, also=("transconductors",))
    for name, found in gradients.items():
        for ours, theirs in (
            (found.conductances, differences.conductances),
            (found.others["transconductors"], differences.others["transconductors"]),
        ):
            assert np.abs(theirs).max() > 0
            assert np.abs(ours - theirs).max() <= 1e-6 * np.abs(theirs).max(), name
    assert nonreciprocal(circuit) == "the circuit has transconductors, so it is not reciprocal"


def test_every_dialect_spells_it(tmp_path):
    circuit = amplified()
    runs = {
        "ngspice": run_ngspice,
        "ltspice": run_ngspice_as_ltspice,
        "xyce": run_xyce_in_ngspice,
        "pyspice": run_python,
    }
    wanted = decked(circuit, DRIVES[0], tmp_path)
    for dialect, run in runs.items():
        assert decked(circuit, DRIVES[0], tmp_path, dialect, run) == pytest.approx(wanted, rel=0, abs=1e-7), dialect
    drawn = full_deck(circuit, "ltspice-asc", DRIVES[0]).text
    assert set(DIALECTS) == {*runs, "ltspice-asc"}
    assert drawn.count("SYMBOL g ") == 2


def test_it_is_stored_shown_and_listed(tmp_path, ngspice):
    circuit = amplified()
    circuit.save(tmp_path / "circuit.npz")
    again = Circuit.load(tmp_path / "circuit.npz")
    assert np.array_equal(again.bank("transconductors").values, circuit.bank("transconductors").values)
    assert np.array_equal(ngspice.operate(again, DRIVES).outputs, ngspice.operate(circuit, DRIVES).outputs)
    assert circuit_digest(again) == circuit_digest(circuit) != circuit_digest(plain())
    assert "transconductor g1" in svg(circuit)
    assert "transconductors" in circuit._repr_html_()
    assert "G1,3e-05 S,transconductor,1," in bill(circuit)
    (table,) = parts_section(circuit).blocks
    assert ("transconductors", "2", "") in table.rows
    assert len(circuit.graph().edges) == len(plain().graph().edges)


def test_circuits_without_it_are_what_they_were(monkeypatch):
    known = circuit_digest(plain())
    monkeypatch.delitem(KINDS, "transconductors")
    assert circuit_digest(plain()) == known


def test_without_its_kind_it_is_refused_and_never_left_out(tmp_path, monkeypatch):
    circuit = amplified()
    circuit.save(tmp_path / "circuit.npz")
    sent = pickle.dumps(circuit)
    monkeypatch.setitem(KINDS, "transconductors", replace(TRANSCONDUCTOR, level=0))
    with pytest.raises(CircuitError, match="where transconductors are something else"):
        pickle.loads(sent)
    monkeypatch.delitem(KINDS, "transconductors")
    with pytest.raises(InputError, match="parts of the kind 'transconductors', which is not known here"):
        Circuit.load(tmp_path / "circuit.npz")
    received = pickle.loads(sent)
    assert KINDS["transconductors"] == TRANSCONDUCTOR
    assert received.bank("transconductors").values.tolist() == [3e-5, -2e-5]


def test_it_settles_at_any_level_of_admittance(ngspice):
    circuit = amplified()
    found = levels(ngspice, circuit, FARADS, 0 * DRIVES[:2], DRIVES[:2], 1e-3, (1.0,))
    assert found[0].settling.outputs == pytest.approx(ngspice.operate(circuit, DRIVES[:2]).outputs, abs=1e-9)
    # Diodes have a level of their own; without them outputs keep theirs.
    linear = replace(circuit, diodes=bank("diodes"))
    found = levels(ngspice, linear, FARADS, 0 * DRIVES[:2], DRIVES[:2], 1e-3, (0.1, 1.0, 10.0))
    outputs = [level.settling.outputs for level in found]
    assert outputs[0] == pytest.approx(outputs[1], abs=1e-8)
    assert outputs[2] == pytest.approx(outputs[1], abs=1e-8)
    times = [level.settling.times.max() for level in found]
    assert times[0] == pytest.approx(10 * times[1], rel=0.01)
