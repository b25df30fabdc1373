"""The linear part of a circuit as its free nodes see it: a conductance matrix, whatever couples them.

With the diodes taken out and the sources at zero, the currents that flow from the free nodes into the linear part are
``H v``. Buffers and transformers fix some voltages as combinations of others, ``v = T v_free``; transformers carry the
currents back by the same combinations, buffers do not. So ``H = Pᵀ diag(G) Q`` plus the gyrators, where Q turns free
voltages into branch voltages and P collects branch currents: P = Q exactly where the circuit is reciprocal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import incidence
from diodeq.circuit.fold import FoldPlan
from diodeq.circuit.graph import driven_nodes
from diodeq.errors import InputError

Index = NDArray[np.int64]

# What the compiler makes circuits of.
ANALYSED = (
    "resistors",
    "diodes",
    "voltage_sources",
    "current_sources",
    "transformers",
    "gyrators",
    "buffers",
)


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Of a circuit with N nodes, R resistors and n free nodes.

    ``free`` int64[n] are the nodes whose voltage nothing fixes but Kirchhoff's current law. ``collect`` P and
    ``across`` Q are sparse [R, n]; ``conductances`` float64[R]; ``gyration`` sparse [n, n].
    """

    free: Index
    collect: sparse.csr_array
    across: sparse.csr_array
    conductances: Floats
    gyration: sparse.csr_array

    @property
    def matrix(self) -> sparse.csr_array:
        """H, sparse [n, n] in siemens."""
        weighted = sparse.diags_array(self.conductances) @ self.across
        return sparse.csr_array(self.collect.T @ weighted + self.gyration)

    @property
    def magnitude(self) -> sparse.csr_array:
        """``|P|ᵀ diag(G) |Q|``: what relative changes of resistors can do to H, entry by entry."""
        return sparse.csr_array(abs(self.collect).T @ (sparse.diags_array(self.conductances) @ abs(self.across)))

    @property
    def one_way(self) -> sparse.csr_array:
        """``|P|ᵀ diag(G) |Q - P|``: the same for what is beyond the reciprocal ``Pᵀ diag(G) P``."""
        beyond = abs(self.across - self.collect)
        return sparse.csr_array(abs(self.collect).T @ (sparse.diags_array(self.conductances) @ beyond))


def linear_part(circuit: Circuit) -> LinearPart:
    """The linear part of a sound circuit.

    Raises:
        InputError: the circuit has mirrors or a loop of buffers, which are not analysed.
    """
    plan = FoldPlan.of(circuit)
    for kind in KINDS:
        if kind not in ANALYSED and len(circuit.bank(kind)):
            raise InputError(f"circuit {circuit.title!r} has {kind}", "only compiled circuits are certified")
    driven = driven_nodes(circuit)
    # v[first] = v[second] + ratio (v[third] - v[fourth]); a floating source at zero ties its two nodes together.
    floating = circuit.voltage_sources.terminals[plan.floating]
    ties = np.concatenate(
        [
            circuit.buffers.terminals,
            circuit.transformers.terminals,
            np.concatenate([floating, np.zeros_like(floating)], axis=1),
        ]
    ).astype(np.int64)
    ratios = np.concatenate([circuit.buffers.values, circuit.transformers.values, np.zeros(len(floating))])
    if len(np.unique(ties[:, 0])) < len(ties) or driven[ties[:, 0]].any():
        raise InputError(
            f"circuit {circuit.title!r} has a buffer or transformer whose first node is fixed twice",
            "only compiled circuits are certified",
        )
    one_way = np.arange(len(ties)) < len(circuit.buffers)
    both = _transfer(ties, ratios, driven)
    reciprocal = _transfer(ties, np.where(one_way, 0.0, ratios), driven)
    dependent = np.zeros(len(circuit.nodes), bool)
    dependent[ties[:, 0]] = True
    free = np.flatnonzero(~driven & ~dependent)
    branches = incidence(circuit, "resistors").T
    first, second = (incidence(circuit, "gyrators", port).T for port in ((0, 1), (2, 3)))
    siemens = sparse.diags_array(circuit.gyrators.values)
    turned = (first @ reciprocal).T @ siemens @ (second @ both) - (second @ reciprocal).T @ siemens @ (first @ both)
    collect, across = sparse.csr_array(branches @ reciprocal), sparse.csr_array(branches @ both)
    gyration = sparse.csr_array(turned)
    # Nodes that only nonlinear elements touch belong to those elements.
    linked = np.asarray(abs(across).sum(axis=0)).ravel() + np.asarray(abs(gyration).sum(axis=0)).ravel() > 0
    used = np.flatnonzero(linked)
    return LinearPart(free[used], collect[:, used], across[:, used], circuit.conductances, gyration[used][:, used])


def _transfer(ties: Index, ratios: Floats, driven: NDArray[np.bool_]) -> sparse.csr_array:
    """T, sparse [N, n]: the voltage of every node from those of the free ones, sources at zero."""
    count, dependent = len(driven), ties[:, 0]
    rows = np.repeat(dependent, 3)
    columns = ties[:, 1:].ravel()
    values = np.stack([np.ones_like(ratios), ratios, -ratios], axis=1).ravel()
    keep = ~driven[columns]
    relation = sparse.csc_array((values[keep], (rows[keep], columns[keep])), shape=(count, count))
    independent = np.ones(count, bool)
    independent[dependent] = False
    independent &= ~driven
    free = np.flatnonzero(independent)
    unit = sparse.csc_array((np.ones(len(free)), (free, np.arange(len(free)))), shape=(count, len(free)))
    if not len(dependent):
        return sparse.csr_array(unit)
    inner = relation[dependent][:, dependent]
    outer = relation[dependent] @ unit
    try:
        solved = splu(sparse.csc_array(sparse.eye_array(len(dependent)) - inner))
    except RuntimeError:
        raise InputError("the circuit has a loop of buffers that fixes no voltage", "break the loop") from None
    # Buffers and transformers of compiled circuits hang on few nodes each: the result stays sparse, column by column.
    if inner.nnz:
        outer = sparse.csc_array(np.stack([solved.solve(column) for column in outer.toarray().T], axis=1))
    place = sparse.csc_array(
        (np.ones(len(dependent)), (dependent, np.arange(len(dependent)))), shape=(count, len(dependent))
    )
    return sparse.csr_array(unit + place @ outer)
