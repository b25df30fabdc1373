"""A gradient as a bench reads it: two settlings with small currents of either sign, and half their difference.

On a reciprocal circuit nothing needs to be rewired for hardware linearization: what a small current at the outputs
changes of every node is what the linearized circuit answers to it, up to the square of the current.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.nudges import with_nudges
from diodeq.errors import SimulationError
from diodeq.simulators.base import Floats, Simulator

Read = Callable[[Floats, Floats], Floats]
"""Node voltages float64[B, N] at input volts float64[B, n_in] with amperes float64[B, n_out] into the outputs"""


def reader(simulator: Simulator, circuit: Circuit) -> Read:
    """How an engine reads a plain circuit with currents into its outputs."""
    nudged = with_nudges(circuit)
    return lambda drives, amperes: simulator.operate(nudged, np.hstack([drives, amperes])).node_voltages


def two_sided(read: Read, drives: Floats, injections: Floats, amplitude: float, repeats: int = 1) -> Floats:
    """What the linearized circuit answers to ``injections`` float64[B, n_out], float64[B, N].

    Every sample's currents are scaled so that the largest is ``amplitude`` amperes. A sample is read ``repeats`` times
    with each sign, one after the other, + - - + …, so that what drifts evenly leaves nothing.
    """
    most = np.abs(injections).max(axis=1, initial=0.0)
    scale = np.divide(amplitude, most, out=np.zeros(len(most)), where=most > 0.0)
    signs = np.where((np.arange(2 * repeats) + 1) // 2 % 2 == 0, 1.0, -1.0)
    count = len(signs)
    amperes = (injections * scale[:, None])[:, None, :] * signs[:, None]
    volts = read(np.repeat(drives, count, axis=0), amperes.reshape(len(injections) * count, -1))
    apart = np.einsum("bkn,k->bn", volts.reshape(len(injections), count, -1), signs)
    return np.asarray(np.divide(apart, (count * scale)[:, None], out=np.zeros_like(apart), where=scale[:, None] > 0.0))


def demand_reciprocal(circuit: Circuit) -> None:
    """Raise ``SimulationError`` where the answer to a current is not that of the transposed circuit."""
    kinds = [kind for kind, spec in kinds_of(circuit).items() if not spec.reciprocal]
    if kinds:
        raise SimulationError(
            f"the circuit has {' and '.join(kinds)}, so two readings of it say nothing of its gradient: the error does"
            " not travel back the way the signal came",
            "turn these parts round for the second reading, or let an engine compute the transposed circuit",
        )
