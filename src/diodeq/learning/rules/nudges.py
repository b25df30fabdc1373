"""What rules that compare two states of one circuit share: when they may, and the comparison."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.products import branch_products

Floats = NDArray[np.float64]


def nonreciprocal(circuit: Circuit) -> str | None:
    """The elements that keep the circuit from being reciprocal, in words; None where it is."""
    found = [kind for kind, spec in kinds_of(circuit).items() if not spec.reciprocal]
    return f"the circuit has {' and '.join(found)}, so it is not reciprocal" if found else None


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
