"""Exact Norton folding: nodes held by ideal voltage sources are removed from the equations.

A free node tied through conductances g_k to nodes at known voltages u_k sees one conductance Σ g_k to ground and one
current Σ g_k u_k. A dense 784-input layer folds to one resistor and one current per hidden node. Nothing is
approximated, and the voltages of all nodes (so the gradient of every resistor) come back from the folded ones.

Topology is analysed once (``FoldPlan``), values are folded many times (``FoldPlan.fold``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import Bank, Floats
from diodeq.circuit.blocks import run, runs, taken
from diodeq.circuit.check import is_positive
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import SPARSE_WHEN_EMPTIER_THAN, incidence, parts
from diodeq.circuit.feeds import Feed, feeds
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.kinds import KINDS
from diodeq.circuit.rails import Indices, dual_rails, stand_ins
from diodeq.circuit.source_tree import Tier, source_tree, tree_voltages
from diodeq.errors import CircuitError

Index = NDArray[np.int64]


def _kept_kinds() -> list[str]:
    """The kinds that fold to themselves; of the others folding leaves merged resistors, a source at every held node
    that stays, and no currents."""
    return [kind for kind, spec in KINDS.items() if kind != "resistors" and not spec.source]


@dataclass(frozen=True, eq=False)
class Folded:
    """A folded circuit with its values, ready for an engine.

    ``circuit`` has only the kept nodes, merged resistors and no current sources; its voltage sources get their values
    per sample. ``couplings`` has ``Fed.coupling`` of each of the plan's feeds, ``scattered`` what one volt at a rail
    (and the opposite at the one it stands for) sends into each node through all other resistors: [rails, kept nodes],
    or [kept nodes, rails] where it is sparse. ``sound``: on the way all conductances were seen to be allowed ones.
    """

    plan: FoldPlan
    circuit: Circuit
    couplings: tuple[Floats, ...]
    scattered: Floats | sparse.csr_array
    sound: bool

    def known_voltages(self, sources: Floats, out: Floats | None = None) -> Floats:
        """float64[B, N], or ``out`` of zeros: voltages of the driven nodes (0 elsewhere) for values of the sources
        float64[B, n_sources]; in single precision these and all that follows are so too."""
        volts = np.zeros((len(sources), self.plan.node_count), sources.dtype) if out is None else out
        return tree_voltages(self.plan.tiers, sources, volts)

    def injections(
        self,
        sources: Floats,
        known: Floats,
        multiply: Callable[[Floats, Floats], Floats] = np.matmul,
        *,
        exact: bool = False,
    ) -> Floats:
        """Norton currents float64[B, kept nodes] into the kept nodes; ``multiply`` does the matrix products.

        ``exact``: in two ``parts`` [B, 2, kept nodes] where several current sources meet at a node.
        """
        rails = known[:, self.plan.rails]
        if sparse.issparse(self.scattered):
            currents = np.ascontiguousarray((self.scattered @ rails.T).T, dtype=known.dtype)
        else:
            currents = multiply(rails, self.scattered)
        for feed, coupling in zip(self.plan.feeds, self.couplings, strict=True):
            currents[:, feed.free] += multiply(known[:, feed.rails], coupling)
        fed, own = self.plan.fed, sources[:, sources.shape[1] - self.plan.fed.shape[1] :]
        if exact and self.plan.crowded:
            meeting = sparse.csr_array(sparse.hstack([fed, sparse.eye_array(fed.shape[0])]))
            currents = parts(meeting, np.concatenate([own, currents], axis=1))
        elif own.size:
            currents += (fed @ own.T).T
        currents[..., 0] = 0.0
        return currents

    def source_voltages(self, sources: Floats, known: Floats) -> Floats:
        """float64[B, n]: values of the folded circuit's voltage sources (held nodes, then floating sources)."""
        return np.concatenate([known[:, self.plan.held], sources[:, self.plan.floating]], axis=1)

    def fold_injections(self, currents: Floats) -> Floats:
        """Node currents [B, N] (or two ``parts`` [B, 2, N]) as those of the kept nodes; into driven ones they end."""
        return np.ascontiguousarray(taken(currents, self.plan.keeping))

    def unfold(self, folded: Floats, known: Floats | None = None) -> Floats:
        """Voltages of all nodes, float64[B, N], from those of the kept ones and of the driven ones (default 0 V)."""
        shape = (len(folded), self.plan.node_count)
        volts = np.zeros(shape, folded.dtype) if known is None else known.astype(folded.dtype)
        volts[:, self.plan.free] = folded[:, 1:]
        return volts


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """How the topology of ``circuit`` folds; made once by ``FoldPlan.of`` and used for any values."""

    circuit: Circuit
    tiers: list[Tier]
    node_count: int
    kept: Index  # full index of every kept node, ground first
    free: Indices  # the same without ground
    place: Index  # kept index of every node; removed nodes go to ground
    held: Index  # driven nodes that must stay because more than resistors touch them
    floating: Index  # voltage sources not tied to ground
    fed: sparse.csr_array  # [kept nodes, current sources]: 1 where a source's current comes in, -1 where it leaves
    folded: Circuit  # with any values
    pair: tuple[Indices, ...]  # resistors between two free nodes, in runs …
    pair_slot: Index  # … and the merged resistor each belongs to
    pairs: int  # how many merged resistors are between free nodes; the others join …
    grounded: Index  # … these to ground (kept index)
    feeds: tuple[Feed, ...]
    beside: tuple[Indices, ...]  # resistors that no feed has, in runs
    edge_resistor: Index  # those of them from a free node to a node of known voltage …
    edge_free: Index  # … that free node (kept index)
    edge_rail: Index  # … and what stands for the known node, an index of …
    edge_sign: Floats  # … and times what its voltage is that node's
    rails: Index  # the nodes of known voltage that stand for those that resistors couple to free ones (full index)

    @staticmethod
    def of(circuit: Circuit) -> FoldPlan:
        """Analyse the topology of a sound circuit."""
        tiers, used = source_tree(circuit)
        count = len(circuit.nodes)
        known = driven_nodes(circuit)
        floating = np.flatnonzero(~used)
        touched = np.zeros(count, bool)
        for kind in _kept_kinds():
            touched[circuit.bank(kind).terminals] = True
        touched[circuit.voltage_sources.terminals[floating]] = True
        stays = ~known | touched
        stays[0] = True
        kept = np.flatnonzero(stays)
        place = np.zeros(count, np.int64)
        place[kept] = np.arange(len(kept))
        a, b = circuit.resistors.terminals.astype(np.int64).T
        known_a, known_b = known[a], known[b]
        pair = np.flatnonzero(~known_a & ~known_b)
        low, high = np.minimum(place[a[pair]], place[b[pair]]), np.maximum(place[a[pair]], place[b[pair]])
        codes, slot = np.unique(low * len(kept) + high, return_inverse=True)
        if len(codes) == len(pair):  # none to merge: they stay in their order, so that blocks stay blocks
            codes, slot = low * len(kept) + high, np.arange(len(pair))
        dual = dual_rails(circuit)
        fed_by = tuple(feeds(circuit.resistors.wiring.blocks, dual, known, place))
        beside = _beside(len(a), fed_by)
        edge = np.flatnonzero(beside & (known_a != known_b))
        stand, sign = stand_ins(count, dual)
        ends = np.where(known_a[edge], a[edge], b[edge])
        edge_sign = sign[ends]
        rails, edge_rail = np.unique(stand[ends], return_inverse=True)
        edge_free = place[np.where(known_a[edge], b[edge], a[edge])]
        to_ground = np.isin(np.arange(len(kept)), edge_free)
        for feed in fed_by:
            to_ground[feed.free] = True
        grounded = np.flatnonzero(to_ground)
        held = np.flatnonzero(known & touched & (np.arange(count) > 0))
        merged = [
            np.stack([codes // len(kept), codes % len(kept)], axis=1),
            np.stack([grounded, np.zeros_like(grounded)], axis=1),
        ]
        return FoldPlan(
            circuit=circuit,
            tiers=tiers,
            node_count=count,
            kept=kept,
            free=run(kept[1:]),
            place=place,
            held=held,
            floating=floating,
            fed=_fed(circuit, kept),
            folded=_folded(circuit, kept, place, held, floating, np.concatenate(merged)),
            pair=runs(pair),
            pair_slot=slot,
            pairs=len(codes),
            grounded=grounded,
            feeds=fed_by,
            beside=runs(np.flatnonzero(beside)),
            edge_resistor=edge,
            edge_free=edge_free,
            edge_rail=edge_rail,
            edge_sign=edge_sign,
            rails=rails,
        )

    @cached_property
    def keeping(self) -> tuple[Indices, ...]:
        """``kept`` in runs."""
        return runs(self.kept)

    @cached_property
    def crowded(self) -> bool:
        """Whether several current sources meet at a node."""
        return bool((np.diff(self.fed.indptr) > 1).any())

    def fold(
        self,
        circuit: Circuit,
        emptier: int = SPARSE_WHEN_EMPTIER_THAN,
        number: Any = np.float64,
        *,
        fused: bool = False,
    ) -> Folded:
        """Fold values of this plan's topology; ``scattered`` is sparse if less than one entry of ``emptier`` is stored,
        couplings are in numbers of a type, and numba helps where ``fused``.

        Raises:
            CircuitError: the circuit has another topology.
        """
        if not circuit.same_topology(self.circuit):
            raise CircuitError("this fold plan belongs to another circuit", "make a FoldPlan of the circuit itself")
        if not np.array_equal(_driven_constants(circuit), _driven_constants(self.circuit)):
            return FoldPlan.of(circuit).fold(circuit, emptier, number, fused=fused)  # other rails may be opposite now
        g, size = circuit.conductances, len(self.kept)
        edge = g[self.edge_resistor]
        fed = [feed.fill(g, number, fused) for feed in self.feeds]
        sound = all(each.least > 0.0 and np.isfinite(each.own).all() for each in fed)
        sound = sound and all(is_positive(g[each]) for each in self.beside)
        to_ground = np.bincount(self.edge_free, weights=edge, minlength=size).astype(np.float64)
        for feed, each in zip(self.feeds, fed, strict=True):
            to_ground[feed.free] += each.own
        between = [g[each] for each in self.pair]
        if self.pairs < len(self.pair_slot):
            between = [np.bincount(self.pair_slot, np.concatenate(between), self.pairs).astype(np.float64)]
        folded = self.folded.with_conductances(np.concatenate([*between, to_ground[self.grounded]]))
        for kind in _kept_kinds():
            if (values := circuit.bank(kind).values) is not folded.bank(kind).values and len(values):
                folded = folded.with_values(kind, values)
        if (circuit.models, circuit.temperature) != (folded.models, folded.temperature):
            folded = replace(folded, models=circuit.models, temperature=circuit.temperature)
        couplings = tuple(each.coupling for each in fed)
        return Folded(self, folded, couplings, self._scattered(edge * self.edge_sign, emptier), sound)

    @cached_property
    def _entries(self) -> tuple[Index, Index, Index]:
        """Which entry of a sparse ``scattered`` each edge adds to, every entry's column, and where rows begin."""
        places, slot = np.unique(self.edge_free * len(self.rails) + self.edge_rail, return_inverse=True)
        rows, columns = np.divmod(places, max(len(self.rails), 1))
        return slot, columns, np.searchsorted(rows, np.arange(len(self.kept) + 1))

    def _scattered(self, edge: Floats, emptier: int) -> Floats | sparse.csr_array:
        kept, rails = len(self.kept), len(self.rails)
        if kept * rails > emptier * max(len(edge), 1):
            slot, columns, begin = self._entries
            return sparse.csr_array((np.bincount(slot, edge, len(columns)), columns, begin), shape=(kept, rails))
        found = np.bincount(self.edge_rail * kept + self.edge_free, weights=edge, minlength=kept * rails)
        return np.asarray(found.reshape(rails, kept), np.float64)


def _folded(circuit: Circuit, kept: Index, place: Index, held: Index, floating: Index, terminals: Index) -> Circuit:
    """The kept nodes, merged resistors between ``terminals``, and a voltage source at every held node."""

    def moved(kind: str) -> Bank:
        parts = circuit.bank(kind)
        return Bank(place[parts.terminals], parts.values)  # type: ignore[arg-type]

    ends = np.concatenate(
        [
            np.stack([place[held], np.zeros_like(held)], axis=1),
            place[circuit.voltage_sources.terminals[floating]].reshape(-1, 2),
        ]
    )
    banks = {kind: moved(kind) for kind in _kept_kinds()}
    banks["resistors"] = Bank(terminals, np.ones(len(terminals)))  # type: ignore[arg-type]
    banks["voltage_sources"] = Bank(ends, np.zeros(len(ends)))  # type: ignore[arg-type]
    return Circuit.of_banks(
        banks,
        nodes=tuple(circuit.nodes[n] for n in kept.tolist()),
        models=circuit.models,
        temperature=circuit.temperature,
        title=f"{circuit.title}, folded",
    )


def _driven_constants(circuit: Circuit) -> Floats:
    """The volts that driven voltage sources have apart from their inputs."""
    driven = circuit.inputs.source
    return circuit.voltage_sources.values[driven[driven < len(circuit.voltage_sources)]]


def _fed(circuit: Circuit, kept: Index) -> sparse.csr_array:
    found = -sparse.csr_array(incidence(circuit, "current_sources")[kept])
    found.data[: found.indptr[1]] = 0.0  # ground
    found.eliminate_zeros()
    return found


def _beside(count: int, feeds: Sequence[Feed]) -> NDArray[np.bool_]:
    """Which of so many resistors no feed has: a feed has those of its block that are on rails."""
    left = np.ones(count, bool)
    for feed in feeds:
        of_block = feed.block.matrix(left)
        (of_block.T if feed.transposed else of_block)[feed.chosen] = False
    return left
