"""Operational amplifiers in time and their noise: a circuit's macromodels with what rest does not need.

In time the gain ``A`` through a resistor ``R`` to node ``b`` is the same current from a source: ``A / R`` times the
difference of the inputs, at ``b`` with the resistor to ground. So a capacitance of ``A / (2π R GBW)`` there makes a
single pole with that gain-bandwidth product, whatever the gain at rest is; and the slew rate is the most that comes
there over it (Boyle, Cohn, Pederson and Solomon, IEEE J. Solid-State Circuits 9(6), 1974, do so). At rest
nothing changes but in saturation, where a clamp carries no more than that.

Noise comes from resistors in which nothing flows: one of ``en² / 4kT`` ohms before the gain, and for each input one
whose current a mirror brings there.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import AmplifierGroup, Index, figures, groups_of, label
from diodeq.circuit.bank import Bank, Bools, Floats
from diodeq.circuit.capacitance import inner
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.curve.model import GMIN, CurveModel
from diodeq.devices.diode.temperature import BOLTZMANN, ZERO_CELSIUS
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError

# The current of an input over its volts, both as shares of where a straight one reaches the slew rate: straight up to a
# quarter, all but straight up to half.
LINEAR = 0.25
KNEE = ((0.25, 0.25), (0.5, 0.5), (0.75, 0.72), (1.0, 0.88), (1.5, 0.985), (2.0, 1.0))
# Beyond so many volts between its inputs no amplifier is.
FARTHEST = 100.0
# Siemens of the input's current before it is mirrored: much more than leaks beside it.
INPUT = 1e-6
# Siemens whose noise current mirrors bring to inputs.
NOISY = 1e-3


def poles(circuit: Circuit) -> Floats:
    """float64[N] farads that amplifiers' bandwidths stand for, at nodes inside of them; of a circuit ``in_time``."""
    found = np.zeros(len(circuit.nodes))
    for group in groups_of(circuit):
        at = circuit.buffers.terminals[group.at("buffers", "out"), 2]
        first = one_ports(circuit.models, circuit.diodes.values[group.at("diodes", "input")], circuit.temperature)
        siemens = first.conductance(np.zeros(len(at))) * circuit.mirrors.values[group.at("mirrors", "input")]
        found[at] = siemens / (2.0 * math.pi * figures(group).bandwidth)
    return found


def constants(circuit: Circuit) -> Floats:
    """Seconds that amplifiers take: without and with the feedback's division, and to cross all of their swing.

    The feedback's division is taken for that of the largest resistor at the - input, which need not be it.
    """
    found: list[Floats] = []
    ends = circuit.resistors.terminals
    for group in groups_of(circuit):
        known = figures(group)
        if known.bandwidth < math.inf:
            minus = circuit.buffers.terminals[group.at("buffers", "gain"), 3]
            met = np.bincount(ends.ravel(), np.repeat(circuit.conductances, 2), minlength=len(circuit.nodes))
            largest = np.zeros(len(circuit.nodes))
            np.maximum.at(largest, ends.ravel(), np.repeat(circuit.conductances, 2))
            divided = np.where(largest[minus] > 0.0, met[minus] / np.maximum(largest[minus], 1e-300), 1.0)
            found += [np.append(divided, 1.0) / (2.0 * math.pi * known.bandwidth)]
        if known.slew < math.inf:
            high, low = group.at("diodes", "high"), group.at("diodes", "low")
            rails = circuit.diodes.terminals[high, 1], circuit.diodes.terminals[low, 0]
            volts = np.zeros(len(circuit.nodes))
            held = circuit.voltage_sources
            volts[held.terminals[:, 0]] = held.values
            found.append(np.abs(volts[rails[0]] - volts[rails[1]]) / known.slew)
    return np.concatenate([np.zeros(0), *found])


def in_time(circuit: Circuit, farads: Floats, *, slews: bool = True) -> tuple[Circuit, Floats]:
    """The circuit with amplifiers whose gain is a current, limited where it ``slews``, and the farads [N] from its
    nodes to ground; at rest it is the same but where a limit is that of a clamp's current. Its ``poles`` are beside
    these farads."""
    for group in groups_of(circuit):
        circuit = _moving(circuit, group, slews)
    return circuit, _extended(circuit, farads)


def _extended(circuit: Circuit, farads: Floats) -> Floats:
    """The farads of more nodes, nothing at those inside of amplifiers."""
    found = np.append(farads, np.zeros(len(circuit.nodes) - len(farads)))
    found[inner(circuit)] = 0.0
    return found


def _moving(circuit: Circuit, group: AmplifierGroup, slews: bool) -> Circuit:
    known = figures(group)
    gain, through, out = group.at("buffers", "gain"), group.at("resistors", "gain"), group.at("buffers", "out")
    a, b = circuit.buffers.terminals[gain, 0], circuit.buffers.terminals[out, 2]
    sensed = len(circuit.nodes) + np.arange(len(gain))
    nodes = (*circuit.nodes, *(f"{number}_m" for number in group.numbers))
    # Curves have no noise of their own, as resistors have; that of the amplifier is known as a whole.
    siemens, which = np.unique(circuit.conductances[through], return_inverse=True)
    curves = [_straight(f"leak {k} of {known.name}", g) for k, g in enumerate((siemens - GMIN).tolist(), 1)]
    curves.append(_slewing(f"input of {known.name}", known, slews))
    first, zero = len(circuit.models), np.zeros_like(a)
    kept = np.ones(len(circuit.resistors), bool)
    kept[through] = False
    put = Added(circuit, group)
    put.add("diodes", "input", (a, sensed), np.full(len(a), first + len(siemens)))
    put.add("diodes", "leak", (b, zero), first + which)
    mirrored = circuit.buffers.values[gain] * circuit.conductances[through] / INPUT
    put.add("mirrors", "input", (zero, b, sensed, zero), mirrored)
    values = np.array(circuit.buffers.values)
    values[gain] = 1.0
    banks = {
        **put.banks,
        "buffers": circuit.buffers.with_values(values),
        "resistors": circuit.resistors.kept(kept),
    }
    return circuit.with_banks(banks, nodes=nodes, models=(*circuit.models, *curves), trainable=circuit.mask[kept])


