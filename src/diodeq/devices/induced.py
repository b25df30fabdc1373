"""The activation that an element induces with a part as it is, drops and soft knees included."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.devices.elements import ActivationElement
from diodeq.devices.monotone import solve
from diodeq.devices.one_ports import OnePorts

Floats = NDArray[np.float64]


def induced(
    element: ActivationElement,
    device: OnePorts,
    source: ArrayLike,
    alpha: ArrayLike,
    volts_per_unit: float,
    bias: float,
) -> tuple[Floats, Floats]:
    """The node's voltages, and how far they follow their source (0 to 1), for source voltages behind ``alpha`` ohms.

    Args:
        element: whose branches all lead from the node to a rail: see ``ActivationElement.branches``.
        device: one law for all of its diodes.
        source: V, any shape.
        alpha: Ω, what a unit conductance is; broadcasts against ``source``.
        volts_per_unit: V.
        bias: V, against the drop: what rails move by.
    """
    s, r = np.broadcast_arrays(np.asarray(source, np.float64), np.asarray(alpha, np.float64))
    if not element.branches:
        return s.copy(), np.ones_like(s)
    if len(element.branches) == 1:
        (branch,) = element.branches
        sign = 1.0 if branch.outwards else -1.0
        series = r / branch.conductance if branch.conductance is not None else 0.0 * r
        _, i, g = device.load_line(sign * (s - _rails(element, volts_per_unit, bias)[branch.rail]), r + series)
        return s - sign * r * i, np.clip((1.0 + series * g) / (1.0 + (series + r) * g), 0.0, 1.0)
    ohms = r.ravel()

    def evaluate(index: NDArray[np.intp], v: Floats) -> tuple[Floats, Floats]:
        return leaving(element, device, v, ohms[index], volts_per_unit, bias)

    v, _, g = solve(evaluate, s, r)
    return v, np.clip(1.0 / (1.0 + r * g), 0.0, 1.0)


def leaving(
    element: ActivationElement, device: OnePorts, volts: Floats, alpha: ArrayLike, volts_per_unit: float, bias: float
) -> tuple[Floats, Floats]:
    """The current (A) that leaves a node at ``volts`` through its element, and its slope (S); the rest as `induced`."""
    rails = _rails(element, volts_per_unit, bias)
    current, slope = np.zeros_like(volts), np.zeros_like(volts)
    for branch in element.branches:
        sign = 1.0 if branch.outwards else -1.0
        across = sign * (volts - rails[branch.rail])
        if branch.conductance is None:
            i, g = device.evaluate(across)
        else:
            series = np.asarray(alpha, np.float64) / branch.conductance
            _, i, g = device.load_line(across, series)
            g = g / (1.0 + series * g)
        current, slope = current + sign * i, slope + g
    return current, slope


def _rails(element: ActivationElement, volts_per_unit: float, bias: float) -> dict[str, float]:
    return {rail.name: rail.level * volts_per_unit + rail.drops * bias for rail in element.rails} | {"0": 0.0}
