"""Certificates of circuits with buffers, transformers, gyrators and amplifiers: no board is outside."""

import json
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from diodeq.analysis import relaxed, summed
from diodeq.analysis.bounds import KINDS, Bounds
from diodeq.analysis.box import Box
from diodeq.analysis.certified import certify
from diodeq.analysis.relaxed import Relaxed
from diodeq.analysis.summed import Frame, units_within
from diodeq.analysis.summing import Summing
from diodeq.api.certificates import boxed
from diodeq.circuit.amplifiers import groups_of, inside
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.errors import UsageError
from diodeq.network import Network, Stage
from diodeq.simulators import create
from diodeq.synthesis.compile import compile_network


@pytest.fixture(scope="module")
def wave():
    with create("wave", 1) as engine:
        yield engine


def perceptron():
    random = np.random.default_rng(1)
    first = Stage(random.normal(size=(3, 2)), random.normal(size=3))
    return Network([first, Stage(random.normal(size=(2, 3)), random.normal(size=2), activation="identity")])


def equilibrium():
    random = np.random.default_rng(2)
    a, p = 0.6 * random.normal(size=(3, 3)), 0.4 * random.normal(size=(3, 3))
    w = 0.5 * np.eye(3) - a.T @ a + p - p.T
    return Network([Stage(random.normal(size=(3, 2)), random.normal(size=3), w)])


CIRCUITS = {
    "buffers": (perceptron, "buffered", {}),
    "transformers and gyrators": (equilibrium, "transformer-gyrator", {}),
    "amplifiers": (perceptron, "precision", {"amplifier": "TL074"}),
    "amplifiers in a loop": (equilibrium, "precision", {"amplifier": "TL074"}),
}


def made(name):
    network, realization, more = CIRCUITS[name]
    return compile_network(network(), realization, diode="1N4148", **more).circuit


def boards(circuit, box, count):
    random = np.random.default_rng(3)
    for number in range(count):
        off = random.uniform(-1.0, 1.0, len(circuit.resistors))
        off = np.sign(off) if number % 2 else off
        yield circuit.with_conductances(circuit.conductances / (1.0 + box.of_parts(circuit) * off))


def corner(circuit, box, drives, wave):
    """How far the first output of a sample moves to the corner of its gradient."""
    centre, ends = box.centre(circuit), circuit.resistors.terminals
    one = wave.operate(centre, drives)
    adjoint = wave.small_signal(one, np.eye(1, len(circuit.outputs)))
    across = [(each[:, ends[:, 0]] - each[:, ends[:, 1]])[0] for each in (one.node_voltages, adjoint.node_voltages)]
    off = np.sign(across[0] * across[1]) * box.of_parts(circuit)
    found = [wave.operate(circuit.with_conductances(circuit.conductances / (1 + s * off)), drives) for s in (1, -1)]
    return max(abs(each.outputs[0, 0] - one.outputs[0, 0]) for each in found)


@pytest.mark.parametrize("box", [Box(0.002), Box(0.01)], ids=str)
@pytest.mark.parametrize("name", CIRCUITS)
def test_no_board_is_outside_and_the_worst_corner_is_near(name, box, wave):
    circuit = made(name)
    drives = np.random.default_rng(0).uniform(-1.0, 1.0, (4, len(circuit.inputs)))
    drives = circuit.scaling.to_volts(drives)
    point = wave.operate(box.centre(circuit), drives)
    rows = np.broadcast_to(
        circuit.output_injections(np.eye(len(circuit.outputs))), (4, len(circuit.outputs), len(circuit.nodes))
    )
    off, kinds = Bounds.of(circuit).reach(box, point, slice(None), rows)
    proved = KINDS.index("units" if name.startswith("amplifiers") else "krawczyk")
    assert (kinds == proved).sum() >= (4 if proved == 1 else 3)
    for board in boards(circuit, box, 16):
        assert (np.abs(wave.operate(board, drives).outputs - point.outputs) <= off).all()
    for row in np.flatnonzero(kinds == proved).tolist():
        assert off[row, 0] <= 1.5 * corner(circuit, box, drives[row : row + 1], wave) + 1e-5


