"""A circuit of resistors, one-ports and sources as its free nodes see it: each part from each of its free ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
class Wires:
    """Two-terminal parts that a free node has: which of their bank they are, int[n]; ``nodes`` int[n, 2] and ``ends``,
    the same as numbers of free nodes, their count for a held one.

    Each is met from every free end it has: ``part`` int[m], from ``near`` to ``far`` (nodes), from ``here`` to
    ``there`` (ends), ``turned`` where that is against its direction.
    """

    number: Index
    nodes: Index
    ends: Index
    part: Index
    near: Index
    far: Index
    here: Index
    there: Index
    turned: NDArray[np.bool_]

    @staticmethod
    def of(nodes: Index, place: Index, count: int) -> Wires:
        """Of all those between ``nodes`` int[n, 2] of the circuit."""
        ends = place[nodes]
        number = np.flatnonzero((ends < count).any(axis=1) & (nodes[:, 0] != nodes[:, 1]))
        nodes, ends = nodes[number], ends[number]
        part, turned = np.nonzero(ends < count)
        rows = np.arange(len(part))
        return Wires(
            number,
            nodes,
            ends,
            part,
            nodes[part][rows, turned],
            nodes[part][rows, 1 - turned],
            ends[part][rows, turned],
            ends[part][rows, 1 - turned],
            turned.astype(bool),
        )

    def matrix(self, siemens: Floats, count: int) -> Floats:
        """The conductance matrix [count, count] of these parts at ``siemens`` for each way they are met, [m]."""
        found = np.bincount(self.here * (count + 1) + self.here, siemens, (count + 1) ** 2).astype(np.float64)
        found -= np.bincount(self.here * (count + 1) + self.there, siemens, (count + 1) ** 2)
        return np.asarray(found.reshape(count + 1, count + 1)[:count, :count])

    def between(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """The least and the largest voltage across each, [n], for node voltages [N] within ``low`` and ``high``."""
        first, second = self.nodes.T
        return low[first] - high[second], high[first] - low[second]

    def weigh(self, rows: Floats, amperes: Floats) -> Floats:
        """The sums [k] of ``amperes`` [n] through each, times the magnitude of what ``rows`` [k, count] have across."""
        count = rows.shape[1]
        whole = (self.ends < count).all(axis=1)
        at = self.ends[~whole].min(axis=1)
        found = np.abs(rows) @ np.bincount(at, amperes[~whole], count)
        if whole.any():
            first, second = self.ends[whole].T
            found += np.abs(rows[:, first] - rows[:, second]) @ amperes[whole]
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class Passive:
    """A circuit of resistors, one-ports and sources as its ``free`` nodes int[n] see it: those that no source holds.

    ``models`` int[d] is what the one-ports that a free node has follow. ``volts`` and ``amperes`` float64[N] are what
    constant sources hold nodes at and send into them, as magnitudes.
    """

    free: Index
    resistors: Wires
    ports: Wires
    models: Index
    volts: Floats
    amperes: Floats

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
        ports = Wires.of(one_port_ends(circuit).astype(np.intp), place, len(free))
        resistors = Wires.of(circuit.resistors.terminals.astype(np.intp), place, len(free))
        return Passive(
            free, resistors, ports, one_port_models(circuit)[ports.number].astype(np.intp), *_constants(circuit)
        )


def _constants(circuit: Circuit) -> tuple[Floats, Floats]:
    """What constant sources give each node, as magnitudes that add up: volts [N] of those that voltage sources hold,
    one on another, and amperes [N] that current sources send into it or take."""
    volts, sources = np.zeros(len(circuit.nodes)), np.abs(circuit.voltage_sources.values)
    for tier in source_tree(circuit)[0]:
        volts[tier.nodes] = sources[tier.sources] + (0.0 if tier.parents is None else volts[tier.parents])
    return volts, abs(incidence(circuit, "current_sources")) @ np.abs(circuit.current_sources.values)
