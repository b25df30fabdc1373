"""Layered circuits: every diode hangs on a leaf, and leaves meet only in a small core.

A leaf is a node with resistors and one diode to ground, joined to no other leaf. Given the core's voltages each leaf is
one load line, in closed form; so Newton's method is needed for the core alone, and the work is that of the resistors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit import Circuit
from diodeq.circuit.blocks import run
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.kinds import KINDS
from diodeq.circuit.proof import Judge
from diodeq.processors import single_threaded
from diodeq.simulators.wave.arrays import Array, Arrays, array_namespace
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.method import QUICK, STEPS, Method, Settled
from diodeq.simulators.wave.newton import SINGULAR

if TYPE_CHECKING:
    from diodeq.simulators.wave.whole import Whole

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# The core's Jacobian costs the leaves times half the square of this, for every sample.
LARGEST_CORE = 64


@dataclass(frozen=True, eq=False)
class LeavesPlan:
    """Which nodes are leaves and which unknowns the core, and where the matrix has what joins them.

    ``load_at``, ``coupling_at`` and ``matrix_at`` number entries of the matrix as ``EquationsPlan.pattern`` does, or
    where ``wired`` as ``WiredPlan.pattern``; 0 for none.
    ``first`` and ``second`` are the pairs of core unknowns; ``square`` says where each belongs in a matrix [c * c].
    """

    leaf: Index
    core: Index
    sign: Floats
    load_at: Index
    coupling_at: Index
    matrix_at: Index
    first: Index
    second: Index
    square: Index
    wired: bool

    @cached_property
    def at_leaf(self) -> slice | Index:
        """``leaf`` as a run, where it is one."""
        return run(self.leaf)

    @cached_property
    def at_core(self) -> slice | Index:
        """``core`` as a run, where it is one."""
        return run(self.core)

    @staticmethod
    def of(plan: EquationsPlan, circuit: Circuit) -> LeavesPlan | None:
        """The leaves and the core of a folded circuit, or None where it has another shape."""
        leaf = find(circuit)
        size = plan.pattern.shape[0]
        if leaf is None or size - len(leaf) > LARGEST_CORE:
            return None
        core = np.setdiff1d(np.arange(size), leaf)
        among = sparse.csr_array(plan.pattern[leaf][:, leaf])
        own = among.diagonal()
        if among.nnz != np.count_nonzero(own) or not own.all():
            return None
        wired = plan.wires.pattern(circuit) if plan.wires is not None else None
        pattern = plan.pattern if wired is None else wired
        first, second = np.triu_indices(len(core))
        square = np.empty((len(core), len(core)), np.intp)
        square[first, second] = square[second, first] = np.arange(len(first))
        return LeavesPlan(
            leaf=leaf,
            core=core,
            sign=np.where(circuit.diodes.terminals[:, 0] > 0, 1.0, -1.0),
            load_at=pattern.diagonal()[leaf],
            coupling_at=pattern[leaf][:, core].toarray(),
            matrix_at=pattern[core][:, core].toarray(),
            first=first,
            second=second,
            square=square,
            wired=wired is not None,
        )


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaf k has load[k] siemens in all, coupling[k] of it to the core; its diode's anode is on it when sign[k] = 1.

    ``leaf`` and ``core`` number the unknowns, ``matrix`` [c, c] belongs to the core alone. ``rescue`` makes another
    method for samples that do not converge; ``whole`` is all this for one compiled call, where there is one.
    """

    leaf: slice | Index
    core: slice | Index
    sign: Array
    load: Array
    coupling: Array
    matrix: Array
    plan: LeavesPlan
    diodes: Diodes
    arrays: Arrays
    rescue: Callable[[], Method]
    whole: Whole | None

    @staticmethod
    def of(
        plan: LeavesPlan, judge: Judge, diodes: Diodes, arrays: Arrays, rescue: Callable[[], Method]
    ) -> Leaves | None:
        """The plan's leaves and core with their values, or None where these do not determine the core."""
        equations = judge.equations
        if plan.wired:
            assert equations.wired is not None
            entries = equations.wired.entries
        else:
            entries = np.concatenate([[0.0], equations.matrix.data])
        load, coupling, matrix = entries[plan.load_at], -entries[plan.coupling_at], entries[plan.matrix_at]
        # Diodes that block leave this matrix, the worst case; if it is singular only a conducting diode holds the core.
        # What the judge has a bound for is regular.
        with single_threaded():
            if judge.ohms is None and len(plan.core) and not _determined(matrix - (coupling.T / load) @ coupling):
                return None
        whole = None
        if arrays.fused:
            from diodeq.simulators.wave.whole import Whole

            whole = Whole.of(plan, load, coupling, matrix, diodes, arrays)
        put = arrays.put
        return Leaves(
            leaf=plan.at_leaf,
            core=plan.at_core,
            sign=put(plan.sign),
            load=put(load),
            coupling=put(coupling),
            matrix=put(matrix),
            plan=plan,
            diodes=diodes,
            arrays=arrays,
            rescue=rescue,
            whole=whole,
        )

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        if self.whole is None:
            return self._settle(right)
        settled, left = self.whole.settle(right)
        if len(left):
            for whole, part in zip(vars(settled).values(), vars(self._settle(right[left])).values(), strict=True):
                whole[left] = part
        return settled

    def _settle(self, right: Floats) -> Settled:
        xp, put, allowed = self.arrays.xp, self.arrays.put, self.arrays.precision
        alone, at_core = put(right[:, self.leaf]) * self._towards, put(right[:, self.core])
        tolerance = allowed.absolute + allowed.relative * xp.max(xp.abs(alone), axis=1)
        rows = xp.arange(alone.shape[0], device=alone.device)
        line, scale = self.diodes.behind(1.0 / self.load), xp.sum(xp.abs(self.matrix), axis=1)
        found: tuple[Array, ...] = ()
        y, step = xp.zeros_like(at_core), xp.zeros_like(at_core)
        inverse = put(np.zeros((*right.shape[:1], *self.matrix.shape)))
        error = last = xp.full_like(tolerance, xp.inf)
        for turn in range(STEPS):
            v, i, g = line(alone + y @ self._pull.T if turn else alone)
            f = y @ self.matrix.T - at_core - v @ self._push
            moved = -_times(inverse, f) if turn else xp.full_like(f, xp.inf)
            error, before = _largest(moved, last), error
            allowance = tolerance[rows]
            done = error <= allowance
            if xp.any(done):
                if not found:
                    found = (v, y, i, g)
                else:
                    for whole, part in zip(found, (v, y, i, g), strict=True):
                        whole[rows[done]] = part[done]
                if xp.all(done):
                    return self._settled(found)
            size = xp.linalg.vector_norm(f / scale, axis=1)
            worse = size > last
            renew = ~worse & ~(error < QUICK * before) & ~done
            if xp.any(renew):
                inverse[renew] = _inverse(self._jacobian(g[renew]))
                moved[renew] = -_times(inverse[renew], f[renew])
            # A step that made things worse is taken back by half, and by half again.
            halved = 0.5 * step
            y = y + xp.where(worse[:, None], -halved, moved)
            step = xp.where(worse[:, None], halved, moved)
            last = xp.where(worse, last, size)
            if xp.any(done):
                keep = ~done
                rows, alone, at_core = rows[keep], alone[keep], at_core[keep]
                y, step, inverse = y[keep], step[keep], inverse[keep]
                error, last = error[keep], last[keep]
        found = found or (v, y, i, g)
        return self._rescued(self._settled(found), right, self.arrays.take(rows))

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """The circuit, or its transpose, with frozen diodes, for right sides float64[B, n]: unknowns and diode
        currents."""
        if self.whole is not None:
            return self.whole.linear(conductances, right, transposed=transposed)
        xp, put = self.arrays.xp, self.arrays.put
        frozen, into = put(conductances), put(right[:, self.leaf])
        yielding = 1.0 / (self.load + frozen)
        pushed = put(right[:, self.core])
        if into.any():  # usually currents enter the core alone
            pushed = pushed + (yielding * into) @ self.coupling
        jacobian = self._jacobian(frozen)
        if transposed:
            jacobian = xp.permute_dims(jacobian, (0, 2, 1))
        try:
            y = xp.linalg.solve(jacobian, pushed[:, :, None])[:, :, 0]
        except SINGULAR:
            y = xp.full_like(pushed, xp.nan)  # the judge refuses it
        h = y @ self.coupling.T
        h += into
        h *= yielding
        return self._unknowns(h, y), self.arrays.take(self.sign * frozen * h)

    def leaving(self, unknowns: Floats, through: Floats, *, transposed: bool = False) -> Floats:
        """What leaves each node: the linear part times each row of unknowns, and the diode currents."""
        put, take = self.arrays.put, self.arrays.take
        h, y, i = put(unknowns[:, self.leaf]), put(unknowns[:, self.core]), put(through)
        found = np.empty_like(unknowns)
        at_leaves = y @ -self.coupling.T
        at_leaves += self.load * h
        at_leaves += self.sign * i
        found[:, self.leaf] = take(at_leaves)
        found[:, self.core] = take(y @ (self.matrix if transposed else self.matrix.T) - h @ self.coupling)
        return found

    @cached_property
    def _towards(self) -> Array:
        """Volts that open leaves have for an ampere into them, as their diodes count volts."""
        return self.sign / self.load

    @cached_property
    def _pull(self) -> Array:
        """The diodes' open-circuit voltages [n, c] for one volt at each core unknown."""
        return self._towards[:, None] * self.coupling

    @cached_property
    def _push(self) -> Array:
        """The current [n, c] into the core for one volt at each diode."""
        return self.sign[:, None] * self.coupling

    @cached_property
    def _pairs(self) -> tuple[Array, Array]:
        """The products of every two columns of ``coupling``, and where each belongs in a matrix [c * c]."""
        index = self.arrays.index
        first, second = (self.coupling[:, index(each)] for each in (self.plan.first, self.plan.second))
        return first * second, index(self.plan.square.ravel())

    def _jacobian(self, conductances: Array) -> Array:
        """Of the core's equations with the leaves eliminated, [B, c, c], one product for the whole batch."""
        width = self.matrix.shape[0]
        pairs, square = self._pairs
        products = (1.0 / (self.load + conductances)) @ pairs
        spread = self.arrays.xp.take(products, square, axis=1)
        return self.matrix - self.arrays.xp.reshape(spread, (conductances.shape[0], width, width))

    def _unknowns(self, h: Array, y: Array) -> Floats:
        unknowns = np.empty((h.shape[0], h.shape[1] + y.shape[1]), self.arrays.take(h[:0]).dtype)
        unknowns[:, self.leaf], unknowns[:, self.core] = self.arrays.take(h), self.arrays.take(y)
        return unknowns

    def _settled(self, found: Sequence[Array]) -> Settled:
        v, y, i, g = found
        take = self.arrays.take
        return Settled(self._unknowns(self.sign * v, y), take(i), take(g))

    def _rescued(self, found: Settled, right: Floats, rows: NDArray[Any]) -> Settled:
        other = self.rescue().settle(right[rows])
        found.unknowns[rows], found.currents[rows] = other.unknowns, other.currents
        found.conductances[rows] = other.conductances
        return found


