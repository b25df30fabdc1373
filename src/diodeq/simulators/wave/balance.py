"""Kirchhoff's current law, recomputed from an answer: what does not balance is refused, never returned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import SimulationError
from diodeq.simulators.wave.method import Method, Settled
from diodeq.simulators.wave.stamp import Stamp

Floats = NDArray[np.float64]

# A node where hardly any current flows is judged by what so few volts across its resistors would make flow: an
# adjoint, whose size is anybody's choice, has a share of its largest voltage instead.
QUIET_VOLTS = 1e-5
QUIET_SHARE = 1e-4
QUIET_CURRENT = 1e-6
QUIET_AMPERES = 1e-15


def imbalance(
    method: Method,
    stamp: Stamp,
    unknowns: Floats,
    diode_currents: Floats,
    right: Floats,
    *,
    transposed: bool = False,
) -> Floats:
    """The worst imbalance of each row, float64[B], as a share of the currents of the node (``kirchhoff.residual``).

    The equations of voltage sources, transformers, buffers and shorts are held to the same share of their voltages.
    ``transposed``: of an adjoint solution.
    """
    wrong = method.leaving(unknowns, diode_currents, transposed=transposed)
    wrong -= right
    size = method.leaving(unknowns, diode_currents, transposed=transposed, magnitude=True)
    size += np.abs(right)
    per_volt = np.abs(stamp.matrix.diagonal()).astype(size.dtype)
    per_volt[stamp.nodes :] = 1.0
    if transposed:
        size += QUIET_SHARE * np.abs(unknowns[:, : stamp.nodes]).max(axis=1, keepdims=True, initial=0.0) * per_volt
        # Nodes that hold no resistor have no such current; theirs is a share of the largest anywhere.
        size[:, : stamp.nodes] += QUIET_CURRENT * size[:, : stamp.nodes].max(axis=1, keepdims=True, initial=0.0)
        size += np.finfo(size.dtype).tiny  # nothing at all may have been injected
    else:
        size += QUIET_VOLTS * per_volt + QUIET_AMPERES
    np.abs(wrong, out=wrong)
    wrong /= size
    return np.asarray(wrong.max(axis=1, initial=0.0))


def demand_settled(settled: Settled, residual: Floats, limit: float, first: int) -> None:
    """Raise ``SimulationError`` unless every row, numbered from ``first``, converged and balances."""
    bad = ~((settled.mismatch <= 1.0) & (residual <= limit) & np.isfinite(settled.unknowns).all(axis=1))
    if bad.any():
        sample = int(np.argmax(bad))
        raise SimulationError(
            f"the circuit did not settle for {np.count_nonzero(bad)} of {len(bad)} samples, first sample "
            f"{first + sample}: its diode voltages miss the tolerance {settled.mismatch[sample]:.1e} times over and "
            f"its currents balance to {residual[sample]:.1e}",
            "lower the drive voltages, narrow the conductance range, or use the simulator ngspice",
        )


def demand_balanced(residual: Floats, limit: float, first: int) -> None:
    """Raise ``SimulationError`` unless every row of an adjoint solution balances, numbered from ``first``."""
    bad = ~(residual <= limit)
    if bad.any():
        sample = int(np.argmax(bad))
        raise SimulationError(
            f"the linearized circuit of sample {first + sample} balances only to {residual[sample]:.1e}",
            "narrow the conductance range, or use the simulator ngspice",
        )
