"""The circuit as a graph: networkx for people and pictures, scipy's csgraph where size demands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from diodeq.circuit.bank import Bools, Ints
from diodeq.circuit.kinds import KINDS, source_kinds

if TYPE_CHECKING:
    import networkx

    from diodeq.circuit.circuit import Circuit


def build(circuit: Circuit) -> networkx.MultiGraph:
    """One node per circuit node (by name), one edge per port that carries current, keyed by part name.

    Edge data: ``kind`` (a key of ``KINDS``) and ``value``. Current sources, control ports and other ports that carry
    no current of their own choosing have no edge.
    """
    import networkx

    graph = networkx.MultiGraph(name=circuit.title)
    graph.add_nodes_from(circuit.nodes)
    for kind, spec in KINDS.items():
        parts, names = circuit.bank(kind), circuit.part_names(kind)
        for port, (first, second) in enumerate(spec.ports):
            suffix = f".{port + 1}" if len(spec.ports) > 1 else ""
            ends = parts.terminals[:, [first, second]].tolist()
            graph.add_edges_from(
                (circuit.nodes[a], circuit.nodes[b], f"{name}{suffix}", {"kind": kind, "value": value})
                for (a, b), name, value in zip(ends, names, parts.values.tolist(), strict=True)
            )
    return graph


def port_edges(circuit: Circuit, kinds: list[str]) -> Ints:
    """int32[n, 2]: the two nodes of every current-carrying port of the given kinds."""
    edges = [
        circuit.bank(kind).terminals[:, list(port)]
        for kind in kinds
        for port in KINDS[kind].ports
        if len(circuit.bank(kind))
    ]
    return np.concatenate(edges) if edges else np.zeros((0, 2), np.int32)


def components(count: int, edges: Ints) -> tuple[int, Ints]:
    """(how many, label int32[count]) of the connected components of ``count`` nodes joined by ``edges``."""
    ones = np.ones(len(edges), np.int8)
    adjacency = sparse.coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    found, labels = csgraph.connected_components(adjacency, directed=False)
    return int(found), labels.astype(np.int32)


def driven_nodes(circuit: Circuit) -> Bools:
    """bool[N]: the nodes that voltage sources hold, ground included."""
    _, label = components(len(circuit.nodes), circuit.voltage_sources.terminals)
    return np.asarray(label == label[0])


def held_nodes(circuit: Circuit) -> Bools:
    """bool[N]: the nodes whose voltage no current moves: those that sources or buffers hold, ground included."""
    stiff = {kind: list(spec.holds) for kind, spec in KINDS.items() if spec.stiff and spec.holds is not None}
    edges = np.concatenate([circuit.bank(kind).terminals[:, port] for kind, port in stiff.items()])
    _, label = components(len(circuit.nodes), edges)
    return np.asarray(label == label[0])


def idle(circuit: Circuit, kind: str) -> Bools:
    """bool[n]: the parts of a kind that hold a voltage at a node which no other part and no output uses: nobody has to
    buy them. What is not a source of voltage is never idle."""
    spec, ends = KINDS[kind], circuit.bank(kind).terminals
    if not spec.source or spec.holds is None:
        return np.zeros(len(ends), bool)
    used = np.bincount(circuit.outputs.ravel(), minlength=len(circuit.nodes))
    for each in KINDS:
        used += np.bincount(circuit.bank(each).terminals.ravel(), minlength=len(circuit.nodes))
    used[0] = 2
    return np.asarray((used[ends] < 2).any(axis=1))


def deaf(circuit: Circuit) -> list[str]:
    """The names of the outputs that no input reaches, by any part but sources of current and those that hold a node."""
    if not len(circuit.inputs):
        return []
    count = len(circuit.nodes)
    apart = driven_nodes(circuit)
    joined = [apart[:0].reshape(0, 2).astype(np.int32)]
    for kind, spec in KINDS.items():
        if not spec.source or spec.holds is not None:
            ends = circuit.bank(kind).terminals
            joined += [ends[:, [0, k]] for k in range(1, ends.shape[1])]
    edges = np.concatenate(joined)
    # Every held node stands once for each part at it: no other is reached through it.
    driven = np.zeros(count, bool)
    driven[_driven_by_inputs(circuit)] = True
    inside = ~apart[edges]
    _, label = components(count, edges[inside.all(axis=1)])
    touched = np.unique(label[edges[:, ::-1][driven[edges] & inside[:, ::-1]]])
    fed = np.isin(label, touched) & ~apart | driven
    reached = fed[circuit.outputs].any(axis=1)
    return [circuit.output_names[k] for k in np.flatnonzero(~reached).tolist()]


def _driven_by_inputs(circuit: Circuit) -> Ints:
    """The nodes of all sources that inputs drive, ground left out."""
    ends = np.concatenate([circuit.bank(kind).terminals[:, :2] for kind in source_kinds()])
    nodes = np.unique(ends[circuit.inputs.source])
    return nodes[nodes > 0]


def unread(circuit: Circuit) -> list[str]:
    """The names of the inputs that drive nothing."""
    used = np.concatenate([~idle(circuit, kind) for kind in source_kinds()])
    driven = np.zeros(len(circuit.inputs), bool)
    driven[circuit.inputs.column[used[circuit.inputs.source]]] = True
    return [name for name, drives in zip(circuit.inputs.names, driven.tolist(), strict=True) if not drives]


def first_source(circuit: Circuit, kind: str) -> int:
    """The number of the first source of a kind among all sources, as ``Inputs.source`` counts."""
    kinds = source_kinds()
    return sum(len(circuit.bank(other)) for other in kinds[: kinds.index(kind)])
