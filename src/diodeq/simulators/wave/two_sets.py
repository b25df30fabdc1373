"""Two sets of nodes such that every resistor joins one of each: found once for a topology."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from diodeq.circuit.blocks import run
from diodeq.circuit.equations import Equations, EquationsPlan
from diodeq.circuit.wires import Places, Wired
from diodeq.processors import single_threaded

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# Steps of conjugate gradients on the whole circuit, all one-ports blocking, that bring an error to a millionth in
# circuits that this is for: ladders and other long chains take many more.
STEPS, MILLIONTH = 40, 1e-6


@dataclass(frozen=True, eq=False)
class SetPlan:
    """Some unknowns of a circuit, and the one-ports on them: which of all, at which nodes of the set, ascending;
    ``along`` has -1 at the nodes that are cathodes of theirs, else 1."""

    at: Index
    ports: Index
    places: Index
    along: Floats

    @cached_property
    def runs(self) -> tuple[Places, Places, Places]:
        """The three as slices where they are runs of numbers."""
        return run(self.at), run(self.ports), run(self.places)

    @staticmethod
    def of(at: Index, place: Index, sign: Floats) -> SetPlan:
        """The unknowns ``at``, where one-port k is on unknown ``place[k]``."""
        ports, along = np.flatnonzero(np.isin(place, at)), np.ones(len(at))
        ports = ports[np.argsort(place[ports])]  # in the nodes' order, whatever theirs is
        places = np.searchsorted(at, place[ports])
        along[places] = sign[ports]
        return SetPlan(at, ports, places, along)


@dataclass(frozen=True, eq=False)
class Coupled:
    """Resistors between the two sets: a ``block`` of the circuit's, ``turned`` where its rows are of the second set, at
    ``rows`` and ``columns`` of [first, second]; ``signs`` are one number, or one an entry."""

    block: int
    turned: bool
    rows: Places
    columns: Places
    signs: Any

    def put(self, values: Floats, out: Floats) -> None:
        """Its siemens into [first, second]."""
        values = values.T if self.turned else values
        if isinstance(self.rows, slice) and isinstance(self.columns, slice):
            np.multiply(values, self.signs, out=out[self.rows, self.columns], casting="same_kind")
        else:
            whole = (np.arange(length)[each] for length, each in zip(out.shape, (self.rows, self.columns), strict=True))
            out[np.ix_(*whole)] = values * self.signs


@dataclass(frozen=True, eq=False)
class LayersPlan:
    """Two sets of nodes, the second the smaller one; ``coupled`` are the blocks between them, and loose resistor k,
    times ``signs[k]``, belongs at ``places[k]`` of a flattened [first, second]."""

    sets: tuple[SetPlan, SetPlan]
    coupled: tuple[Coupled, ...]
    places: Index
    signs: Floats

    @staticmethod
    def of(plan: EquationsPlan) -> LayersPlan | None:
        """The two sets of a folded circuit, or None where it has another shape."""
        wires = plan.wires
        if wires is None or plan.branches or plan.places is None or not plan.ports.shape[0]:
            return None
        second = two_sets(plan.pattern)
        if second is None or not plan.pattern.diagonal().all():
            return None
        if 2 * np.count_nonzero(second) > len(second):
            second = ~second
        ends = plan.ports.indices.astype(np.intp), plan.ports.data
        sets = SetPlan.of(np.flatnonzero(~second), *ends), SetPlan.of(np.flatnonzero(second), *ends)
        along, place = np.ones(len(second)), np.empty(len(second), np.intp)
        for each in sets:
            along[each.at], place[each.at] = each.along, np.arange(len(each.at))
        coupled = []
        for number, (_, *both) in enumerate(wires.blocks):
            rows, columns = (np.arange(len(second))[each] for each in both)
            turned = bool(second[rows[0]])
            one, other = (columns, rows) if turned else (rows, columns)
            signs: Any = along[one, None] * along[other]
            signs = float(signs[0, 0]) if (signs == signs[0, 0]).all() else signs
            coupled.append(Coupled(number, turned, run(place[one]), run(place[other]), signs))
        a, b = np.where(second[wires.ends[:, :1]], wires.ends[:, ::-1], wires.ends).T
        places = place[a] * len(sets[1].at) + place[b]
        return LayersPlan(sets, tuple(coupled), places, along[a] * along[b])

    @staticmethod
    def suits(equations: Equations) -> bool:
        """Whether going back and forth gets on in a circuit with these values."""
        matrix, right = equations.matrix, np.random.default_rng(0).normal(size=equations.size)
        own = sparse.diags_array(1.0 / matrix.diagonal())
        with single_threaded():
            _, left = sparse_linalg.cg(matrix, right * matrix.diagonal(), rtol=MILLIONTH, maxiter=STEPS, M=own)
        return bool(left == 0)

    def coupling(self, wired: Wired, number: Any) -> Floats:
        """The siemens between the sets [first, second], in numbers of a type."""
        found = np.zeros((len(self.sets[0].at), len(self.sets[1].at)), number)
        for each in self.coupled:
            each.put(wired.blocks[each.block], found)
        if len(self.places):
            found.ravel()[self.places] = self.signs * wired.loose
        return found


def two_sets(pattern: sparse.csr_array) -> NDArray[np.bool_] | None:
    """Which nodes of a symmetric pattern belong to the second of two sets such that no entry but the diagonal's is
    within one, bool[n]; None where there are none."""
    rows, columns = pattern.nonzero()
    beside = rows != columns
    rows, columns = rows[beside], columns[beside]
    joined = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=pattern.shape)
    _, group = sparse.csgraph.connected_components(joined, directed=False)
    reached, second = np.zeros((2, len(group)), bool)
    front = np.unique(group, return_index=True)[1]
    turn = False
    while len(front):
        reached[front], second[front] = True, turn
        near = np.unique(joined[front].indices)
        front, turn = near[~reached[near]].astype(np.intp), not turn
    return None if (second[rows] == second[columns]).any() else second
