# every element
# written by diodeq VERSION in the PySpice dialect; run it with: python FILE (needs PySpice and libngspice)
# circuit sha256 e1ce58df4e858e62180398ef4fb3dee191ccb6122cffa9c847d0c17279811204
# 9 nodes, 7 resistors, 1 diode, 1 voltage source, 1 current source, 1 transformer, 1 gyrator, 1 buffer, 1 mirror
# at 50 degrees Celsius
# the inputs have the values noted at their sources

import ctypes.util
import os

from PySpice.Spice.Netlist import Circuit
from PySpice.Spice.NgSpice.Shared import NgSpiceShared

circuit = Circuit("every element")


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
    # 7 resistors of 0.0001 to 0.1 siemens, printed in ohms
    ("r1", "vcc", "a", 1000),
    ("r2", "b", "0", 500),
    ("r3", "c", "0", 100),
    ("r4", "d", "0", 300),
    ("r5", "o", "m", 100),
    ("r6", "q", "0", 10),
    ("r7", "a", "c", 10000),
    # 1 diode
    ("d_clamp", "c", "0", "d1n4148"),
    # 1 voltage source
    # input u (0.2)
    ("vin", "vcc", "0", 0.7),
    # 1 current source
    # input j (0.0001) times 2
    ("i1", "0", "c", 0.0012000000000000001),
    # 1 transformer
    ("v_t1", "a", "x_t1", 0),
    ("e_t1", "x_t1", "0", "b", "0", 2),
    ("f_t1", "b", "0", "v_t1", -2),
    # 1 gyrator
    ("g_y1_a", "c", "0", "d", "0", 0.001),
    ("g_y1_b", "d", "0", "c", "0", -0.001),
    # 1 buffer
    ("e1", "o", "0", "c", "d", 1.5),
    # 1 mirror
    ("v_f1", "m", "0", 0),
    ("f1", "q", "0", "v_f1", 0.5),
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

# Each output: its name, and the two nodes whose voltages are subtracted.
OUTPUTS = [
    ("y0", "q", "0"),
    ("y1", "a", "b"),
]

if __name__ == "__main__":
    # Debian's libngspice0 has no libngspice.so, the only name that PySpice looks for.
    found = ctypes.util.find_library("ngspice")
    if found and "NGSPICE_LIBRARY_PATH" not in os.environ:
        NgSpiceShared.LIBRARY_PATH = found
    simulator = circuit.simulator(temperature=50, nominal_temperature=27)
    simulator.options(reltol=1e-9, vntol=1e-12, abstol=1e-18, gmin=1e-12)
    solved = simulator.operating_point()
    volts = {name: float(values[0]) for name, values in solved.nodes.items()}
    volts["0"] = 0.0
    for name in sorted(volts):
        print(f"v({name}) = {volts[name]:.15g}")
    for name, plus, minus in OUTPUTS:
        print(f"output {name} = {volts[plus] - volts[minus]:.15g}")
