"""What accuracy costs: the same flowers with fewer and fewer resistors."""

import numpy as np

import diodeq
from diodeq.circuit.power import dissipated
from diodeq.simulators import create

with create("wave") as wave:
    for parts in (120, 40):
        run = diodeq.train("iris", parts=parts, power=1e-3, epochs=12)
        settled = wave.operate(run.circuit, run.circuit.scaling.to_volts(run.data.x_test))
        watts = np.median(dissipated(run.circuit, settled.node_voltages))
        print(f"{len(run.circuit.resistors):>4} resistors, {1e3 * watts:.2f} mW: {run.accuracy:.1%}")