def test_rectifiers_that_change_sides_and_inputs_are_in_the_bounds(wave):
    circuit, box = made("amplifiers in a loop"), Box(0.02, inputs=0.2)
    drives = circuit.scaling.to_volts(np.random.default_rng(5).uniform(-1.0, 1.0, (8, len(circuit.inputs))))
    point = wave.operate(box.centre(circuit), drives)
    rows = np.broadcast_to(circuit.output_injections(np.eye(3)), (8, 3, len(circuit.nodes)))
    off, kinds = Bounds.of(circuit).reach(box, point, slice(None), rows)
    assert (kinds == KINDS.index("units")).all()
    random = np.random.default_rng(6)
    least, most = point.outputs.copy(), point.outputs.copy()
    for board in boards(circuit, box, 24):
        found = wave.operate(board, drives + 0.2 * np.sign(random.uniform(-1, 1, drives.shape))).outputs
        assert (np.abs(found - point.outputs) <= off).all()
        least, most = np.minimum(least, found), np.maximum(most, found)
    assert ((least < 0.02) & (most > 0.1)).any()


def test_amplifiers_insides_have_no_tolerance():
    circuit = made("amplifiers")
    own = inside(circuit, "resistors")
    assert own.any()
    assert not Box(0.01).of_parts(circuit)[own].any()
    assert np.array_equal(Box(0.01).centre(circuit).conductances[own], circuit.conductances[own])


def test_the_norm_bounds_where_nothing_else_does_and_says_so(wave):
    circuit = made("buffers")
    drives = circuit.scaling.to_volts(np.random.default_rng(0).uniform(-1.0, 1.0, (3, len(circuit.inputs))))
    (near,) = certify(circuit, drives, None, [Box(0.01)], wave)
    (far,) = certify(circuit, drives, None, [Box(0.6)], wave)
    assert (near.bound, near.to_json()["bounded_by"]) == ("krawczyk", {"krawczyk": 3})
    assert far.bound in ("norm", "none")
    (other,) = certify(circuit, drives, None, [Box(0.6, supply=0.01)], wave)
    assert other.bound == "none"
    assert not other.kept.any()


def test_sources_diodes_and_temperature_are_in_the_bounds(wave):
    circuit = made("buffers")
    drives = circuit.scaling.to_volts(np.random.default_rng(0).uniform(-1.0, 1.0, (3, len(circuit.inputs))))
    box = Box(0.001, supply=0.002, cold=25.0, hot=29.0, saturation=0.1, series=0.1, inputs=0.01)
    point = wave.operate(box.centre(circuit), drives)
    rows = np.broadcast_to(circuit.output_injections(np.eye(2)), (3, 2, len(circuit.nodes)))
    off, kinds = Bounds.of(circuit).reach(box, point, slice(None), rows)
    assert (kinds == KINDS.index("krawczyk")).all()
    random = np.random.default_rng(4)
    model, sources = circuit.models[0], circuit.voltage_sources.values
    assert model == catalogue.get("1N4148")
    for number in range(16):
        board = next(boards(circuit, box, 1))
        share = np.sign(random.uniform(-1.0, 1.0, 2))
        given = dict(model.parameters)
        given |= {"is": model.get("is") * (1.0 + 0.1 * share[0]), "rs": model.get("rs") * (1.0 + 0.1 * share[1])}
        board = replace(board, models=(replace(model, parameters=tuple(given.items())), *circuit.models[1:]))
        board = board.with_values(
            "voltage_sources", sources * (1.0 + 0.002 * np.sign(random.uniform(-1, 1, len(sources))))
        )
        board = replace(board, temperature=25.0 if number % 2 else 29.0)
        moved = drives + 0.01 * np.sign(random.uniform(-1.0, 1.0, drives.shape))
        assert (np.abs(wave.operate(board, moved).outputs - point.outputs) <= off).all()


def loop_at(box, wave, count=3):
    """A monDEQ of amplifiers, whose rectifiers may change sides, its drives, centre, and rows of outputs."""
    random = np.random.default_rng(2)
    a, p = 0.5 * random.normal(size=(8, 8)), 0.4 * random.normal(size=(8, 8))
    network = Network(
        [Stage(random.normal(size=(8, 4)), 0.3 * random.normal(size=8), 0.6 * np.eye(8) - a.T @ a + p - p.T)]
    )
    x = np.random.default_rng(7).uniform(-1.0, 1.0, (60, 4))
    circuit = compile_network(network, "precision", diode="1N4148", amplifier="TL074", inputs=x).circuit
    drives = circuit.scaling.to_volts(x[:count])
    point = wave.operate(box.centre(circuit), drives)
    outputs = circuit.output_injections(np.eye(len(circuit.outputs)))
    return circuit, drives, point, np.broadcast_to(outputs, (count, *outputs.shape))


