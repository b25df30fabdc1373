"""Certificates over tolerances: no board is outside, and the worst corner is nearly reached."""

import csv
import io
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

import diodeq
from diodeq.analysis.assignment import assign
from diodeq.analysis.box import Box
from diodeq.analysis.certified import Certified, certify, largest_tolerances, radii
from diodeq.analysis.comparison import Boards
from diodeq.analysis.enclosure import enclose
from diodeq.analysis.passive import Passive
from diodeq.analysis.stuck import OneStuck
from diodeq.api.certificates import levels_of
from diodeq.circuit import Circuit
from diodeq.circuit.bank import bank
from diodeq.circuit.inputs import Inputs, Units
from diodeq.circuit.proof import attainable
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.hardware.technology import variation_of
from diodeq.devices.hardware.variation import Variation
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError, UsageError
from diodeq.simulators import create
from diodeq.synthesis.layered import layered

SAMPLES = 6


@pytest.fixture(scope="module")
def wave():
    with create("wave", 1) as engine:
        yield engine


def driven(names):
    return Inputs(np.arange(len(names)), np.arange(len(names)), np.ones(len(names)), names)


def small(diode="1N4148", widths=(4, 6, 3), **more):
    return layered(widths, catalogue.get(diode), 5.0, seed=3, **more)


def floating():
    """A diode between two free nodes, one to a constant rail and one to ground."""
    return Circuit(
        nodes=("0", "in", "rail", "a", "b"),
        resistors=bank("resistors", [(1, 3, 1e-3), (3, 4, 2e-5), (4, 0, 5e-4), (1, 4, 1e-4)]),
        diodes=bank("diodes", [(3, 4, 0), (4, 2, 0), (0, 4, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, 2.0)]),
        models=(catalogue.get("1N4148"),),
        inputs=driven(("x",)),
        outputs=np.array([[3, 4], [4, 0]]),
    )


def fed():
    """Current sources, constant and driven, and one voltage source on another."""
    return Circuit(
        nodes=("0", "in", "low", "high", "a", "b"),
        resistors=bank("resistors", [(4, 0, 1e-3), (5, 0, 1e-3), (1, 4, 1e-6), (4, 5, 1e-5), (3, 5, 2e-4)]),
        diodes=bank("diodes", [(5, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, 1.0), (3, 2, 0.5)]),
        current_sources=bank("current_sources", [(0, 4, 1e-4), (5, 0, 3e-4), (0, 5, 0.0)]),
        models=(catalogue.get("1N4148"),),
        inputs=Inputs([0, 5], [0, 1], [1.0, 1e-4], ("x", "i")),
        outputs=np.array([[4, 0], [5, 0]]),
    )


CIRCUITS = {
    "one layer": small,
    "current sources": fed,
    "two layers": lambda: small(widths=(4, 5, 5, 3)),
    "Schottky": lambda: small("BAT54"),
    "lateral": lambda: small(lateral=True),
    "floating diode": floating,
}


def volts(circuit, count=SAMPLES, seed=0):
    return np.random.default_rng(seed).uniform(-5.0, 5.0, (count, len(circuit.inputs)))


def boards(circuit, box, count, seed=1):
    """Boards at random, half of them at corners, within what the box allows."""
    random = np.random.default_rng(seed)
    sources = circuit.voltage_sources
    constant = np.setdiff1d(np.arange(len(sources)), circuit.inputs.source)
    for number in range(count):
        off = random.uniform(-1.0, 1.0, len(circuit.resistors))
        shift = random.uniform(-1.0, 1.0, len(constant))
        where = random.uniform()
        if number % 2:
            off, shift, where = np.sign(off), np.sign(shift), float(where > 0.5)
        values, currents = sources.values.copy(), circuit.current_sources.values
        values[constant] *= 1.0 + box.supply * shift
        change = random.uniform(-1.0, 1.0, len(currents))
        board = circuit.with_conductances(circuit.conductances / (1.0 + box.of_parts(circuit) * off))
        board = board.with_values("current_sources", currents * (1.0 + box.supply * np.sign(change)))
        board = replace(board.with_values("voltage_sources", values), models=_models(circuit, box, random, number % 2))
        yield replace(board, temperature=box.cold + where * (box.hot - box.cold))


