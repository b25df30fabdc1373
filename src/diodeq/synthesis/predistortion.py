"""Pre-distortion: cells programmed so that an array with resistive wires conducts as the drawn layer does.

With every other node grounded, one volt on row i sends a current into column j: the array's effective conductance, an
entry of its Kron-reduced admittance. Cells are multiplied by what is missing, again and again, until the effective
conductances are the drawn ones or a cell is at the end of its range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.reduce import SymmetricFactor
from diodeq.devices.hardware.technology import Technology
from diodeq.synthesis.crossbar import Crossbars

TURNS = 30
# An error, relative to the layer's conductances, that is worth no further turn; turns without a better one that end it.
ENOUGH = 1e-8
PATIENT = 4
# No cell changes by a larger factor in one turn.
STEP = 2.0


@dataclass(frozen=True, eq=False)
class Predistorted:
    """The circuit with other cells, and how far off effective conductances were and are.

    ``before`` and ``after`` are root mean squares of the errors, relative to that of the drawn conductances;
    ``limited`` counts the cells at an end of the technology's range. Wires may resist so much that no cells conduct as
    drawn; then ``after`` is the best that was found.
    """

    circuit: Circuit
    before: float
    after: float
    limited: int


def predistort(crossbars: Crossbars, technology: Technology) -> Predistorted:
    """Choose all cells within the technology's range so that each array's effective conductances are its cells'."""
    circuit = crossbars.circuit
    values = circuit.conductances.copy()
    squares, limited = np.zeros(3), 0
    for number, array in enumerate(crossbars.arrays):
        drawn = circuit.conductances[array.cells]
        cells, errors = drawn, []
        while True:
            found = effective(crossbars, number, cells)
            errors.append(float(np.sum((found - drawn) ** 2)))
            if errors[-1] <= min(errors):
                best = cells
            turns, waited = len(errors) - 1, len(errors) - 1 - int(np.argmin(errors))
            if turns == TURNS or waited == PATIENT or errors[-1] <= ENOUGH**2 * np.sum(drawn**2):
                break
            cells = technology.clip(cells * np.clip(drawn / found, 1.0 / STEP, STEP))
        squares += errors[0], min(errors), np.sum(drawn**2)
        limited += int(np.count_nonzero((best <= technology.low) | (best >= technology.high)))
        values[array.cells] = best
    before, after = np.sqrt(squares[:2] / squares[2]).tolist()
    return Predistorted(circuit.with_conductances(values), before, after, limited)


def effective(crossbars: Crossbars, number: int, cells: Floats) -> Floats:
    """The effective conductances float64[R, C] of array ``number`` with ``cells`` float64[R, C], siemens."""
    array, first, wires = crossbars.arrays[number], crossbars.first[number], crossbars.wires
    count = 2 * cells.size
    words, bits = array.wires(first, wires.both)
    word, bit = array.crossings(0)
    ends = np.concatenate([words - first, bits - first, np.stack([word.ravel(), bit.ravel()], axis=1)])
    values = np.concatenate([np.full(len(words), 1.0 / wires.word), np.full(len(bits), 1.0 / wires.bit), cells.ravel()])
    inner = ends >= 0
    both = inner.all(axis=1)
    a, b = ends[both].T
    pairs = sparse.coo_array((values[both], (a, b)), shape=(count, count))
    at_node = np.bincount(ends[inner], np.repeat(values, 2).reshape(-1, 2)[inner], count)
    factor = SymmetricFactor(sparse.csc_array(sparse.diags_array(at_node)) - sparse.csc_array(pairs + pairs.T))
    rows, columns = (
        _taps(ends[part] + first, values[part], nodes, first, count)
        for part, nodes in (
            (slice(0, len(words)), array.rows),
            (slice(len(words), len(words) + len(bits)), array.columns),
        )
    )
    if rows.shape[1] < columns.shape[1]:
        found: Floats = (columns.T @ factor.solve(rows.toarray())).T
    else:
        found = rows.T @ factor.solve(columns.toarray())
    return found


def _taps(ends: np.ndarray, values: Floats, nodes: np.ndarray, first: int, count: int) -> sparse.csr_array:
    """The conductances [wire nodes, lines] that join the ends of lines to their drawn ``nodes``."""
    outside = ends < first
    at = np.flatnonzero(outside.any(axis=1))
    inner = np.where(outside[at, 0], ends[at, 1], ends[at, 0]) - first
    own = np.where(outside[at, 0], ends[at, 0], ends[at, 1])
    order = np.argsort(nodes)
    line = order[np.searchsorted(nodes, own, sorter=order)]
    return sparse.csr_array((values[at], (inner, line)), shape=(count, len(nodes)))
