"""Dual rails: pairs of nodes that one input drives to opposite voltages, x and -x.

A circuit has them because conductances cannot be negative. What their resistors do depends on x alone, so currents
into the circuit, and gradients of the resistors on them, are products over half of the rails.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from diodeq.circuit.bank import Bank, Floats, frozen
from diodeq.circuit.blocks import Index, run
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.inputs import Inputs

Indices = slice | Index


def dual_rails(circuit: Circuit) -> Index:
    """int[n, 2]: pairs of nodes whose voltages are opposite whatever the inputs are; no node is in two of them."""
    return _dual_rails(circuit.inputs, circuit.voltage_sources, len(circuit.current_sources))


@lru_cache(maxsize=8)
def _dual_rails(driven: Inputs, sources: Bank, others: int) -> Index:
    """Found once for circuits that share their sources, as those of a training run do."""
    own = np.full(len(sources) + others, -1)
    own[driven.source] = np.arange(len(driven.source))
    times = np.bincount(driven.source, minlength=len(own))
    ends = sources.terminals
    plain = (times[: len(ends)] == 1) & (sources.values == 0.0) & (ends == 0).any(axis=1)
    which = own[: len(ends)][plain]
    nodes = ends[plain].max(axis=1)
    gains = np.where(ends[plain, 1] == 0, 1.0, -1.0) * driven.gain[which]
    columns = driven.column[which]
    order = np.lexsort((nodes, gains < 0.0, np.abs(gains), columns))
    first, second = order[:-1], order[1:]
    opposite = (columns[first] == columns[second]) & (gains[first] > 0.0) & (gains[first] == -gains[second])
    return frozen(np.stack([nodes[first[opposite]], nodes[second[opposite]]], axis=1).astype(np.intp))


def stand_ins(count: int, rails: Index) -> tuple[Index, Floats]:
    """The node that stands for each of ``count`` nodes, int[count], and what its voltage is times to be that node's,
    float64[count]: of ``rails`` (``dual_rails``) the first stand for the second, of all others each for itself."""
    stand, sign = np.arange(count), np.ones(count)
    stand[rails[:, 1]], sign[rails[:, 1]] = rails[:, 0], -1.0
    return stand, sign


@dataclass(frozen=True, eq=False)
class MirroredNodes:
    """Places in a list of nodes: those at ``minus`` mirror those at ``plus``, those ``alone`` mirror none of the list.

    ``kept`` are the first two kinds joined.
    """

    plus: Indices
    minus: Indices
    alone: Indices
    kept: Indices
    pairs: int

    @staticmethod
    def of(nodes: Index, rails: Index) -> MirroredNodes:
        """The places of the pairs ``rails`` (``dual_rails``) that are whole within distinct ``nodes``."""
        place = np.full(max(nodes.max(initial=0), rails.max(initial=0)) + 1, -1)
        place[nodes] = np.arange(len(nodes))
        pairs = place[rails]
        plus, minus = pairs[(pairs >= 0).all(axis=1)].T
        alone = np.ones(len(nodes), bool)
        alone[plus] = alone[minus] = False
        left = np.flatnonzero(alone)
        return MirroredNodes(run(plus), run(minus), run(left), run(np.concatenate([plus, left])), len(plus))
