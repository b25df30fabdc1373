"""The ends of waveforms and the points of noise are judged: true ones pass, false ones are refused by row."""

from dataclasses import dataclass

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES, plain
from diodeq.analysis.capacitance import time_constants
from diodeq.analysis.settling import settle
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.capacitance import capacitances
from diodeq.circuit.motion import Moving, derivative
from diodeq.devices import catalogue
from diodeq.errors import SimulationError
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.synthesis.layered import layered

TOLERANCE = 1e-5


@dataclass
class Lying:
    """A job whose session answers something else: point ``at`` of one vector is ``by`` volts (or amperes) off."""

    job: object
    vector: str
    at: int
    by: float

    def run(self, session):
        lie = self

        class Session:
            def run(_, *arguments):
                return lie.changed(session.run(*arguments))

            def run_each(_, *arguments):
                return [lie.changed(plot) for plot in session.run_each(*arguments)]

        return self.job.run(Session())

    def changed(self, found):
        if self.vector not in found:
            return found
        values = found[self.vector].copy()
        values[self.at] += self.by
        return {**found, self.vector: values}


class LyingPool:
    """Row 1 (the second) is lied about."""

    def __init__(self, pool, *lie):
        self.pool, self.lie = pool, lie

    def map(self, jobs):
        return self.pool.map([jobs[0], Lying(jobs[1], *self.lie), *jobs[2:]])


@pytest.fixture
def lying(ngspice):
    engine = NgspiceSimulator(workers=1)

    def told(*lie):
        engine.pool = LyingPool(ngspice.pool, *lie)
        return engine

    return told


def move(engine, circuit, share=12.0):
    farads = capacitances(circuit, 1e-13, 1e-12)
    stop = share * time_constants(circuit, farads)[1]
    return engine.transient(circuit, farads, 0 * DRIVES[:2], DRIVES[:2], stop, TOLERANCE)


@pytest.mark.parametrize("share", [0.1, 12.0], ids=["in motion", "at rest"])
@pytest.mark.parametrize("name", ["layered", "gyrator"])
def test_true_waveforms_pass_and_false_ends_are_refused(name, share, ngspice, lying):
    circuit = CIRCUITS[name]()
    waves = move(ngspice, circuit, share)
    least = 3 * (TOLERANCE * np.abs(waves[1].node_voltages).max() + 1e-6)
    assert least < 3e-4
    # Node voltages at both ends, upward and downward.
    for at, end in ((0, "starts"), (-1, "ends")):
        for by in (least, -least):
            with pytest.raises(SimulationError, match=rf"the waveform of sample 1 {end} \S+ V off") as caught:
                move(lying("n1", at, by), circuit, share)
            assert caught.value.sample == 1
    assert len(move(lying("n1", -1, 1e-9), circuit, share)) == 2


@pytest.mark.parametrize("at", [0, -1])
def test_false_currents_are_refused_too(at, lying):
    with pytest.raises(SimulationError, match="sample 1"):
        move(lying("@d1[id]", at, 1e-4), CIRCUITS["everything"]())


def test_what_capacitances_conduct_counts(ngspice):
    """An RC circuit half way, as its exponential says: right with its capacitance and with no other."""
    siemens, farads, volts = 1e-4, 1e-11, 2.0
    circuit = Circuit(("0", "a"), resistors=bank("resistors", [(0, 1, siemens)]))
    tau = farads / siemens
    times = tau * np.array([0.47, 0.48, 0.49, 0.5])
    across = volts * (1.0 - np.exp(-times / tau))[:, None]
    stimulus = np.array([[0.0, siemens * volts]]), np.zeros((1, 0))
    across = np.concatenate([0 * across, across], axis=1)

    def off(capacitance):
        return Moving(circuit, np.array([0.0, capacitance]), times, across, np.zeros((len(times), 0))).off(stimulus)

    assert off(farads) < 1e-8
    assert off(1.01 * farads) > 5e-5
    assert off(0.0) == pytest.approx(volts * np.exp(-0.5), rel=1e-9)


def test_slopes_are_those_of_polynomials():
    times = np.array([0.7, 1.0, 1.3, 1.35])
    assert derivative(times) @ (2 * times**3 - times**2) == pytest.approx(6 * 1.35**2 - 2 * 1.35)
    times = times[1:]
    assert derivative(times) @ (3 * times**2 - times + 7) == pytest.approx(6 * 1.35 - 1)
    assert derivative(times[1:]) @ (5 * times[1:] + 2) == pytest.approx(5.0)


def test_a_false_point_of_noise_is_refused(ngspice, lying):
    circuit = plain()
    farads, band = capacitances(circuit, 0.0, 1e-12), (1e3, 1e6)
    assert len(ngspice.noise(circuit, farads, DRIVES[:2], band)) == 2
    with pytest.raises(SimulationError, match=r"the noise of sample 1 was found \S+ V off") as caught:
        lying("n1", 0, 1e-5).noise(circuit, farads, DRIVES[:2], band)
    assert caught.value.sample == 1


def test_a_source_may_step_to_nothing(ngspice):
    """An RC circuit with a diode that blocks falls from what the first volts give it, as its exponential says."""
    siemens, farads = 1e-4, 1e-11
    circuit = Circuit(
        ("0", "in", "a"),
        resistors=bank("resistors", [(1, 2, siemens), (2, 0, siemens)]),
        diodes=bank("diodes", [(0, 2, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(catalogue.get("1N4148").at_rest(),),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(2, 0)],
    )
    tau = farads / (2.0 * siemens)
    wave = ngspice.transient(circuit, np.array([0.0, 0.0, farads]), np.array([[2.0]]), np.zeros((1, 1)), 3 * tau, 1e-5)[
        0
    ]
    wanted = np.exp(-wave.times / tau)
    assert np.abs(wave.outputs[:, 0] - wanted).max() < 1e-3


@pytest.mark.parametrize("seed", [3, 4])
def test_waveforms_that_ring_about_their_end_pass(seed, ngspice):
    """As ngspice's own do, by the trapezoidal rule: slopes of their points say nothing."""
    circuit = layered((4, 10, 3), catalogue.get("1N4148"), volts=2.0, seed=seed)
    drives = 5.0 * np.random.default_rng(seed).normal(size=(4, 4))
    settling = settle(ngspice, circuit, capacitances(circuit, 1e-13, 1e-12), 0.0 * drives, drives)
    assert (settling.times > 0.0).all()
