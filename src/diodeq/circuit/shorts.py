"""Shorts: nodes that sources hold at different voltages with nothing between them but one-ports that limit no current.

A law without series resistance needs more amperes there than numbers hold, whatever engine looks for them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.graph import driven_nodes
from diodeq.circuit.kinds import nonlinear_kinds
from diodeq.circuit.one_ports import laws_of, one_port_ends
from diodeq.circuit.proof import BEYOND, HIGHEST
from diodeq.circuit.source_tree import source_tree, tree_voltages


class Short(NamedTuple):
    """From one held node to another by one-ports in series, numbered as the equations do."""

    start: int
    end: int
    through: list[int]


@np.errstate(over="ignore")
def shorts(circuit: Circuit, drives: Floats) -> dict[int, str]:
    """What is shorted at input volts ``drives`` float64[B, n_in], by row: a clause; rows without a short are left
    out."""
    volts = np.zeros((len(drives), len(circuit.nodes)))
    tree_voltages(source_tree(circuit)[0], circuit.source_values(drives), volts)
    held = set(np.flatnonzero(driven_nodes(circuit)).tolist())
    found = _paths(circuit, held, float(np.ptp(volts, axis=1).max(initial=0.0)))
    names = [name for kind in nonlinear_kinds() for name in circuit.part_names(kind)]
    clauses = {}
    for row, at in enumerate(volts):
        worst = max(found, key=lambda short: at[short.start] - at[short.end], default=None)
        if worst is not None and at[worst.start] > at[worst.end]:
            *others, last = (names[k] for k in worst.through)
            ends = (_said(circuit, node, float(at[node])) for node in worst[:2])
            clauses[row] = f"nothing limits the current from {' to '.join(ends)} through {', '.join(others)} and {last}"
    return clauses


def _paths(circuit: Circuit, held: set[int], volts: float) -> list[Short]:
    """From each held node to every other that one-ports lead to which conduct without limit at so many volts."""
    ends, laws = one_port_ends(circuit).tolist(), laws_of(circuit)
    volts = min(volts, HIGHEST)
    onward: dict[int, list[tuple[int, int]]] = {}
    for way in (1, -1):
        with np.errstate(all="ignore"):
            steep = laws.conductance(np.full((1, len(ends)), way * volts))[0] > BEYOND
        for k in np.flatnonzero(steep).tolist():
            start, end = ends[k][::way]
            onward.setdefault(start, []).append((end, k))
    found = []
    for start in sorted(held & onward.keys()):
        reached: dict[int, list[int]] = {start: []}
        left = [start]
        for node in left:
            for after, k in onward.get(node, []):
                if after not in reached:
                    reached[after] = [*reached[node], k]
                    if after not in held:
                        left.append(after)
        # One alone moves no node.
        found += [Short(start, node, by) for node, by in reached.items() if node in held and len(by) > 1]
    return found


def _said(circuit: Circuit, node: int, volts: float) -> str:
    return f"{circuit.nodes[node]} at {volts:.3g} V" if node else "ground"
