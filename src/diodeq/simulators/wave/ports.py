"""The circuit seen from its diodes: waves in, waves out.

Every diode is paired with a port resistance R (Fettweis, Wave digital filters, Proc. IEEE 74(2), 1986). A wave
``s = v + R i`` arrives at the diode, ``w = v - R i`` goes back; the linear part turns w into the next s. Iterating the
two is Peaceman-Rachford splitting with the diode's resolvent; the port resistances are its step size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.equations import Equations
from diodeq.simulators.wave.arrays import Array, Arrays
from diodeq.simulators.wave.factor import Factor, factor

Floats = NDArray[np.float64]

# How far a port's conductance may be from the typical one of its circuit.
SPREAD = 1e6
# A port whose conductance was guessed too large by more than this loses digits.
ASTRAY = 100.0


@dataclass(frozen=True, eq=False)
class Ports:
    """The linear part with a resistor R across every diode port, factored.

    ``resistances`` [D] are R; ``reach`` [n, D] are the unknowns for one volt of w at each port, ``transfer`` [D, D] the
    port voltages. ``reach_back`` and ``transfer_back`` belong to the transposed circuit. Where all is ``resistive``
    (``wires.is_resistive``) no voltage is off by more than twice the largest difference between a diode's own
    voltage and its nodes': with Y the ports' conductances and G the diodes', the error is (Y + G)^-1 Y of that
    difference, and (Y + G)^-1 G has entries of at least 0 whose rows sum to at most 1.
    """

    resistive: bool
    factor: Factor
    resistances: Array
    reach: Array
    transfer: Array
    reach_back: Array
    transfer_back: Array


def ports(equations: Equations, arrays: Arrays) -> Ports:
    """Choose the port resistances of a stamped circuit and factor it; raises ``SimulationError`` if singular."""
    resistive = equations.plan.resistive
    first = _ports(equations, arrays, _typical(equations), resistive)
    guessed = 1.0 / arrays.take(first.resistances)
    # What the linear part itself shows at each port: behind a piece of wire far less than the wire conducts.
    with np.errstate(divide="ignore"):  # between nodes that are held: infinitely much
        shown = np.maximum(guessed / np.diag(arrays.take(first.transfer)) - guessed, 0.0)
    astray = shown * ASTRAY < guessed
    if not (resistive and astray.any()):
        return first
    return _ports(equations, arrays, np.where(astray, np.maximum(shown, guessed / SPREAD), guessed), resistive)


def _ports(equations: Equations, arrays: Arrays, conductances: Floats, resistive: bool) -> Ports:
    loaded = sparse.csr_array(equations.matrix + equations.ports.T @ sparse.diags_array(conductances) @ equations.ports)
    factored = factor(loaded, not resistive, arrays)
    put = arrays.put
    each = put(equations.ports.toarray())
    forward = factored.solve(each).T
    back = forward if resistive else factored.solve(each, transposed=True).T
    impedance = put(equations.ports @ arrays.take(forward))
    per_port = put(conductances)
    return Ports(
        resistive,
        factored,
        1.0 / per_port,
        forward * per_port,
        impedance * per_port,
        back * per_port,
        impedance.T * per_port,
    )


def _typical(equations: Equations) -> Floats:
    """The conductance that resistors show at each port: those of its two nodes in series, float64[D] in siemens."""
    circuit = equations.circuit
    (a, b), g = circuit.resistors.terminals.T, circuit.conductances
    at_node = np.bincount(np.append(a, b), np.append(g, g), len(circuit.nodes)).astype(np.float64)  # of none: int
    usual = float(np.exp(np.mean(np.log(g)))) if len(g) else 1e-3
    found = at_node[at_node > 0]
    usual = float(np.median(found)) if len(found) else usual
    at_node[at_node == 0] = usual
    at_node[0] = np.inf
    anode, cathode = circuit.diodes.terminals.T
    series: Floats = 1.0 / (1.0 / at_node[anode] + 1.0 / at_node[cathode])
    return np.clip(series, usual / SPREAD, usual * SPREAD)
