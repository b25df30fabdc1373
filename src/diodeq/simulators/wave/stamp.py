"""The linear part of a folded circuit as one matrix: modified nodal analysis with the diodes left out.

Unknowns are the voltages of all nodes but ground, then one current per voltage source, transformer, buffer and mirror
(Ho, Ruehli and Brennan, IEEE Trans. Circuits Syst. 22(6), 1975). With these signs the transposed matrix is that of the
transposed circuit (``circuit.adjoint``), branch by branch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit import Circuit
from diodeq.circuit.kirchhoff import BRANCHES, branch_kinds

Floats = NDArray[np.float64]


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
        right = np.zeros((len(injections), self.size))
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


def stamp(circuit: Circuit) -> Stamp:
    """The linear part of a folded circuit (one without current sources)."""
    count = len(circuit.nodes)
    branches: dict[str, slice] = {}
    size = count
    for kind in branch_kinds(circuit):
        branches[kind] = slice(size - 1, size - 1 + len(circuit.bank(kind)))
        size += len(circuit.bank(kind))
    entries = _Entries()
    (a, b), g = circuit.resistors.terminals.T, circuit.conductances
    for row, column, value in ((a, a, g), (b, b, g), (a, b, -g), (b, a, -g)):
        entries.add(row, column, value)
    (p1, m1, p2, m2), g = circuit.gyrators.terminals.T, circuit.gyrators.values
    for first, second, value in ((p1, p2, g), (p1, m2, -g), (m1, p2, -g), (m1, m2, g)):
        entries.add(first, second, value)
        entries.add(second, first, -value)
    for kind, at in branches.items():
        parts = circuit.bank(kind)
        ends, own = parts.terminals, np.arange(at.start + 1, at.stop + 1)
        one = np.ones(len(parts))
        for terminal, sign in zip(BRANCHES[kind], (one, -one), strict=True):
            entries.add(ends[:, terminal], own, sign)
            entries.add(own, ends[:, terminal], sign)
        value = parts.values
        if kind == "transformers":
            for terminal, turns in ((2, -value), (3, value)):
                entries.add(ends[:, terminal], own, turns)
                entries.add(own, ends[:, terminal], turns)
        elif kind == "buffers":
            entries.add(own, ends[:, 2], -value)
            entries.add(own, ends[:, 3], value)
        elif kind == "mirrors":
            entries.add(ends[:, 0], own, value)
            entries.add(ends[:, 1], own, -value)
    return Stamp(circuit, entries.matrix(size), _ports(circuit, size), count - 1, branches)


class _Entries:
    def __init__(self) -> None:
        self._found: list[tuple[NDArray[np.integer], NDArray[np.integer], Floats]] = []

    def add(self, rows: NDArray[np.integer], columns: NDArray[np.integer], values: Floats) -> None:
        self._found.append((rows, columns, values))

    def matrix(self, size: int) -> sparse.csr_array:
        rows, columns, values = (np.concatenate(each) for each in zip(*self._found, strict=True))
        inside = (rows > 0) & (columns > 0)
        at = (rows[inside] - 1, columns[inside] - 1)
        return sparse.csr_array(sparse.coo_array((values[inside], at), shape=(size - 1, size - 1)))


def _ports(circuit: Circuit, size: int) -> sparse.csr_array:
    ends = circuit.diodes.terminals
    which = np.arange(len(ends))
    rows, columns = np.concatenate([which, which]), np.concatenate([ends[:, 0], ends[:, 1]])
    signs = np.concatenate([np.ones(len(ends)), -np.ones(len(ends))])
    inside = columns > 0
    return sparse.csr_array((signs[inside], (rows[inside], columns[inside] - 1)), shape=(len(ends), size - 1))
