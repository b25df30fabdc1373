"""What nodes that are not read are expected to have, given those that are and the tolerances of the resistors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.equations import EquationsPlan
from diodeq.circuit.fold import FoldPlan
from diodeq.simulators.base import OperatingPoint

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Tolerances:
    """How the free nodes of a circuit move when its resistors deviate on their own, each within ± a tolerance.

    ``free`` int[n] are the nodes that no source holds, ``inverse`` float64[B, n, n] what a current into each changes of
    each where the circuit is linearized, ``deviation`` the resistors' relative standard deviation.
    """

    circuit: Circuit
    free: Index
    inverse: Floats
    deviation: float

    @staticmethod
    def of(circuit: Circuit, point: OperatingPoint, tolerance: float) -> Tolerances:
        """At the operating points of a reciprocal circuit."""
        folded = FoldPlan.of(circuit).fold(circuit)
        plan = EquationsPlan.of(folded.circuit)
        ports = plan.ports.toarray()
        whole = plan.fill(folded.circuit).matrix.toarray() + np.einsum(
            "dn,bd,dm->bnm", ports, point.diode_conductances, ports, optimize=True
        )
        free = np.arange(len(circuit.nodes))[folded.plan.free]
        inverse = np.linalg.inv(whole)[:, : len(free), : len(free)]
        return Tolerances(circuit, free, inverse, tolerance / math.sqrt(3.0))

    def covariance(self, volts: Floats) -> Floats:
        """Of the free nodes, float64[B, n, n], where branches have the voltages of ``volts`` float64[B, N]: the
        operating point's, or what currents change of it."""
        found = self.inverse @ self._laplacian(volts, self.circuit.conductances**2)
        return np.asarray(found @ self.inverse.transpose(0, 2, 1)) * self.deviation**2

    def weights(self, volts: Floats) -> Floats:
        """What a covariance of one factor costs the gradient, float64[B, n, n], where the other has ``volts``: of the
        trainable resistors."""
        return self._laplacian(volts, self.circuit.mask.astype(np.float64))

    def _laplacian(self, volts: Floats, factors: Floats) -> Floats:
        """Σ factor (v_a - v_b)² (e_a - e_b)(e_a - e_b)ᵀ over the resistors, of the free nodes."""
        ends, size = self.circuit.resistors.terminals, len(self.circuit.nodes)
        across = factors * (volts[:, ends[:, 0]] - volts[:, ends[:, 1]]) ** 2
        found = np.zeros((len(volts), size, size))
        rows = np.arange(len(volts))[:, None]
        for one, other, sign in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -1.0), (1, 0, -1.0)):
            np.add.at(found, (rows, ends[:, one], ends[:, other]), sign * across)
        return found[:, self.free[:, None], self.free]


def filled(
    model: Floats,
    free: Index,
    covariance: Floats,
    read: Index,
    volts: Floats,
    noise: float | Floats,
    kept: Index | None = None,
) -> Floats:
    """Node voltages float64[B, N]: those ``read`` int[m] as they are, ``volts`` float64[B, m], all other free ones what
    ``model`` has and what these say of them, by a ``covariance`` float64[B, n, n] and readings that are off by
    ``noise``, of all the same or float64[B, m]. Where only those ``kept`` stay as they were read, the others are what
    is expected after the reading too: nearer to the model, the more noise there is."""
    found = model.copy()
    if not len(read):
        return found
    place = np.full(model.shape[1], -1)
    place[free] = np.arange(len(free))
    at, variance = place[read], np.broadcast_to(noise, volts.shape) ** 2
    among = covariance[:, at[:, None], at] + variance[:, :, None] * np.eye(len(at))
    missed = np.linalg.solve(among, (volts - model[:, read])[..., None])
    found[:, free] += (covariance[:, :, at] @ missed)[..., 0]
    stay = np.isin(read, read if kept is None else kept)
    found[:, read] = np.where(stay, volts, volts - variance * missed[..., 0])
    return found
