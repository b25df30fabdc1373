"""Certificates of a circuit: unique operating point, how much tolerance keeps it, how far tolerance can move it.

All of it follows from strong monotonicity (guide/theory.md §6: a margin m > 0 gives a unique equilibrium, and
``‖Δv‖ ≤ ‖ΔH v + ΔB u‖/m``) applied level by level: free nodes that influence each other are on one level, lower levels
drive higher ones one way. With resistors of relative tolerance t, the reciprocal part of H keeps the share 1 - t of
its positive definiteness and what buffers add to it, A, changes by at most t|A|, so ``m(t) ≥ (1 - t) m - 2 t β`` with
``β = ‖sym |A|‖₂``: unique up to ``t = m / (m + 2β)``, which is 100 % for reciprocal circuits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import svds

from diodeq.analysis.linear import LinearPart, linear_part
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.one_ports import one_port_ends, one_port_models
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError
from diodeq.network.certificate import lowest

Index = NDArray[np.int64]

# Eigenvalues of dense matrices of so many nodes are still worth their time.
CERTIFIED_UP_TO = 2500
# Volts either way in which a one-port's law must not fall.
REACH = 1e3


@dataclass(frozen=True, eq=False)
class CertifiedLevel:
    """Free nodes (indices into ``LinearPart.free``) with their margin m and one-way norm β, in siemens."""

    nodes: Index
    margin: float
    one_way: float

    @property
    def tolerance(self) -> float:
        """The largest relative tolerance of resistors that keeps the operating point unique."""
        return self.margin / (self.margin + 2.0 * self.one_way) if self.margin > 0 else 0.0

    def margin_at(self, tolerance: float) -> float:
        """A lower bound of the margin when every resistor is off by at most this share."""
        return (1.0 - tolerance) * self.margin - 2.0 * tolerance * self.one_way


@dataclass(frozen=True, eq=False)
class CircuitCertificate:
    """Of a whole circuit: its levels, each driven only by those before it."""

    part: LinearPart
    levels: tuple[CertifiedLevel, ...]

    @property
    def margin(self) -> float:
        """The smallest margin of all levels, siemens."""
        return min((level.margin for level in self.levels), default=math.inf)

    @property
    def unique(self) -> bool:
        """Whether the operating point is guaranteed to be unique for every input."""
        return self.margin > 0

    @property
    def tolerance(self) -> float:
        """The largest relative resistor tolerance for which uniqueness is guaranteed."""
        return min((level.tolerance for level in self.levels), default=1.0)

    def displacement(self, circuit: Circuit, node_voltages: Floats, tolerance: float) -> Floats:
        """How far a relative tolerance of all resistors can move the output nodes at most, Euclidean, float64[B] volts.

        ``node_voltages`` float64[B, N] is the operating point. Infinite where the tolerance leaves no guarantee.
        """
        part, ends = self.part, circuit.resistors.terminals
        across = np.abs(node_voltages[:, ends[:, 0]] - node_voltages[:, ends[:, 1]])
        # Every resistor's current changes by at most this share of itself.
        stray = tolerance * np.asarray((abs(part.collect).T @ (part.conductances * across).T).T)
        matrix, magnitude = part.matrix, part.magnitude
        outputs = np.isin(part.free, np.unique(circuit.outputs))
        bounds: list[Floats] = []
        total = np.zeros(len(node_voltages))
        for level in self.levels:
            margin = level.margin_at(tolerance)
            if margin <= 0:
                return np.full(len(node_voltages), np.inf)
            push = np.linalg.norm(stray[:, level.nodes], axis=1)
            for before, bound in zip(self.levels, bounds, strict=False):
                coupling = _norm(matrix[level.nodes][:, before.nodes])
                push = push + (coupling + tolerance * _norm(magnitude[level.nodes][:, before.nodes])) * bound
            bounds.append(push / margin)
            if outputs[level.nodes].any():
                total = total + bounds[-1] ** 2
        return np.sqrt(total)

    def sentence(self) -> str:
        """The certificate in words."""
        verdict = "unique operating point for every input" if self.unique else "uniqueness not guaranteed"
        return (
            f"{verdict}, margin {self.margin:.4g} S, kept up to {100 * self.tolerance:.3g} % tolerance of all resistors"
        )

    def to_json(self) -> dict[str, Any]:
        """As a plain dict."""
        return {
            "margin_siemens": self.margin,
            "unique": self.unique,
            "largest_tolerance_percent": 100.0 * self.tolerance,
        }


def doubt(circuit: Circuit) -> str | None:
    """Why it is not proved that a sound circuit has one operating point at most; None where it is: its one-ports' laws
    never fall, and it is passive or has a certificate."""
    reason = falling(circuit)
    if reason is not None:
        return reason
    if all(spec.passive for spec in kinds_of(circuit).values()):
        return None
    active = "it has amplifiers, and nothing proves the contrary"
    if len(circuit.nodes) > CERTIFIED_UP_TO:
        return active
    try:
        return None if certify_circuit(circuit).unique else active
    except InputError:
        return active


def falling(circuit: Circuit) -> str | None:
    """Which one-port's law is not proved to rise everywhere, in words; None where all do."""
    used = np.unique(one_port_models(circuit))
    laws = one_ports(circuit.models, used, circuit.temperature)
    reach = np.full(len(used), REACH)
    for k in np.flatnonzero(~(laws.chord(-reach, reach)[0] >= 0.0))[:1].tolist():
        return (
            f"the current of a {circuit.models[used[k]].name} falls at one voltage as that rises (ISR or IKR do that)"
        )
    return None