def _slewing(name: str, known: Amplifier, slews: bool) -> CurveModel:
    """The current that an input stage gives for volts between the inputs, to be mirrored."""
    siemens = INPUT - GMIN
    if known.slew < math.inf and known.bandwidth == math.inf:
        raise InputError(
            f"amplifier {known.name} has a slew rate and no bandwidth", "give its bandwidth, or leave its slew out"
        )
    ends = known.slew / (2.0 * math.pi * known.bandwidth) if known.slew < math.inf else math.inf
    if not (slews and LINEAR * ends < FARTHEST):
        return _straight(name, siemens)
    points = [(ends * x, siemens * ends * y) for x, y in KNEE]
    volts = [*(-v for v, _ in reversed(points)), 0.0, *(v for v, _ in points)]
    amperes = [*(-i for _, i in reversed(points)), 0.0, *(i for _, i in points)]
    return CurveModel(name, tuple(volts), tuple(amperes), "diodeq: transconductance and slew rate of an amplifier")


def _straight(name: str, siemens: float) -> CurveModel:
    return CurveModel(name, (-1.0, 1.0), (-siemens, siemens), "diodeq: a conductance without noise")


def noisy(circuit: Circuit, farads: Floats) -> tuple[Circuit, Floats]:
    """The circuit ``in_time`` with the noise of its amplifiers: resistors in which nothing flows."""
    circuit, farads = in_time(circuit, farads, slews=False)
    heat = 4.0 * BOLTZMANN * (circuit.temperature + ZERO_CELSIUS)
    for group in groups_of(circuit):
        known, gain = figures(group), group.at("buffers", "gain")
        count = len(gain)
        for purpose, inputs in _inputs(circuit, group).items() if known.noise_amperes else ():
            new, zero = len(circuit.nodes) + np.arange(count), np.zeros(count, np.int64)
            put = Added(circuit, group)
            put.add("resistors", purpose, (new, zero), np.full(count, NOISY))
            factor = known.noise_amperes / math.sqrt(heat * NOISY)
            put.add("mirrors", purpose, (inputs, zero, new, zero), np.full(count, factor))
            nodes = (*circuit.nodes, *(f"{number}_{purpose}" for number in group.numbers))
            circuit = circuit.with_banks(put.banks, nodes=nodes, trainable=put.trainable)
        if known.noise_volts:
            before = circuit.buffers.terminals[gain, 2]
            new = len(circuit.nodes) + np.arange(count)
            put = Added(circuit, group)
            put.add("resistors", "noise", (new, before), np.full(count, heat / known.noise_volts**2))
            terminals = np.array(circuit.buffers.terminals)
            terminals[gain, 2] = new
            banks = {**put.banks, "buffers": replace(circuit.buffers, terminals=terminals)}
            nodes = (*circuit.nodes, *(f"{number}_q" for number in group.numbers))
            circuit = circuit.with_banks(banks, nodes=nodes, trainable=put.trainable)
    return circuit, _extended(circuit, farads)


def _inputs(circuit: Circuit, group: AmplifierGroup) -> dict[str, Index]:
    """The nodes of both inputs, before the offset in series with one."""
    gain = circuit.buffers.terminals[group.at("buffers", "gain")].astype(np.int64)
    plus, offset = gain[:, 2], group.at("voltage_sources", "offset")
    if (offset >= 0).any():
        plus = np.where(offset < 0, plus, circuit.voltage_sources.terminals[offset, 1])
    return {"inplus": plus, "inminus": gain[:, 3]}


class Added:
    """Parts inside of a group's amplifiers beside those that a circuit has."""

    def __init__(self, circuit: Circuit, group: AmplifierGroup) -> None:
        self.banks: dict[str, Bank] = {}
        self._circuit, self._group = circuit, group

    def add(self, kind: str, purpose: str, terminals: tuple[Index, ...], values: Floats | Index) -> None:
        """One part for each amplifier: its terminals int64[n] and values [n]."""
        old, group = self.banks.get(kind, self._circuit.bank(kind)), self._group
        letter = KINDS[kind].prefix
        names = old.names or tuple(self._circuit.part_names(kind))
        runs = old.groups or (((kind, len(old)),) if len(old) else ())
        self.banks[kind] = Bank(
            np.concatenate([old.terminals, np.stack(terminals, axis=1)]).astype(np.int32),
            np.concatenate([old.values, values]),
            (*names, *(f"{letter}_{number}_{purpose}" for number in group.numbers)),
            (*runs, (label(group.name), len(group.numbers))),
        )

    @property
    def trainable(self) -> Bools:
        """No part that was added is."""
        count = len(self.banks.get("resistors", self._circuit.resistors))
        return np.append(self._circuit.mask, np.zeros(count - len(self._circuit.mask), bool))
