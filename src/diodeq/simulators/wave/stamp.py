"""The linear part of a folded circuit as one matrix: modified nodal analysis with the diodes left out.

Unknowns are the voltages of all nodes but ground, then one current per voltage source, transformer, buffer and mirror
(Ho, Ruehli and Brennan, IEEE Trans. Circuits Syst. 22(6), 1975). With these signs the transposed matrix is that of the
transposed circuit (``circuit.adjoint``), branch by branch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit import Circuit
from diodeq.circuit.kirchhoff import BRANCHES, branch_kinds

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Stamp:
    """``matrix`` sparse [n, n] and ``ports`` sparse [n_diodes, n], which reads diode voltages from the unknowns.

    ``nodes`` is the number of node unknowns, ``branches`` maps a kind to the slice of its currents.
    """

    circuit: Circuit
    matrix: sparse.csr_array
    ports: sparse.csr_array
    nodes: int
    branches: dict[str, slice]

    @property
    def size(self) -> int:
        """The number of unknowns."""
        return int(self.matrix.shape[0])

    def right_side(self, injections: Floats, source_voltages: Floats | None = None) -> Floats:
        """float64[B, n] from currents into all nodes float64[B, nodes + 1] and values of the voltage sources."""
        right = np.zeros((len(injections), self.size), injections.dtype)
        right[:, : self.nodes] = injections[:, 1:]
        if source_voltages is not None and "voltage_sources" in self.branches:
            right[:, self.branches["voltage_sources"]] = source_voltages
        return right

    def voltages(self, unknowns: Floats) -> Floats:
        """Node voltages float64[B, nodes + 1], ground first."""
        volts = np.zeros((len(unknowns), self.nodes + 1), unknowns.dtype)
        volts[:, 1:] = unknowns[:, : self.nodes]
        return volts

    def currents(self, unknowns: Floats, renamed: dict[str, str] | None = None) -> dict[str, Floats]:
        """Branch currents by kind, less those of voltage sources."""
        names = renamed or {}
        return {names.get(k, k): unknowns[:, at] for k, at in self.branches.items() if k != "voltage_sources"}


# The banks whose values the matrix holds, after a 1.
_VALUED = ("resistors", "gyrators", "transformers", "buffers", "mirrors")


@dataclass(frozen=True, eq=False)
class StampPlan:
    """Where the values of a folded circuit go; found once for a topology.

    Entry k of the matrix is the sum of ``sign * values[source]`` over the terms with ``slot`` k, ``values`` being 1 and
    then those of the banks ``_VALUED``. ``pattern`` is the matrix with k + 1 as entry k.
    """

    pattern: sparse.csr_array
    slot: Index
    sign: Floats
    source: Index
    ports: sparse.csr_array
    nodes: int
    branches: dict[str, slice]

    @staticmethod
    def of(circuit: Circuit) -> StampPlan:
        """Of a folded circuit (one without current sources)."""
        branches: dict[str, slice] = {}
        size = len(circuit.nodes)
        for kind in branch_kinds(circuit):
            branches[kind] = slice(size - 1, size - 1 + len(circuit.bank(kind)))
            size += len(circuit.bank(kind))
        rows, columns, signs, sources = (np.concatenate(each) for each in zip(*_terms(circuit, branches), strict=True))
        inside = (rows > 0) & (columns > 0)
        codes, slot = np.unique((rows[inside] - 1) * (size - 1) + columns[inside] - 1, return_inverse=True)
        row, column = np.divmod(codes, size - 1)
        entries = np.arange(1, len(codes) + 1)
        pattern = sparse.csr_array((entries, (row, column)), shape=(size - 1, size - 1))
        ports = _ports(circuit, size)
        return StampPlan(pattern, slot, signs[inside], sources[inside], ports, len(circuit.nodes) - 1, branches)

    def stamp(self, circuit: Circuit) -> Stamp:
        """The linear part of a circuit of this topology."""
        values = np.concatenate([[1.0], *(circuit.bank(kind).values for kind in _VALUED)])
        terms = np.bincount(self.slot, self.sign * values[self.source], self.pattern.nnz).astype(np.float64)
        matrix = sparse.csr_array((terms, self.pattern.indices, self.pattern.indptr), shape=self.pattern.shape)
        return Stamp(circuit, matrix, self.ports, self.nodes, self.branches)


def _terms(circuit: Circuit, branches: dict[str, slice]) -> Iterator[tuple[Index, Index, Floats, Index]]:
    """Rows and columns (0 is ground), signs, and which of the values."""
    first = dict(zip(_VALUED, itertools.accumulate([1, *(len(circuit.bank(kind)) for kind in _VALUED)]), strict=False))

    def term(row: Index, column: Index, sign: float, kind: str = "") -> tuple[Index, Index, Floats, Index]:
        values = first[kind] + np.arange(len(row)) if kind else np.zeros(len(row), np.intp)
        return row, column, np.full(len(row), sign), values

    a, b = circuit.resistors.terminals.astype(np.intp).T
    for row, column, sign in ((a, a, 1.0), (b, b, 1.0), (a, b, -1.0), (b, a, -1.0)):
        yield term(row, column, sign, "resistors")
    p1, m1, p2, m2 = circuit.gyrators.terminals.astype(np.intp).T
    for row, column, sign in ((p1, p2, 1.0), (p1, m2, -1.0), (m1, p2, -1.0), (m1, m2, 1.0)):
        yield term(row, column, sign, "gyrators")
        yield term(column, row, -sign, "gyrators")
    for kind, at in branches.items():
        ends, own = circuit.bank(kind).terminals.astype(np.intp).T, np.arange(at.start + 1, at.stop + 1)
        for terminal, sign in zip(BRANCHES[kind], (1.0, -1.0), strict=True):
            yield term(ends[terminal], own, sign)
            yield term(own, ends[terminal], sign)
        if kind == "transformers":
            for terminal, sign in ((2, -1.0), (3, 1.0)):
                yield term(ends[terminal], own, sign, kind)
                yield term(own, ends[terminal], sign, kind)
        elif kind == "buffers":
            yield term(own, ends[2], -1.0, kind)
            yield term(own, ends[3], 1.0, kind)
        elif kind == "mirrors":
            yield term(ends[0], own, 1.0, kind)
            yield term(ends[1], own, -1.0, kind)


def _ports(circuit: Circuit, size: int) -> sparse.csr_array:
    ends = circuit.diodes.terminals
    which = np.arange(len(ends))
    rows, columns = np.concatenate([which, which]), np.concatenate([ends[:, 0], ends[:, 1]])
    signs = np.concatenate([np.ones(len(ends)), -np.ones(len(ends))])
    inside = columns > 0
    return sparse.csr_array((signs[inside], (rows[inside], columns[inside] - 1)), shape=(len(ends), size - 1))
