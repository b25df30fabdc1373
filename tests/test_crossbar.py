"""Crossbars: wires against closed forms, both engines, pre-distortion, the command."""

import json
from dataclasses import replace

import numpy as np
import pytest

import circuits
from diodeq.circuit import Bank, Circuit, Inputs
from diodeq.circuit.check import check
from diodeq.circuit.products import branch_products
from diodeq.cli.main import main
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology, get
from diodeq.errors import InputError, UsageError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.simulators import create
from diodeq.synthesis.crossbar import Wires, lay_out
from diodeq.synthesis.layered import layered
from diodeq.synthesis.predistortion import effective, predistort
from diodeq.synthesis.variation import vary


def grounded(rows, columns, siemens):
    """``rows`` driven nodes joined by equal conductances to ``columns`` nodes that sources hold at 0 V."""
    driven, held = np.arange(1, rows + 1), np.arange(rows + 1, rows + columns + 1)
    cells = np.stack([np.repeat(driven, columns), np.tile(held, rows)], axis=1)
    ends = np.concatenate([driven, held])
    return Circuit(
        nodes=("0", *(f"r{k}" for k in range(rows)), *(f"c{k}" for k in range(columns))),
        resistors=Bank(cells.astype(np.int32), np.full(len(cells), siemens)),
        voltage_sources=Bank(np.stack([ends, 0 * ends], axis=1).astype(np.int32), np.zeros(len(ends))),
        inputs=Inputs(np.arange(rows, dtype=np.int32), np.arange(rows, dtype=np.int32), np.ones(rows), ("a",) * rows),
        trainable=np.ones(len(cells), bool),
    )


def word_voltages(laid, simulator, volts):
    array, first = laid.arrays[0], laid.first[0]
    with create(simulator, 1) as engine:
        found = engine.operate(laid.circuit, np.full((1, len(array.rows)), volts)).node_voltages[0]
    return found[array.crossings(first)[0]]


@pytest.mark.parametrize("simulator", ["wave", "ngspice"])
@pytest.mark.parametrize("both", [False, True])
def test_the_drop_along_a_word_line_with_known_currents(simulator, both):
    siemens, ohms, volts, count = 1e-7, 2.5, 5.0, 64
    laid = lay_out(grounded(2, count, siemens), Wires(ohms, 1e-3, both))
    drop = volts - word_voltages(laid, simulator, volts)[0]
    # Every cell takes G V; segment k carries the currents of all cells behind it.
    current, k = siemens * volts, np.arange(1, count + 1)
    expected = ohms * current * (k * (count + 1 - k) / 2 if both else k * count - k * (k - 1) / 2)
    assert drop == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("simulator", ["wave", "ngspice"])
def test_a_loaded_word_line_is_a_ladder(simulator):
    siemens, ohms, count = 1e-3, 5.0, 40
    laid = lay_out(grounded(2, count, siemens), Wires(ohms, 1e-9))
    volts = word_voltages(laid, simulator, 1.0)[0]
    # A uniform ladder: v_k = cosh((n - k + 1/2) θ) / cosh((n + 1/2) θ) with 2 sinh(θ/2) = sqrt(R G).
    theta = 2 * np.arcsinh(0.5 * np.sqrt(ohms * siemens))
    expected = np.cosh((count - np.arange(1, count + 1) + 0.5) * theta) / np.cosh((count + 0.5) * theta)
    assert volts == pytest.approx(expected, rel=1e-6)


def test_layers_into_the_same_nodes_share_an_array_and_cells_keep_their_numbers():
    drawn = layered((3, 6, 5, 2), catalogue.get("1N4148"), volts=4.0, lateral=True)
    laid = lay_out(drawn, Wires(1.0, 2.0))
    check(laid.circuit)
    assert [array.cells.shape for array in laid.arrays] == [(8, 6), (8, 5), (7, 4)]
    count = len(drawn.resistors)
    assert np.array_equal(laid.circuit.conductances[:count], drawn.conductances)
    assert laid.circuit.mask[:count].all()
    assert not laid.circuit.mask[count:].any()
    lateral = np.setdiff1d(np.arange(count), np.concatenate([array.cells.ravel() for array in laid.arrays]))
    assert len(lateral) == 15 + 10
    assert np.array_equal(laid.circuit.resistors.terminals[lateral], drawn.resistors.terminals[lateral])
    words = sum(array.cells.size for array in laid.arrays)
    assert np.count_nonzero(laid.circuit.conductances[count:] == 1.0) == words
    assert np.count_nonzero(laid.circuit.conductances[count:] == 0.5) == words
    both = lay_out(drawn, Wires(1.0, 2.0, both=True))
    assert len(both.circuit.resistors) - len(laid.circuit.resistors) == 8 + 6 + 8 + 5 + 7 + 4
    with pytest.raises(InputError, match="no dense layer"):
        lay_out(laid.circuit, Wires(1.0, 1.0))
    with pytest.raises(UsageError, match="wire segment"):
        Wires(0.0, 1.0)


@pytest.mark.parametrize("both", [False, True])
def test_wires_that_hardly_resist_change_hardly_anything(both):
    drawn = circuits.plain()
    laid = lay_out(drawn, Wires(1e-4, 1e-4, both)).circuit
    with create("wave") as engine:
        wanted, found = (engine.operate(each, circuits.DRIVES).outputs for each in (drawn, laid))
    assert found == pytest.approx(wanted, abs=1e-6)