def outside(circuit, box, drives, point, off, wave, count):
    found = [np.abs(wave.operate(board, drives).outputs - point.outputs) > off for board in boards(circuit, box, count)]
    return int(np.sum(found))


def test_units_that_may_change_sides_are_bounded_together(wave):
    box = Box(0.02)
    circuit, drives, point, rows = loop_at(box, wave, 1)
    off, kinds = Bounds.of(circuit).reach(box, point, slice(None), rows)
    assert (kinds == KINDS.index("units")).all()
    assert outside(circuit, box, drives, point, off, wave, 30) == 0
    summing = Summing.of(circuit)
    for number, volts in enumerate(point.node_voltages):
        inside = units_within(Frame.of(summing, point.circuit, box, volts))
        alone = np.maximum(*inside.found.reach(rows[number][:, summing.units]))
        assert (off[number] <= alone).all()
        assert (off[number] < 0.95 * alone).any()


def test_a_relaxation_that_forgets_tolerances_is_caught(wave, monkeypatch):
    box = Box(0.02)
    circuit, drives, point, rows = loop_at(box, wave, 1)

    def forgetful(found, s):
        return Relaxed.of(replace(found, of=replace(found.of, off=0.0 * found.of.off)), s)

    monkeypatch.setattr(summed, "Relaxed", SimpleNamespace(of=forgetful))
    off, _ = Bounds.of(circuit).reach(box, point, slice(None), rows)
    assert outside(circuit, box, drives, point, off, wave, 20) > 0


def test_whatever_multipliers_a_solver_finds_a_bound_is_one(monkeypatch):
    random = np.random.default_rng(0)
    matrix, inner = random.normal(size=(12, 6)), random.uniform(-1.0, 1.0, (50, 6))
    limit = (matrix @ inner.T).max(axis=1)
    program = Relaxed(matrix, limit, np.full(6, -1.0), np.ones(6), ())
    rows = random.normal(size=(5, 6))
    best, seen = program.most(rows), (rows @ inner.T).max(axis=1)
    assert (best >= seen).all()
    ends = ((matrix[:5], np.full(5, -7.0)), (matrix[:5], np.full(5, 9.0)))
    below, above = replace(program, drives=ends).driven(np.array([1, 3]))
    at = matrix[[1, 3]] @ inner.T
    assert (above >= at.max(axis=1) + 9.0).all()
    assert (below >= 7.0 - at.min(axis=1)).all()
    wild = SimpleNamespace(status=0, ineqlin=SimpleNamespace(marginals=random.normal(size=12)))
    monkeypatch.setattr(relaxed, "linprog", lambda *_, **__: wild)
    assert (program.most(rows) >= best - 1e-9).all()
    large = 1e8 * random.normal(size=12)  # whose sums are rounded by far more than what is looked at
    wild.ineqlin.marginals = -large
    y = [max(Fraction(each), Fraction(0)) for each in large.tolist()]
    for row, most in zip(rows.tolist(), program.most(rows).tolist(), strict=True):
        rest = [
            Fraction(one) - sum(a * Fraction(b) for a, b in zip(y, column, strict=True))
            for one, column in zip(row, matrix.T.tolist(), strict=True)
        ]
        limits = sum(a * Fraction(b) for a, b in zip(y, limit.tolist(), strict=True))
        assert Fraction(most) >= limits + sum(map(abs, rest))


