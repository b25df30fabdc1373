"""Is a circuit sound? ngspice "solves" a floating island at -1e9 V, so this is asked before any deck is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import networkx
import numpy as np

from diodeq.circuit.bank import KINDS
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.graph import components, port_edges
from diodeq.errors import CircuitError

LEGAL_NAME = re.compile(r"[a-z][a-z0-9_]*")

# SPICE takes a node of this name for ground.
_GROUND_ALIASES = frozenset({"gnd"})

# Kinds that fix the voltage across a port whatever flows: a loop of them has no solution, or no unique one.
_VOLTAGE_DEFINED = {"voltage_sources": (0, 1), "buffers": (0, 1), "mirrors": (2, 3)}


def check(circuit: Circuit) -> Circuit:
    """The circuit itself when it is sound.

    Raises:
        CircuitError: an illegal or duplicate name; a conductance that is not positive and finite; another value that is
            not finite; a part across one node; a loop of voltage sources; a node without a path to ground; an output
            across one node. The message names the node or part.
    """
    check_values(circuit)
    _names("node", circuit.nodes[1:], {})
    taken: dict[str, str] = {}
    for kind, spec in KINDS.items():
        if circuit.bank(kind).names:
            _names(spec.singular, circuit.bank(kind).names, taken, spec.prefix)
    _shorted(circuit)
    _source_loops(circuit)
    _floating(circuit)
    for (first, second), name in zip(circuit.outputs.tolist(), circuit.output_names, strict=True):
        if first == second:
            raise CircuitError(
                f"output {name} is measured from node {circuit.nodes[first]} to itself",
                "give it two different nodes",
                nodes=(circuit.nodes[first],),
            )
    return circuit


def check_values(circuit: Circuit) -> None:
    """The part of ``check`` that depends on values alone: cheap, so engines ask it for every new set of values."""
    for kind, spec in KINDS.items():
        values = circuit.bank(kind).values
        if kind == "resistors" and len(values) and 0 < values.min() <= values.max() < np.inf:
            continue  # most circuits are mostly resistors: two passes over them instead of five
        good = np.isfinite(values)
        if kind == "resistors":
            good &= values > 0
        elif kind == "transformers":
            good &= values != 0
        if not good.all():
            at = int(np.argmin(good))
            wanted = "positive and finite" if kind == "resistors" else "finite"
            raise CircuitError(
                f"{spec.singular} {circuit.part_names(kind)[at]} between {_ends(circuit, kind, at)} "
                f"has the value {values[at]:g} ({spec.quantity})",
                f"make it {wanted}" + (" and not zero" if kind == "transformers" else ""),
                nodes=tuple(circuit.nodes[n] for n in circuit.bank(kind).terminals[at]),
                parts=(circuit.part_names(kind)[at],),
            )
    if not np.isfinite(circuit.temperature) or circuit.temperature <= -273.15:
        raise CircuitError(f"the temperature is {circuit.temperature:g} °C", "give one above absolute zero")


def _ends(circuit: Circuit, kind: str, at: int) -> str:
    return " and ".join(circuit.nodes[n] for n in circuit.bank(kind).terminals[at])


def _names(what: str, names: Iterable[str], taken: dict[str, str], prefix: str = "") -> None:
    for name in names:
        if not LEGAL_NAME.fullmatch(name) or name in _GROUND_ALIASES:
            problem = f"{what} name {name!r} cannot be printed in a netlist"
            remedy = "use a lower-case letter followed by lower-case letters, digits and '_', and not 'gnd'"
        elif not name.startswith(prefix):
            problem, remedy = f"{what} {name} must begin with {prefix!r}", f"call it {prefix}_{name}"
        elif name in taken:
            problem, remedy = f"the name {name} is used by a {taken[name]} and by a {what}", "rename one of them"
        else:
            taken[name] = what
            continue
        node = what == "node"
        raise CircuitError(problem, remedy, nodes=(name,) if node else (), parts=() if node else (name,))


def _shorted(circuit: Circuit) -> None:
    for kind, spec in KINDS.items():
        ends = circuit.bank(kind).terminals
        for first, second in spec.ports or ((0, 1),):
            same = np.flatnonzero(ends[:, first] == ends[:, second])
            if len(same):
                raise CircuitError(
                    f"both ends of {spec.singular} {circuit.part_names(kind)[same[0]]} "
                    f"are on node {circuit.nodes[ends[same[0], first]]}",
                    "connect it across two nodes or remove it",
                    nodes=(circuit.nodes[ends[same[0], first]],),
                    parts=(circuit.part_names(kind)[same[0]],),
                )


def _source_loops(circuit: Circuit) -> None:
    edges = np.concatenate([circuit.bank(kind).terminals[:, list(port)] for kind, port in _VOLTAGE_DEFINED.items()])
    found, _ = components(len(circuit.nodes), edges)
    if len(edges) == len(circuit.nodes) - found:
        return  # a forest: every edge joins two trees
    names = [name for kind in _VOLTAGE_DEFINED for name in circuit.part_names(kind)]
    graph = networkx.MultiGraph()
    for (a, b), name in zip(edges.tolist(), names, strict=True):
        graph.add_edge(a, b, name)
    loop = networkx.find_cycle(graph)
    raise CircuitError(
        f"voltage sources {', '.join(key for _, _, key in loop)} form a loop "
        f"through nodes {', '.join(circuit.nodes[a] for a, _, _ in loop)}",
        "put a resistor in the loop or remove one of them",
        nodes=tuple(circuit.nodes[a] for a, _, _ in loop),
        parts=tuple(key for _, _, key in loop),
    )


def _floating(circuit: Circuit) -> None:
    found, labels = components(len(circuit.nodes), port_edges(circuit, list(KINDS)))
    if found == 1:
        return
    islands = Counter(labels.tolist())
    lost = int(np.argmax(labels != labels[0]))
    outputs = [name for name, ends in zip(circuit.output_names, circuit.outputs, strict=True) if lost in ends]
    raise CircuitError(
        f"node {circuit.nodes[lost]} has no path to ground (an island of {islands[int(labels[lost])]} of "
        f"{len(circuit.nodes)} nodes" + (f", read by output {outputs[0]})" if outputs else ")"),
        "connect it to ground, a source or a grounded node through a resistor",
        nodes=(circuit.nodes[lost],),
    )
