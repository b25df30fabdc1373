"""The circuit with its outputs pushed by currents or held at voltages, and back.

A transformation adds one driven source per output; the nodes, and so every branch voltage, keep their numbers. All
states of a batch are operating points of one circuit, the free one with the added sources at 0 A, so an engine
analyses its topology once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diodeq.circuit.bank import Bank, Ints
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.inputs import Inputs, Units
from diodeq.circuit.kinds import source_kinds

NUDGE, CLAMP = "nudge", "clamp"
"""What added inputs are called, before their number"""
_KINDS = {NUDGE: "current_sources", CLAMP: "voltage_sources"}


def with_nudges(circuit: Circuit) -> Circuit:
    """The circuit with a current source across each output, driven by an added input of its own.

    Inputs are amperes into the first node of the output and out of the second, columns n_in … n_in + n_out - 1.
    """
    total = sum(len(circuit.bank(kind)) for kind in source_kinds())
    added = _joined(circuit.current_sources, circuit.outputs[:, ::-1], f"i_{NUDGE}")
    inputs = _driven(circuit.inputs, total, len(circuit.outputs), NUDGE)
    return replace(circuit, current_sources=added, inputs=inputs, units=_units(circuit))


def with_clamps(circuit: Circuit) -> Circuit:
    """The circuit with an ideal voltage source across each output, driven by an added input of its own.

    Inputs are the volts the outputs are held at; of a differential output only the difference is held. An engine
    refuses a circuit whose sources hold an output already.
    """
    volts = len(circuit.voltage_sources)
    added = _joined(circuit.voltage_sources, circuit.outputs, f"v_{CLAMP}")
    # Current sources are counted after the voltage sources, which have become more.
    moved = np.where(
        circuit.inputs.source >= volts, circuit.inputs.source + len(circuit.outputs), circuit.inputs.source
    )
    inputs = _driven(replace(circuit.inputs, source=moved), volts, len(circuit.outputs), CLAMP)
    return replace(circuit, voltage_sources=added, inputs=inputs, units=_units(circuit))


def without(circuit: Circuit) -> tuple[Circuit, str]:
    """The plain circuit of one ``with_nudges`` or ``with_clamps``, and ``NUDGE`` or ``CLAMP``; any other circuit is its
    own, with ""."""
    count, driven = len(circuit.outputs), circuit.inputs
    for what, kind in _KINDS.items():
        if not count or driven.names[-count:] != tuple(f"{what}{k}" for k in range(count)):
            continue
        first = len(circuit.voltage_sources) if what == NUDGE else 0
        first += len(circuit.bank(kind)) - count
        ends = circuit.outputs[:, ::-1] if what == NUDGE else circuit.outputs
        rows = driven.column >= len(driven) - count
        ours = np.array_equal(driven.source[rows], np.arange(first, first + count))
        if not (
            ours and np.array_equal(circuit.bank(kind).terminals[-count:], ends) and (driven.gain[rows] == 1).all()
        ):
            continue
        source = driven.source[~rows]
        if what == CLAMP:
            source = np.where(source >= first + count, source - count, source)
        inputs = Inputs(source, driven.column[~rows], driven.gain[~rows], driven.names[:-count])
        own = circuit.scaling
        units = replace(own, offset=own.offset[:-count], scale=own.scale[:-count])
        bank = circuit.bank(kind).kept(np.arange(len(circuit.bank(kind))) < len(circuit.bank(kind)) - count)
        return circuit.with_banks({kind: bank}, inputs=inputs, units=units), what
    return circuit, ""


def _joined(old: Bank, ends: Ints, prefix: str) -> Bank:
    count = len(ends)
    return Bank(
        np.concatenate([old.terminals, ends]),
        np.append(old.values, np.zeros(count)),
        (*old.names, *(f"{prefix}{k}" for k in range(count))) if old.names else (),
        (*old.groups, (f"{prefix}s", count)) if old.groups else (),
    )


def _driven(old: Inputs, first: int, count: int, name: str) -> Inputs:
    return Inputs(
        np.append(old.source, np.arange(first, first + count)),
        np.append(old.column, np.arange(len(old), len(old) + count)),
        np.append(old.gain, np.ones(count)),
        (*old.names, *(f"{name}{k}" for k in range(count))),
    )


def _units(circuit: Circuit) -> Units:
    old, count = circuit.scaling, len(circuit.outputs)
    return replace(old, offset=np.append(old.offset, np.zeros(count)), scale=np.append(old.scale, np.ones(count)))
