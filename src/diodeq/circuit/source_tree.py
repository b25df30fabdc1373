"""Driven nodes: those that voltage sources tie to ground, by as many sources as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.blocks import run
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.rails import Indices

Floats = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tier:
    """Nodes one voltage source away from nodes of an earlier tier: v[nodes] = v[parents] + sign * source.

    ``parents`` is None where all of them are ground.
    """

    nodes: Indices
    parents: Index | None
    sources: Indices
    signs: Floats


def source_tree(circuit: Circuit) -> tuple[list[Tier], NDArray[np.bool_]]:
    """Breadth-first tiers of nodes that voltage sources tie to ground, and which sources that used."""
    ends = circuit.voltage_sources.terminals.astype(np.int64)
    known = np.zeros(len(circuit.nodes), bool)
    known[0] = True
    used = np.zeros(len(ends), bool)
    tiers: list[Tier] = []
    while True:
        plus, minus = known[ends[:, 0]], known[ends[:, 1]]
        reach = np.flatnonzero(~used & (plus != minus))
        if not len(reach):
            return tiers, used
        new = np.where(minus[reach], ends[reach, 0], ends[reach, 1])
        new, first = np.unique(new, return_index=True)
        reach = reach[first]
        forward = minus[reach]
        parents = np.where(forward, ends[reach, 1], ends[reach, 0])
        signs = np.where(forward, 1.0, -1.0)
        tiers.append(Tier(run(new), parents if parents.any() else None, run(reach), signs))
        known[new] = True
        used[reach] = True


def tree_voltages(tiers: Sequence[Tier], sources: Floats, volts: Floats) -> Floats:
    """Into ``volts`` of zeros [B, N], and returned: the voltages of the tiers' nodes for values of the sources
    [B, n_sources]."""
    for tier in tiers:
        steps, nodes = sources[:, tier.sources], tier.nodes
        if tier.parents is None and isinstance(nodes, slice):
            np.multiply(steps, tier.signs.astype(steps.dtype), out=volts[:, nodes])
        else:
            volts[:, nodes] = tier.signs * steps + (0.0 if tier.parents is None else volts[:, tier.parents])
    return volts
