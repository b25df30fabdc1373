"""A circuit's equations with its one-ports left out, as one matrix: modified nodal analysis from the kinds' stamps.

Unknowns are the voltages of all nodes but ground, then one current per part whose kind has a branch (Ho, Ruehli and
Brennan, IEEE Trans. Circuits Syst. 22(6), 1975). The transposed matrix is that of the transposed circuit
(``circuit.adjoint``), branch by branch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Floats
from diodeq.circuit.blocks import run
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.elimination import Extended
from diodeq.circuit.flows import SIGNS, Flows, flows_of, kinds_of, stamp_values
from diodeq.circuit.kinds import KINDS, OWN, source_kinds
from diodeq.circuit.one_ports import apart, one_port_ends
from diodeq.circuit.wires import Wired, WiredPlan, is_resistive

Index = NDArray[np.intp]
# A dense product beats a sparse one by far more than this ratio of entries.
SPARSE_WHEN_EMPTIER_THAN = 20
# What is larger is no current or voltage of anything, and sums of such leave float64.
SUMMED = 1e300


def branch_kinds(circuit: Circuit) -> list[str]:
    """Those with a branch current."""
    return [kind for kind, spec in kinds_of(circuit).items() if spec.branch is not None]


def incidence(circuit: Circuit, kind: str, port: tuple[int, int] = (0, 1)) -> sparse.csr_array:
    """Sparse [N, n]: +1 where a part's port current leaves the node, -1 where it comes back."""
    ends = circuit.bank(kind).terminals[:, list(port)]
    count = len(ends)
    rows, columns = np.concatenate([ends[:, 0], ends[:, 1]]), np.concatenate([np.arange(count)] * 2)
    signs = np.concatenate([np.ones(count), -np.ones(count)])
    return sparse.csr_array((signs, (rows, columns)), shape=(len(circuit.nodes), count))


