"""Where currents go for a gradient: into the outputs, and into other nodes one after the other.

On a reciprocal circuit a current into a node changes an output by as much as the same current into the output changes
the node. So where an output is read and a node has a pump, the node need not be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diodeq.errors import UsageError
from diodeq.simulators.base import Floats
from diodeq.simulators.bench.channels import Channels, Index

FASTEST = 1e12
"""Hertz that no tone has"""


@dataclass(frozen=True, eq=False)
class Backward:
    """Of a bench with ``channels``: ``nodes`` int[K] are those into which currents go one after the other."""

    channels: Channels
    nodes: Index

    @staticmethod
    def of(channels: Channels) -> Backward:
        """As ``reading.currents`` says.

        Raises:
            UsageError: currents are to go into nodes, and there are no pumps but the outputs', or not all outputs are
                read.
        """
        own, none = channels.description, channels.pumped[:0]
        currents, seen = own.reading.currents, bool(np.isin(channels.outputs, channels.read).all())
        if currents == "nodes" and (own.injections.nodes == "outputs" or not seen):
            why = "it has pumps at its outputs alone" if seen else "not all its outputs are read"
            raise UsageError(
                f"the bench {own.name} cannot read a gradient by currents into nodes: {why}",
                'give it reads.nodes = "outputs" and injections.nodes = "all", or leave reading.currents out',
            )
        if currents == "outputs" or not seen:
            return Backward(channels, none)
        return Backward(
            channels, np.setdiff1d(channels.pumped, channels.read) if currents == "auto" else channels.pumped
        )

    @property
    def count(self) -> int:
        """How many currents a sample is read with, one after the other."""
        return 1 + len(self.nodes)

    @property
    def known(self) -> Index:
        """The nodes whose answers are measured."""
        return np.union1d(self.channels.read, self.nodes)

    def noise(self, injections: Floats, amplitude: float, repeats: int) -> Floats:
        """By how much more than a reading the answers of ``known`` nodes are off, float64[B, n], where currents have an
        ``amplitude``: a node that is read by its noise, one that currents go into by that of all outputs."""
        ends = np.isin(self.channels.circuit.outputs, self.channels.read).sum(axis=1)
        most, all_ = np.abs(injections).max(axis=1, initial=0.0), np.sqrt(injections**2 @ ends)
        found = np.where(np.isin(self.known, self.nodes), all_[:, None], most[:, None])
        return np.asarray(found / (amplitude * math.sqrt(2.0 * repeats)))

    def currents(self, injections: Floats) -> Floats:
        """Every row of ``injections`` float64[B, n_out] as the currents of all pumps that go with it, one after the
        other, float64[B * count, n_injections]: into nodes an ampere each."""
        outputs = len(self.channels.circuit.outputs)
        each = np.zeros((len(injections), self.count, len(self.channels.pumps)))
        each[:, 0, :outputs] = injections
        places = outputs + np.searchsorted(self.channels.pumped, self.nodes)
        each[:, np.arange(1, self.count), places] = 1.0
        return each.reshape(-1, each.shape[2])

    def answers(self, injections: Floats, volts: Floats) -> Floats:
        """What every node answers to ``injections`` float64[B, N], from what was read with their ``currents``
        float64[B * count, N]."""
        circuit = self.channels.circuit
        each = volts.reshape(len(injections), self.count, volts.shape[1])
        found = each[:, 0].copy()
        first, second = (each[:, 1:, side] for side in circuit.outputs.T)
        found[:, self.nodes] = np.einsum("bo,bko->bk", injections, first - second)
        return found


def millihertz(hertz: float) -> int:
    """As a bench is told; raises ``UsageError`` where that is no frequency."""
    found = round(1e3 * hertz) if hertz < FASTEST else 0
    if found < 1:
        raise UsageError(f"a bench has no tone of {hertz:g} Hz", f"give a lock-in of 1e-3 to {FASTEST:g}")
    return found
