"""Layered circuits: every diode hangs on a leaf, and leaves meet only in a small core.

A leaf is a node with resistors and one diode to ground, joined to no other leaf. Given the core's voltages each leaf is
one load line, in closed form; so Newton's method is needed for the core alone, and the work is that of the resistors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from diodeq.circuit import Circuit
from diodeq.circuit.blocks import run
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.method import ABSOLUTE, RELATIVE, Method, Settled
from diodeq.simulators.wave.stamp import Stamp

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# The core's Jacobian costs the leaves times half the square of this, for every sample.
LARGEST_CORE = 64
STEPS = 60
# A step that shrinks the error by this much with an old Jacobian makes a new one a waste.
QUICK = 0.02


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaf k has load[k] siemens in all, coupling[k] of it to the core; its diode's anode is on it when sign[k] = 1.

    ``leaf`` and ``core`` number the unknowns, ``matrix`` float64[c, c] belongs to the core alone, ``pairs`` are the
    products of every two columns of ``coupling``. ``rescue`` makes another method for samples that do not converge.
    """

    leaf: slice | Index
    core: slice | Index
    sign: Floats
    load: Floats
    coupling: Floats
    matrix: Floats
    pairs: Floats
    diodes: Diodes
    rescue: Callable[[], Method]

    @staticmethod
    def of(stamp: Stamp, diodes: Diodes, rescue: Callable[[], Method]) -> Leaves | None:
        """The leaves and the core of a stamped circuit, or None where it has another shape."""
        leaf = find(stamp.circuit)
        if leaf is None or stamp.size - len(leaf) > LARGEST_CORE:
            return None
        core = np.setdiff1d(np.arange(stamp.size), leaf)
        rows = sparse.csr_array(stamp.matrix[leaf])
        among = sparse.csr_array(rows[:, leaf])
        if among.nnz != np.count_nonzero(among.diagonal()) or not np.all(among.diagonal() > 0):
            return None
        matrix = stamp.matrix[core][:, core].toarray()
        coupling = -rows[:, core].toarray()
        # Diodes that block leave this matrix, the worst case; if it is singular only a conducting diode holds the core.
        if len(core) and np.linalg.cond(matrix - (coupling.T / among.diagonal()) @ coupling) > 1e14:
            return None
        first, second = np.triu_indices(len(core))
        anode = stamp.circuit.diodes.terminals[:, 0] > 0
        return Leaves(
            run(leaf),
            run(core),
            np.where(anode, 1.0, -1.0),
            among.diagonal(),
            coupling,
            matrix,
            coupling[:, first] * coupling[:, second],
            diodes,
            rescue,
        )

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        into, at_core = right[:, self.leaf], right[:, self.core]
        found = Settled(np.zeros_like(right), np.zeros_like(into), np.zeros_like(into), np.full(len(right), np.inf))
        tolerance = ABSOLUTE + RELATIVE * np.abs(into / self.load).max(axis=1, initial=0.0)
        rows = np.arange(len(right))
        y = np.zeros_like(at_core)
        step = np.zeros_like(y)
        inverse = np.empty((*y.shape, y.shape[1]))
        error, last = np.full(len(y), np.inf), np.full(len(y), np.inf)
        for turn in range(STEPS):
            v, i, g = self.diodes.load_line(self._sources(into[rows], y), 1.0 / self.load)
            h = self.sign * v
            f = y @ self.matrix.T - at_core[rows] - h @ self.coupling
            moved = -_times(inverse, f) if turn else np.full_like(f, np.inf)
            error, before = np.abs(moved).max(axis=1, initial=0.0), error
            done = error <= tolerance[rows]
            if done.any():
                self._keep(found, rows[done], h[done], y[done], i[done], g[done], error[done] / tolerance[rows[done]])
                if done.all():
                    return found
            size = np.linalg.norm(f / np.abs(self.matrix).sum(axis=1), axis=1)
            worse = size > last
            renew = ~worse & ~(error < QUICK * before) & ~done
            if renew.any():
                inverse[renew] = _inverse(self._jacobian(g[renew]))
                moved[renew] = -_times(inverse[renew], f[renew])
            # A step that made things worse is taken back by half, and by half again.
            halved = 0.5 * step
            y = y + np.where(worse[:, None], -halved, moved)
            step = np.where(worse[:, None], halved, moved)
            last = np.where(worse, last, size)
            keep = ~done
            if not keep.all():
                rows, y, step, inverse = rows[keep], y[keep], step[keep], inverse[keep]
                error, last = error[keep], last[keep]
        return self._rescued(found, right, rows)

    def adjoint(self, conductances: Floats, right: Floats) -> tuple[Floats, Floats]:
        """The transposed circuit with frozen diodes, for right sides float64[B, n]: unknowns and diode currents."""
        into, at_core = right[:, self.leaf], right[:, self.core]
        yielding = 1.0 / (self.load + conductances)
        jacobian = self._jacobian(conductances).transpose(0, 2, 1)
        y = np.linalg.solve(jacobian, (at_core + (yielding * into) @ self.coupling)[:, :, None])[:, :, 0]
        found = np.empty_like(right)
        found[:, self.core] = y
        h = yielding * (into + y @ self.coupling.T)
        found[:, self.leaf] = h
        return found, self.sign * conductances * h

    def multiply(self, unknowns: Floats, *, transposed: bool = False, magnitude: bool = False) -> Floats:
        """The linear part (or its transpose, or its entries' magnitudes) times each row of unknowns."""
        h, y = unknowns[:, self.leaf], unknowns[:, self.core]
        matrix = self.matrix.T if transposed else self.matrix
        sign = 1.0 if magnitude else -1.0
        found = np.empty_like(unknowns)
        found[:, self.leaf] = self.load * h + sign * (y @ self.coupling.T)
        found[:, self.core] = y @ (np.abs(matrix) if magnitude else matrix).T + sign * (h @ self.coupling)
        return found

    def _sources(self, into: Floats, y: Floats) -> Floats:
        """The open-circuit voltage that each diode sees, towards its anode."""
        return np.asarray((into + y @ self.coupling.T) * (self.sign / self.load))

    def _jacobian(self, conductances: Floats) -> Floats:
        """Of the core's equations with the leaves eliminated, float64[B, c, c], one product for the whole batch."""
        width = len(self.matrix)
        first, second = np.triu_indices(width)
        products = (1.0 / (self.load + conductances)) @ self.pairs
        jacobian = np.empty((len(products), width, width))
        jacobian[:, first, second] = products
        jacobian[:, second, first] = products
        return np.subtract(self.matrix, jacobian, out=jacobian)

    def _keep(self, found: Settled, rows: Index, h: Floats, y: Floats, i: Floats, g: Floats, error: Floats) -> None:
        unknowns = np.empty((len(rows), found.unknowns.shape[1]))
        unknowns[:, self.leaf], unknowns[:, self.core] = h, y
        found.unknowns[rows], found.currents[rows], found.conductances[rows] = unknowns, i, g
        found.mismatch[rows] = error

    def _rescued(self, found: Settled, right: Floats, rows: Index) -> Settled:
        other = self.rescue().settle(right[rows])
        found.unknowns[rows], found.currents[rows] = other.unknowns, other.currents
        found.conductances[rows], found.mismatch[rows] = other.conductances, other.mismatch
        return found


def find(circuit: Circuit) -> Index | None:
    """The leaf of every diode as a number among the unknowns, or None if some diode is not on a leaf of its own."""
    ends = circuit.diodes.terminals
    if not len(ends) or not (ends == 0).any(axis=1).all():
        return None
    node = ends.max(axis=1)
    touched = np.zeros(len(circuit.nodes), bool)
    for kind in ("voltage_sources", "transformers", "gyrators", "buffers", "mirrors"):
        touched[circuit.bank(kind).terminals] = True
    if touched[node].any() or len(np.unique(node)) < len(node):
        return None
    return np.asarray(node - 1, np.intp)


def _times(matrices: Floats, rows: Floats) -> Floats:
    return np.asarray(np.matmul(matrices, rows[:, :, None])[:, :, 0])


def _inverse(matrices: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.inv(matrices))
    except linalg.LinAlgError:
        return np.full_like(matrices, np.nan)
