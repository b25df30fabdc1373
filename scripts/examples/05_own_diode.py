"""A diode that you measured: from volts and amperes to a circuit that is trained with it."""

import diodeq
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.one_ports import forward_voltage, one

measured = CurveModel(
    "drawer",
    volts=(-2.0, -1.0, 0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    amperes=(-1e-6, -5e-7, 0.0, 2e-6, 2e-5, 1.5e-4, 8e-4, 2.6e-3, 6e-3),
    source="our own tracer",
)
print(f"{forward_voltage(one(measured), 1e-3):.3f} V at 1 mA")

run = diodeq.train("iris", start=diodeq.layered((4, 8, 3), measured), epochs=12)
print(f"{run.accuracy:.0%} of the held-out flowers")
deck = diodeq.export(run.circuit, "ngspice", "drawer.cir")
print(next(line for line in deck.splitlines() if line.startswith(".subckt")))
