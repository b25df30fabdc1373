"""A circuit of resistors, one-ports and sources as its free nodes see it: each part from each of its free ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import demand_none
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import incidence
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.one_ports import one_port_ends, one_port_models
from diodeq.circuit.source_tree import source_tree
from diodeq.errors import InputError

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class NodeParts:
    """Two-terminal parts that a free node has: which of their bank they are, int[n]; ``nodes`` int[n, 2] and ``ends``,
    the same as numbers of free nodes, their ``count`` for a held one.

    Each is met from every free end it has: ``part`` int[m], from ``near`` to ``far`` (nodes), from ``here`` to
    ``there`` (ends), ``turned`` where that is against its direction; in the order of ``here``.
    """

    number: Index
    nodes: Index
    ends: Index
    count: int
    part: Index
    near: Index
    far: Index
    here: Index
    there: Index
    turned: NDArray[np.bool_]

    @staticmethod
    def of(nodes: Index, place: Index, count: int) -> NodeParts:
        """Of all those between ``nodes`` int[n, 2] of the circuit."""
        ends = place[nodes]
        number = np.flatnonzero((ends < count).any(axis=1) & (nodes[:, 0] != nodes[:, 1]))
        nodes, ends = nodes[number], ends[number]
        part, turned = np.nonzero(ends < count)
        order = np.argsort(ends[part, turned], kind="stable")
        part, turned = part[order], turned[order]
        return NodeParts(
            number,
            nodes,
            ends,
            count,
            part,
            nodes[part, turned],
            nodes[part, 1 - turned],
            ends[part, turned],
            ends[part, 1 - turned],
            turned.astype(bool),
        )

    def meet(self, weights: Floats | None = None) -> sparse.csr_array:
        """What sums at each free node over the ways parts are met, sparse [count, m], with ``weights`` [m] or 1."""
        m = len(self.here)
        starts = np.searchsorted(self.here, np.arange(self.count + 1))
        return sparse.csr_array((np.ones(m) if weights is None else weights, np.arange(m), starts), (self.count, m))

    @cached_property
    def _at(self) -> sparse.csr_array:
        """Which entries of a flat matrix [count * count] each way a part is met adds to, sparse [count * count, m]."""
        m, whole = len(self.here), np.flatnonzero(self.there < self.count)
        rows = np.concatenate([self.here * (self.count + 1), self.here[whole] * self.count + self.there[whole]])
        columns = np.concatenate([np.arange(m), whole])
        signs = np.concatenate([np.ones(m), -np.ones(len(whole))])
        return sparse.csr_array((signs, (rows, columns)), shape=(self.count**2, m))

    def matrix(self, siemens: Floats) -> Floats:
        """The conductance matrices [B, count, count] of these parts at ``siemens`` [m, B] for each way they are met."""
        return np.ascontiguousarray((self._at @ siemens).T).reshape(-1, self.count, self.count)

    def between(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """The least and the largest voltage across each, [n, B], for node voltages [N, B] within ``low``, ``high``."""
        first, second = self.nodes.T
        return low[first] - high[second], high[first] - low[second]

    def weigh(self, rows: Floats, amperes: Floats) -> Floats:
        """The sums [B, k] of ``amperes`` [n, B] through each, times the magnitude of what ``rows`` [B, k, count] have
        across."""
        whole = (self.ends < self.count).all(axis=1)
        at = self.ends[~whole].min(axis=1)
        alone = sparse.csr_array((np.ones(len(at)), (at, np.arange(len(at)))), shape=(self.count, len(at)))
        found = np.abs(rows) @ (alone @ amperes[~whole]).T[:, :, None]
        if whole.any():
            first, second = self.ends[whole].T
            found += np.abs(rows[:, :, first] - rows[:, :, second]) @ amperes[whole].T[:, :, None]
        return np.asarray(found[:, :, 0])


@dataclass(frozen=True, eq=False)
class Passive:
    """A circuit of resistors, one-ports and sources as its ``free`` nodes int[n] see it: those that no source holds.

    ``models`` int[d] is what the one-ports that a free node has follow. ``holds`` sparse [N, sources] is what a volt of
    each source does to each held node, and ``sends`` what an ampere of each sends into each node.
    """

    free: Index
    resistors: NodeParts
    ports: NodeParts
    models: Index
    holds: sparse.csr_array
    sends: sparse.csr_array

    @staticmethod
    def of(circuit: Circuit) -> Passive:
        """Of a sound circuit.

        Raises:
            InputError: it has parts that are neither resistors, one-ports nor sources that are tied to ground.
        """
        demand_none(circuit, "a bound node by node")
        for kind, spec in kinds_of(circuit).items():
            if not (kind == "resistors" or spec.nonlinear or spec.source):
                raise InputError(
                    f"circuit {circuit.title!r} has {kind}, whose boards are not bounded node by node",
                    "certify a circuit of resistors, diodes and sources, as `diodeq train` makes them",
                )
        held = driven_nodes(circuit)
        if not held[circuit.voltage_sources.terminals].all():
            raise InputError(
                f"circuit {circuit.title!r} has a voltage source between nodes that nothing holds",
                "tie its voltage sources to ground",
            )
        free = np.flatnonzero(~held)
        place = np.full(len(held), len(free))
        place[free] = np.arange(len(free))
        ports = NodeParts.of(one_port_ends(circuit).astype(np.intp), place, len(free))
        resistors = NodeParts.of(circuit.resistors.terminals.astype(np.intp), place, len(free))
        models = one_port_models(circuit)[ports.number].astype(np.intp)
        return Passive(free, resistors, ports, models, *_sources(circuit))


def _sources(circuit: Circuit) -> tuple[sparse.csr_array, sparse.csr_array]:
    """``holds`` and ``sends``: sources hold one on another."""
    count, sources = len(circuit.nodes), len(circuit.voltage_sources)
    sends = -incidence(circuit, "current_sources")
    every = sources + sends.shape[1]
    holds = sparse.csr_array((count, every))
    for tier in source_tree(circuit)[0]:
        nodes, numbers = np.arange(count)[tier.nodes], np.arange(sources)[tier.sources]
        if tier.parents is not None:
            holds = holds + sparse.csr_array((np.ones(len(nodes)), (nodes, tier.parents)), (count, count)) @ holds
        holds = holds + sparse.csr_array((tier.signs, (nodes, numbers)), (count, every))
    return holds, sparse.csr_array(sparse.hstack([sparse.csr_array((count, sources)), sends]))