@dataclass(frozen=True, eq=False)
class Equations:
    """``matrix`` sparse [n, n] and ``ports`` sparse [n_one_ports, n], which reads the one-ports' voltages from the
    unknowns: the unknowns x satisfy ``matrix x + portsᵀ i(ports x) = right side``.

    ``nodes`` is the number of node unknowns, ``branches`` maps a kind to the slice of its currents. The matrix, in
    numbers of a type, is there when it is asked for: what takes ``wired`` does without.
    """

    circuit: Circuit
    plan: EquationsPlan
    number: Any = np.float64

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """The linear part, sparse [n, n]."""
        return self.plan.stamped(self.circuit, self.number)

    @cached_property
    def wired(self) -> Wired | None:
        """The linear part as its resistors, where there is nothing else in it."""
        return self.plan.wires.fill(self.circuit.conductances) if self.plan.wires is not None else None

    @property
    def ports(self) -> sparse.csr_array:
        return self.plan.ports

    @property
    def nodes(self) -> int:
        return self.plan.nodes

    @property
    def branches(self) -> dict[str, slice]:
        return self.plan.branches

    @property
    def size(self) -> int:
        """The number of unknowns."""
        return int(self.plan.pattern.shape[0])

    def right_side(self, injections: Floats, source_voltages: Floats | None = None) -> Floats:
        """A right side float64[B, n] from currents into all nodes float64[B, nodes + 1] and values of the voltage
        sources; of currents in two ``parts`` [B, 2, nodes + 1] a right side in two, [B, 2, n]."""
        right = np.zeros((*injections.shape[:-1], self.size), injections.dtype)
        right[..., : self.nodes] = injections[..., 1:]
        if source_voltages is not None and "voltage_sources" in self.branches:
            first = right if right.ndim == 2 else right[:, 0]
            first[:, self.branches["voltage_sources"]] = source_voltages
        return right

    def leaving(self, unknowns: Floats) -> Floats:
        """``matrix`` times unknowns [B, n]."""
        return np.asarray((self._product @ unknowns.T).T)

    @cached_property
    def _product(self) -> Floats | sparse.csr_array:
        size = self.size
        return self.matrix if size * size > SPARSE_WHEN_EMPTIER_THAN * self.matrix.nnz else self.matrix.toarray()

    def across(self, unknowns: Floats) -> Floats:
        """The voltages of the one-ports [B, D] at ``unknowns`` [B, n]."""
        if self.plan.places is None:
            return np.asarray((self.ports @ unknowns.T).T)
        columns, signs = self.plan.places  # each on a node of its own: no product is needed
        return np.asarray(signs * unknowns[:, columns])

    def collect(self, missed: Floats, currents: Floats) -> None:
        """Adds what currents [B, D] through the one-ports draw from every node to ``missed`` [B, n], in place."""
        if self.plan.places is None:
            missed += (self.ports.T @ currents.T).T
        else:
            columns, signs = self.plan.places
            missed[:, columns] += signs * currents

    def driven(self, sources: Floats) -> Floats:
        """The right side in two ``parts`` float64[B, 2, n] for values of all independent sources float64[B,
        n_sources]."""
        return parts(self.plan.drives, sources)

    def voltages(self, unknowns: Floats) -> Floats:
        """Node voltages float64[B, nodes + 1], ground first."""
        volts = np.zeros((len(unknowns), self.nodes + 1), unknowns.dtype)
        volts[:, 1:] = unknowns[:, : self.nodes]
        return volts

    def unknowns(self, volts: Floats, branches: dict[str, Floats]) -> Floats:
        """float64[B, n] from node voltages float64[B, nodes + 1] and branch currents by kind."""
        parts = [volts[:, 1:], *(branches[kind] for kind in self.branches)]
        return np.concatenate(parts, axis=1)

    def currents(self, unknowns: Floats, *, transposed: bool = False) -> dict[str, Floats]:
        """Branch currents by kind, those of voltage sources left out; ``transposed``: of the kinds that stand for them
        in the transposed circuit."""
        return {
            KINDS[kind].adjoint.kind if transposed else kind: unknowns[:, at]
            for kind, at in self.branches.items()
            if not KINDS[kind].source
        }


class Wide(NamedTuple):
    """What residuals are made of, in extended precision: the matrix as ``leaving`` times strengths times ``control``,
    its transpose as ``reaching`` times strengths times ``out``, a plan's ``ports``, and ``collecting`` of their
    currents."""

    leaving: Any
    control: Any
    reaching: Any
    out: Any
    ports: Any
    collecting: Any


