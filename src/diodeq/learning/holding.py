"""What holding a circuit's outputs at their targets costs, the function that contrastive learning descends.

In a circuit of voltage sources, resistors and one-ports the operating point minimises the co-content ``Φ(v; G) = Σ ½ G
Δv² + Σ ∫ i dv``. Let f(G) be its least value with the outputs held, less that with the outputs free. By the envelope
theorem ``∂f/∂G = ½ (Δv_held² - Δv_free²)``: contrastive learning's step. Each least value is one of functions that are
affine in G, so it is concave; where sources and clamps hold every node, the first is affine itself and f is convex,
whatever the one-ports. Its curvature is at most ``Δv² / G`` in any case (guide/theory.md §9).

In networks of linear resistors: Huijzer, Chaffey, Besselink & van Waarde, arXiv:2503.00349.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.circuit import Circuit
from diodeq.circuit.graph import held_nodes
from diodeq.circuit.nudges import with_clamps
from diodeq.circuit.products import branch_products
from diodeq.devices.one_ports import one_ports
from diodeq.errors import InputError
from diodeq.learning.power import has_content
from diodeq.learning.rules.nudges import contrast
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]

NODES = 48
"""Of Gauss and Legendre's rule, which integrates the one-ports' laws from the free to the held voltage."""


@dataclass(frozen=True, eq=False)
class Holding:
    """f of a circuit: ``drives`` float64[B, n_in] and ``targets`` float64[B, n_out] are in volts.

    Raises:
        InputError: a part has no co-content, or the targets do not fit.
    """

    simulator: Simulator
    circuit: Circuit
    drives: Floats
    targets: Floats

    def __post_init__(self) -> None:
        wanted = real("the targets", self.targets)
        if wanted.shape != (len(self.drives), len(self.circuit.outputs)):
            raise InputError(
                f"targets of shape {wanted.shape} do not fit",
                f"give volts of shape ({len(self.drives)}, {len(self.circuit.outputs)})",
            )
        if not has_content(self.circuit):
            raise InputError(
                f"circuit {self.circuit.title!r} has no co-content",
                "contrastive learning descends one only in circuits of voltage sources, resistors and one-ports",
            )

    @cached_property
    def _clamped(self) -> Circuit:
        return with_clamps(self.circuit)

    @property
    def convex(self) -> bool:
        """Whether sources and clamps hold every node, so that f is convex in the conductances."""
        return bool(held_nodes(self._clamped).all())

    def curvature(self, least: float) -> float:
        """No second derivative of f along a direction of length 1 is above this where each conductance is at least
        ``least`` S: the mean square of the volts between the highest and the lowest source, over it.

        One-ports that carry nothing at 0 V keep every node between the sources, so no resistor sees more.
        """
        held = held_nodes(self.circuit)
        volts = self.simulator.operate(self.circuit, self.drives).node_voltages[:, held]
        return float(np.mean(np.ptp(volts, axis=1) ** 2)) / least

    def __call__(self, conductances: ArrayLike) -> tuple[float, Floats]:
        """f in watts, a mean over the samples, and its gradient by the trainable conductances, V²: float64[n]."""
        values = np.array(self.circuit.conductances)
        values[self.circuit.mask] = conductances
        circuit = self.circuit.with_conductances(values)
        free = self.simulator.operate(circuit, self.drives).node_voltages
        clamped = self._clamped.with_conductances(values)
        held = self.simulator.operate(clamped, np.hstack([self.drives, self.targets])).node_voltages
        batch = len(self.drives)
        # As mean times difference: the two co-contents are nearly equal where the outputs nearly fit.
        every = -branch_products(circuit, 0.5 * (held + free), held - free, every=True) / batch
        work = _work(circuit, free, held)
        return float(values @ every + work.sum() / batch), contrast(circuit, held, free) / batch


def _work(circuit: Circuit, free: Floats, held: Floats) -> Floats:
    """∫ i dv of every one-port from its free to its held voltage, float64[B, n]."""
    ends = circuit.diodes.terminals
    first, second = (volts[:, ends[:, 0]] - volts[:, ends[:, 1]] for volts in (free, held))
    if not len(ends):
        return first
    ports = one_ports(circuit.models, circuit.diodes.values, circuit.temperature)
    at, weights = np.polynomial.legendre.leggauss(NODES)
    half, middle = 0.5 * (second - first), 0.5 * (second + first)
    currents = ports.current(middle + half * at[:, None, None])
    return np.asarray(half * np.einsum("k,kbn->bn", weights, currents))
