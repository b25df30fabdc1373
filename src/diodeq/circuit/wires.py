"""The linear part of a circuit of resistors and grounded one-ports, without its matrix: dense blocks stay what they
are, and a new set of values costs a look at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Floats
from diodeq.circuit.blocks import Block, run
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.flows import kinds_of

Index = NDArray[np.intp]
Places = slice | Index


@dataclass(frozen=True, eq=False)
class Wired:
    """The resistors with their values: ``own`` float64[n] siemens at each node in all, ``beside`` float64[n] of them to
    other nodes, ``blocks`` the dense ones, ``loose`` those of the plan's loose ones, and all ``conductances``."""

    plan: WiredPlan
    own: Floats
    beside: Floats
    blocks: Sequence[Floats]
    loose: Floats
    conductances: Floats

    @property
    def entries(self) -> Floats:
        """A 0, and those of the matrix as ``WiredPlan.pattern`` numbers them."""
        return np.concatenate([[0.0], self.own, -self.conductances])

    def times(self, volts: Floats) -> Floats:
        """What leaves each node through resistors, float64[n], at node voltages float64[n]."""
        found: Floats = self.own * volts - self.plan.summed(self.loose, volts)
        for (_, rows, columns), matrix in zip(self.plan.blocks, self.blocks, strict=True):
            found[rows] -= matrix @ volts[columns]
            found[columns] -= volts[rows] @ matrix
        return found


@dataclass(frozen=True, eq=False)
class WiredPlan:
    """Where the resistors of a circuit are, by the numbers of nodes without ground: the dense ``blocks`` with their
    rows and columns, ``loose`` ones between ``ends`` int[n, 2], and those from nodes ``at`` to ground."""

    size: int
    blocks: tuple[tuple[Block, Places, Places], ...]
    loose: Index
    ends: Index
    grounded: Places
    at: Index

    @staticmethod
    def of(circuit: Circuit) -> WiredPlan | None:
        """None where a circuit conducts through more than resistors and one-ports."""
        if not all(kind == "resistors" or spec.nonlinear for kind, spec in kinds_of(circuit).items()):
            return None
        wiring, ends = circuit.resistors.wiring, circuit.resistors.terminals.astype(np.intp) - 1
        between = [each for each in wiring.blocks if each.rows.min() > 0 and each.columns.min() > 0]
        left = np.ones(len(ends), bool)
        for block in between:
            left[block.resistors] = False
        low = ends.min(axis=1, initial=0)
        loose, grounded = np.flatnonzero(left & (low >= 0)), np.flatnonzero(low < 0)
        return WiredPlan(
            len(circuit.nodes) - 1,
            tuple((each, run(each.rows - 1), run(each.columns - 1)) for each in between),
            loose,
            ends[loose],
            run(grounded),
            ends[grounded].max(axis=1, initial=0),
        )

    def pattern(self, circuit: Circuit) -> sparse.csr_array | None:
        """The matrix of the circuit that the plan is of, with k + 1 where ``Wired.entries`` has entry k; None where
        several resistors join two nodes."""
        ends = circuit.resistors.terminals.astype(np.intp) - 1
        between = np.flatnonzero(ends.min(axis=1, initial=0) >= 0)
        a, b, own = *ends[between].T, np.arange(self.size)
        entries = np.concatenate([own + 1, *2 * [self.size + between + 1]])
        found = sparse.csr_array(
            (entries, (np.concatenate([own, a, b]), np.concatenate([own, b, a]))), shape=2 * (self.size,)
        )
        return found if found.nnz == len(entries) else None

    def fill(self, conductances: Floats) -> Wired:
        """With the values of all resistors."""
        loose = conductances[self.loose]
        beside = self.summed(loose, np.ones(self.size))
        blocks = [block.matrix(conductances) for block, _, _ in self.blocks]
        for (_, rows, columns), matrix in zip(self.blocks, blocks, strict=True):
            beside[rows] += matrix.sum(axis=1)
            beside[columns] += matrix.sum(axis=0)
        own = beside + np.bincount(self.at, conductances[self.grounded], self.size)
        return Wired(self, own, beside, blocks, loose, conductances)

    def summed(self, loose: Floats, volts: Floats) -> Floats:
        """What the voltages of other nodes send into each through loose resistors, float64[n]."""
        if not len(loose):
            return np.zeros(self.size)
        a, b = self.ends.T
        into = np.bincount(a, loose * volts[b], self.size) + np.bincount(b, loose * volts[a], self.size)
        return np.asarray(into, np.float64)


def is_resistive(circuit: Circuit) -> bool:
    """Whether there is nothing but conductances, sources that hold nodes against ground, and one-ports from a node to
    ground: the equations of the free nodes, and every Jacobian of them, are then those of an M-matrix."""
    for kind, spec in kinds_of(circuit).items():
        grounded = bool((circuit.bank(kind).terminals == 0).any(axis=1).all())
        if not (spec.conductive or ((spec.nonlinear or spec.source) and grounded)):
            return False
    return True
