"""The power that a circuit turns into heat while its nodes hold voltages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.circuit.circuit import Circuit
from diodeq.devices.one_ports import one_ports

# Branch voltages held at a time: samples times parts.
_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False)
class Share:
    """What one group of parts dissipates: its kind (of ``KINDS``), its label, float64[B] watts."""

    kind: str
    label: str
    watts: Floats


def dissipation(circuit: Circuit, volts: Floats, kinds: tuple[str, ...] = ("resistors", "diodes")) -> tuple[Share, ...]:
    """Static power Σ v·i of every group of resistors and diodes, for node voltages ``volts`` float64[B, N].

    Transformers and gyrators are lossless; sources, buffers and mirrors supply what the others dissipate.
    """
    return tuple(
        Share(kind, label, _watts(circuit, volts, kind, part))
        for kind in kinds
        for label, part in groups(circuit, kind)
    )


def dissipated(circuit: Circuit, volts: Floats, kinds: tuple[str, ...] = ("resistors", "diodes")) -> Floats:
    """The same of all groups together, float64[B] watts."""
    shares = dissipation(circuit, volts, kinds)
    return np.asarray(sum((share.watts for share in shares), np.zeros(len(volts))))


def groups(circuit: Circuit, kind: str) -> Iterator[tuple[str, slice]]:
    """The labelled runs of parts of one kind; the kind's own name where a bank has no groups."""
    parts, start = circuit.bank(kind), 0
    if not len(parts):
        return
    for label, count in parts.groups or ((kind, len(parts)),):
        yield label, slice(start, start + count)
        start += count


def _watts(circuit: Circuit, volts: Floats, kind: str, part: slice) -> Floats:
    bank = circuit.bank(kind)
    first, second = bank.terminals[part].T
    values = bank.values[part]
    watts = np.empty(len(volts))
    ports = one_ports(circuit.models, values, circuit.temperature) if kind == "diodes" else None
    step = max(1, _ENTRIES // max(1, len(values)))
    for at in range(0, len(watts), step):
        some = volts[at : at + step]
        across = some[:, first] - some[:, second]
        if ports is None:
            watts[at : at + step] = across**2 @ values
        else:
            watts[at : at + step] = np.sum(across * ports.current(across), axis=1)
    return watts
