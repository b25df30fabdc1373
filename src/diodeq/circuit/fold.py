"""Exact Norton folding: nodes held by ideal voltage sources are removed from the equations.

A free node tied through conductances g_k to nodes at known voltages u_k sees one conductance Σ g_k to ground and one
current Σ g_k u_k. A dense 784-input layer folds to one resistor and one current per hidden node. Nothing is
approximated, and the voltages of all nodes (so the gradient of every resistor) come back from the folded ones.

Topology is analysed once (``FoldPlan``), values are folded many times (``FoldPlan.fold``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit.bank import KINDS, Bank, Floats, bank
from diodeq.circuit.blocks import Block, run
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.rails import Halves, Indices, dual_rails
from diodeq.errors import CircuitError

Index = NDArray[np.int64]

# A dense product beats a sparse one by far more than this ratio of entries, so layers fold densely.
_SPARSE_WHEN_EMPTIER_THAN = 20


@dataclass(frozen=True, eq=False)
class Level:
    """Nodes one voltage source away from nodes of an earlier level: v[nodes] = v[parents] + sign * source."""

    nodes: Index
    parents: Index
    sources: Index
    signs: Floats


def _source_tree(circuit: Circuit) -> tuple[list[Level], NDArray[np.bool_]]:
    """Breadth-first levels of nodes that voltage sources tie to ground, and which sources that used."""
    ends = circuit.voltage_sources.terminals.astype(np.int64)
    known = np.zeros(len(circuit.nodes), bool)
    known[0] = True
    used = np.zeros(len(ends), bool)
    levels: list[Level] = []
    while True:
        plus, minus = known[ends[:, 0]], known[ends[:, 1]]
        reach = np.flatnonzero(~used & (plus != minus))
        if not len(reach):
            return levels, used
        new = np.where(minus[reach], ends[reach, 0], ends[reach, 1])
        new, first = np.unique(new, return_index=True)
        reach = reach[first]
        forward = minus[reach]
        parents = np.where(forward, ends[reach, 1], ends[reach, 0])
        levels.append(Level(new, parents, reach, np.where(forward, 1.0, -1.0)))
        known[new] = True
        used[reach] = True


@dataclass(frozen=True, eq=False)
class Feed:
    """The part of a dense block that joins ``rails`` of known voltage (full index) with ``free`` nodes (kept index).

    ``chosen`` are the rails' rows of the block, or of its transpose; ``rails`` are those that stand for all: of dual
    rails one of each pair, as ``halves`` says.
    """

    block: Block
    transposed: bool
    chosen: Indices
    halves: Halves
    rails: Indices
    free: Indices

    def conductances(self, values: Floats) -> Floats:
        """float64[chosen, free] out of those of all resistors, a view where the rails follow each other."""
        matrix = self.block.matrix(values)
        return (matrix.T if self.transposed else matrix)[self.chosen]

    def coupling(self, conductances: Floats) -> Floats:
        """float64[rails, free]: the current into each free node for one volt at each rail that stands for a pair."""
        halves = self.halves
        if not halves.pairs:
            return conductances[halves.kept]
        found = np.empty((len(conductances) - halves.pairs, conductances.shape[1]))
        np.subtract(conductances[halves.plus], conductances[halves.minus], out=found[: halves.pairs])
        found[halves.pairs :] = conductances[halves.alone]
        return found


@dataclass(frozen=True, eq=False)
class Folded:
    """A folded circuit with its values, ready for an engine.

    ``circuit`` has only the kept nodes, merged resistors and no current sources; its voltage sources get their values
    per sample. ``couplings`` has ``Feed.coupling`` of each of the plan's feeds, ``scattered`` the matrix
    [kept nodes, rails] of all other conductances to nodes of known voltage.
    """

    plan: FoldPlan
    circuit: Circuit
    couplings: tuple[Floats, ...]
    scattered: Floats | sparse.csr_array

    def known_voltages(self, sources: Floats) -> Floats:
        """float64[B, N]: voltages of the driven nodes (0 elsewhere) for source values float64[B, n_sources]."""
        volts = np.zeros((len(sources), self.plan.node_count))
        for level in self.plan.levels:
            volts[:, level.nodes] = volts[:, level.parents] + level.signs * sources[:, level.sources]
        return volts

    def injections(
        self, sources: Floats, known: Floats, multiply: Callable[[Floats, Floats], Floats] = np.matmul
    ) -> Floats:
        """Norton currents float64[B, kept nodes] into the kept nodes; ``multiply`` does the matrix products."""
        currents = np.ascontiguousarray((self.scattered @ known[:, self.plan.rails].T).T, dtype=np.float64)
        for feed, coupling in zip(self.plan.feeds, self.couplings, strict=True):
            currents[:, feed.free] += multiply(known[:, feed.rails], coupling)
        independent = self.plan.current_sources
        if len(independent):
            values = sources[:, len(sources[0]) - len(independent) :]
            for side, sign in ((0, -1.0), (1, 1.0)):
                np.add.at(currents.T, self.plan.place[independent[:, side]], sign * values.T)
        currents[:, 0] = 0.0
        return currents

    def source_voltages(self, sources: Floats, known: Floats) -> Floats:
        """float64[B, n]: values of the folded circuit's voltage sources (held nodes, then floating sources)."""
        return np.concatenate([known[:, self.plan.held], sources[:, self.plan.floating]], axis=1)

    def fold_injections(self, currents: Floats) -> Floats:
        """Node currents float64[B, N] of the full circuit as float64[B, kept nodes]; those into driven nodes vanish."""
        return np.ascontiguousarray(currents[:, self.plan.kept])

    def unfold(self, folded: Floats, known: Floats | None = None) -> Floats:
        """Voltages of all nodes, float64[B, N], from those of the kept ones and of the driven ones (default 0 V)."""
        volts = np.zeros((len(folded), self.plan.node_count), folded.dtype)
        if known is not None:
            volts[:] = known
        volts[:, self.plan.kept] = folded
        return volts


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """How the topology of ``circuit`` folds; made once by ``FoldPlan.of`` and used for any values."""

    circuit: Circuit
    levels: list[Level]
    node_count: int
    kept: Index  # full index of every kept node, ground first
    place: Index  # kept index of every node; removed nodes go to ground
    held: Index  # driven nodes that must stay because more than resistors touch them
    floating: Index  # voltage sources not tied to ground
    current_sources: NDArray[np.int32]
    pair: Index  # resistors between two free nodes …
    pair_slot: Index  # … and the merged resistor each belongs to
    pair_terminals: NDArray[np.int64]
    feeds: tuple[Feed, ...]
    edge_resistor: Index  # other resistors from a free node to a node of known voltage …
    edge_free: Index  # … that free node (kept index)
    edge_rail: Index  # … and the known node, an index of
    rails: Index  # the nodes of known voltage that resistors couple to free ones (full index)

    @staticmethod
    def of(circuit: Circuit) -> FoldPlan:
        """Analyse the topology of a sound circuit."""
        levels, used = _source_tree(circuit)
        count = len(circuit.nodes)
        known = np.zeros(count, bool)
        known[0] = True
        for level in levels:
            known[level.nodes] = True
        floating = np.flatnonzero(~used)
        touched = np.zeros(count, bool)
        for kind in ("diodes", "transformers", "gyrators", "buffers", "mirrors"):
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
        feeds = tuple(_feeds(circuit.resistors.wiring.blocks, dual_rails(circuit), known, place))
        edge = np.flatnonzero(_left(known_a != known_b, feeds))
        rails, edge_rail = np.unique(np.where(known_a[edge], a[edge], b[edge]), return_inverse=True)
        return FoldPlan(
            circuit=circuit,
            levels=levels,
            node_count=count,
            kept=kept,
            place=place,
            held=np.flatnonzero(known & touched & (np.arange(count) > 0)),
            floating=floating,
            current_sources=circuit.current_sources.terminals,
            pair=pair,
            pair_slot=slot,
            pair_terminals=np.stack([codes // len(kept), codes % len(kept)], axis=1),
            feeds=feeds,
            edge_resistor=edge,
            edge_free=place[np.where(known_a[edge], b[edge], a[edge])],
            edge_rail=edge_rail,
            rails=rails,
        )

    def fold(self, circuit: Circuit) -> Folded:
        """Fold the values of ``circuit``, which must share this plan's topology.

        Raises:
            CircuitError: the circuit has another topology.
        """
        if not circuit.same_topology(self.circuit):
            raise CircuitError("this fold plan belongs to another circuit", "make a FoldPlan of the circuit itself")
        if not np.array_equal(_driven_constants(circuit), _driven_constants(self.circuit)):
            return FoldPlan.of(circuit).fold(circuit)  # other rails may be opposite now
        g, size = circuit.conductances, len(self.kept)
        edge = g[self.edge_resistor]
        fed = [feed.conductances(g) for feed in self.feeds]
        to_ground = np.bincount(self.edge_free, weights=edge, minlength=size).astype(np.float64)
        for feed, conductances in zip(self.feeds, fed, strict=True):
            to_ground[feed.free] += conductances.sum(axis=0)
        grounded = np.flatnonzero(to_ground)
        terminals = np.concatenate([self.pair_terminals, np.stack([grounded, np.zeros_like(grounded)], axis=1)])
        values = np.bincount(self.pair_slot, weights=g[self.pair], minlength=len(self.pair_terminals))
        folded = self._circuit(circuit, terminals, np.concatenate([values, to_ground[grounded]]))
        couplings = tuple(feed.coupling(each) for feed, each in zip(self.feeds, fed, strict=True))
        return Folded(self, folded, couplings, self._scattered(edge))

    def _scattered(self, edge: Floats) -> Floats | sparse.csr_array:
        shape = (len(self.kept), len(self.rails))
        if shape[0] * shape[1] > _SPARSE_WHEN_EMPTIER_THAN * max(len(edge), 1):
            return sparse.csr_array((edge, (self.edge_free, self.edge_rail)), shape=shape)
        flat = self.edge_free * shape[1] + self.edge_rail
        dense: Floats = np.bincount(flat, weights=edge, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
        return dense

    def _circuit(self, circuit: Circuit, terminals: Index, conductances: Floats) -> Circuit:
        def moved(kind: str) -> Bank:
            parts = circuit.bank(kind)
            return Bank(self.place[parts.terminals], parts.values)  # type: ignore[arg-type]

        held = self.place[self.held]
        ends = np.concatenate(
            [
                np.stack([held, np.zeros_like(held)], axis=1),
                self.place[circuit.voltage_sources.terminals[self.floating]].reshape(-1, 2),
            ]
        )
        own = ("resistors", "voltage_sources", "current_sources")
        others: dict[str, Any] = {kind: moved(kind) for kind in KINDS if kind not in own}
        return Circuit(
            nodes=tuple(circuit.nodes[n] for n in self.kept),
            resistors=Bank(terminals, conductances),  # type: ignore[arg-type]
            voltage_sources=Bank(ends, np.zeros(len(ends))),  # type: ignore[arg-type]
            current_sources=bank("current_sources"),
            **others,
            models=circuit.models,
            temperature=circuit.temperature,
            title=f"{circuit.title}, folded",
        )


def _feeds(blocks: Sequence[Block], dual: Index, known: NDArray[np.bool_], place: Index) -> Iterator[Feed]:
    """From each block the rows of known voltage over free columns, and the other way round."""
    for block in blocks:
        for transposed, rails, free in ((False, block.rows, block.columns), (True, block.columns, block.rows)):
            chosen = np.flatnonzero(known[rails])
            if len(chosen) and not known[free].any():
                halves = Halves.of(rails[chosen], dual)
                standing = run(rails[chosen][halves.kept])
                yield Feed(block, transposed, run(chosen), halves, standing, run(place[free]))


def _driven_constants(circuit: Circuit) -> Floats:
    """The volts that driven voltage sources have apart from their inputs."""
    driven = circuit.inputs.source
    return circuit.voltage_sources.values[driven[driven < len(circuit.voltage_sources)]]


def _left(edge: NDArray[np.bool_], feeds: Sequence[Feed]) -> NDArray[np.bool_]:
    """The resistors between free and known nodes that no feed has: a feed has all those of its block."""
    left = edge.copy()
    for feed in feeds:
        left[feed.block.resistors] = False
    return left