def test_engines_agree_on_an_array_of_thousands_of_nodes_forward_and_adjoint():
    drawn = layered((31, 24, 4), catalogue.get("1N4148"), volts=5.0, median=1e-4, seed=1)
    laid = lay_out(drawn, Wires(2.5, 2.5)).circuit
    assert len(laid.nodes) > 2000  # the sparse reduction
    drives = np.random.default_rng(0).normal(size=(3, 31)) * 5.0
    found = {}
    for name in ("wave", "ngspice"):
        with create(name, 1) as engine:
            point = engine.operate(laid, drives)
            adjoint = engine.small_signal(point, point.outputs / len(drives))
            found[name] = point.node_voltages, branch_products(laid, point.node_voltages, adjoint.node_voltages)
    assert np.abs(found["wave"][0] - found["ngspice"][0]).max() < 1e-8
    gradient = found["wave"][1]
    assert np.abs(found["ngspice"][1] - gradient).max() < 1e-6 * np.abs(gradient).max()


def test_the_gradient_of_cells_behind_wires_is_that_of_finite_differences():
    laid = lay_out(circuits.plain(), Wires(300.0, 200.0)).circuit
    with create("wave") as engine:
        exact = RULES["hardware-linearization"](engine, laid, circuits.DRIVES, half_mean_square).conductances
        cells = np.flatnonzero(laid.mask)
        for place in (0, 7, len(cells) - 1):
            values = []
            for factor in (1.0 + 1e-4, 1.0 - 1e-4):
                changed = laid.conductances.copy()
                changed[cells[place]] *= factor
                point = engine.operate(laid.with_conductances(changed), circuits.DRIVES)
                values.append(half_mean_square(point.outputs)[0])
            slope = (values[0] - values[1]) / (2e-4 * laid.conductances[cells[place]])
            assert exact[place] == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(2, 5), (6, 3)])
@pytest.mark.parametrize("both", [False, True])
def test_effective_conductances_are_what_one_volt_on_a_row_sends_into_the_columns(rows, columns, both):
    laid = lay_out(grounded(rows, columns, 1e-3), Wires(20.0, 30.0, both))
    cells = 1e-3 * np.exp(np.random.default_rng(0).normal(size=(rows, columns)))
    values = laid.circuit.conductances.copy()
    values[laid.arrays[0].cells] = cells
    with create("ngspice", 1) as engine:
        volts = engine.operate(laid.circuit.with_conductances(values), np.eye(rows)).node_voltages
    bit = laid.arrays[0].crossings(laid.first[0])[1]
    currents = volts[:, bit[-1]] / 30.0 + (volts[:, bit[0]] / 30.0 if both else 0.0)
    assert effective(laid, 0, cells) == pytest.approx(currents, rel=1e-8)


def test_predistortion_makes_arrays_conduct_as_drawn():
    drawn = layered((20, 12, 3), catalogue.get("1N4148"), volts=5.0, median=3e-5, seed=2)
    laid = lay_out(drawn, Wires(10.0, 10.0))
    better = predistort(laid, Technology(1e-8, 1e-1))
    assert better.before > 0.02
    assert better.after < 1e-7
    assert better.limited == 0
    for number, array in enumerate(laid.arrays):
        cells = better.circuit.conductances[array.cells]
        assert effective(laid, number, cells) == pytest.approx(drawn.conductances[array.cells], rel=1e-3)
    drives = np.random.default_rng(0).normal(size=(20, 20)) * 5.0
    with create("wave") as engine:
        wanted, wired, made_good = (
            engine.operate(each, drives).outputs for each in (drawn, laid.circuit, better.circuit)
        )
    assert np.std(made_good - wanted) < 0.25 * np.std(wired - wanted)
    narrow = predistort(laid, Technology(drawn.conductances.min(), np.median(drawn.conductances)))
    assert narrow.limited > 0
    assert narrow.after > better.after


def test_wires_neither_stick_nor_are_programmed():
    laid = lay_out(circuits.plain(), Wires(2.5, 2.5)).circuit
    spread = replace(get("rram"), variation=replace(get("pcm").variation, stuck_low=0.5, stuck_high=0.2))
    board = vary(laid, spread, np.random.default_rng(0))
    assert np.array_equal(board.conductances[~laid.mask], laid.conductances[~laid.mask])
    assert np.mean(board.conductances[laid.mask] == spread.low) > 0.3
    tolerant = vary(laid, get("discrete-e24"), np.random.default_rng(0))
    assert (tolerant.conductances != laid.conductances).all()


def test_the_command(tmp_path, capsys):
    path, array = tmp_path / "c.npz", tmp_path / "array.npz"
    circuits.plain().save(path)
    rows = np.column_stack([circuits.DRIVES, [0, 1, 0, 1]])
    np.savetxt(tmp_path / "X.csv", rows, delimiter=",")
    arguments = ["crossbar", str(path), "-o", str(array), "--segment", "50", "--compensate", "--simulator", "wave"]
    assert main([*arguments, "--inputs", str(tmp_path / "X.csv"), "--labelled", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["arrays"] == [[8, 4], [6, 4]]
    assert document["compensated"]["rms"] < document["wires"]["rms"]
    assert document["wires"]["accuracy"] is not None
    assert Circuit.load(array).mask.sum() == 56
    assert main([*arguments, "--drive", "both", "--scale", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "8 x 4" in said
    assert "pre-distortion" in said
    for wrong, code, words in (
        (["--segment", "0"], 2, "wire segment"),
        (["--inputs", str(tmp_path / "none.csv")], 3, "no file"),
        (["--labelled"], 2, "no meaning without --inputs"),
        (["--data", "iris"], 3, "features"),
        (["--scale", "-1"], 2, "impedance scale"),
    ):
        assert main([*arguments, *wrong]) == code
        assert words in capsys.readouterr().err
