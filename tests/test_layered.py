"""The layered topology: its parts, what it refuses, its size."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from diodeq.circuit import Units
from diodeq.circuit.check import check
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.units import KINDS, Unit
from diodeq.errors import UsageError
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis import layered
from oracle import Oracle


@pytest.fixture(scope="module")
def wave():
    with WaveSimulator() as engine:
        yield engine


DIODE = catalogue.get("1N4148")


@pytest.mark.parametrize("lateral", [False, True])
@pytest.mark.parametrize("widths", [(1, 1, 1), (3, 4, 2), (2, 5, 3, 2)])
def test_parts_and_groups(widths, lateral):
    circuit = check(layered(widths, DIODE, 5.0, lateral=lateral))
    rails = [2 * widths[0], *widths[1:-1]]
    wanted = sum((below + 2) * above for below, above in zip(rails, [*widths[1:-1], 2 * widths[-1]], strict=True))
    if lateral:
        wanted += sum(width * (width - 1) // 2 for width in widths[1:-1])
    assert len(circuit.resistors) == wanted
    assert circuit.mask.all()
    assert len(circuit.diodes) == sum(widths[1:-1])
    assert len(circuit.nodes) == 1 + 2 + rails[0] + sum(widths[1:-1]) + 2 * widths[-1]
    pairs = {tuple(sorted(pair)) for pair in circuit.resistors.terminals.tolist()}
    assert len(pairs) == wanted, "no two resistors join the same nodes"
    labels = [label for label, _ in circuit.resistors.groups]
    assert labels[0] == "inputs to hidden 1"
    assert labels[-2:] == [f"hidden {len(widths) - 2} to outputs", "bias to outputs"]
    assert ("within hidden 1" in labels) == (lateral and widths[1] > 1)


def test_groups_join_what_they_say():
    circuit = layered((2, 3, 2, 2), DIODE, 5.0, lateral=True)
    start = 0
    for label, count in circuit.resistors.groups:
        ends = circuit.resistors.terminals[start : start + count]
        start += count
        first, second = ({circuit.nodes[n].rstrip("0123456789_pn") for n in side} for side in ends.T)
        assert len(first) == len(second) == 1, label
        names = [circuit.nodes[n] for n in ends.ravel()]
        kinds = {name.split("_")[0].rstrip("0123456789") if name[0] in "xy" else name.split("_")[0] for name in names}
        wanted = {
            "inputs to hidden 1": {"x", "h1"},
            "bias to hidden 1": {"bias", "h1"},
            "within hidden 1": {"h1"},
            "hidden 1 to hidden 2": {"h1", "h2"},
            "bias to hidden 2": {"bias", "h2"},
            "within hidden 2": {"h2"},
            "hidden 2 to outputs": {"h2", "y"},
            "bias to outputs": {"bias", "y"},
        }
        assert kinds == wanted[label]


def test_polarity_alternates_and_diodes_are_grounded():
    circuit = layered((1, 4, 1), DIODE, 5.0)
    hidden = [circuit.nodes.index(f"h1_{k}") for k in range(4)]
    assert circuit.diodes.terminals.tolist() == [[0, hidden[0]], [hidden[1], 0], [0, hidden[2]], [hidden[3], 0]]


def test_polarity_begins_anew_in_every_layer():
    circuit = layered((1, 3, 2, 1), DIODE, 5.0)
    ends = [tuple(circuit.nodes[n] for n in ends) for ends in circuit.diodes.terminals.tolist()]
    assert ends == [("0", "h1_0"), ("h1_1", "0"), ("0", "h1_2"), ("0", "h2_0"), ("h2_1", "0")]
    assert circuit.diodes.groups == (("hidden 1", 3), ("hidden 2", 2))
    pairs = layered((1, 3, 2, 1), DIODE, 5.0, unit="pair").diodes
    assert pairs.groups == (("hidden 1", 6), ("hidden 2", 4))


def test_rails_are_dual_and_outputs_differential():
    circuit = layered((2, 2, 2), DIODE, 7.0)
    point = Oracle().operate(circuit, [[1.5, -2.0]])
    volts = dict(zip(circuit.nodes, point.node_voltages[0], strict=True))
    wanted = {"bias_p": 7.0, "bias_n": -7.0, "x0_p": 1.5, "x0_n": -1.5, "x1_p": -2.0, "x1_n": 2.0}
    assert {name: volts[name] for name in wanted} == pytest.approx(wanted)
    assert point.outputs[0] == pytest.approx([volts["y0_p"] - volts["y0_n"], volts["y1_p"] - volts["y1_n"]])
    assert volts["h1_0"] > -0.8, "the diode conducts before the node goes far below ground"
    assert volts["h1_1"] < 0.8


def test_seed_decides_the_values():
    values = [layered((2, 3, 2), DIODE, 5.0, seed=seed).conductances for seed in (1, 1, 2)]
    assert np.array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


def test_initial_values_are_log_normal_within_the_technology():
    logs = np.log(layered((20, 60, 5), DIODE, 5.0, median=1e-4, spread=0.5).conductances)
    assert np.median(logs) == pytest.approx(np.log(1e-4), abs=0.05)
    assert logs.std() == pytest.approx(0.5, abs=0.03)
    narrow = layered((20, 60, 5), DIODE, 5.0, technology=Technology(9e-6, 2e-5)).conductances
    assert (narrow.min(), narrow.max()) == (9e-6, 2e-5)


def test_units_are_carried():
    units = Units(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 5.0)
    circuit = layered((2, 2, 2), DIODE, 5.0, units=units)
    assert circuit.scaling.to_volts([[2.0, 2.0]]).tolist() == [[3.0, 0.0]]
    assert circuit.scaling.from_volts([[0.1]]).tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ((4, 0, 3), "0 hidden units"),
        ((0, 3, 3), "0 input units"),
        ((4, 3, -1), "-1 output units"),
        ((4, 2.5, 3), "2.5 hidden units"),
        ((4, 3), "no hidden layer"),
    ],
)
def test_impossible_widths_are_refused(widths, words):
    with pytest.raises(UsageError, match=words):
        layered(widths, DIODE, 5.0)


@pytest.mark.parametrize("wrong", [{"volts": 0.0}, {"volts": float("nan")}, {"median": -1.0}, {"spread": -1.0}])
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        layered((2, 2, 2), DIODE, **{"volts": 5.0, **wrong})


def test_a_wide_circuit_builds_quickly():
    began = time.process_time()
    circuit = layered((784, 1024, 10), DIODE, 10.0)
    assert len(circuit.resistors) == (2 * 784 + 2) * 1024 + (1024 + 2) * 20
    assert time.process_time() - began < 2.0


ENDS = {
    "diode": [("0", "h1_0"), ("h1_1", "0"), ("0", "h2_0")],
    "pair": [("h1_0", "0"), ("0", "h1_0"), ("h1_1", "0"), ("0", "h1_1"), ("h2_0", "0"), ("0", "h2_0")],
    "pair:2.5": [(f"h{u}", "middle")[::turn] for u in ("1_0", "1_1", "2_0") for turn in (1, -1)],
    "clamp:1.5": [ends for u in ("h1_0", "h1_1", "h2_0") for ends in ((u, "high"), ("low", u))],
    "zener-pair": [("h1_0", "0"), ("h1_1", "0"), ("h2_0", "0")],
}


@pytest.mark.parametrize("unit", ENDS)
def test_units_hang_where_they_should(unit, ngspice, wave):
    model = catalogue.get(Unit.parse(unit).kind.diode)
    circuit = check(layered((2, 2, 1, 2), model, 5.0, unit=unit, median=1e-4, seed=2))
    assert {Unit.parse(unit).name for unit in ENDS} == set(KINDS)
    assert [tuple(circuit.nodes[n] for n in ends) for ends in circuit.diodes.terminals.tolist()] == ENDS[unit]
    rails = {"pair:2.5": {"middle": 2.5}, "clamp:1.5": {"high": 1.5, "low": -1.5}}.get(unit, {})
    drives = np.random.default_rng(0).normal(size=(5, 2)) * 5.0
    points = [engine.operate(circuit, drives) for engine in (ngspice, wave)]
    for rail, volts in rails.items():
        assert np.all(points[0].node_voltages[:, circuit.nodes.index(rail)] == volts)
    assert np.abs(points[0].node_voltages - points[1].node_voltages).max() <= 1e-8
    gradients = [RULES["hardware-linearization"](each, circuit, drives, half_mean_square) for each in (ngspice, wave)]
    assert (
        np.abs(gradients[0].conductances - gradients[1].conductances).max()
        <= 1e-7 * np.abs(gradients[0].conductances).max()
    )
    h = np.abs(points[1].node_voltages[:, [circuit.nodes.index(name) for name in ("h1_0", "h1_1", "h2_0")]])
    if unit == "zener-pair":
        assert h.max() < 5.0


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("pear", "no unit 'pear'"),
        ("pair:x", "does not give volts"),
        ("pair:inf", "takes no inf"),
        ("diode:1", "takes no 1"),
        ("clamp:0", "leave no room"),
        ("clamp:-1", "leave no room"),
        ("pair:", "does not give volts"),
    ],
)
def test_units_that_are_none_are_refused(unit, words):
    with pytest.raises(UsageError, match=words) as told:
        layered((2, 2, 2), DIODE, 5.0, unit=unit)
    assert told.value.remedy


def test_symmetric_units_are_odd_in_inputs_and_bias_together(wave):
    circuit = layered((3, 6, 2), DIODE, 5.0, unit="pair", median=1e-4, seed=5)
    drives = np.random.default_rng(1).normal(size=(4, 3)) * 3.0
    turned = replace(circuit, voltage_sources=replace(circuit.voltage_sources, values=-circuit.voltage_sources.values))
    here, there = wave.operate(circuit, drives).outputs, wave.operate(turned, -drives).outputs
    assert np.abs(here + there).max() <= 1e-12 * np.abs(here).max()
    assert np.abs(here + wave.operate(circuit, -drives).outputs).max() > 1e-3 * np.abs(here).max()
