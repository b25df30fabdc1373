"""Exact Kron reduction: nodes that only resistors touch are eliminated when that leaves fewer resistors.

Seen from the other nodes, a group of such nodes is a mesh of resistors (star-mesh transformation; Dörfler & Bullo, IEEE
Trans. Circuits Syst. I 60(1), 2013). The read-out nodes of a layered circuit go this way, and with them most of the
work of every Newton iteration. All conductances of the mesh are positive, and the eliminated voltages come back from
one small product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import KINDS, Bank, Floats
from diodeq.circuit.circuit import Circuit

Index = NDArray[np.int64]

# Dense matrices of this many nodes are still cheap beside a simulation.
_LARGEST = 2000


@dataclass(frozen=True, eq=False)
class Reduced:
    """A reduced circuit with its values; ``circuit`` has only the kept nodes.

    ``mesh`` float64[eliminated, kept] turns kept voltages into eliminated ones; ``inverse`` float64[eliminated,
    eliminated] turns currents into the eliminated nodes into their voltages.
    """

    plan: ReductionPlan
    circuit: Circuit
    mesh: Floats
    inverse: Floats

    def injections(self, currents: Floats) -> Floats:
        """Currents float64[B, N] into all nodes as currents float64[B, kept] into the kept ones."""
        moved: Floats = currents[:, self.plan.kept] + currents[:, self.plan.eliminated] @ self.mesh
        return moved

    def restore(self, volts: Floats, currents: Floats) -> Floats:
        """Voltages of all nodes, float64[B, N], from those of the kept ones and the currents into all."""
        whole = np.empty(currents.shape)
        whole[:, self.plan.kept] = volts
        whole[:, self.plan.eliminated] = volts @ self.mesh.T + currents[:, self.plan.eliminated] @ self.inverse.T
        return whole


@dataclass(frozen=True, eq=False)
class ReductionPlan:
    """Which nodes of a topology to eliminate; made once by ``ReductionPlan.of`` and used for any values."""

    kept: Index  # ground first
    eliminated: Index

    @staticmethod
    def of(circuit: Circuit) -> ReductionPlan:
        """Eliminate all nodes that only resistors touch, or none if that would take more resistors."""
        count = len(circuit.nodes)
        touched = np.zeros(count, bool)
        touched[0] = True
        for kind in KINDS:
            if kind != "resistors":
                touched[circuit.bank(kind).terminals] = True
        everything = ReductionPlan(np.arange(count), np.zeros(0, np.int64))
        if touched.all() or count > _LARGEST:
            return everything
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
        return ReductionPlan(kept, eliminated) if pairs <= len(ends) else everything

    def reduce(self, circuit: Circuit) -> Reduced:
        """Reduce the values of a circuit of this plan's topology."""
        size = len(self.eliminated)
        if not size:
            return Reduced(self, circuit, np.zeros((0, len(self.kept))), np.zeros((0, 0)))
        count = len(circuit.nodes)
        a, b = circuit.resistors.terminals.astype(np.int64).T
        flat = np.bincount(a * count + b, weights=circuit.conductances, minlength=count * count).reshape(count, count)
        between = flat + flat.T
        links = between[np.ix_(self.eliminated, self.kept)]
        among = between[np.ix_(self.eliminated, self.eliminated)]
        inverse = np.linalg.inv(np.diag(links.sum(axis=1) + among.sum(axis=1)) - among)
        mesh = inverse @ links
        # Sums of positive terms only: no digit is lost to cancellation, and ground needs no special case.
        conductances = between[np.ix_(self.kept, self.kept)] + links.T @ mesh
        rows, columns = np.triu_indices(len(self.kept), k=1)
        values = conductances[rows, columns]
        used = values > 0
        # The mesh is joined to ground like to any other node, whose voltage is 0.
        mesh[:, 0] = 0.0
        return Reduced(self, self._circuit(circuit, rows[used], columns[used], values[used]), mesh, inverse)

    def _circuit(self, circuit: Circuit, rows: Index, columns: Index, values: Floats) -> Circuit:
        place = np.zeros(len(circuit.nodes), np.int64)
        place[self.kept] = np.arange(len(self.kept))
        others = {
            kind: replace(circuit.bank(kind), terminals=place[circuit.bank(kind).terminals].astype(np.int32))
            for kind in KINDS
            if kind != "resistors"
        }
        ends = np.stack([rows, columns], axis=1).astype(np.int32)
        return Circuit(
            nodes=tuple(circuit.nodes[n] for n in self.kept),
            resistors=Bank(ends, values),
            **others,  # type: ignore[arg-type]
            models=circuit.models,
            temperature=circuit.temperature,
            title=circuit.title,
        )