@dataclass(frozen=True, eq=False)
class EquationsPlan:
    """Where the values of a circuit go; found once for a topology.

    Entry k of the matrix is the sum of ``sign * values[source]`` over the terms with ``slot`` k, ``values`` being 1 and
    then those of the banks ``valued``. ``pattern`` is the matrix with k + 1 as entry k; ``drives`` sparse
    [n, n_sources] has where the values of independent sources enter.
    """

    circuit: Circuit
    pattern: sparse.csr_array
    slot: Index
    sign: Floats
    source: Index
    ports: sparse.csr_array
    drives: sparse.csr_array
    nodes: int
    branches: dict[str, slice]
    resistive: bool
    flows: Flows

    @staticmethod
    def of(circuit: Circuit) -> EquationsPlan:
        """Of any circuit."""
        branches: dict[str, slice] = {}
        size = len(circuit.nodes)
        for kind in branch_kinds(circuit):
            branches[kind] = slice(size - 1, size - 1 + len(circuit.bank(kind)))
            size += len(circuit.bank(kind))
        flows = list(flows_of(circuit, branches))
        empty = np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.zeros(0, np.intp)
        terms = [
            (row, column, np.full(len(which), sign * up * down), which)
            for rows, columns, sign, which in flows
            for row, up in zip(rows, SIGNS, strict=False)
            for column, down in zip(columns, SIGNS, strict=False)
        ]
        rows, columns, signs, sources = (np.concatenate(each) for each in zip(empty, *terms, strict=True))
        inside = (rows > 0) & (columns > 0)
        codes, slot = np.unique((rows[inside] - 1) * (size - 1) + columns[inside] - 1, return_inverse=True)
        row, column = np.divmod(codes, size - 1)
        entries = np.arange(1, len(codes) + 1)
        pattern = sparse.csr_array((entries, (row, column)), shape=(size - 1, size - 1))
        return EquationsPlan(
            circuit,
            pattern,
            slot,
            signs[inside],
            sources[inside],
            _ports(circuit, size),
            _drives(circuit, branches, size),
            len(circuit.nodes) - 1,
            branches,
            is_resistive(circuit),
            Flows.of(flows, size),
        )

    @cached_property
    def places(self) -> tuple[slice | Index, Any] | None:
        """Which unknown is each one-port's voltage, and its sign, one number where all have the same, where every one
        is between ground and a node of its own; else None."""
        ports = self.ports
        if (np.diff(ports.indptr) != 1).any() or len(np.unique(ports.indices)) < len(ports.indices):
            return None
        alike = ports.nnz and (ports.data == ports.data[0]).all()
        return run(ports.indices.astype(np.int64)), float(ports.data[0]) if alike else ports.data

    @cached_property
    def wires(self) -> WiredPlan | None:
        """The circuit's resistors, where nothing else conducts."""
        return WiredPlan.of(self.circuit) if self.resistive else None

    @cached_property
    def apart(self) -> NDArray[np.bool_]:
        """``apart`` of the circuit."""
        return apart(self.circuit)

    @cached_property
    def into(self) -> sparse.csr_array:
        """The ports whose currents count: those that are ``apart``, with empty rows for the others."""
        found = sparse.csr_array(sparse.diags_array(self.apart.astype(np.float64)) @ self.ports)
        found.eliminate_zeros()
        return found

    @cached_property
    def extended(self) -> Wide:
        """What residuals are made of, in numpy's extended precision."""
        out, control = self.flows.out, self.flows.control
        parts = (sparse.csr_array(out.T), control, sparse.csr_array(control.T), out, self.ports, self.collecting)
        return Wide(*(each.astype(Extended) for each in parts))

    @cached_property
    def collecting(self) -> sparse.csr_array:
        """``into`` transposed [n, D]: what the currents of the one-ports draw from every node."""
        return sparse.csr_array(self.into.T)

    @cached_property
    def added(self) -> tuple[Index, sparse.csr_array]:
        """Which entries of the flattened Jacobian one-ports add to, and with which signs, sparse [entries, D]."""
        ports = self.into
        ends, first = np.diff(ports.indptr), ports.indptr[:-1].astype(np.intp)
        port, column, all_ = np.repeat(np.arange(len(ends)), ends), ports.indices.astype(np.intp), np.arange(ports.nnz)
        first = first[ends == 2]
        # Every end of a port with itself and with the other one.
        one, other = np.concatenate([all_, first, first + 1]), np.concatenate([all_, first + 1, first])
        places, entry = np.unique(column[one] * self.pattern.shape[1] + column[other], return_inverse=True)
        shape = (len(places), len(ends))
        return places, sparse.csr_array((ports.data[one] * ports.data[other], (entry, port[one])), shape=shape)

    def strengths(self, circuit: Circuit) -> Floats:
        """What stands before each of the ``flows`` of a circuit of this topology, float64[m]."""
        return self.flows.sign * stamp_values(circuit)[self.flows.source]

    @cached_property
    def terms(self) -> tuple[tuple[Index, Floats, Index], tuple[Index, Floats, Index]]:
        """The entries of the matrix that are one term alone, with its sign and the value it comes from; and the same of
        all other terms."""
        lone = np.bincount(self.slot, minlength=self.pattern.nnz) == 1
        single = lone[self.slot]
        which = (np.flatnonzero(each) for each in (single, ~single))
        alone, several = ((self.slot[each], self.sign[each], self.source[each]) for each in which)
        return alone, several

    def fill(self, circuit: Circuit, number: Any = np.float64) -> Equations:
        """The equations of a circuit of this topology, in numbers of a type."""
        return Equations(circuit, self, number)

    def stamped(self, circuit: Circuit, number: Any) -> sparse.csr_array:
        """The matrix of a circuit of this topology."""
        values = stamp_values(circuit).astype(number, copy=False)
        terms = np.zeros(self.pattern.nnz, number)
        (alone, sign, source), (several, signs, sources) = self.terms
        terms[alone] = sign * values[source]
        added = signs * values[sources]
        if number is np.float64:
            terms += np.bincount(several, added, self.pattern.nnz)
        else:
            np.add.at(terms, several, added)
        return sparse.csr_array((terms, self.pattern.indices, self.pattern.indptr), shape=self.pattern.shape)