def _models(circuit, box, random, corner):
    if not any(box.parameters):
        return circuit.models
    made = []
    for model in circuit.models:
        off = random.uniform(-1.0, 1.0, 3)
        off = 1.0 + np.array(box.parameters) * (np.sign(off) if corner else off)
        named = {key: model.get(key) * share for key, share in zip(("is", "n", "rs"), off, strict=True)}
        made.append(replace(model, parameters=tuple({**dict(model.parameters), **named}.items())))
    return tuple(made)


def enclosures(circuit, box, drives, engine):
    passive, point = Passive.of(circuit), engine.operate(box.centre(circuit), drives)
    return point, enclose(passive, box, point)


def rows_of(circuit):
    rows = np.zeros((len(circuit.outputs), len(circuit.nodes)))
    for row, (plus, minus) in zip(rows, circuit.outputs, strict=True):
        row[plus] += 1.0
        row[minus] -= 1.0
    return rows


def divider():
    """Of one input, as its one output."""
    return Circuit(
        nodes=("0", "in", "out"),
        resistors=bank("resistors", [(1, 2, 1e-3), (2, 0, 3e-3)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=driven(("x",)),
        outputs=np.array([[2, 0]]),
    )


@pytest.mark.parametrize("tolerance", [0.001, 0.05, 0.5])
def test_a_divider_is_bounded_by_its_closed_form(tolerance, wave):
    _, found = enclosures(divider(), Box(tolerance), np.array([[4.0]]), wave)
    low, high = 1.0 - tolerance, 1.0 + tolerance
    for bound, upper, lower in ((found.above, low, high), (found.below, high, low)):
        assert bound[0, 2] == pytest.approx(4.0 * lower / 3.0 / (upper + lower / 3.0), rel=1e-9)
    assert found.above[0, 1] == found.below[0, 1] == 4.0


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize(
    "box",
    [
        Box(0.01),
        Box(0.3),
        Box(0.02, supply=0.05),
        Box(0.01, cold=20.0, hot=25.0),
        Box(0.0, 0.01, 60.0, 64.0),
        Box(0.001, saturation=0.5, series=0.3),
        Box(0.0, emission=0.05),
        Box(0.01, inputs=0.2),
    ],
    ids=str,
)
def test_no_board_is_outside(name, box, wave):
    circuit = CIRCUITS[name]()
    drives, rows = volts(circuit), rows_of(circuit)
    point, found = enclosures(circuit, box, drives, wave)
    assert found.bounded.all()
    allowed = found.reach(rows)
    random = np.random.default_rng(2)
    for board in boards(circuit, box, 24):
        there = wave.operate(board, drives + box.inputs * np.sign(random.uniform(-1.0, 1.0, drives.shape)))
        assert (there.node_voltages <= found.above + 1e-9).all()
        assert (there.node_voltages >= found.below - 1e-9).all()
        assert (np.abs(there.outputs - point.outputs) <= allowed + 1e-9).all()


def corners(circuit, box, drives, row, engine):
    """The farthest that each output of the sample moves from the centre at the two corners of its gradient."""
    centre, ends = box.centre(circuit), circuit.resistors.terminals
    one = engine.operate(centre, np.repeat(drives[row : row + 1], len(circuit.outputs), axis=0))
    adjoint = engine.small_signal(one, np.eye(len(circuit.outputs)))
    across = [each[:, ends[:, 0]] - each[:, ends[:, 1]] for each in (one.node_voltages, adjoint.node_voltages)]
    found = []
    for k, sign in enumerate(np.sign(across[0] * across[1])):
        boards = [circuit.with_conductances(circuit.conductances / (1 + s * box.tolerance * sign)) for s in (1, -1)]
        moved = [engine.operate(board, drives[row : row + 1]).outputs[0, k] - one.outputs[k, k] for board in boards]
        found.append(np.abs(moved).max())
    return np.array(found)


def test_resistors_of_tolerances_of_their_own(wave):
    circuit = small()
    own = np.where(np.arange(len(circuit.resistors)) % 3, 0.01, 0.1)
    drives, box = volts(circuit), Box(0.0, own=own)
    point, found = enclosures(circuit, box, drives, wave)
    allowed = found.reach(rows_of(circuit))
    assert (allowed < enclosures(circuit, Box(0.1), drives, wave)[1].reach(rows_of(circuit))).all()
    for board in boards(circuit, box, 24):
        assert (np.abs(wave.operate(board, drives).outputs - point.outputs) <= allowed).all()


def test_inputs_that_are_off_move_a_divider_by_their_share(wave):
    """On two rails of one input, of which one is turned, they move what they drive against each other."""
    both = replace(divider(), inputs=Inputs([0], [0], [1.0], ("x",)))
    _, found = enclosures(both, Box(0.0, inputs=0.1), np.array([[4.0]]), wave)
    assert found.reach(rows_of(both))[0, 0] == pytest.approx(0.025, rel=1e-4)
    dual = Circuit(
        nodes=("0", "plus", "minus", "out"),
        resistors=bank("resistors", [(1, 3, 3e-3), (2, 3, 2e-3), (3, 0, 5e-3)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, 0.0)]),
        inputs=Inputs([0, 1], [0, 0], [1.0, -1.0], ("x",)),
        outputs=np.array([[3, 0]]),
    )
    _, found = enclosures(dual, Box(0.0, inputs=0.1), np.array([[4.0]]), wave)
    assert found.reach(rows_of(dual))[0, 0] == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(("tolerance", "times"), [(0.001, 1.05), (0.01, 1.5), (0.1, 2.5)])
@pytest.mark.parametrize("name", ["one layer", "two layers", "Schottky"])
def test_bounds_are_near_the_worst_corner(name, tolerance, times, wave):
    circuit, box = CIRCUITS[name](), Box(tolerance)
    drives = volts(circuit)
    _, found = enclosures(circuit, box, drives, wave)
    for row, reach in enumerate(found.reach(rows_of(circuit))):
        worst = corners(circuit, box, drives, row, wave)
        assert (worst <= reach).all()
        assert (reach <= times * worst + 1e-6).all()


def test_certified_decisions_are_kept_by_every_board_and_lost_ones_are_near(wave):
    circuit = small()
    drives = volts(circuit, 20)
    drawn = wave.operate(circuit, drives).outputs
    labels = drawn.argmax(axis=1)
    labels[:3] = (labels[:3] + 1) % 3
    kept = [each.kept for each in certify(circuit, drives, labels, [Box(0.01), Box(0.05), Box(0.3)], wave)]
    assert 0 < kept[1].sum() < 20
    assert (kept[1] <= kept[0]).all()
    assert (kept[2] <= kept[1]).all()
    (one,) = certify(circuit, drives, labels, [Box(0.05)], wave)
    assert one.accuracy == pytest.approx(0.85)
    assert one.certified_accuracy == pytest.approx(np.mean(kept[1][3:]) * 0.85)
    for board in boards(circuit, Box(0.05), 30):
        assert (wave.operate(board, drives).outputs.argmax(axis=1) == drawn.argmax(axis=1))[kept[1]].all()
    largest = largest_tolerances(circuit, drives, wave, Box(0.0))
    assert (largest[kept[1]] >= 0.05 / 1.15).all()
    assert (largest[~kept[1]] < 0.05).all()
    (near,) = certify(circuit, drives[:1], None, [Box(largest[0])], wave)
    assert near.kept.all()


def test_the_resistors_that_matter_are_tight_and_keep_what_all_tight_ones_keep(wave):
    circuit = small()
    drives = volts(circuit, 20)
    (tight,) = certify(circuit, drives, None, [Box(0.01)], wave)
    (loose,) = certify(circuit, drives, None, [Box(0.1)], wave)
    found = assign(circuit, drives, Box(0.0), 0.01, 0.1, wave)
    assert 0 < found.tightened.sum() < len(circuit.resistors)
    assert loose.kept.sum() < tight.kept.sum()
    assert (found.kept >= tight.kept).all()
    (again,) = certify(circuit, drives, None, [Box(0.0, own=found.tolerances)], wave)
    assert np.array_equal(again.kept, found.kept)
    warm = Box(0.01, cold=10.0, hot=40.0)
    (wanted,) = certify(circuit, drives, None, [warm], wave)
    found = assign(circuit, drives, warm, 0.01, 0.1, wave)
    assert 0 < found.tightened.sum() < len(circuit.resistors)
    assert (found.kept >= wanted.kept).all()
    with pytest.raises(UsageError, match="tighter one first"):
        assign(circuit, drives, Box(0.0), 0.1, 0.01, wave)


def test_inputs_within_their_radius_keep_decisions(wave):
    circuit = replace(small(), units=Units(np.zeros(4), np.array([1.0, 2.0, 1.0, 0.5]), limit=5.0))
    drives = volts(circuit, 12)
    found = radii(circuit, drives, wave, Box(0.01))
    chosen = wave.operate(circuit, drives).outputs.argmax(axis=1)
    assert (found > 0.0).sum() >= 6
    for sign in itertools.product((-1.0, 1.0), repeat=4):
        moved = drives + found[:, None] * circuit.scaling.scale * np.array(sign)
        assert np.array_equal(wave.operate(circuit, moved).outputs.argmax(axis=1), chosen)
    wider = replace(Box(0.01), inputs=2.0 * found.max() * circuit.scaling.scale)
    assert not certify(circuit, drives, None, [wider], wave)[0].kept.all()


def test_a_circuit_is_certified_at_its_own_temperature(wave):
    circuit = replace(small(), temperature=85.0)
    drives = volts(circuit)
    (found,) = diodeq.certify(circuit, drives, tolerances=[0.01], units="volts")
    (asked,) = diodeq.certify(circuit, drives, tolerances=[0.01], units="volts", temperatures=(27.0, 27.0))
    assert (found.box.cold, found.box.hot) == (85.0, 85.0)
    assert found.bounds.max() < 0.8 * asked.bounds.max()


def test_a_diode_that_blocks_is_bounded(wave):
    """Picoamperes into a millisiemens: no voltage of 64 bits is off by so little."""
    blocked = Circuit(
        nodes=("0", "in", "out"),
        resistors=bank("resistors", [(1, 2, 1e-3), (2, 0, 1e-2)]),
        diodes=bank("diodes", [(2, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(DiodeModel("small", {"is": 1e-14}),),
        inputs=driven(("x",)),
        outputs=np.array([[2, 0]]),
    )
    for one in (-5.0, 0.0, 1e-9):
        _, found = enclosures(blocked, Box(0.01), np.array([[one]]), wave)
        assert found.reach(rows_of(blocked))[0, 0] <= 0.03 * abs(one) + 1e-8


def test_temperatures_are_cut_into_narrow_ranges():
    found = Box(0.01, 0.02, 0.0, 70.0).pieces()
    assert (found[0].cold, found[-1].hot) == (0.0, 70.0)
    assert all(one.hot == two.cold and one.hot - one.cold <= 5.0 for one, two in itertools.pairwise(found))
    assert Box(0.01).pieces() == [Box(0.01)]


def alone(model):
    """A diode behind a resistor that drops next to nothing."""
    return Circuit(
        nodes=("0", "in", "out"),
        resistors=bank("resistors", [(1, 2, 10.0)]),
        diodes=bank("diodes", [(2, 0, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(model,),
        inputs=driven(("x",)),
        outputs=np.array([[2, 0]]),
    )


def test_what_is_beyond_the_laws_that_grow_with_temperature_has_no_bound(wave):
    """A hard-driven diode's current falls with temperature above its band gap."""
    hard = alone(catalogue.get("1N4148"))
    drives = np.array([[3.0]])
    _, found = enclosures(hard, Box(0.01, cold=20.0, hot=25.0), drives, wave)
    assert not found.bounded
    assert np.isinf(found.reach(rows_of(hard))).all()
    (told,) = certify(hard, drives, None, [Box(0.01, cold=20.0, hot=25.0)], wave)
    assert told.to_json()["largest_bound_volts"] is None
    assert not told.kept.any()
    assert enclosures(hard, Box(0.01), drives, wave)[1].bounded


def test_one_output_keeps_its_sign_or_nothing(wave):
    drives = np.array([[4.0], [-4.0], [0.0]])
    (found,) = certify(divider(), drives, None, [Box(0.3)], wave)
    assert found.kept.tolist() == [True, True, False]
    largest = largest_tolerances(divider(), drives, wave, Box(0.0))
    assert (largest[:2] > 0.4).all()
    assert largest[2] == 0.0


@pytest.mark.parametrize(("cold", "hot"), [(12.0, 22.0), (57.0, 67.0)])
def test_a_range_of_temperatures_is_as_bad_as_its_worst_piece(cold, hot, wave):
    """Beside the circuit as drawn at 27 °C, from which the first piece is farther, or the last."""
    circuit, box = small(), Box(0.0, cold=cold, hot=hot)
    drives = volts(circuit, 4)
    drawn = wave.operate(circuit, drives).outputs
    (whole,) = certify(circuit, drives, None, [box], wave)
    parts = certify(circuit, drives, None, box.pieces(), wave)
    assert np.array_equal(whole.bounds, np.max([part.bounds for part in parts], axis=0))
    assert any((whole.bounds > part.bounds).any() for part in parts)
    for celsius in (cold, hot):
        found = wave.operate(replace(circuit, temperature=celsius), drives).outputs
        assert (np.abs(found - drawn) <= whole.bounds).all()


@pytest.mark.parametrize("outputs", [[(2, 3)], [(2, 0), (3, 0)]], ids=["one", "two"])
def test_a_decision_is_kept_by_all_of_a_range_or_lost(outputs, wave):
    """Whether a diode drops less than at 15 °C: it does on all boards but the coldest, which the first piece has."""

    def beside(volts):
        return Circuit(
            nodes=("0", "in", "diode", "divider"),
            resistors=bank("resistors", [(1, 2, 1e-3), (1, 3, 1e-3), (3, 0, 1e-3 * (5.0 / volts - 1.0))]),
            diodes=bank("diodes", [(2, 0, 0)]),
            voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
            models=(catalogue.get("1N4148"),),
            inputs=driven(("x",)),
            outputs=np.array(outputs),
        )

    drives, box = np.array([[5.0]]), Box(0.0, cold=12.0, hot=22.0)
    circuit = beside(wave.operate(replace(beside(1.0), temperature=15.0), drives).node_voltages[0, 2])
    parts = certify(circuit, drives, None, box.pieces(), wave)
    assert [part.kept.tolist() for part in parts] == [[False], [True]]
    assert not certify(circuit, drives, None, [box], wave)[0].kept.any()


def test_bounds_allow_for_what_the_engine_may_be_off(wave):
    """The centre's voltages, moved as far as an engine promises them."""
    point = wave.operate(divider(), np.array([[4.0]]))
    moved = point.node_voltages.copy()
    moved[0, 2] += attainable(moved)[0]
    found = enclose(Passive.of(divider()), Box(0.0), replace(point, node_voltages=moved))
    assert found.reach(rows_of(divider()))[0, 0] >= moved[0, 2] - 1.0


@pytest.mark.parametrize("rail", [2.0, -2.0])
def test_what_a_conducting_diode_passes_on_of_its_rail_is_bounded(rail, wave):
    circuit = Circuit(
        nodes=("0", "in", "rail", "out"),
        resistors=bank("resistors", [(1, 3, 1e-3)]),
        diodes=bank("diodes", [(3, 2, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0), (2, 0, rail)]),
        models=(catalogue.get("1N4148"),),
        inputs=driven(("x",)),
        outputs=np.array([[3, 0]]),
    )
    drives, box = np.array([[5.0]]), Box(0.0, supply=1e-4)
    point, found = enclosures(circuit, box, drives, wave)
    board = circuit.with_values("voltage_sources", circuit.voltage_sources.values * (1.0 + box.supply))
    moved = abs(wave.operate(board, drives).outputs - point.outputs)[0, 0]
    assert 0.9 * 2e-4 < moved <= found.reach(rows_of(circuit))[0, 0] < 1.2 * moved


def test_currents_grow_with_temperature_where_they_are_said_to(wave):
    model = DiodeModel("odd", {"is": 1e-9, "n": 2.0, "eg": 0.69, "xti": 0.0, "bv": 5.0})
    circuit, box = alone(model), Box(0.01, cold=20.0, hot=25.0)
    boards = Boards.of(Passive.of(circuit), box, wave.operate(box.centre(circuit), np.zeros((1, 1))))
    (low,), (high,) = boards.within
    v = np.append(np.linspace(low, high, 201), high + 0.1)
    laws = [one_ports((model,), np.zeros(1, np.intp), celsius) for celsius in np.linspace(20.0, 25.0, 11)]
    currents = np.abs([law.current(v[:, None])[:, 0] for law in laws])
    assert (np.diff(currents[:, :-1], axis=0) >= 0.0).all()
    assert (np.diff(currents[:, -1]) < 0.0).all()


def test_a_diode_near_its_breakdown_has_no_bound_over_temperatures(wave):
    circuit, drives = alone(DiodeModel("zener", {"is": 1e-9, "bv": 5.0, "ibv": 1e-6})), np.array([[-5.5]])
    for box, bounded in ((Box(0.01), True), (Box(0.01, cold=20.0, hot=25.0), False)):
        found = enclosures(circuit, box, drives, wave)[1]
        assert found.bounded.tolist() == [bounded]


def test_training_by_certificate_is_on_the_worst_boards():
    assert variation_of("certified:tolerance=5%") == Variation(tolerance=0.05, shape="worst")
    with pytest.raises(UsageError, match="not a variation"):
        variation_of("certified:5%")


def test_what_cannot_be_bounded_is_refused(wave):
    circuit = small()
    drives = volts(circuit)
    falling = replace(circuit, models=(DiodeModel("odd", {"is": 1e-9, "isr": 1e-9}),))
    with pytest.raises(InputError, match="falls"):
        certify(falling, drives, None, [Box(0.01)], wave)
    bridge = replace(circuit, models=(DiodeModel("knee", {"is": 1e-9, "ikf": 1e-3}),))
    with pytest.raises(InputError, match="temperature"):
        certify(bridge, drives, None, [Box(0.01, cold=0.0, hot=70.0)], wave)
    assert certify(bridge, drives, None, [Box(0.01)], wave)[0].to_json()["largest_bound_volts"] < 1.0
    with pytest.raises(InputError, match="no samples"):
        certify(circuit, drives[:0], None, [Box(0.01)], wave)


@pytest.mark.parametrize("name", ["one layer"])
def test_the_command_says_what_is_proved(name, tmp_path, capsys):
    CIRCUITS[name]().save(tmp_path / "c.npz")
    rows = "\n".join(",".join(map(str, row)) for row in volts(CIRCUITS[name](), 4).round(3).tolist())
    (tmp_path / "x.csv").write_text(rows + "\n")
    command = ["certify", str(tmp_path / "c.npz"), "--inputs", str(tmp_path / "x.csv"), "--simulator", "wave"]
    picture = tmp_path / "c.svg"
    assert main([*command, "--tolerance", "1%,2%", "--json", "--plot", str(picture), "--largest"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"accuracy", "certified_accuracy", "largest_bound_volts", "samples", "seconds"} <= found.keys()
    assert [each["tolerance"] for each in found["tolerances"]] == [0.01, 0.02]
    assert found["tolerances"][0]["largest_bound_volts"] < found["tolerances"][1]["largest_bound_volts"]
    assert len(found["largest_tolerances"]) == 4
    assert picture.stat().st_size > 1000
    assert main(command) == 0
    assert "bounds of every board" in capsys.readouterr().out
    more = ["--assign", "1%,5%", "--radius", "--diodes", "is=10%,rs=5%", "--input-error", "1m", "--tolerance", "1%"]
    assert main([*command, *more, "--json"]) == 0
    wider = json.loads(capsys.readouterr().out)
    assert wider["largest_bound_volts"] > found["tolerances"][0]["largest_bound_volts"]
    assert wider["tolerances"][0]["bounded_by"] == {"componentwise": 4}
    assert len(wider["radii"]) == 4
    assert wider["assignment"]["tight_resistors"] == len(wider["assignment"]["which_are_tight"])
    assert set(wider["assignment"]["which_are_tight"]) <= set(CIRCUITS[name]().part_names("resistors"))
    assert main([*command, *more]) == 0
    assert "inputs may be off" in capsys.readouterr().out
    assert main([*command, "--tolerance", "1%", "--assign", "1%,5%", "--output", str(tmp_path / "p.csv")]) == 0
    lines = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    bought = {share: [line for line in lines if line["tolerance"] == share] for share in ("1 %", "5 %")}
    assert sum(int(line["count"]) for line in [*bought["1 %"], *bought["5 %"]]) == len(CIRCUITS[name]().resistors)
    assert bought["1 %"]
    capsys.readouterr()
    assert main([*command, "--tolerance", "0.1%", "--stuck", "open,10k", "--samples", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["tolerances"][0]["stuck"]
    assert told["ohms"] == [pytest.approx(1e15), pytest.approx(1e4)]
    assert told["worst_resistor"] in CIRCUITS[name]().part_names("resistors")
    assert main([*command, "--tolerance", "0.1%", "--stuck", "open,10k", "--samples", "1"]) == 0
    assert "any one resistor open or stuck at 10k ohm" in capsys.readouterr().out
    assert main([*command, "--stuck", "often"]) == 2
    assert main([*command, "--output", str(tmp_path / "p.csv")]) == 2
    assert main([*command, "--assign", "1%"]) == 2
    assert main([*command, "--diodes", "vj=1%"]) == 2
    assert "is=30%" in capsys.readouterr().err
    assert main([*command, "--tolerance", "x"]) == 2
    assert "tolerance" in capsys.readouterr().err


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
@pytest.mark.parametrize("name", ["one layer", "two layers", "floating diode", "current sources"])
def test_no_board_with_a_stuck_resistor_is_outside(name, tolerance, wave):
    circuit, box = CIRCUITS[name](), Box(tolerance)
    drives, rows = volts(circuit), rows_of(circuit)
    levels = np.array(levels_of(circuit, ("low", "high", "open")))
    point, around = enclosures(circuit, box, drives, wave)
    own = around.boards.passive.resistors.number
    which = np.arange(len(own))[:: -(-len(own) // 10)]
    stuck = OneStuck.of(around, which, levels)
    ((_, least, largest),) = stuck.changes(rows[None].repeat(len(drives), 0))
    changes = np.zeros(least.shape)
    for board in boards(circuit, box, 2):
        for k, number in enumerate(own[which].tolist()):
            # Of all boards with it stuck one without has it as in the middle.
            values = board.conductances.copy()
            values[number] = point.circuit.conductances[number]
            before = wave.operate(board.with_conductances(values), drives).outputs
            for j, level in enumerate(levels.tolist()):
                values[number] = level
                changes[:, :, k, j] = wave.operate(board.with_conductances(values), drives).outputs - before
        assert (least - 1e-8 <= changes).all()
        assert (changes <= largest + 1e-8).all()
    if name != "floating diode":  # between free nodes its chord may be anything, and then there is no bound
        large = np.abs(changes) > 0.1 * np.abs(changes).max()
        times = np.maximum(-least, largest)[large] / np.abs(changes[large])
        assert np.median(times) < (4.0 if tolerance else 2.0)


def test_a_stuck_resistor_of_a_divider_has_the_closed_form(wave):
    """1 kohm and 333 ohm at 4 V: either open, or the first at 3 kohm, the second at 100 ohm."""
    for number, levels in ((0, ("open", 3e3)), (1, ("open", 100.0))):
        circuit = replace(divider(), trainable=np.arange(2) == number)
        box = Box(0.0, stuck=levels_of(circuit, levels))
        (found,) = certify(circuit, np.array([[4.0]]), None, [box], wave)
        ohms = [1e15, levels[1]]
        low = 1e3 / 3.0
        ends = [4.0 * low / (low + r) if number == 0 else 4.0 * r / (1e3 + r) for r in ohms]
        assert found.bounds[0, 0] == pytest.approx(max(abs(end - 1.0) for end in ends), rel=1e-6)
        assert found.stuck.shape == (2, 2, 1)


def test_a_stuck_resistor_costs_what_it_does_and_no_more(wave):
    """Without tolerances what is certified is exactly what the solved boards keep."""
    circuit = small(widths=(2, 3, 3))
    drives = volts(circuit, 8)
    chosen = wave.operate(circuit, drives).outputs.argmax(axis=1)
    (found,) = diodeq.certify(circuit, drives, tolerances=[0.0], stuck=["high"], units="volts")
    assert 0.0 < found.stuck.mean() < 1.0
    for number in range(len(circuit.resistors)):
        for j, level in enumerate(found.box.stuck):
            values = circuit.conductances.copy()
            values[number] = level
            kept = wave.operate(circuit.with_conductances(values), drives).outputs.argmax(axis=1) == chosen
            assert np.array_equal(found.stuck[number, j], kept)
    told = found.to_json()["stuck"]
    assert told["worst_certified"] == found.certified_stuck.min() < told["certified_without"] == 1.0
    assert told["harmless"] == found.stuck.all(axis=(1, 2)).sum()


def test_harmless_is_what_costs_nothing_of_what_is_certified_without():
    """Of three resistors at two levels and four samples, of which one is not certified in any case."""
    stuck = np.ones((3, 2, 4), bool)
    stuck[:, :, 3] = stuck[1, 0, 0] = stuck[2, 1, :2] = False
    sound, right = np.array([True, True, True, False]), np.array([True, True, False, True])
    found = Certified(Box(0.01, stuck=(1e-3, 1e-4)), np.zeros((4, 2)), sound, right, np.zeros(4, int), stuck, sound)
    assert Box(0.01).of_resistors_alone
    assert not found.box.of_resistors_alone
    told = found.to_json()["stuck"]
    assert (told["resistors"], told["harmless"], told["certified_without"]) == (3, 1, 0.5)
    assert (told["worst_resistor"], told["worst_ohms"], told["worst_certified"]) == (2, pytest.approx(1e4), 0.0)
    np.testing.assert_array_equal(found.certified_stuck, [[0.5, 0.5], [0.25, 0.5], [0.5, 0.0]])


@pytest.mark.parametrize(
    "asked",
    [
        {"tolerances": [-0.1]}, {"tolerances": [1.0]}, {"tolerances": [np.nan]}, {"tolerances": "1%"},
        {"tolerances": []}, {"supply": -0.1}, {"supply": np.nan}, {"temperatures": (70, 0)}, {"temperatures": 20.0},
        {"temperatures": (0, 1e9)}, {"diodes": "is=1"}, {"diodes": {"is": -0.3}}, {"input_error": -1.0},
        {"input_error": np.nan}, {"stuck": "open"}, {"stuck": [None]}, {"labels": [0, 1]}, {"labels": [0.5]},
    ],
)  # fmt: skip
def test_a_box_that_holds_no_board_proves_nothing(asked):
    with pytest.raises((UsageError, InputError)):
        diodeq.certify(small(widths=(2, 3, 2)), [[1.0, -1.0]], **asked)


def test_levels_are_those_of_the_circuit_and_the_largest_tolerances_know_them(wave):
    circuit = small(widths=(2, 2, 2))
    levels = levels_of(circuit, ("low", "high", "open", 1e4, "10k"))
    assert levels == pytest.approx((circuit.conductances.min(), circuit.conductances.max(), 1e-15, 1e-4, 1e-4))
    drives = volts(circuit, 3)
    (found,) = certify(circuit, drives, None, [Box(0.0, stuck=levels[1:2])], wave)
    lost = drives[~found.kept][:1]
    assert len(lost) == 1
    assert not largest_tolerances(circuit, lost, wave, found.box).any()


def test_a_current_source_whose_only_way_is_open_is_not_bounded_by_less(wave):
    """29 MV, as 30 nA across a petaohm are."""
    circuit = Circuit(
        nodes=("0", "in", "a"),
        resistors=bank("resistors", [(1, 2, 0.1)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        current_sources=bank("current_sources", [(0, 2, 3e-8)]),
        inputs=driven(("x",)),
        outputs=np.array([[2, 0]]),
    )
    (found,) = certify(circuit, np.zeros((1, 1)), None, [Box(0.01, stuck=levels_of(circuit, ["open"]))], wave)
    assert found.bounds.max() >= 3e7 * 0.98
