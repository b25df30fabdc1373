"""Settling: against closed forms, against an independent integrator, and what the command says."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from circuits import CIRCUITS, DRIVES, plain
from diodeq.analysis.capacitance import time_constants
from diodeq.analysis.energy import multiply_accumulates, supplied
from diodeq.analysis.settling import levels, settle
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.capacitance import capacitances
from diodeq.circuit.graph import driven_nodes
from diodeq.cli.main import main
from diodeq.devices import DiodeModel
from diodeq.devices.diode.law import law
from diodeq.errors import InputError, SimulationError
from diodeq.network import Activation, Network, Stage
from diodeq.synthesis.compile import compile_network

OHMS, FARADS, VOLTS = 1e4, 1e-11, 2.0


def one_rc(ohms=OHMS):
    return Circuit(
        ("0", "a", "b"),
        resistors=bank("resistors", [(1, 2, 1 / ohms)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(2, 0)],
    )


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 2.0**-8, 2.0**-14])
def test_one_rc_settles_when_its_exponential_does(ngspice, tolerance):
    circuit = one_rc()
    farads = capacitances(circuit, 0.0, FARADS)
    found = settle(ngspice, circuit, farads, np.zeros((1, 1)), np.array([[VOLTS]]), tolerance)
    assert found.times[0, 0] == pytest.approx(np.log(1 / tolerance) * OHMS * FARADS, rel=0.01)
    # Until then the source has delivered C·V² but for the share not yet charged; none of it is lost later.
    assert found.energy[0] == pytest.approx(FARADS * VOLTS**2 * (1 - tolerance), rel=0.002)
    assert found.power[0] == pytest.approx(0.0, abs=1e-12)
    assert (found.span, found.band) == pytest.approx((VOLTS, tolerance * VOLTS))


def test_time_grows_with_resistance_and_energy_does_not(ngspice):
    circuit = one_rc()
    found = levels(ngspice, circuit, (0.0, FARADS), np.zeros((1, 1)), np.array([[VOLTS]]), 1e-3, (0.1, 1.0, 10.0))
    times = np.array([level.settling.times[0, 0] for level in found])
    assert times * [0.1, 1.0, 10.0] == pytest.approx(np.log(1000) * OHMS * FARADS, rel=0.01)
    assert [level.settling.energy[0] for level in found] == pytest.approx([FARADS * VOLTS**2] * 3, rel=0.005)
    assert [level.joules_per_gradient for level in found] == pytest.approx([2 * FARADS * VOLTS**2] * 3, rel=0.005)


def test_wires_at_a_driven_node_cost_their_charge_and_no_time(ngspice):
    circuit = one_rc()
    farads = capacitances(circuit, 1e-12, FARADS - 1e-12)
    assert farads.tolist() == [0.0, 1e-12, FARADS]
    found = settle(ngspice, circuit, farads, np.zeros((1, 1)), np.array([[VOLTS]]))
    assert found.times[0, 0] == pytest.approx(np.log(1000) * OHMS * FARADS, rel=0.01)
    assert found.energy[0] == pytest.approx((FARADS * 0.999 + 1e-12) * VOLTS**2, rel=0.002)


def test_a_ladder_moves_as_the_matrix_exponential(ngspice):
    g, farads = np.array([1e-4, 2e-4, 5e-5, 1e-4]), np.array([0, 0, 3e-12, 1e-11, 2e-12])
    circuit = Circuit(
        ("0", "a", "b", "c", "d"),
        resistors=bank("resistors", [(1, 2, g[0]), (2, 3, g[1]), (3, 4, g[2]), (4, 0, g[3])]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(4, 0), (2, 3)],
    )
    found = settle(ngspice, circuit, farads, np.array([[-1.0]]), np.array([[3.0]]))
    matrix = np.array([[g[0] + g[1], -g[1], 0], [-g[1], g[1] + g[2], -g[2]], [0, -g[2], g[2] + g[3]]])
    rest = np.linalg.solve(matrix, [g[0], 0, 0])
    rates = -matrix / farads[2:, None]
    exact = np.array([3 * rest + expm(rates * t) @ (-4 * rest) for t in found.wave.times])
    assert found.wave.node_voltages[:, 2:] == pytest.approx(exact, abs=2e-4 * 4)
    for k, error in enumerate((exact[:, 2] - 3 * rest[2], exact[:, 0] - exact[:, 1] - 3 * (rest[0] - rest[1]))):
        outside = np.flatnonzero(np.abs(error) > found.band)[-1]
        assert found.wave.times[outside] * 0.99 <= found.times[0, k] <= found.wave.times[outside + 1] * 1.01


def test_diodes_move_as_an_independent_integrator_says(ngspice):
    """Constant capacitances, so that the diode's law is all the integrator needs."""
    slow = plain()
    model = DiodeModel("slow", dict(slow.models[0].at_rest().parameters))
    circuit = replace(slow, models=(model,))
    farads = capacitances(circuit, 2e-13, 1e-12)
    found = settle(ngspice, circuit, farads, 0 * DRIVES[:2], DRIVES[:2])
    free = np.flatnonzero(~driven_nodes(circuit))
    device = law(model, circuit.temperature)
    (a, b), (anode, cathode) = circuit.resistors.terminals.T, circuit.diodes.terminals.T
    start, end = (ngspice.operate(circuit, drives).node_voltages for drives in (0 * DRIVES[:2], DRIVES[:2]))

    def slope(_, volts, full):
        full = full.copy()
        full[free] = volts
        into = np.zeros(len(full))
        flow = circuit.conductances * (full[a] - full[b])
        through = device.current(full[anode] - full[cathode])
        for nodes, current in ((a, -flow), (b, flow), (anode, -through), (cathode, through)):
            np.add.at(into, nodes, current)
        return into[free] / farads[free]

    row = found.slowest
    solved = solve_ivp(
        slope,
        (0, found.wave.times[-1]),
        start[row, free],
        "BDF",
        found.wave.times,
        args=(end[row],),
        rtol=1e-8,
        atol=1e-9,
    )
    assert found.wave.node_voltages[:, free] == pytest.approx(solved.y.T, abs=3e-4 * np.ptp(end))


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_kind_of_part_settles_at_its_operating_point(ngspice, name):
    circuit = CIRCUITS[name]()
    farads = capacitances(circuit, 1e-13, 1e-12)
    found = settle(ngspice, circuit, farads, 0 * DRIVES[:2], DRIVES[:2])
    point = ngspice.operate(circuit, DRIVES[:2])
    assert found.outputs == pytest.approx(point.outputs, abs=1e-9)
    wave = found.wave
    assert wave.node_voltages[-1] == pytest.approx(point.node_voltages[found.slowest], abs=found.band)
    assert (found.times > 0).any()
    assert (found.decided <= found.row_times[:, None].max() * 10).all()
    assert (found.energy > 0).all()


