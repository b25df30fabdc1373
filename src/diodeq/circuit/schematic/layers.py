"""Which nodes of a circuit make a layer: what a picture draws as one crossbar, and a heat map as one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit


Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layer:
    """The nodes that one or more groups of resistors lead to, and those resistors.

    ``rows`` are the nodes the resistors come from. ``crossings``, ``within`` and ``shunts`` are resistor numbers: from
    a row to a node of the layer, between two of its nodes, and to ground. ``ends`` int64[n, 2] are all resistors'
    nodes, turned so that the second one is the layer's.
    """

    nodes: list[int]
    rows: list[int]
    crossings: Index
    within: Index
    shunts: Index
    ends: Index


def layers(circuit: Circuit) -> list[Layer]:
    """The circuit's layers in the order of its groups of resistors; groups that lead to a common node are one layer."""
    held = np.zeros(len(circuit.nodes), bool)
    held[circuit.voltage_sources.terminals] = True
    ends = circuit.resistors.terminals.astype(np.int64)
    first, second = ends.T
    turned = (second == 0) | (held[second] & ~held[first])
    ends = np.where(turned[:, None], ends[:, ::-1], ends)
    of_node = np.full(len(circuit.nodes), -1)
    start = 0
    for number, (_, count) in enumerate(circuit.resistors.groups or (("", len(ends)),)):
        led_to = ends[start : start + count, 1]
        known = np.unique(of_node[led_to])
        joined = known[known >= 0]
        layer = joined[0] if len(joined) else number
        of_node[np.isin(of_node, joined)] = layer
        of_node[led_to] = layer
        start += count
    return [_layer(ends, of_node, layer) for layer in np.unique(of_node[of_node >= 0]).tolist()]


def _layer(ends: Index, of_node: Index, number: int) -> Layer:
    mine = np.flatnonzero(of_node[ends[:, 1]] == number)
    origins = ends[mine, 0]
    inside = of_node[origins] == number
    shunts, within, crossings = mine[origins == 0], mine[inside & (origins != 0)], mine[~inside & (origins != 0)]
    nodes = np.flatnonzero(of_node == number).tolist()
    return Layer(nodes, np.unique(ends[crossings, 0]).tolist(), crossings, within, shunts, ends)
