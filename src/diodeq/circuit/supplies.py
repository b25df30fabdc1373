"""What operational amplifiers take from their supplies, and what of it they turn into heat themselves.

An output that gives a current draws it from the positive supply, one that takes a current sends it to the negative one;
beside that flows the supply current, whatever the output does. What an amplifier does not pass on stays in it as heat.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from diodeq.circuit.amplifiers import AmplifierGroup, Index, groups_of, inside
from diodeq.circuit.bank import Bools, Floats, Ints
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.equations import incidence
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.kinds import source_kinds
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError


def real(circuit: Circuit, kind: str) -> Bools:
    """Which resistors and one-ports [n] are parts in which heat arises: not those that only make up an amplifier's
    gain and swing; what is behind its output is."""
    own = inside(circuit, kind)
    if own.any():
        own = own & ~np.array([name.endswith("_out") for name in circuit.part_names(kind)])
    return ~own


@dataclass(frozen=True, eq=False)
class Supplied:
    """The amplifiers of one ``group`` in a circuit: int64[n] ``outputs`` are the nodes at which they give their
    currents, ``plus`` and ``minus`` those of their supplies. Where they take no supply current, what their outputs stay
    within stands for the supplies."""

    circuit: Circuit
    group: AmplifierGroup
    outputs: Index
    plus: Index
    minus: Index

    @staticmethod
    def of(circuit: Circuit) -> list[Supplied]:
        """All of a circuit, group by group."""
        found = []
        for group in groups_of(circuit):
            outputs = circuit.buffers.terminals[group.at("buffers", "out"), 0].astype(np.int64)
            supply = group.at("current_sources", "supply")
            ends = circuit.current_sources.terminals
            high, low = (circuit.diodes.terminals[group.at("diodes", end)] for end in ("high", "low"))
            plus, minus = high[:, 1].astype(np.int64), low[:, 0].astype(np.int64)
            if len(ends):
                plus, minus = (np.where(supply < 0, each, ends[supply, k]) for k, each in enumerate((plus, minus)))
            found.append(Supplied(circuit, group, outputs, plus, minus))
        return found

    def amperes(self, volts: Floats) -> Floats:
        """What each output gives, float64[B, n], by Kirchhoff's law, for node voltages float64[B, N].

        Raises:
            InputError: something is at an output whose current node voltages do not tell.
        """
        found = np.asarray((self._leaving @ volts.T).T) + self._constant
        for kind, (place, ends, which) in self._ports.items():
            laws = one_ports(self.circuit.models, self.circuit.bank(kind).values[which], self.circuit.temperature)
            found += np.asarray((place @ laws.current(volts[:, ends[:, 0]] - volts[:, ends[:, 1]]).T).T)
        return found

    def watts(self, volts: Floats, amperes: Floats) -> Floats:
        """What stays in the amplifiers, float64[B], what their outputs' resistances take aside."""
        supply = self._quiescent
        idle = (volts[:, self.plus] - volts[:, self.minus]) @ supply
        return np.asarray(idle + np.einsum("bn,bn->b", self.dropped(volts, amperes), amperes))

    def dropped(self, volts: Floats, amperes: Floats) -> Floats:
        """The volts [B, n] between the supply that an output's current comes from, or goes to, and the output."""
        return np.where(amperes > 0.0, volts[:, self.plus], volts[:, self.minus]) - volts[:, self.outputs]

    def rise(self, volts: Floats) -> Floats:
        """What the watts grow by for each node's voltage, float64[B, N], the supplies' aside."""
        amperes = self.amperes(volts)
        dropped = self.dropped(volts, amperes)
        found = np.asarray((self._leaving.T @ dropped.T).T)
        for kind, (place, ends, which) in self._ports.items():
            laws = one_ports(self.circuit.models, self.circuit.bank(kind).values[which], self.circuit.temperature)
            slope = laws.conductance(volts[:, ends[:, 0]] - volts[:, ends[:, 1]]) * (place.T @ dropped.T).T
            found += np.asarray((incidence(self.circuit, kind)[:, which] @ slope.T).T)
        np.subtract.at(found.T, self.outputs, amperes.T)
        return found

    def slopes(self, volts: Floats) -> Floats:
        """What the watts grow by on average for each resistor's conductance while no voltage moves, float64[n]."""
        amperes, parts = self.amperes(volts), self.circuit.resistors
        place = incidence(self.circuit, "resistors")[self.outputs]
        found = np.zeros(len(parts))
        which = np.flatnonzero(abs(place).sum(axis=0))
        ends = parts.terminals[which]
        across = volts[:, ends[:, 0]] - volts[:, ends[:, 1]]
        pushed = (place[:, which].T @ self.dropped(volts, amperes).T).T
        found[which] = np.mean(np.asarray(pushed) * across, axis=0)
        return found

    @cached_property
    def _quiescent(self) -> Floats:
        at = self.group.at("current_sources", "supply")
        values = np.append(self.circuit.current_sources.values, 0.0)
        return np.where(at < 0, 0.0, values[at])

    @cached_property
    def _leaving(self) -> sparse.csr_array:
        """Siemens: what leaves the outputs through resistors, sparse [n, N]."""
        count = len(self.circuit.nodes)
        found = sparse.csr_array((len(self.outputs), count))
        for kind, spec in kinds_of(self.circuit).items():
            if spec.conductive:
                ends = incidence(self.circuit, kind)
                found = found + ends[self.outputs] @ sparse.diags_array(self.circuit.bank(kind).values) @ ends.T
        return sparse.csr_array(found)

    @cached_property
    def _ports(self) -> dict[str, tuple[sparse.csr_array, Ints, Index]]:
        """By kind the one-ports at outputs: where they take currents, sparse [n, m], their ends, and which they are."""
        found = {}
        for kind, spec in kinds_of(self.circuit).items():
            if spec.nonlinear:
                place = incidence(self.circuit, kind)[self.outputs]
                which = np.flatnonzero(abs(place).sum(axis=0))
                if len(which):
                    found[kind] = sparse.csr_array(place[:, which]), self.circuit.bank(kind).terminals[which], which
        return found

    @cached_property
    def _constant(self) -> Floats:
        """Amperes [n] that current sources take from the outputs."""
        circuit, found = self.circuit, np.zeros(len(self.outputs))
        driven = np.zeros(sum(len(circuit.bank(kind)) for kind in source_kinds()), bool)
        driven[circuit.inputs.source] = True
        first = 0
        for kind, spec in kinds_of(circuit).items():
            parts, moves = circuit.bank(kind), np.zeros(len(circuit.bank(kind)), bool)
            if spec.source:
                moves = driven[first : first + len(parts)]
                first += len(parts)
            if spec.conductive or spec.nonlinear:
                continue
            others = ~(inside(circuit, kind) & (spec.holds is not None) & (not spec.source))
            known = bool(spec.source) and spec.holds is None
            for port in spec.ports or ((0, 1),):
                ends = incidence(circuit, kind, port)[self.outputs]
                met = np.flatnonzero((abs(ends).sum(axis=0) > 0) & others & (moves | (not known)))
                if len(met):
                    raise InputError(
                        f"{spec.singular} {circuit.part_names(kind)[int(met[0])]} is at the output of an amplifier"
                        f" {self.group.name}, whose current is not known then",
                        "put a resistor between them",
                    )
            if known:
                found += incidence(circuit, kind)[self.outputs] @ parts.values
        return found
