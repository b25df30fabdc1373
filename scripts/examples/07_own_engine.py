"""An engine of your own: wave behind a voltmeter that is off by some millivolts, and what that does to a gradient."""

from dataclasses import replace

import numpy as np

import diodeq
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.simulators import create


class Voltmeter:
    """The protocol of `diodeq.simulators.base.Simulator`, answered by another engine and blurred."""

    name = "voltmeter"

    def __init__(self, volts):
        self._engine, self._volts, self._random = create("wave"), volts, np.random.default_rng(0)

    @property
    def version(self):
        return f"{self._engine.version} read to {self._volts:g} V"

    def operate(self, circuit, drives):
        point = self._engine.operate(circuit, drives)
        off = self._random.normal(scale=self._volts, size=point.node_voltages.shape)
        off[:, 0] = 0.0  # ground is ground
        return replace(point, node_voltages=point.node_voltages + off)

    def small_signal(self, operating_point, injections, nodes=None):
        return self._engine.small_signal(operating_point, injections, nodes)

    def __enter__(self):
        self._engine.__enter__()
        return self

    def __exit__(self, *exc):
        self._engine.__exit__(*exc)


circuit = diodeq.layered((2, 4, 2))
volts = np.random.default_rng(0).uniform(-5, 5, size=(32, 2))
loss = cross_entropy(np.arange(32) % 2, beta=4.0)
rule = RULES["hardware-linearization"]
with create("wave") as wave:
    exact = rule(wave, circuit, volts, loss).conductances
for error in (1e-3, 1e-2, 1e-1):
    with Voltmeter(error) as voltmeter:
        found = rule(voltmeter, circuit, volts, loss).conductances
    off = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    print(f"{1e3 * error:>5.0f} mV: the gradient is off by {off:.2%} of its length")
