"""Is a circuit sound? ngspice "solves" a floating island at -1e9 V, so this is asked before any deck is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.circuit.graph import components, port_edges
from diodeq.circuit.kinds import KINDS
from diodeq.errors import CircuitError
from diodeq.printable import counted

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

LEGAL_NAME = re.compile(r"[a-z][a-z0-9_]*")

# SPICE takes a node of this name for ground.
_GROUND_ALIASES = frozenset({"gnd"})


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


def is_positive(values: Floats) -> bool:
    """Whether all values are positive and finite, in two passes over them."""
    return not len(values) or bool(0 < values.min() <= values.max() < np.inf)


def check_values(circuit: Circuit, sound: str = "") -> None:
    """The part of ``check`` that depends on values alone: cheap, so engines ask it for every new set of values, but for
    those of a kind that they have seen to be ``sound``."""
    for kind, spec in KINDS.items():
        values = circuit.bank(kind).values
        if kind == sound or not len(values) or (spec.allowed == "positive" and is_positive(values)):
            continue
        good = np.isfinite(values)
        if spec.allowed == "positive":
            good &= values > 0
        elif spec.allowed == "not zero":
            good &= values != 0
        if not good.all():
            at = int(np.argmin(good))
            wanted = {"positive": "positive and finite", "not zero": "finite and not zero"}.get(spec.allowed, "finite")
            ends = tuple(circuit.nodes[n] for n in circuit.bank(kind).terminals[at].tolist())
            raise CircuitError(
                f"{spec.singular} {circuit.part_names(kind)[at]} between {' and '.join(ends)} "
                f"has the value {values[at]:g} ({spec.quantity})",
                f"make it {wanted}",
                nodes=ends,
                parts=(circuit.part_names(kind)[at],),
            )
    if not np.isfinite(circuit.temperature) or circuit.temperature <= -273.15:
        raise CircuitError(f"the temperature is {circuit.temperature:g} °C", "give one above absolute zero")


def _names(what: str, names: Iterable[str], taken: dict[str, str], prefix: str = "") -> None:
    for name in names:
        if not LEGAL_NAME.fullmatch(name) or name in _GROUND_ALIASES:
            raise CircuitError(
                f"{what} name {name!r} cannot be printed in a netlist",
                "use a lower-case letter followed by lower-case letters, digits and '_', and not 'gnd'",
                **_about(what, name),
            )
        if not name.startswith(prefix):
            raise CircuitError(
                f"{what} {name} must begin with {prefix!r}", f"call it {prefix}_{name}", **_about(what, name)
            )
        if name in taken:
            other = "another" if taken[name] == what else f"a {what}"
            raise CircuitError(
                f"the name {name} is used by a {taken[name]} and by {other}",
                "rename one of them",
                **_about(what, name),
            )
        taken[name] = what


def _about(what: str, name: str) -> dict[str, Any]:
    """The field of an error that names a node or a part."""
    return {"nodes" if what == "node" else "parts": (name,)}


def _shorted(circuit: Circuit) -> None:
    for kind, spec in KINDS.items():
        ends = circuit.bank(kind).terminals
        for first, second in spec.ports or ((0, 1),):
            same = np.flatnonzero(ends[:, first] == ends[:, second])
            if len(same):
                name, node = circuit.part_names(kind)[same[0]], circuit.nodes[ends[same[0], first]]
                raise CircuitError(
                    f"both ends of {spec.singular} {name} are on node {node}",
                    "connect it across two nodes or remove it",
                    nodes=(node,),
                    parts=(name,),
                )


def _source_loops(circuit: Circuit) -> None:
    holding = {kind: list(spec.holds) for kind, spec in KINDS.items() if spec.holds is not None}
    edges = np.concatenate([circuit.bank(kind).terminals[:, port] for kind, port in holding.items()])
    found, _ = components(len(circuit.nodes), edges)
    if len(edges) == len(circuit.nodes) - found:
        return  # a forest: every edge joins two trees
    names = [name for kind in holding for name in circuit.part_names(kind)]
    import networkx

    graph = networkx.MultiGraph()
    for (a, b), name in zip(edges.tolist(), names, strict=True):
        graph.add_edge(a, b, name)
    loop = networkx.find_cycle(graph)
    parts, nodes = tuple(key for _, _, key in loop), tuple(circuit.nodes[a] for a, _, _ in loop)
    raise CircuitError(
        f"voltage sources {', '.join(parts)} form a loop through nodes {', '.join(nodes)}",
        "put a resistor in the loop or remove one of them",
        nodes=nodes,
        parts=parts,
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
        f"{counted(len(circuit.nodes), 'node')}" + (f", read by output {outputs[0]})" if outputs else ")"),
        "connect it to ground, a source or a grounded node through a resistor",
        nodes=tuple(circuit.nodes[n] for n in np.flatnonzero(labels == labels[lost]).tolist()),
    )