def test_energy_is_what_the_sources_deliver(ngspice):
    """Tellegen: counted at the sources instead of in the parts; junctions charge too."""
    circuit = plain()
    farads = np.where(driven_nodes(circuit), 0.0, capacitances(circuit, 1e-13, 1e-12))
    found = settle(ngspice, circuit, farads, 0 * DRIVES[:1], DRIVES[:1])
    wave, driven = found.wave, driven_nodes(circuit)
    volts = wave.node_voltages
    (a, b), (anode, cathode) = circuit.resistors.terminals.T, circuit.diodes.terminals.T
    assert not driven[np.union1d(anode, cathode)[1:]].any()
    flow = circuit.conductances * (volts[:, a] - volts[:, b])
    watts = ((volts[:, a] * driven[a] - volts[:, b] * driven[b]) * flow).sum(axis=1)
    delivered = np.append(0.0, np.cumsum(0.5 * (watts[1:] + watts[:-1]) * np.diff(wave.times)))
    late = wave.times > 0.1 * wave.times[-1]
    assert supplied(wave, farads)[late] == pytest.approx(delivered[late], rel=1e-3)


def test_junctions_take_time(ngspice):
    circuit = plain()
    still = replace(circuit, models=(DiodeModel("still", dict(circuit.models[0].at_rest().parameters)),))
    farads = capacitances(circuit, 1e-14, 1e-14)
    times = [
        settle(ngspice, each, farads, 0 * DRIVES[:1], DRIVES[:1]).row_times[0]
        for each in (circuit, still)
    ]  # fmt: skip
    assert times[0] > 2 * times[1]


