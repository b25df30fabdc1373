"""Hardware linearization: the circuit itself computes the gradient, by settling twice.

Settle; freeze every diode at its incremental conductance; zero the sources; inject the loss gradient at the outputs
as currents; settle again. The product of a resistor's two branch voltages is then the gradient of its conductance.
Name and use for training: Chaffey, arXiv:2509.13793; the products: Director & Rohrer, IEEE Trans. Circuit Theory
16(3), 1969.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

# Matrix products beat gathering branch voltages even when they compute this many entries for one that is needed.
WASTE = 16
# Branch voltages are gathered for so many numbers at a time (32 MB): memory stays flat however large the batch is.
ENTRIES = 4_000_000


def hardware_linearization(
    simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
) -> Gradient:
    """The exact gradient from two settlings of the circuit, whatever the number of resistors."""
    point = simulator.operate(circuit, drives)
    outputs = point.outputs
    value, injections = loss(outputs)
    adjoint = simulator.small_signal(point, injections)
    conductances = branch_products(circuit, point.node_voltages, adjoint.node_voltages)
    others = {kind: PRODUCTS[kind](circuit, point, adjoint).sum(axis=0) for kind in also}
    return Gradient(conductances, value, outputs, others)


def branch_products(circuit: Circuit, voltages: Floats, adjoint: Floats) -> Floats:
    """dℓ/dG = -Σ (v_a - v_b)(v̂_a - v̂_b) over the batch, float64[n_trainable].

    ``voltages`` and ``adjoint`` are node voltages float64[B, N]. No array of batch × resistors is ever built.
    """
    terminals = circuit.resistors.terminals
    if not circuit.mask.all():
        terminals = terminals[circuit.mask]
    touched = np.zeros(voltages.shape[1], bool)
    touched[terminals.ravel()] = True
    # Driven nodes, the bulk of them in a wide circuit, have no adjoint voltage.
    active = touched & adjoint.any(axis=0)
    if np.count_nonzero(touched) * np.count_nonzero(active) <= max(WASTE * len(terminals), ENTRIES):
        return _by_matrix(terminals, voltages, adjoint, touched, active)
    return _by_gathering(terminals, voltages, adjoint)


# The local products of the other elements (Director & Rohrer), float64[B, n]. The adjoint of a buffer is a mirror and
# the other way round, which is where their adjoint currents are.
PRODUCTS: dict[str, Callable[[Circuit, OperatingPoint, AdjointSolution], Floats]] = {
    # v1 = n v2, i2 = -n i1: dℓ/dn = v̂2 i1 + î1 v2
    "transformers": lambda circuit, point, adjoint: (
        _across(circuit, "transformers", 1, adjoint) * point.branch_currents["transformers"]
        + adjoint.branch_currents["transformers"] * _across(circuit, "transformers", 1, point)
    ),
    # i1 = g v2, i2 = -g v1: dℓ/dg = v̂2 v1 - v̂1 v2
    "gyrators": lambda circuit, point, adjoint: (
        _across(circuit, "gyrators", 1, adjoint) * _across(circuit, "gyrators", 0, point)
        - _across(circuit, "gyrators", 0, adjoint) * _across(circuit, "gyrators", 1, point)
    ),
    # v_out = a v_ctrl: dℓ/da = î_out v_ctrl
    "buffers": lambda circuit, point, adjoint: (
        adjoint.branch_currents["mirrors"] * _across(circuit, "buffers", 1, point)
    ),
    # i_out = a i_sense: dℓ/da = -v̂_out i_sense
    "mirrors": lambda circuit, point, adjoint: (
        -_across(circuit, "mirrors", 0, adjoint) * point.branch_currents["mirrors"]
    ),
}


def _across(circuit: Circuit, kind: str, port: int, solution: OperatingPoint | AdjointSolution) -> Floats:
    """Voltages across the first (0) or second (1) port of a kind's elements, float64[B, n]."""
    ends, volts = circuit.bank(kind).terminals, solution.node_voltages
    return volts[:, ends[:, 2 * port]] - volts[:, ends[:, 2 * port + 1]]


def _by_matrix(terminals: Ints, voltages: Floats, adjoint: Floats, touched: Bools, active: Bools) -> Floats:
    """From all pairs at once: C = Vᵀ V̂, then -(C_aa - C_ab - C_ba + C_bb)."""
    rows = np.cumsum(touched) - 1
    columns = np.where(active, np.cumsum(active) - 1, np.count_nonzero(active))
    pairs = np.zeros((np.count_nonzero(touched), np.count_nonzero(active) + 1))
    np.matmul(voltages[:, touched].T, adjoint[:, active], out=pairs[:, :-1])
    a, b = terminals.T
    same = np.zeros(voltages.shape[1])
    same[active] = pairs[rows[active], columns[active]]
    gradient: Floats = pairs[rows[a], columns[b]] + pairs[rows[b], columns[a]] - same[a] - same[b]
    return gradient


def _by_gathering(terminals: Ints, voltages: Floats, adjoint: Floats) -> Floats:
    """Branch by branch, a few samples or a run of resistors at a time."""
    gradient = np.zeros(len(terminals))
    run = max(1, ENTRIES // len(voltages))
    for start in range(0, len(terminals), run):
        a, b = terminals[start : start + run].T
        difference = np.take(voltages, a, axis=1) - np.take(voltages, b, axis=1)
        difference *= np.take(adjoint, a, axis=1) - np.take(adjoint, b, axis=1)
        gradient[start : start + run] = -difference.sum(axis=0)
    return gradient
