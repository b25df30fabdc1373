"""An engine of your own: wave behind a voltmeter that is off by a millivolt."""

from dataclasses import replace

import numpy as np

import diodeq
from diodeq.simulators import ENGINES, create


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


ENGINES["voltmeter"] = lambda volts="1e-3", **limits: Voltmeter(float(volts))  # in this program
circuit = diodeq.layered((2, 4, 2))
for name in ("wave", "voltmeter", "voltmeter:0.1"):
    print(name, diodeq.simulate(circuit, [[1.0, -1.0]], simulator=name).round(4))
print(f"{diodeq.train('iris', simulator='voltmeter', epochs=5).accuracy:.0%} of the flowers, trained by that meter")