def find(circuit: Circuit) -> Index | None:
    """The leaf of every diode as a number among the unknowns, or None if some diode is not on a leaf of its own."""
    ends = circuit.diodes.terminals
    if not len(ends) or not (ends == 0).any(axis=1).all():
        return None
    node = ends.max(axis=1)
    touched = np.zeros(len(circuit.nodes), bool)
    for kind, spec in KINDS.items():
        if not (spec.conductive or spec.nonlinear):
            touched[circuit.bank(kind).terminals] = True
    if touched[node].any() or len(np.unique(node)) < len(node):
        return None
    return np.asarray(node - 1, np.intp)


def _determined(matrix: Floats) -> bool:
    """Whether a matrix is regular, by its condition in the norm of row sums."""
    try:
        condition = np.linalg.norm(matrix, np.inf) * np.linalg.norm(np.linalg.inv(matrix), np.inf)
    except np.linalg.LinAlgError:
        return False
    return bool(condition <= 1e14)


def _largest(moved: Array, like: Array) -> Array:
    """The largest move of each row, 0 without a core."""
    xp = array_namespace(moved)
    if moved.shape[1]:
        return xp.max(xp.abs(moved), axis=1)
    return xp.zeros_like(like)


def _times(matrices: Array, rows: Array) -> Array:
    return (matrices @ rows[:, :, None])[:, :, 0]


def _inverse(matrices: Array) -> Array:
    xp = array_namespace(matrices)
    try:
        return xp.linalg.inv(matrices)
    except SINGULAR:
        return xp.full_like(matrices, xp.nan)