def test_weights_are_counted_once():
    assert multiply_accumulates(plain()) == 3 * 4 + 4 * 2
    assert multiply_accumulates(plain(lateral=True)) == 3 * 4 + 4 * 2 + 4 * 3 // 2
    assert multiply_accumulates(one_rc()) == 1
    random = np.random.default_rng(0)
    network = Network(
        (
            Stage(random.normal(size=(5, 3)), random.normal(size=5)),
            Stage(random.normal(size=(4, 5)), random.normal(size=4), None, Activation("identity")),
        )
    )
    for name in ("passive", "buffered"):
        assert multiply_accumulates(compile_network(network, name, diode="1N4148").circuit) == 5 * 3 + 4 * 5, name


def test_what_cannot_settle_is_refused(ngspice):
    circuit = one_rc()
    one = np.ones((1, 1))
    with pytest.raises(InputError, match="nothing takes time"):
        settle(ngspice, circuit, capacitances(circuit, 0.0, 0.0), 0 * one, one)
    with pytest.raises(InputError, match="nothing to settle"):
        settle(ngspice, circuit, capacitances(circuit, 0.0, 1e-12), 0 * one, 0 * one)
    with pytest.raises(InputError, match="no outputs"):
        settle(ngspice, replace(circuit, outputs=[], output_names=()), capacitances(circuit, 0.0, 1e-12), 0 * one, one)
    for wiring, load in ((-1.0, 0.0), (0.0, np.nan)):
        with pytest.raises(InputError, match="impossible"):
            capacitances(circuit, wiring, load)
    hot = replace(plain("BAT85"), temperature=85.0)
    with pytest.raises(InputError, match="junction potential"):
        settle(ngspice, hot, capacitances(hot, 1e-13, 0.0), 0 * DRIVES[:1], DRIVES[:1])
    # Fed back with a gain of 2, the operating point at 0 V is one that nothing returns to.
    runaway = replace(
        circuit,
        nodes=("0", "a", "b", "c"),
        resistors=bank("resistors", [(1, 2, 1e-5), (2, 3, 1e-4)]),
        buffers=bank("buffers", [(3, 0, 2, 0, 2.0)]),
        trainable=None,
    )
    farads = capacitances(runaway, 0.0, 1e-12)
    with pytest.raises(SimulationError, match=r"[Tt]imestep too small|not settled"):
        settle(ngspice, runaway, farads, 0 * one, one)


def test_times_have_the_scale_of_the_slowest_node():
    circuit = one_rc()
    assert time_constants(circuit, capacitances(circuit, 0.0, FARADS)) == pytest.approx((OHMS * FARADS,) * 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("settle")
    plain().save(folder / "circuit.npz")
    np.savetxt(folder / "X.csv", np.column_stack([DRIVES, [0, 1, 0, 1]]), delimiter=",")
    return folder


def command(name, folder, *options):
    return main(
        [
            name,
            str(folder / "circuit.npz"),
            "--inputs",
            str(folder / "X.csv"),
            "--units",
            "volts",
            "--workers",
            "1",
            *options,
        ]
    )


def test_the_command_prints_a_document(folder, capsys):
    picture = folder / "settle.svg"
    options = ["--labelled", "--scale", "1,10", "--to", "8bit", "--from", "previous", "--plot", str(picture)]
    assert command("settle", folder, *options, "--samples", "3", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [level["scale"] for level in found["levels"]] == [1.0, 10.0]
    assert found["tolerance"] == 2.0**-8
    assert found["samples"] == 3
    slow, fast = (level["seconds"]["worst"] for level in found["levels"])
    assert 0 < fast < slow
    assert found["multiply_accumulates"] == 20
    assert found["digital"][0]["joules"] == pytest.approx(20 * 0.23e-12)
    assert picture.read_text().count("<svg") == 1
    assert command("settle", folder, "--labelled", "--samples", "2", "--plot", str(picture)) == 0
    assert "2 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--to", "0.1"], 2, "neither per cent nor bits"),
        (["--to", "0%", "--labelled"], 3, "impossible"),
        (["--scale", "1,-2"], 2, "not above 0"),
        (["--scale", "x"], 2, "no list of numbers"),
        (["--wiring", "0", "--labelled", "--load", "-1p"], 3, "impossible"),
        (["--load", "4x"], 2, "with an exponent"),
        (["--plot", "a.doc"], 2, "not a picture"),
        ([], 3, "columns"),
    ],
)
def test_bad_options_are_refused(folder, capsys, options, code, said):
    assert command("settle", folder, *options) == code
    said_there = capsys.readouterr().err
    assert said in said_there
    assert "Traceback" not in said_there


