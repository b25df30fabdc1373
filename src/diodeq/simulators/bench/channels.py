"""How a circuit is joined to a bench: which node is which channel. The host and the twin agree on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.graph import driven_nodes
from diodeq.errors import InputError
from diodeq.simulators.bench.codes import Converter, TapTable
from diodeq.simulators.bench.description import Description
from diodeq.simulators.bench.links.spans import Span, Spans

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a plain circuit on a bench.

    A drive for each input column, a tap for each trainable resistor, a pump (and what holds) for each output, then a
    pump for each of ``pumped``, a reading for each of ``read`` int[n_reads], numbers of nodes; ``free`` int[n] are all
    that no source holds.
    """

    circuit: Circuit
    description: Description
    free: Index
    read: Index
    pumped: Index

    @staticmethod
    def of(circuit: Circuit, description: Description) -> Channels:
        """Of a sound circuit.

        Raises:
            InputError: the description reads a node that the circuit does not have, or that a source holds, or has a
                pump there.
        """
        held = driven_nodes(circuit)
        held[0] = True
        free = np.flatnonzero(~held)
        outputs = np.intersect1d(circuit.outputs, free)

        def chosen(asked: str | tuple[str, ...], does: str, entry: str) -> Index:
            if isinstance(asked, str):
                return free if asked == "all" else outputs
            for name in asked:
                if name not in circuit.nodes or held[circuit.nodes.index(name)]:
                    why = "which a source holds" if name in circuit.nodes else "which the circuit does not have"
                    raise InputError(
                        f"the bench {does} node {name}, {why}", f"correct {entry}.nodes of its description"
                    )
            return np.array([circuit.nodes.index(name) for name in asked])

        read = chosen(description.reads.nodes, "reads", "reads")
        pumped = chosen(description.injections.nodes, "has a pump at", "injections")
        return Channels(circuit, description, free, read, np.setdiff1d(pumped, outputs))

    @property
    def outputs(self) -> Index:
        """Free nodes at which outputs are."""
        return np.intersect1d(self.circuit.outputs, self.free)

    @property
    def missing(self) -> Index:
        """Free nodes that are not read."""
        return np.setdiff1d(self.free, self.read)

    @cached_property
    def pumps(self) -> NDArray[np.int32]:
        """The nodes that each pump's channel pushes into and out of, int[n_injections, 2], 0 where there is none: the
        ends of the outputs, then nodes of their own."""
        return np.concatenate([self.circuit.outputs, np.pad(self.pumped.astype(np.int32)[:, None], ((0, 0), (0, 1)))])

    @cached_property
    def drives(self) -> Converter:
        """Of the inputs."""
        own = self.description.drives
        return Converter(*own.range, own.bits, "V", self.description.limits.volts)

    @cached_property
    def holds(self) -> Converter:
        """Of what holds outputs."""
        own = self.description.held
        return Converter(*own.range, own.bits, "V", self.description.limits.volts)

    @cached_property
    def reads(self) -> Converter:
        """Of the nodes."""
        return Converter(*self.description.reads.range, self.description.reads.bits)

    @cached_property
    def injections(self) -> Converter:
        """Of the pumps."""
        own = self.description.injections
        return Converter(*own.range, own.bits, "A", self.description.limits.amperes)

    @cached_property
    def taps(self) -> TapTable:
        """Of the trainable resistors."""
        return TapTable(self.description.taps)

    @cached_property
    def positions(self) -> Index:
        """When each reading is made: its place in its converter's scan."""
        return np.arange(len(self.read)) % (self.description.reads.channels or 1)

    @property
    def seconds(self) -> float:
        """What a row of readings takes, with settling and pause."""
        own = self.description
        scan = (int(self.positions.max(initial=0)) + 1) * own.reads.seconds
        return own.settling.seconds + scan + own.reading.pause

    @property
    def spans(self) -> Spans:
        """The channels and their codes, as links keep to them."""
        counts, table = self.counts, self.taps
        return Spans(
            Span(counts["taps"], table.first, table.count - 1),
            Span(counts["drives"], self.drives.first, self.drives.last),
            Span(counts["injections"], self.injections.first, self.injections.last),
            Span(len(self.circuit.outputs), self.holds.first, self.holds.last),
            Span(counts["reads"], self.reads.first, self.reads.last),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many channels of each sort."""
        return {
            "drives": len(self.circuit.inputs),
            "taps": int(np.count_nonzero(self.circuit.mask)),
            "reads": len(self.read),
            "injections": len(self.pumps),
        }
