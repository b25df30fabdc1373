"""The activation that an element induces with a part as it is, drops and soft knees included."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.elements import Branch, Element
from diodeq.devices.monotone import solve
from diodeq.devices.one_ports import OnePorts

Floats = NDArray[np.float64]


def induced(
    element: Element, device: OnePorts, source: ArrayLike, alpha: ArrayLike, volts_per_unit: float, bias: float
) -> tuple[Floats, Floats]:
    """The node's voltages, and how far they follow their source (0 to 1), for source voltages behind ``alpha`` ohms.

    Args:
        element: whose branches all lead from the node to a rail: see ``Element.branches``.
        device: one law for all of its diodes.
        source: V, any shape.
        alpha: Ω, what a unit conductance is; broadcasts against ``source``.
        volts_per_unit: V.
        bias: V, against the drop: what rails move by.
    """
    s, r = np.broadcast_arrays(np.asarray(source, np.float64), np.asarray(alpha, np.float64))
    branches = element.branches
    if not branches:
        return s.copy(), np.ones_like(s)
    rails = {rail.name: rail.level * volts_per_unit + rail.drops * bias for rail in element.rails} | {"0": 0.0}

    def leaving(branch: Branch, v: Floats, ohms: Floats) -> tuple[Floats, Floats]:
        """Current out of a node at v volts through a branch, and its slope."""
        sign = 1.0 if branch.outwards else -1.0
        across = sign * (v - rails[branch.rail])
        if branch.conductance is None:
            i, g = device.evaluate(across)
            return sign * i, g
        series = ohms / branch.conductance
        _, i, g = device.load_line(across, series)
        return sign * i, g / (1.0 + series * g)

    if len(branches) == 1:
        (branch,) = branches
        sign = 1.0 if branch.outwards else -1.0
        series = r / branch.conductance if branch.conductance is not None else 0.0 * r
        _, i, g = device.load_line(sign * (s - rails[branch.rail]), r + series)
        taken = r * g / (1.0 + series * g)
        return s - sign * r * i, np.clip(1.0 / (1.0 + taken), 0.0, 1.0)
    ohms = r.ravel()

    def evaluate(index: NDArray[np.intp], v: Floats) -> tuple[Floats, Floats]:
        currents, slopes = zip(*(leaving(branch, v, ohms[index]) for branch in branches), strict=True)
        return np.sum(currents, axis=0), np.sum(slopes, axis=0)

    v, _, g = solve(evaluate, s, r)
    return v, np.clip(1.0 / (1.0 + r * g), 0.0, 1.0)