def certify_circuit(circuit: Circuit) -> CircuitCertificate:
    """The certificate of a sound circuit; raises ``InputError`` for parts that are not analysed."""
    part = linear_part(circuit)
    matrix, one_way = part.matrix, part.one_way
    label, depth = depths(matrix)
    _demand_levels_apart(circuit, part, depth)
    levels = []
    for k in range(int(depth.max(initial=-1)) + 1):
        nodes = np.flatnonzero(depth == k)
        margins = [
            float(matrix[block[0], block[0]]) if len(block) == 1 else _lowest(matrix[block][:, block].toarray())
            for block in _blocks(nodes, label)
        ]
        ways = one_way[nodes][:, nodes]
        levels.append(CertifiedLevel(nodes, min(margins), _norm(sparse.csr_array(ways + ways.T)) / 2.0))
    return CircuitCertificate(part, tuple(levels))


def _demand_levels_apart(circuit: Circuit, part: LinearPart, depth: Index) -> None:
    """Raise ``InputError`` where one-ports couple what amplifiers drive: a loop that levels do not show."""
    if all(spec.passive for spec in kinds_of(circuit).values()):
        return
    held = driven_nodes(circuit)
    level = np.full(len(circuit.nodes), -1)
    level[part.free] = depth
    ends = one_port_ends(circuit)
    known = (held[ends] | (level[ends] >= 0)).all(axis=1)
    across = (level[ends] >= 0).all(axis=1) & (level[ends[:, 0]] != level[ends[:, 1]])
    odd = np.flatnonzero(~known | across)
    if len(odd):
        first, second = (circuit.nodes[node] for node in ends[odd[0]].tolist())
        raise InputError(
            f"the one-port between {first} and {second} is in the loop of an amplifier, which no certificate covers",
            "look at it by simulation",
        )


def _blocks(nodes: Index, label: NDArray[Any]) -> list[Index]:
    order = nodes[np.argsort(label[nodes], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _lowest(matrix: Floats) -> float:
    return lowest((matrix + matrix.T) / 2.0)[0]


def depths(matrix: sparse.csr_array) -> tuple[Index, Index]:
    """The strong component of each row, int64[n], and the longest chain of components that drive it, int64[n]: entry
    (i, j) says that j drives i."""
    count, label = csgraph.connected_components(matrix, directed=True, connection="strong")
    entries = sparse.coo_array(matrix)
    driven, driver = label[entries.row], label[entries.col]
    pairs = np.unique(np.stack([driver, driven], axis=1)[driver != driven], axis=0)
    depth = np.zeros(count, np.int64)
    while True:
        deeper = depth.copy()
        np.maximum.at(deeper, pairs[:, 1], depth[pairs[:, 0]] + 1)
        if np.array_equal(deeper, depth):
            return label.astype(np.int64), depth[label]
        depth = deeper


def _norm(matrix: sparse.csr_array) -> float:
    """The largest singular value."""
    if not matrix.nnz:
        return 0.0
    if min(matrix.shape) < 50:
        return float(np.linalg.norm(matrix.toarray(), 2))
    found = svds(matrix, k=1, return_singular_vectors=False, v0=np.ones(min(matrix.shape)))
    return float(found[0]) * (1.0 + 1e-9)