def test_what_a_relaxation_lets_resistors_send_is_what_they_can(wave):
    """At any ends of outputs, sums and inputs each resistor's share of its voltage is in it; and so is a leak."""
    box = Box(0.02, inputs=0.05)
    circuit, _, point, _ = loop_at(box, wave, 1)
    frame = Frame.of(Summing.of(circuit), point.circuit, box, point.node_voltages[0])
    found, s = units_within(frame).found, (frame.s - 0.1, frame.s + 0.1)
    program = Relaxed.of(found, s)
    (least, under), (most, over) = program.drives
    summing, random, count = frame.summing, np.random.default_rng(4), len(frame.z)
    x = np.zeros(most.shape[1])
    for _ in range(100):
        z, sums = (np.where(random.random(count) < 0.5, *each) for each in (found.z, s))
        volts = frame.volts + frame.spread * random.choice([-1.0, 1.0], len(frame.volts))
        volts[summing.units], x[:count] = z, z - frame.z
        across = frame.off * np.abs(volts[summing.far] - sums[summing.owner])
        sent = np.bincount(summing.owner, across, count) / frame.siemens
        plain = frame.coupling @ (z - frame.z)
        here = frame.off * np.abs(volts[summing.far] - frame.s[summing.owner])
        assert (np.bincount(summing.owner, here, count) <= found.taken * (1.0 + 1e-9)).all()
        assert (plain + found.drift[1] + sent <= most @ x + over).all()
        assert (plain + found.drift[0] - sent >= least @ x + under).all()
    leaks = Relaxed.of(replace(found, leak=np.full(count, 0.3)), s)
    x[:count] = np.linalg.solve(np.eye(count) - least[:, :count], frame.u + under - 0.3 - frame.z)
    assert (leaks.matrix[count:] @ x <= leaks.limit[count:] + 1e-9).all()


def test_a_search_that_went_beyond_the_swing_goes_back(wave):
    """Where a first guess of the box is past an amplifier's clamps, though no board is, there are bounds."""
    box, x = Box(0.2), np.random.default_rng(7).uniform(-1.0, 1.0, (60, 2))
    circuit = compile_network(perceptron(), "precision", diode="1N4148", amplifier="TL074", inputs=x).circuit
    drives = circuit.scaling.to_volts(x[[2, 5]])
    point, outputs = wave.operate(box.centre(circuit), drives), circuit.output_injections(np.eye(2))
    rows = np.broadcast_to(outputs, (2, *outputs.shape))
    off, bounded = summed.reach_of_units(Summing.of(circuit), box, point, slice(None), rows)
    assert bounded.all()
    farthest = np.max(
        [np.abs(wave.operate(each, drives).outputs - point.outputs) for each in boards(circuit, box, 24)], 0
    )
    assert (farthest <= off).all()
    assert (farthest > 0.3 * off).any()


def off_figures(circuit, box, random):
    """A board whose amplifiers and sources are off, each on its own."""
    (group,) = groups_of(circuit)
    for kind, purpose, values in (
        ("voltage_sources", "offset", box.offset * np.sign(random.uniform(-1, 1, len(group.numbers)))),
        ("current_sources", "minus", box.bias * np.sign(random.uniform(-1, 1, len(group.numbers)))),
        ("buffers", "gain", box.gain * random.choice([1.0, 1e3], len(group.numbers))),
    ):
        made = np.array(circuit.bank(kind).values)
        if 0.0 < np.abs(values).max() < np.inf:
            made[group.at(kind, purpose)] = values
        circuit = circuit.with_values(kind, made)
    sources = circuit.voltage_sources.values
    off = np.where(inside(circuit, "voltage_sources"), 0.0, box.supply)
    return circuit.with_values("voltage_sources", sources * (1.0 + off * np.sign(random.uniform(-1, 1, len(sources)))))


def test_figures_of_amplifiers_and_supplies_are_in_the_bounds(wave):
    box = Box(0.001, supply=0.002, offset=0.01, bias=1e-7, gain=2e3)
    circuit = made("amplifiers in a loop")
    drives = circuit.scaling.to_volts(np.random.default_rng(5).uniform(-1.0, 1.0, (2, len(circuit.inputs))))
    point, outputs = wave.operate(box.centre(circuit), drives), circuit.output_injections(np.eye(3))
    rows = np.broadcast_to(outputs, (2, *outputs.shape))
    off, kinds = Bounds.of(circuit).reach(box, point, slice(None), rows)
    assert (kinds == KINDS.index("units")).all()
    random, farthest = np.random.default_rng(8), np.zeros_like(off)
    for board in boards(circuit, box, 16):
        found = wave.operate(off_figures(board, box, random), drives)
        farthest = np.maximum(farthest, np.abs(found.outputs - point.outputs))
    assert (farthest <= off).all()
    assert (farthest > 0.3 * off).any()
    for lacking in ("offset", "bias", "gain", "supply"):
        blind = replace(box, **{lacking: np.inf if lacking == "gain" else 0.0})
        less, _ = Bounds.of(circuit).reach(blind, point, slice(1), rows[:1])
        assert (less <= off[0]).all()
        assert (less < off[0]).any()
    blind, _ = Bounds.of(circuit).reach(Box(0.001), point, slice(None), rows)
    assert (farthest > blind).any()


