"""Pruning: the circuit without the resistors that contribute least, and without what then reaches no output.

Whatever is left out, every node keeps a path of resistors to a source or a buffer, and nodes from which no path of
parts leads to an output go with all their parts: nothing that is measured depends on them.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import demand_none
from diodeq.circuit.bank import Bank, Bools, Floats
from diodeq.circuit.graph import components, driven_nodes, held_nodes
from diodeq.errors import NotRealizableError
from diodeq.printable import counted

SPARE = 0.1
"""So much of what is allowed may be left over."""


def kept(circuit: Circuit, contributions: Floats, parts: int = 0, fan_in: int = 0) -> Bools:
    """bool[n_resistors]: which resistors stay.

    Args:
        circuit: any sound circuit.
        contributions: float64[n_resistors], 0 or more each.
        parts: at most so many resistors stay (0: any number).
        fan_in: of the resistors that join a node to nodes before it at most so many stay (0: any number).

    Resistors that are not trainable stay where they are joined to an output.

    Raises:
        NotRealizableError: so few cannot hold every node that an output needs.
        InputError: there are operational amplifiers.
    """
    demand_none(circuit, "pruning")
    ends = circuit.resistors.terminals
    driven = driven_nodes(circuit)
    fixed = ~circuit.mask
    rank = np.empty(len(ends))
    rank[np.lexsort((-contributions, circuit.mask))] = np.arange(len(ends))
    free = ~held_nodes(circuit)
    allowed: Bools = np.logical_or.reduce(free[ends], axis=1)
    if fan_in:
        allowed[~fixed & (_place(ends.max(axis=1), rank) >= fan_in)] = False
    most = parts or len(ends)
    best = np.zeros(len(ends), bool)
    best[np.flatnonzero(allowed)[np.argsort(rank[allowed])][:most]] = True

    def within(needed: Bools, leads: bool) -> Bools | None:
        """The resistors among the nodes that are needed, or None where they do not hold every output; ``leads``: every
        one of these nodes keeps a path to an output."""
        while True:
            held = driven.copy()
            held[needed] = True
            stays = _chosen(circuit, held, free, allowed, rank, most, leads)
            reached = _reach_outputs(circuit, stays, driven)
            if not (needed & ~reached).any():
                return stays if _holds(circuit, stays, free, needed) else None
            needed = needed & reached

    least = (1.0 - SPARE) * min(most, int(allowed.sum()))
    every = _reach_outputs(circuit, np.ones(len(ends), bool), driven)
    found = within(_reach_outputs(circuit, best, driven), leads=False)
    for leads in (False, True):
        # The best lead to few nodes, as where an output has many small ones: among all nodes more may be kept, and most
        # where all of them keep what leads to the outputs, though none of that is among the best.
        if found is not None and np.count_nonzero(found) >= least:
            break
        try:
            more = within(every, leads)
        except NotRealizableError:
            if found is None:
                raise
            break
        if more is not None and (found is None or more.sum() > found.sum()):
            found = more
    if found is None:
        raise NotRealizableError(f"{counted(most, 'resistor')} cannot hold every output", "allow more parts")
    return found


def _holds(circuit: Circuit, stays: Bools, free: Bools, needed: Bools) -> bool:
    """Whether resistors hold every node that is needed and that resistors hold in the whole circuit."""

    def loose(some: Bools) -> Bools:
        ends = circuit.resistors.terminals[some]
        label = components(len(circuit.nodes), np.where(free[ends], ends, 0))[1]
        return np.asarray((label != label[0]) & free)

    return not (needed & loose(stays) & ~loose(np.ones_like(stays))).any()


def _chosen(circuit: Circuit, held: Bools, free: Bools, allowed: Bools, rank: Floats, most: int, leads: bool) -> Bools:
    """A tree of the best resistors among the nodes that are ``held``, those that are fixed, and of the others the best,
    ``most`` in all; where it ``leads``, also trees of the best by which nodes that are free reach outputs."""
    ends = circuit.resistors.terminals
    inside = held[ends].all(axis=1)
    among = np.flatnonzero(inside & free[ends].any(axis=1))
    stays = inside & ~circuit.mask
    stays[among[_tree(np.where(free[ends[among]], ends[among], 0), rank[among], len(circuit.nodes))]] = True
    if leads:
        outputs = np.zeros(len(circuit.nodes), bool)
        outputs[circuit.outputs] = True
        inner = np.flatnonzero(inside & allowed & free[ends].all(axis=1))
        joined = np.where(outputs[ends[inner]], circuit.outputs.max(initial=0), ends[inner])
        stays[inner[_tree(joined, rank[inner], len(circuit.nodes))]] = True
    least = int(stays.sum())
    if least > most:
        raise NotRealizableError(
            f"{counted(least, 'resistor')} are needed to hold every node, and {most} are allowed",
            f"allow at least {least} parts",
        )
    others = np.flatnonzero(allowed & inside & ~stays)
    stays[others[np.argsort(rank[others])][: most - least]] = True
    return stays


def without(circuit: Circuit, stays: Bools) -> Circuit:
    """The circuit of the resistors that ``stays`` bool[n_resistors] names, without nodes that reach no output.

    Sources and what they hold stay, driven or not: a column of the data keeps its input.
    """
    driven = driven_nodes(circuit)
    held = driven.copy()
    held[_reach_outputs(circuit, stays, driven)] = True
    number = np.cumsum(held) - 1
    banks: dict[str, Bank] = {}
    chosen = stays
    for kind in KINDS:
        parts = circuit.bank(kind)
        here: Bools = np.logical_and.reduce(held[parts.terminals], axis=1)
        if kind == "resistors":
            here[~stays] = False
            chosen = here
        left = parts.kept(here)
        banks[kind] = replace(left, terminals=number[left.terminals].astype(np.int32))
    return circuit.with_banks(
        banks,
        nodes=tuple(name for name, here in zip(circuit.nodes, held.tolist(), strict=True) if here),
        outputs=number[circuit.outputs].astype(np.int32),
        trainable=circuit.mask[chosen],
    )


def _place(group: NDArray[Any], rank: Floats) -> NDArray[np.int64]:
    """The place of each, from 0, by rank within its group."""
    order = np.lexsort((rank, group))
    sorted_group = group[order]
    first = np.searchsorted(sorted_group, sorted_group)
    place = np.empty(len(group), np.int64)
    place[order] = np.arange(len(group)) - first
    return place


def _reach_outputs(circuit: Circuit, stays: Bools, driven: Bools) -> Bools:
    """bool[N]: free nodes from which a path of parts, sources' nodes aside, leads to an output.

    Through a part it leads from each terminal to each that the part puts current into; into a node that a buffer holds
    it leads from what controls the buffer alone.
    """
    held, count = held_nodes(circuit), len(circuit.nodes)
    edges = [np.stack([np.full(circuit.outputs.size, count), circuit.outputs.ravel()], axis=1)]  # from beyond them
    for kind, spec in KINDS.items():
        parts = circuit.bank(kind).terminals
        ends = parts[stays] if kind == "resistors" else parts
        moved = {terminal for flow in spec.stamp for terminal in flow.out} or set(range(ends.shape[1]))
        for start, end in itertools.permutations(range(ends.shape[1]), 2):
            if end in moved:
                leads = ~held[ends[:, end]] | (start not in moved)
                edges.append(ends[leads][:, [end, start]])
    backwards = np.concatenate(edges)
    backwards = backwards[~np.append(driven, False)[backwards].any(axis=1)]
    ones = np.ones(len(backwards), bool)
    graph = sparse.csr_array((ones, (backwards[:, 0], backwards[:, 1])), shape=(count + 1, count + 1))
    reached = np.zeros(count + 1, bool)
    reached[csgraph.breadth_first_order(graph, count, return_predecessors=False)] = True
    return reached[:count]


def _tree(ends: NDArray[np.int32], rank: Floats, count: int) -> NDArray[np.intp]:
    """Which of the edges ``ends`` int32[n, 2] make the tree of the lowest ranks."""
    if not len(ends):
        return np.zeros(0, np.intp)
    low, high = np.sort(ends, axis=1).T.astype(np.int64)
    order = np.argsort(rank)
    _, first = np.unique((low * count + high)[order], return_index=True)  # of parallel ones the best
    edge = order[first]
    weights = sparse.coo_array((rank[edge] + 1.0, (low[edge], high[edge])), shape=(count, count))
    numbers = sparse.csr_array((edge + 1, (low[edge], high[edge])), shape=(count, count))
    found = csgraph.minimum_spanning_tree(weights.tocsr()).tocoo()
    return np.asarray(numbers[found.row, found.col], np.intp).ravel() - 1
