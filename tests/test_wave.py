"""The wave engine: ngspice's voltages and gradients on every kind of circuit, and no answer that is not one."""

import os
from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES
from diodeq.circuit import Bank
from diodeq.devices import catalogue
from diodeq.learning.gradcheck import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.layered import layered
from oracle import Oracle

VOLTS = 1e-8
SHARE = 1e-7  # of the largest entry of a gradient
KINDS = ("transformers", "gyrators", "buffers", "mirrors")
# More of them on request: DIODEQ_TEST_RANDOM_CIRCUITS=500
RANDOM = int(os.environ.get("DIODEQ_TEST_RANDOM_CIRCUITS", "12"))


@pytest.fixture(scope="module")
def wave():
    with WaveSimulator() as engine:
        yield engine


def agree(circuit, drives, ours, theirs, volts=VOLTS, share=SHARE):
    """Voltages, and the gradients of every conductance, ratio and gain, of two engines."""
    circuit = replace(circuit, trainable=np.ones(len(circuit.resistors), bool))
    point, against = ours.operate(circuit, drives), theirs.operate(circuit, drives)
    assert np.abs(point.node_voltages - against.node_voltages).max() <= volts
    assert point.residual.shape == (len(drives),)
    assert point.residual.max() <= 1e-8
    kinds = [kind for kind in KINDS if len(circuit.bank(kind))] if theirs.name != "oracle" else []
    found = [
        RULES["hardware-linearization"](engine, circuit, drives, half_mean_square, also=kinds)
        for engine in (ours, theirs)
    ]
    pairs = [(found[0].conductances, found[1].conductances)]
    pairs += [(found[0].others[kind], found[1].others[kind]) for kind in kinds]
    for mine, other in pairs:
        assert np.abs(mine - other).max() <= share * np.abs(other).max()


# --- the same answers as ngspice -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CIRCUITS)
def test_voltages_and_gradients_are_those_of_ngspice(name, wave, ngspice):
    agree(CIRCUITS[name](), DRIVES, wave, ngspice)


@pytest.mark.parametrize("diode", catalogue.names())
@pytest.mark.parametrize("name", CIRCUITS)
def test_every_diode_in_every_circuit_agrees_with_the_oracle(name, diode, wave):
    circuit = CIRCUITS[name](diode)
    point, against = wave.operate(circuit, DRIVES), Oracle().operate(circuit, DRIVES)
    assert np.abs(point.node_voltages - against.node_voltages).max() <= 1e-10
    injected = np.random.default_rng(5).normal(size=point.outputs.shape)
    # The same frozen diodes: a steep diode's conductance differs by 1e-7 of itself for a picovolt.
    ours = wave.small_signal(against, injected).node_voltages
    theirs = Oracle().small_signal(against, injected).node_voltages
    assert np.abs(ours - theirs).max() <= 1e-10 * np.abs(theirs).max()


def random_circuit(seed):
    """Any circuit of the test suite, wide or narrow, with any diodes, over five decades of conductance."""
    random = np.random.default_rng([seed, 77])
    names = catalogue.names()
    name = random.choice([*CIRCUITS, "deep"])
    diode = random.choice(names)
    if name == "deep":
        widths = (3, *random.integers(2, 9, size=random.integers(1, 4)), 2)
        circuit = layered(widths, catalogue.get(diode), 4.0, lateral=bool(random.integers(2)), seed=seed)
    else:
        circuit = CIRCUITS[name](diode)
    decades = 10.0 ** random.uniform(-7, -2, size=len(circuit.resistors))
    models = (*circuit.models, catalogue.get(random.choice(names)))
    which = random.integers(2, size=len(circuit.diodes)).astype(float)
    circuit = replace(
        circuit.with_conductances(decades),
        models=models,
        diodes=Bank(circuit.diodes.terminals, which),
        temperature=float(random.choice([27.0, 0.0, 60.0])),
    )
    return circuit, random.normal(size=(3, 3)) * random.choice([0.3, 3.0, 10.0])


@pytest.mark.parametrize("seed", range(RANDOM))
def test_random_circuits_agree_with_ngspice(seed, wave, ngspice):
    circuit, drives = random_circuit(seed)
    agree(circuit, drives, wave, ngspice)
