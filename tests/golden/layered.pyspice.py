# layered - 1 input
# written by diodeq VERSION in the PySpice dialect; run it with: python FILE (needs PySpice and libngspice)
# circuit sha256 7f9a169ab2bd15c6508b8e1891d18de71a3e2339d5aee07f483e8aa5f209aaf5
# 8 nodes, 11 resistors, 2 diodes, 3 voltage sources
# at 27 degrees Celsius
# the inputs have the values noted at their sources

import ctypes.util
import os

from PySpice.Spice.Netlist import Circuit
from PySpice.Spice.NgSpice.Shared import NgSpiceShared

circuit = Circuit("layered - 1 input")


def diode(name, anode, cathode, model):
    circuit.D(name, anode, cathode, model=model)


ELEMENTS = {
    "r": circuit.R,
    "d": diode,
    "v": circuit.V,
    "i": circuit.I,
    "e": circuit.VCVS,
    "f": circuit.CCCS,
    "g": circuit.VCCS,
}

# Each part: its name, its nodes (then the controlling source or the diode model), its value; resistors in ohms.
PARTS = [
    # inputs to hidden 1: 6 resistors of 7e-06 to 0.00011 siemens, printed in ohms
    ("r1", "x0_p", "h1", 10000),
    ("r2", "x0_n", "h1", 40000),
    ("r3", "bias", "h1", 30000),
    ("r4", "x0_p", "h2", 142857.14285714287),
    ("r5", "x0_n", "h2", 9090.90909090909),
    ("r6", "bias", "h2", 33333.333333333336),
    # hidden 1 to outputs: 4 resistors of 2e-05 to 0.0001 siemens, printed in ohms
    ("r7", "h1", "y_p", 10000),
    ("r8", "h2", "y_p", 50000),
    ("r9", "h1", "y_n", 33333.333333333336),
    ("r10", "h2", "y_n", 10000),
    # loads: 1 resistor of 5e-05 siemens, printed in ohms
    ("r11", "y_p", "0", 20000),
    # 2 diodes
    ("d1", "0", "h1", "d1n4148"),
    ("d2", "h2", "0", "dbat54"),
    # 3 voltage sources
    # input x0 (0.7)
    ("v1", "x0_p", "0", 0.7),
    # input x0 (0.7) times -1
    ("v2", "x0_n", "0", -0.7),
    ("v3", "bias", "0", 1),
]
for name, *rest in PARTS:
    ELEMENTS[name[0]](name[1:], *rest)

# 1N4148: onsemi
circuit.model(
    "d1n4148",
    "D",
    IS=2.52e-09,
    N=1.752,
    RS=0.568,
    CJO=4e-12,
    M=0.4,
    TT=2e-08,
)

# BAT54: Vishay - 27 deg C
circuit.model(
    "dbat54",
    "D",
    IS=1e-07,
    RS=2.2,
    EG=0.69,
    XTI=2,
)

# Each output: its name, and the two nodes whose voltages are subtracted.
OUTPUTS = [
    ("class a", "y_p", "y_n"),
    ("y1", "y_p", "0"),
    ("y2", "0", "y_n"),
]

if __name__ == "__main__":
    # Debian's libngspice0 has no libngspice.so, the only name that PySpice looks for.
    found = ctypes.util.find_library("ngspice")
    if found and "NGSPICE_LIBRARY_PATH" not in os.environ:
        NgSpiceShared.LIBRARY_PATH = found
    simulator = circuit.simulator(temperature=27, nominal_temperature=27)
    simulator.options(reltol=1e-9, vntol=1e-12, abstol=1e-18, gmin=1e-12)
    solved = simulator.operating_point()
    volts = {name: float(values[0]) for name, values in solved.nodes.items()}
    volts["0"] = 0.0
    for name in sorted(volts):
        print(f"v({name}) = {volts[name]:.15g}")
    for name, plus, minus in OUTPUTS:
        print(f"output {name} = {volts[plus] - volts[minus]:.15g}")
