"""The energy of a settling circuit, and of the digital arithmetic that would do the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Floats
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.power import dissipated
from diodeq.simulators.base import Waveform


@dataclass(frozen=True)
class Arithmetic:
    """What a multiply-accumulate costs a digital computer, in joules, and where the figure comes from."""

    name: str
    joules: float
    source: str


_HOROWITZ = "Horowitz, Computing's energy problem, ISSCC 2014: 45 nm, 0.9 V"

# Arithmetic alone; then with its 8-bit weight out of an 8 KB SRAM, 10 pJ for 64 bits.
DIGITAL: tuple[Arithmetic, ...] = (
    Arithmetic("8-bit integer", (0.2 + 0.03) * 1e-12, f"{_HOROWITZ}, multiply 0.2 pJ + add 0.03 pJ"),
    Arithmetic(
        "8-bit integer and weight from SRAM",
        (0.2 + 0.03 + 10.0 / 8) * 1e-12,
        f"{_HOROWITZ}, and 1/8 of a 64-bit read from 8 KB at 10 pJ",
    ),
    Arithmetic("32-bit float", (3.7 + 0.9) * 1e-12, f"{_HOROWITZ}, multiply 3.7 pJ + add 0.9 pJ"),
)

# A gradient takes two settlings in the circuit, and in software one more pass for errors and one for weights.
SETTLINGS_PER_GRADIENT = 2
PASSES_PER_GRADIENT = 3


def supplied(wave: Waveform, farads: Floats) -> Floats:
    """float64[T] joules that sources and buffers have delivered to the circuit since time 0.

    What resistors, diodes (v·i, their charge included) and operational amplifiers took, what the capacitances of free
    nodes hold more than before, and for those of nodes that sources hold C·u₁·(u₁ - u₀): half of a step from 0 stays in
    the capacitance, half heats the driver. Charge given back to a driver is lost.
    """
    circuit, volts = wave.circuit, wave.node_voltages
    watts = dissipated(circuit, volts, ("resistors",))
    own = ~inside(circuit, "diodes")
    ends = circuit.diodes.terminals[own]
    watts += np.sum((volts[:, ends[:, 0]] - volts[:, ends[:, 1]]) * wave.diode_currents[:, own], axis=1)
    driven = driven_nodes(circuit)
    free = np.where(driven, 0.0, farads)
    stored = 0.5 * (volts**2 - volts[0] ** 2) @ free
    first, last = volts[0, driven], volts[-1, driven]
    rails = np.maximum(farads[driven] * last * (last - first), 0.0).sum()
    taken = np.append(0.0, np.cumsum(0.5 * (watts[1:] + watts[:-1]) * np.diff(wave.times)))
    spent: Floats = taken + stored + rails
    return spent


def multiply_accumulates(circuit: Circuit) -> int:
    """How many weights the circuit's resistors stand for: the multiply-accumulates of one pass in software.

    A resistor joins two signals: input columns (whatever rails carry them), constants, nodes, and pairs of nodes that
    an output subtracts. Each pair of different signals is one weight, once; a buffer's output is its input's signal.
    Resistors to ground or between what is given are none. Of an equilibrium network this is one iteration.
    """
    signal = _signals(circuit)
    ends = np.sort(signal[circuit.resistors.terminals[~inside(circuit, "resistors")]], axis=1)
    given = len(circuit.inputs) + 1
    weight = (ends[:, 0] != ends[:, 1]) & (ends[:, 0] > 0) & (ends[:, 1] >= given)
    return len(np.unique(ends[weight], axis=0))


def _signals(circuit: Circuit) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[N]: 0 for constants, 1 + column for the inputs, larger numbers for everything else."""
    columns = len(circuit.inputs)
    driven = driven_nodes(circuit)
    signal = np.where(driven, 0, columns + 1 + np.arange(len(circuit.nodes)))
    inputs, ends = circuit.inputs, circuit.voltage_sources.terminals
    own = inputs.source < len(ends)
    for side in (0, 1):
        nodes = ends[inputs.source[own], side]
        signal[nodes[nodes > 0]] = 1 + inputs.column[own][nodes > 0]
    for plus, minus in circuit.outputs.tolist():
        if not (driven[plus] or driven[minus]):
            signal[plus] = signal[minus]
    for out_plus, _, in_plus, _ in circuit.buffers.terminals.tolist():
        signal[out_plus] = signal[in_plus]
    return signal
