"""Joules in the loss: gradients of power against finite differences, currents into any node in every engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES, plain
from diodeq.circuit import Circuit, bank
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.power import dissipated, dissipation
from diodeq.circuit.supplies import real
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError
from diodeq.learning.power import GAIN, contributions, has_content, power_gradient, steered, trimmed
from diodeq.network import Network, Stage
from diodeq.simulators import create
from diodeq.simulators.ngspice import NgspiceReference
from diodeq.synthesis import compile_network
from oracle import Oracle


def reciprocal(circuit):
    return all(spec.reciprocal for spec in kinds_of(circuit).values())


def watts(simulator, circuit, drives):
    volts = simulator.operate(circuit, drives).node_voltages
    return float(np.sum([each.watts for each in dissipation(circuit, volts)], axis=0).mean())


def twice_content(simulator, circuit, drives):
    """2Φ, the integrals of the one-ports' currents by Gauss and Legendre's rule on pieces from 0 V."""
    point = simulator.operate(circuit, drives)
    ends, diodes = circuit.resistors.terminals, circuit.diodes.terminals
    volts = point.node_voltages
    found = (volts[:, ends[:, 0]] - volts[:, ends[:, 1]]) ** 2 @ circuit.conductances
    across = volts[:, diodes[:, 0]] - volts[:, diodes[:, 1]]
    ports = one_ports(circuit.models, circuit.diodes.values, circuit.temperature)
    at, weight = np.polynomial.legendre.leggauss(12)
    for piece in range(40):
        for x, w in zip((at + 1.0) / 80.0 + piece / 40.0, weight / 80.0, strict=True):
            found = found + 2.0 * w * np.sum(across * ports.current(x * across), axis=1)
    return float(found.mean())


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_gradient_of_power_is_that_of_finite_differences(name):
    circuit = CIRCUITS[name]()
    drives = DRIVES[:, : len(circuit.inputs)]
    with create("wave") as wave:
        found = power_gradient(wave, wave.operate(circuit, drives))
        assert found.watts == pytest.approx(watts(wave, circuit, drives))
        power = twice_content if reciprocal(circuit) else watts
        trained = np.flatnonzero(circuit.mask)
        largest = np.abs(found.gradient).max()
        for place in range(0, len(trained), 7):
            values, k = circuit.conductances, trained[place]
            step = 1e-4 * values[k] * (np.arange(len(values)) == k)
            up, down = (power(wave, circuit.with_conductances(values + s * step), drives) for s in (1, -1))
            assert found.gradient[place] == pytest.approx((up - down) / (2.0 * step[k]), abs=2e-6 * largest)


@pytest.mark.parametrize("engine", ["ngspice", "wave", "wave:float32", "reference"])
@pytest.mark.parametrize("name", ["layered", "everything"])
def test_every_engine_takes_currents_into_any_node(name, engine):
    circuit = CIRCUITS[name]()
    drives = DRIVES[:, : len(circuit.inputs)]
    random = np.random.default_rng(0)
    injections = random.normal(size=(len(drives), len(circuit.outputs)))
    nodes = random.normal(size=(len(drives), len(circuit.nodes)))
    truth = Oracle()
    with NgspiceReference() if engine == "reference" else create(engine) as simulator:
        point = simulator.operate(circuit, drives)
        wanted = truth.small_signal(point, injections, nodes).node_voltages
        found = simulator.small_signal(point, injections, nodes).node_voltages
        largest = np.abs(wanted).max()
        assert np.abs(found - wanted).max() <= (1e-5 if "32" in engine else 1e-7) * largest
        # The same through the outputs alone.
        through = simulator.small_signal(point, 0.0 * injections, circuit.output_injections(injections))
        alone = simulator.small_signal(point, injections)
        assert np.abs(through.node_voltages - alone.node_voltages).max() <= 1e-5 * largest
        with pytest.raises(InputError, match=f"does not fit 4 samples of {len(circuit.nodes)} nodes"):
            simulator.small_signal(point, injections, nodes[:, 1:])


def test_the_weight_rises_above_the_target_and_falls_below_it():
    assert steered(2.0, 0.011, 0.01, 0.1) == pytest.approx(2.0 * 1.1 ** (0.1 * GAIN))
    assert steered(2.0, 0.009, 0.01, 0.1) < 2.0
    assert steered(2.0, 0.01, 0.01, 0.1) == 2.0
    assert all(np.isfinite(steered(2.0, watts, 0.01, 0.1)) for watts in (0.0, 1e12))


def test_conductances_are_trimmed_above_the_target_alone():
    assert trimmed(0.011, 0.01) == pytest.approx(1.1**-0.1)
    assert trimmed(0.009, 0.01) == trimmed(0.0, 0.01) == 1.0


def test_a_contribution_is_the_share_of_a_nodes_currents():
    circuit = plain()
    drives = DRIVES[:, : len(circuit.inputs)]
    with create("wave") as wave:
        found = contributions(wave, circuit, drives)
        volts = wave.operate(circuit, drives).node_voltages
    first, second = circuit.resistors.terminals.T
    current = circuit.conductances * np.sqrt(np.mean((volts[:, first] - volts[:, second]) ** 2, axis=0))
    into = {node: current[(first == node) | (second == node)].sum() for node in range(len(circuit.nodes))}
    rails = {0, *circuit.voltage_sources.terminals.ravel().tolist()}
    for k, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        assert found[k] == pytest.approx(max(current[k] / into[node] for node in (a, b) if node not in rails))


@pytest.mark.parametrize("volts", [0.4, 2.0])
def test_where_current_sources_drive_the_power_falls_with_the_conductances(volts):
    """P = I²/G of a current into a resistor, which twice the co-content would have grow."""
    current = bank("current_sources", [(0, 1, volts * 1e-3)])
    circuit = Circuit(
        nodes=("0", "y"),
        resistors=bank("resistors", [(1, 0, 1e-3)]),
        current_sources=current,
        outputs=np.array([[1, 0]], np.int32),
        output_names=("y",),
        trainable=np.ones(1, bool),
    )
    assert not has_content(circuit)
    with create("wave") as wave:
        found = power_gradient(wave, wave.operate(circuit, np.zeros((1, 0))))
    assert found.watts == pytest.approx(1e-3 * volts**2)
    assert found.gradient == pytest.approx([-(volts**2)])


def test_watts_are_those_of_all_parts_that_heat_arises_in():
    """Amplifiers' parts of their gain and swing are none; what the amplifiers take counts."""
    network = Network(
        (Stage([[1.0, -0.5], [0.4, 0.3]], [0.1, -0.1]), Stage([[2.0, 1.0]], [0.0], activation="identity"))
    )
    circuit = compile_network(network, diode="1N4148", amplifier="TL074").circuit
    with create("wave") as wave:
        point = wave.operate(circuit, circuit.scaling.to_volts([[0.2, 0.4], [1.0, -1.0]]))
        found = power_gradient(wave, point)
    assert not real(circuit, "resistors").all()
    assert found.watts == pytest.approx(dissipated(circuit, point.node_voltages).mean(), rel=1e-6)


def test_of_some_resistors_the_gradient_is_theirs():
    circuit = plain()
    chosen = np.arange(len(circuit.resistors)) % 3 == 1
    with create("wave") as wave:
        point = wave.operate(circuit, DRIVES)
        every = power_gradient(wave, replace(point, circuit=replace(circuit, trainable=np.ones(len(chosen), bool))))
        some = power_gradient(wave, replace(point, circuit=replace(circuit, trainable=chosen)))
    assert some.watts == pytest.approx(every.watts)
    assert some.gradient == pytest.approx(every.gradient[chosen])


def test_currents_of_diodes_in_groups_are_told_apart():
    circuit = plain()
    count = len(circuit.diodes)
    circuit = replace(circuit, diodes=replace(circuit.diodes, groups=(("first", 1), ("others", count - 1))))
    with create("wave") as wave:
        point = wave.operate(circuit, DRIVES)
    known = dissipation(circuit, point.node_voltages, currents=point.diode_currents)
    for mine, theirs in zip(known, dissipation(circuit, point.node_voltages), strict=True):
        np.testing.assert_allclose(mine.watts, theirs.watts, rtol=1e-6, atol=1e-15)