def parts(signs: sparse.csr_array, values: Any) -> Floats:
    """``signs`` [n, m] of 1 and -1 times ``values`` [B, m] of either precision: each sum as a float64 and what is left
    of it, float64[B, 2, n]. What is left of currents that all but cancel may be all that counts, and beside large ones
    little is: two sources of kiloamperes, and a node that leaks. Not a number where a value is beyond ``SUMMED``."""
    high = values.astype(np.float64)
    low = (values - high).astype(np.float64)
    found = np.stack([(signs @ high.T).T, (signs @ low.T).T], axis=1)
    given = [high, low] if low.any() else [high]
    within = np.flatnonzero((np.abs(high) < SUMMED).all(axis=1))
    found[np.setdiff1d(np.arange(len(found)), within)] = np.nan
    for row in np.flatnonzero(np.diff(signs.indptr) > 1).tolist():
        which = slice(signs.indptr[row], signs.indptr[row + 1])
        columns = np.ix_(within, signs.indices[which])
        terms_of = np.concatenate([signs.data[which] * part[columns] for part in given], axis=1)
        for sample, terms in zip(within.tolist(), terms_of.tolist(), strict=True):
            whole = math.fsum(terms)
            found[sample, :, row] = whole, math.fsum([*terms, -whole])
    return found


def total(right: Floats) -> Any:
    """A right side [B, n], or one in two ``parts`` [B, 2, n] rounded once, to extended precision [B, n]."""
    return right if right.ndim == 2 else right[:, 0].astype(Extended) + right[:, 1]


def _ports(circuit: Circuit, size: int) -> sparse.csr_array:
    ends = one_port_ends(circuit)
    which = np.arange(len(ends))
    rows, columns = np.concatenate([which, which]), np.concatenate([ends[:, 0], ends[:, 1]])
    signs = np.concatenate([np.ones(len(ends)), -np.ones(len(ends))])
    inside = columns > 0
    return sparse.csr_array((signs[inside], (rows[inside], columns[inside] - 1)), shape=(len(ends), size - 1))


def _drives(circuit: Circuit, branches: dict[str, slice], size: int) -> sparse.csr_array:
    rows, columns, signs, first = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)], [np.zeros(0)], 0
    for kind in source_kinds():
        parts = circuit.bank(kind)
        own = np.arange(len(parts)) + (branches[kind].start + 1 if kind in branches else 0)
        for place, sign in KINDS[kind].source:
            rows.append(own if place == OWN else parts.terminals[:, place].astype(np.intp))
            columns.append(first + np.arange(len(parts)))
            signs.append(np.full(len(parts), sign))
        first += len(parts)
    row, column, sign_of = (np.concatenate(each) for each in (rows, columns, signs))
    inside = row > 0
    shape = (size - 1, first)
    return sparse.csr_array((sign_of[inside], (row[inside] - 1, column[inside])), shape=shape)
