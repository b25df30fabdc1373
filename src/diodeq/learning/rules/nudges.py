"""What rules that compare two states of one circuit share: the circuit with its outputs pushed, and the comparison.

A transformation adds one driven source per output; the nodes, and so every branch voltage, keep their numbers. All
states of a batch are operating points of one circuit, the free one with the added sources at 0 A, so an engine
analyses its topology once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Bank, Circuit
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.inputs import Inputs, Units
from diodeq.circuit.kinds import source_kinds
from diodeq.circuit.products import branch_products

Floats = NDArray[np.float64]


def nonreciprocal(circuit: Circuit) -> str | None:
    """The elements that keep the circuit from being reciprocal, in words; None where it is."""
    found = [kind for kind, spec in kinds_of(circuit).items() if not spec.reciprocal]
    return f"the circuit has {' and '.join(found)}, so it is not reciprocal" if found else None


def with_nudges(circuit: Circuit) -> Circuit:
    """The circuit with a current source across each output, driven by an added input of its own.

    Inputs are amperes into the first node of the output and out of the second, columns n_in … n_in + n_out - 1.
    """
    total = sum(len(circuit.bank(kind)) for kind in source_kinds())
    added = _joined(circuit.current_sources, circuit.outputs[:, ::-1], "i_nudge")
    inputs = _driven(circuit.inputs, total, len(circuit.outputs), "nudge")
    return replace(circuit, current_sources=added, inputs=inputs, units=_units(circuit))


def with_clamps(circuit: Circuit) -> Circuit:
    """The circuit with an ideal voltage source across each output, driven by an added input of its own.

    Inputs are the volts the outputs are held at; of a differential output only the difference is held. An engine
    refuses a circuit whose sources hold an output already.
    """
    volts = len(circuit.voltage_sources)
    added = _joined(circuit.voltage_sources, circuit.outputs, "v_clamp")
    # Current sources are counted after the voltage sources, which have become more.
    moved = np.where(
        circuit.inputs.source >= volts, circuit.inputs.source + len(circuit.outputs), circuit.inputs.source
    )
    inputs = _driven(replace(circuit.inputs, source=moved), volts, len(circuit.outputs), "clamp")
    return replace(circuit, voltage_sources=added, inputs=inputs, units=_units(circuit))


def contrast(circuit: Circuit, first: Floats, second: Floats) -> Floats:
    """½ Σ (Δv₁² - Δv₂²) over the batch for every trainable resistor, float64[n_trainable].

    ``first`` and ``second`` are node voltages float64[B, N] of two states. Written as mean times difference, so that
    nothing cancels when the states are close.
    """
    return -branch_products(circuit, 0.5 * (first + second), first - second)


def output_conductance(circuit: Circuit) -> float:
    """Siemens, a mean over the outputs: about what a current through an output has to overcome to move it.

    For each output the conductances at its two nodes in series, all other nodes held.
    """
    ends, values = circuit.resistors.terminals, circuit.conductances
    at = np.bincount(ends.ravel(), weights=np.repeat(values, 2), minlength=len(circuit.nodes))
    at[0] = np.inf
    both = at[circuit.outputs]
    with np.errstate(divide="ignore"):
        series = 1.0 / (1.0 / both).sum(axis=1)
    seen = series[np.isfinite(series) & (series > 0)]
    return float(seen.mean() if len(seen) else values.mean())


def _joined(old: Bank, ends: NDArray[np.int32], prefix: str) -> Bank:
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