@pytest.mark.parametrize(
    "figure", [{"offset": 0.01}, {"bias": 1e-5}, {"gain": 300.0}, {"supply": 0.02}, {"inputs": 0.05}]
)
def test_a_figure_moves_sums_by_what_it_does_either_way(figure, wave):
    """Of amplifiers alone: the bounds below and above are no less than the boards, and hardly more."""
    stage = Stage(np.array([[1.0, -0.5], [0.3, 2.0]]), np.array([0.4, -0.3]), activation="identity")
    circuit = compile_network(Network([stage]), "precision", diode="1N4148", amplifier="TL074").circuit
    box, drives = Box(0.0, **figure), circuit.scaling.to_volts(np.array([[0.5, -0.4]]))
    point, summing = wave.operate(box.centre(circuit), drives), Summing.of(circuit)
    frame = Frame.of(summing, point.circuit, box, point.node_voltages[0])
    inside = units_within(frame)
    below, above = inside.found.reach(np.eye(len(summing.units)))
    random, moved = np.random.default_rng(0), []
    for _ in range(16):
        given = drives + box.inputs * np.sign(random.uniform(-1.0, 1.0, drives.shape))
        volts = wave.operate(off_figures(circuit, box, random), given).node_voltages
        moved.append((volts - point.node_voltages)[0, summing.units])
    lowest, highest = np.min(moved, axis=0), np.max(moved, axis=0)
    for most, bound in ((-lowest, below), (highest, above)):
        assert (most <= bound + 1e-9).all()
        assert (most >= 0.9 * bound - 1e-4).all()
    for share in (-1.0, 1.0):  # rails that are off limit outputs elsewhere
        rails = tuple(rail * (1.0 + share * box.supply) for rail in summing.rails)
        still = replace(frame, summing=replace(summing, rails=rails), figures=replace(frame.figures, supply=0.0))
        for volts in np.linspace(-13.0, 13.0, 40)[:, None] * np.ones(len(summing.units)):
            limited = still._inner(volts, 1.0)
            assert (frame._inner(volts, 1.0) <= limited).all()
            assert (limited <= frame._inner(volts, -1.0)).all()


def test_what_knows_no_figures_of_amplifiers_bounds_none(wave):
    box, circuit = Box(0.001, offset=4.0), made("amplifiers in a loop")
    drives = circuit.scaling.to_volts(np.zeros((1, len(circuit.inputs))))
    rows = circuit.output_injections(np.eye(3))[None]
    point = wave.operate(box.centre(circuit), drives)
    assert not box.of_resistors_alone
    for asked, bounded in ((box, False), (replace(box, offset=0.0), True)):
        off, _ = Bounds.of(circuit).reach(asked, point, slice(None), rows)
        assert np.isfinite(off).all() == bounded


def test_figures_that_amplifiers_or_circuits_do_not_have_are_refused():
    circuit = made("amplifiers in a loop")
    for figures in ({"slew": 1.0}, {"offset": -1.0}, {"gain": 0.0}):
        with pytest.raises(UsageError, match="no figures of amplifiers"):
            boxed(circuit, amplifiers=figures)
    with pytest.raises(UsageError, match="has no amplifiers"):
        boxed(made("buffers"), amplifiers={"offset": 1e-3})
    assert boxed(circuit, amplifiers={"offset": 1e-3}).of_amplifiers


def test_the_command_knows_figures_of_amplifiers(tmp_path, capsys):
    circuit = made("amplifiers in a loop")
    circuit.save(tmp_path / "c.npz")
    (tmp_path / "x.csv").write_text("0.5,-0.2\n")
    command = ["certify", str(tmp_path / "c.npz"), "--inputs", str(tmp_path / "x.csv"), "--simulator", "wave"]
    command += ["--tolerance", "0.1%", "--json"]
    bounds = []
    for more in ([], ["--amplifiers", "offset=10m,bias=1n,gain=20k"]):
        assert main([*command, *more]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["tolerances"][0]["bounded_by"] == {"units": 1}
        bounds.append(found["largest_bound_volts"])
    assert bounds[1] > bounds[0] + 0.01
    assert main([*command, "--amplifiers", "slew=3"]) == 2
    assert "no figures of amplifiers" in capsys.readouterr().err