def test_a_single_output_decides_nothing(tmp_path, capsys):
    deck = tmp_path / "deck.cir"
    deck.write_text("* one diode\nV1 in 0 1\nR1 in mid 1k\nD1 mid 0 DFAST\n.model DFAST D(Is=1n)\n.end\n")
    one, rows = tmp_path / "one.npz", tmp_path / "rows.csv"
    assert main(["import", str(deck), "-o", str(one), "--input", "v1", "--output", "mid"]) == 0
    rows.write_text("v1\n1\n1e30\n2\n")
    assert main(["settle", str(one), "--inputs", str(rows), "--samples", "1", "--plot", str(tmp_path / "s.svg")]) == 0
    said = capsys.readouterr().out
    assert "1 row, inputs step" in said
    assert "decided" not in said
    assert "decision" not in said
    rows.write_text("v1\n1\n")
    assert main(["noise", str(one), "--inputs", str(rows)]) == 0
    assert "effective bits need a span: give at least two rows whose outputs differ" in capsys.readouterr().out
    spread = ["--tolerance", "1%", "--samples", "2", "--simulator", "wave"]
    assert main(["montecarlo", str(one), "--inputs", str(rows), *spread]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 boards, 1 sample each, 27 °C (wave")
    assert "  100.0 %  1 resistor\n" in said
    assert "yield" not in said
    levels = ["--levels", "4", "--ohms", "100", "10k", "--simulator", "wave"]
    assert main(["quantize", str(one), "-o", str(tmp_path / "q.npz"), *levels]) == 0
    said = capsys.readouterr().out
    assert "1 resistor onto 4 values of 4 levels" in said
    assert "highest output" not in said
    assert main(["train", "xor", "--from", str(one), "--out", str(tmp_path / "run")]) == 3
    assert "the circuit has 1 input but xor has 2 features" in capsys.readouterr().err


def test_a_sample_that_fails_is_named_by_its_row_in_the_file(tmp_path, capsys):
    """Of the first and the last row, which is the second sample and the third row."""
    deck, circuit, rows = (tmp_path / name for name in ("deck.cir", "c.npz", "rows.csv"))
    deck.write_text(
        "* two diodes\nV1 in 0 1\nR1 in mid 4.7k\nR2 mid out 22k\nR3 out 0 10k\n"
        "D1 0 mid 1N4148\nD2 out 0 1N4148\n.end\n"
    )
    assert main(["import", str(deck), "-o", str(circuit), "--input", "v1", "--output", "mid"]) == 0
    rows.write_text("v1\n1\n2\n1e60\n")
    capsys.readouterr()
    assert main(["noise", str(circuit), "--inputs", str(rows), "--samples", "2"]) == 6
    error = capsys.readouterr().err
    assert error.startswith("diodeq: row 3: ")
    assert error.endswith("; lower the drive voltages, which reach 1e+60 V, or narrow the conductance range\n")


def test_a_label_without_an_output_is_refused(folder, capsys, tmp_path):
    (tmp_path / "X.csv").write_text("1,2,3,0\n1,2,3,7\n")
    arguments = ["settle", str(folder / "circuit.npz"), "--inputs", str(tmp_path / "X.csv"), "--labelled"]
    assert main(arguments) == 3
    assert "the label of row 2 is 7" in capsys.readouterr().err
