"""The power that a circuit turns into heat while its nodes hold voltages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diodeq.circuit.amplifiers import named
from diodeq.circuit.bank import Floats, Ints
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.supplies import Supplied
from diodeq.devices.one_ports import one_ports
from diodeq.processors import product

# Branch voltages held at a time: samples times parts.
_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False)
class Share:
    """What one group of parts dissipates: its kind (of ``KINDS``, or "amplifiers"), its label, float64[B] watts."""

    kind: str
    label: str
    watts: Floats


def dissipation(
    circuit: Circuit,
    volts: Floats,
    kinds: tuple[str, ...] = ("resistors", "diodes"),
    currents: Floats | None = None,
) -> tuple[Share, ...]:
    """Static power Σ v·i of every group of resistors and diodes, and of operational amplifiers, for node voltages
    ``volts`` float64[B, N] and ``currents`` float64[B, n_diodes] through the diodes (those of their laws by default).

    An amplifier takes its supply current and what its output gives from its supplies (`supplies`). Transformers and
    gyrators are lossless; sources, buffers and mirrors supply what the others dissipate.
    """
    shares = [
        Share(kind, label, _watts(circuit, volts, kind, part, currents))
        for kind in kinds
        for label, part in groups(circuit, kind)
        if not named(label)
    ]
    return (*shares, *_amplifiers(circuit, volts))


def _amplifiers(circuit: Circuit, volts: Floats) -> Iterator[Share]:
    for each in Supplied.of(circuit):
        watts = each.watts(volts, each.amperes(volts))
        at = each.group.at("diodes", "out")
        at = at[at >= 0]
        if len(at):
            ports = one_ports(circuit.models, circuit.diodes.values[at], circuit.temperature)
            for some, across in _across(circuit.diodes.terminals[at], volts):
                watts[some] += np.sum(across * ports.current(across), axis=1)
        yield Share("amplifiers", each.group.name, watts)


def dissipated(
    circuit: Circuit,
    volts: Floats,
    kinds: tuple[str, ...] = ("resistors", "diodes"),
    currents: Floats | None = None,
) -> Floats:
    """The same of all groups together, float64[B] watts."""
    shares = dissipation(circuit, volts, kinds, currents)
    return np.asarray(sum((share.watts for share in shares), np.zeros(len(volts))))


def groups(circuit: Circuit, kind: str) -> Iterator[tuple[str, slice]]:
    """The labelled runs of parts of one kind; the kind's own name where a bank has no groups."""
    parts, start = circuit.bank(kind), 0
    if not len(parts):
        return
    for label, count in parts.groups or ((kind, len(parts)),):
        yield label, slice(start, start + count)
        start += count


def _watts(circuit: Circuit, volts: Floats, kind: str, part: slice, currents: Floats | None) -> Floats:
    bank, watts = circuit.bank(kind), np.zeros(len(volts))
    if kind == "diodes":
        ports = one_ports(circuit.models, bank.values[part], circuit.temperature)
        for at, across in _across(bank.terminals[part], volts):
            amperes = ports.current(across) if currents is None else currents[at, part]
            watts[at] = np.sum(across * amperes, axis=1, dtype=np.float64)
        return watts
    left = np.zeros(len(bank), bool)
    left[part] = True
    for block in bank.wiring.blocks:
        if left[block.resistors].all():
            left[block.resistors] = False
            watts += _of_block(block.matrix(bank.values), volts[:, block.rows], volts[:, block.columns])
    for at, across in _across(bank.terminals[left], volts):
        watts[at] += across**2 @ bank.values[left]
    return np.maximum(watts, 0.0)


def _of_block(siemens: Floats, rows: Floats, columns: Floats) -> Floats:
    """Σ G (v_row - v_column)² of each sample, as products of matrices."""
    squares = rows**2 @ siemens.sum(axis=1) + columns**2 @ siemens.sum(axis=0)
    return np.asarray(squares - 2.0 * np.einsum("bc,bc->b", product(rows, siemens), columns))


def _across(terminals: Ints, volts: Floats) -> Iterator[tuple[slice, Floats]]:
    """The voltages across parts, float64[samples, n], a few samples at a time."""
    first, second = terminals.T
    step = max(1, _ENTRIES // max(1, len(terminals)))
    for at in range(0, len(volts) if len(terminals) else 0, step):
        some = volts[at : at + step]
        yield slice(at, at + step), some[:, first] - some[:, second]
