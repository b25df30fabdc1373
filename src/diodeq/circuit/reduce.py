"""Exact Kron reduction: nodes that only resistors touch are eliminated when that leaves fewer resistors, or less work.

Seen from the other nodes, a group of such nodes is a mesh of resistors (star-mesh transformation; Dörfler & Bullo, IEEE
Trans. Circuits Syst. I 60(1), 2013). The read-out nodes of a layered circuit go this way, and with them most of the
work of every Newton iteration; so do the wires of a crossbar. All conductances of the mesh are positive, and the
eliminated voltages come back from one linear solve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from diodeq.circuit.bank import Bank, Floats
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import total
from diodeq.circuit.kinds import KINDS
from diodeq.processors import single_threaded

Index = NDArray[np.int64]

# Dense matrices of this many nodes are still cheap beside a simulation; larger ones are factored sparsely.
_DENSE_UP_TO = 2000
# Condition up to which an elimination costs no digit that matters.
SOUND = 1e6
# A mesh of up to so many times the resistors is taken where an engine's factorizations get shorter by it: those of a
# circuit of several hidden layers, whose layers end up joined to each other in any case. A resistor's line in a deck
# and its stamps take as long as about five multiplications of every factorization (ngspice 39).
MORE, STAMPS = 2, 5
# Entries of the array from kept to eliminated nodes (1.6 GB): a circuit that takes more is left as it is.
_MOST_ENTRIES = 200_000_000


@dataclass(frozen=True, eq=False)
class Reduced:
    """A reduced circuit with its values; ``circuit`` has only the kept nodes.

    ``links`` [eliminated, kept] are the conductances between the two, ``mesh`` float64[eliminated, kept] turns kept
    voltages into eliminated ones, and ``solve`` turns currents float64[B, eliminated] into the eliminated nodes into
    their voltages.
    """

    plan: ReductionPlan
    circuit: Circuit
    links: Floats | sparse.csr_array
    mesh: Floats
    solve: Callable[[Floats], Floats]

    def injections(self, currents: Floats) -> Floats:
        """Currents float64[B, N] into all nodes as currents float64[B, kept] into the kept ones; those in two ``parts``
        [B, 2, N] stay so."""
        into = total(currents)[:, self.plan.eliminated].astype(np.float64)
        fed = np.flatnonzero(into.any(axis=0))
        moved = currents[..., self.plan.kept]
        last = moved if moved.ndim == 2 else moved[:, 1]
        last += into[:, fed] @ self.mesh[fed]
        return moved

    def restore(self, volts: Floats, currents: Floats) -> Floats:
        """Voltages of all nodes, float64[B, N], from those of the kept ones and the currents into all."""
        whole = np.empty(currents.shape)
        whole[:, self.plan.kept] = volts
        if len(self.plan.eliminated):
            whole[:, self.plan.eliminated] = self.solve(currents[:, self.plan.eliminated] + (self.links @ volts.T).T)
        return whole


@dataclass(frozen=True, eq=False)
class ReductionPlan:
    """Which nodes of a topology to eliminate; made once by ``ReductionPlan.of`` and used for any values."""

    kept: Index  # ground first
    eliminated: Index

    @staticmethod
    def of(circuit: Circuit, fed: Index | None = None) -> ReductionPlan:
        """Eliminate all nodes that only resistors touch, or none if that would take more resistors and more work.

        Nodes ``fed`` stay: a current from one node to another is spread over what is kept, and its two parts would
        cancel no longer where little but rounding leaves both.
        """
        count = len(circuit.nodes)
        touched = np.zeros(count, bool)
        touched[0] = True
        if fed is not None:
            touched[fed] = True
        for kind in KINDS:
            if kind != "resistors":
                touched[circuit.bank(kind).terminals] = True
        staying = int(np.count_nonzero(touched))
        if staying == count or staying * (count - staying) > _MOST_ENTRIES:
            return ReductionPlan.none(count)
        ends = circuit.resistors.terminals[(circuit.resistors.terminals > 0).all(axis=1)]
        joined = sparse.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
        pattern = sparse.csr_array(joined + joined.T)
        kept, eliminated = np.flatnonzero(touched), np.flatnonzero(~touched)
        # Every two kept nodes that a connected group of eliminated ones touches end up joined.
        group = sparse.csgraph.connected_components(pattern[eliminated][:, eliminated], directed=False)[1]
        member = sparse.csr_array((np.ones(len(group)), (group, np.arange(len(group)))))
        reach = member @ pattern[eliminated][:, kept]
        after = pattern[kept][:, kept] + reach.T @ reach
        # The diagonal counts nothing; every pair of ends appears twice.
        pairs = (after.nnz - np.count_nonzero(after.diagonal())) / 2
        pays = pairs <= len(ends) or (pairs <= MORE * len(ends) and _work(after, pairs) < _work(pattern, len(ends)))
        return ReductionPlan(kept, eliminated) if pays else ReductionPlan.none(count)

    @staticmethod
    def none(count: int) -> ReductionPlan:
        """All of ``count`` nodes stay."""
        return ReductionPlan(np.arange(count), np.zeros(0, np.int64))

    def reduce(self, circuit: Circuit) -> Reduced:
        """Reduce the values of a circuit of this plan's topology; not where that would cost digits, as it does where
        conductances tie nodes to each other that little else ties to anything."""
        count = len(circuit.nodes)
        if not len(self.eliminated):
            none = np.zeros((0, count))
            return Reduced(self, circuit, none, none, lambda currents: currents)
        a, b = circuit.resistors.terminals.astype(np.int64).T
        one_way = sparse.coo_array((circuit.conductances, (a, b)), shape=(count, count))
        between: Any = sparse.csr_array(one_way + one_way.T)
        if count <= _DENSE_UP_TO:
            between = between.toarray()
        of_eliminated = between[self.eliminated]
        links, among = of_eliminated[:, self.kept], of_eliminated[:, self.eliminated]
        diagonal = np.asarray(of_eliminated.sum(axis=1))
        solve, mesh = _solved(diagonal, among, links)
        # The inverse of an M-matrix has no negative entry: this is its norm with rows scaled.
        if not solve(diagonal[None]).max() < SOUND:
            return ReductionPlan.none(count).reduce(circuit)
        # Sums of positive terms only: no digit is lost to cancellation, and ground needs no special case.
        conductances = between[self.kept][:, self.kept] + links.T @ mesh
        rows, columns = np.triu_indices(len(self.kept), k=1)
        values = conductances[rows, columns]
        used = values > 0
        # The mesh is joined to ground like to any other node, whose voltage is 0.
        mesh[:, 0] = 0.0
        return Reduced(self, self._circuit(circuit, rows[used], columns[used], values[used]), links, mesh, solve)

    def _circuit(self, circuit: Circuit, rows: Index, columns: Index, values: Floats) -> Circuit:
        place = np.zeros(len(circuit.nodes), np.int64)
        place[self.kept] = np.arange(len(self.kept))
        banks = {
            kind: replace(circuit.bank(kind), terminals=place[circuit.bank(kind).terminals].astype(np.int32))
            for kind in KINDS
            if kind != "resistors"
        }
        banks["resistors"] = Bank(np.stack([rows, columns], axis=1).astype(np.int32), values)
        return Circuit.of_banks(
            banks,
            nodes=tuple(circuit.nodes[n] for n in self.kept),
            models=circuit.models,
            temperature=circuit.temperature,
            title=circuit.title,
        )


def _solved(diagonal: Floats, among: Any, links: Any) -> tuple[Callable[[Floats], Floats], Floats]:
    """What solves the eliminated nodes' equations, rows of currents to rows of voltages, and the mesh."""
    if isinstance(among, np.ndarray):
        inverse = np.linalg.inv(np.diag(diagonal) - among)
        return lambda currents: currents @ inverse.T, inverse @ links
    factor = SymmetricFactor(sparse.diags_array(diagonal) - sparse.csc_array(among))
    return lambda currents: factor.solve(currents.T).T, factor.solve(links.toarray())


def _work(pattern: sparse.csr_array, resistors: float) -> float:
    """Multiplications of one factorization of a circuit whose resistors join the nodes of ``pattern``, and the like."""
    joined: Any = sparse.csr_array(pattern, copy=True)
    joined.data[:] = 1.0
    joined.setdiag(0.0)
    below = SymmetricFactor(sparse.diags_array(joined.sum(axis=1) + 1.0) - joined).column_counts
    return float(below @ below) + STAMPS * resistors


class SymmetricFactor:
    """SuperLU of a symmetric M-matrix, which needs no pivoting, in an order that keeps it sparse."""

    def __init__(self, matrix: Any) -> None:
        symmetric = {"SymmetricMode": True}
        with single_threaded():
            self._factor = splu(
                sparse.csc_array(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=symmetric
            )

    @property
    def column_counts(self) -> Floats:
        """Entries below the diagonal in each column of the factor."""
        return np.diff(self._factor.L.indptr) - 1.0

    def solve(self, right: Floats) -> Floats:
        """The solution float64[n, k] for right sides float64[n, k]."""
        # SuperLU's products are small: threads that wait for each other make them ten times slower.
        with single_threaded():
            found: Floats = self._factor.solve(np.ascontiguousarray(right))
        return found
