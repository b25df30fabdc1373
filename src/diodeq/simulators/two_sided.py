"""A gradient as a bench reads it: two settlings with small currents of either sign, and half their difference.

On a reciprocal circuit nothing needs to be rewired for hardware linearization: what a small current at the outputs
changes of every node is what the linearized circuit answers to it, up to the square of the current.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.nudges import with_nudges
from diodeq.errors import NotRealizableError, SimulationError
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
    volts = read(np.repeat(drives, count, axis=0), amperes.reshape(len(injections) * count, injections.shape[1]))
    apart = np.einsum("bkn,k->bn", volts.reshape(len(injections), count, volts.shape[1]), signs)
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


@dataclass(frozen=True)
class Amplitude:
    """What a reading's error is made of: ``noise`` volts of a reading (standard deviation), the ``curvature`` by which
    the answer to one ampere is off for each square ampere, in volts, and the ``best`` amplitude for so many
    ``repeats``, in amperes.

    With currents of amplitude δ the answer to one ampere is off by curvature · δ² and noise / (δ √(2 repeats)).
    """

    noise: float
    curvature: float
    best: float
    repeats: int = 1

    def error(self, amplitude: float) -> float:
        """Volts of the answer to one ampere at an amplitude, root mean square."""
        noise = self.noise / (amplitude * math.sqrt(2 * self.repeats))
        return math.hypot(self.curvature * amplitude**2, noise)


# Of an amplitude's choice: samples that are looked at, how often at rest, by how many volts the first and the last
# trial move an output, about, and how much more than chance says two answers have to differ.
LOOKED_AT, RESTING, FIRST, LAST, CLEAR = 4, 6, 16e-3, 4.0, 3.0
FLOOR = 1e-10
"""Volts that no reading is better than"""


def best_amplitude(
    read: Read, circuit: Circuit, drives: Floats, injections: Floats, repeats: int = 1, floor: float = FLOOR
) -> Amplitude:
    """The amplitude of ``two_sided`` with the least error.

    Readings at rest tell the noise; then answers to an amplitude and to half of it are compared, and to twice as much
    as long as what differs may be noise: so much does the circuit bend. No reading counts as better than ``floor``
    volts, such as the rounding of a converter, which repeats bit for bit.
    """
    some = np.linspace(0, len(drives) - 1, min(LOOKED_AT, len(drives))).astype(int)
    drives, injections = drives[some], injections[some]
    still = read(np.repeat(drives, RESTING, axis=0), np.zeros((RESTING * len(drives), injections.shape[1])))
    deviations = still.reshape(len(drives), RESTING, -1).var(axis=1, ddof=1)
    moved = deviations.any(axis=0)
    noise = max(floor, math.sqrt(float(deviations[:, moved].mean())) if moved.any() else 0.0)
    scale = np.abs(injections).max(axis=1, keepdims=True, initial=0.0)
    unit = np.divide(injections, scale, out=np.zeros_like(injections), where=scale > 0.0)
    siemens = _output_conductance(circuit)
    amplitude, bend = FIRST * siemens, 0.0
    while amplitude <= LAST * siemens:
        try:
            whole, half = (two_sided(read, drives, unit, part * amplitude) for part in (1.0, 0.5))
        except NotRealizableError:  # more than the bench can push
            amplitude *= 0.5
            break
        apart = (whole - half)[:, np.abs(whole).max(axis=0) > 0.0]
        chance = 0.5 * (noise / amplitude) ** 2 * (1.0 + 4.0)
        met = float(np.mean(apart**2)) if apart.size else 0.0
        # Of answers a + b δ² the difference is ¾ b δ².
        bend = math.sqrt(max(met - chance, 0.0)) / (0.75 * amplitude**2)
        if met > CLEAR * chance:
            break
        amplitude *= 2.0
    else:
        amplitude *= 0.5
    best = (noise**2 / (4.0 * repeats * bend**2)) ** (1.0 / 6.0) if bend else math.inf
    return Amplitude(noise, bend, min(best, amplitude), repeats)


def _output_conductance(circuit: Circuit) -> float:
    """Siemens: the median over outputs of the resistors at its first node."""
    at = np.bincount(
        circuit.resistors.terminals.ravel(), np.repeat(circuit.conductances, 2), minlength=len(circuit.nodes)
    )
    return float(np.median(at[circuit.outputs[:, 0]]))
