"""Intervals of every unit for a box of inputs: proved, by interval arithmetic through the stages.

A feed-forward stage maps intervals to intervals. Of an equilibrium stage the margin m bounds how far its units move,
``‖z(x) - z(c)‖₂ ≤ ‖U (x - c)‖₂ / m`` (guide/theory.md §6: its inclusion is strongly monotone), and what lies in an
interval lies in its image under ``z_i = σ(W_ii z_i + Σ_j≠i W_ij z_j + U x + b)`` too, which is repeated until nothing
shrinks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diodeq.network.certificate import weakest_direction
from diodeq.network.network import Network, Stage
from diodeq.network.solve import solve

Floats = NDArray[np.float64]
Interval = tuple[Floats, Floats]

PASSES = 200
SHRUNK = 1e-3
"""What shrinks by less in a pass, of its width, is done."""
ROUNDING = 1e-12
SOLVED = 1e-10


def intervals(network: Network, low: Floats, high: Floats) -> tuple[Interval | None, ...]:
    """Of each stage (lowest, highest) float64[n_k] of its units, for all inputs between ``low`` and ``high``
    float64[n_in]; None from the first stage on whose margin is not above 0.

    Raises ``SimulationError`` when the reference solution at the box's middle does not converge.
    """
    found: list[Interval | None] = []
    box: Interval | None = (np.asarray(low, np.float64), np.asarray(high, np.float64))
    for stage in network.stages:
        box = None if box is None else _of_stage(stage, box)
        found.append(box)
    return tuple(found)


def _of_stage(stage: Stage, box: Interval) -> Interval | None:
    low, high = _times(stage.U, box)
    drive = _outwards((low + stage.b, high + stage.b))
    if stage.W is None:
        return _outwards((stage.activation(drive[0]), stage.activation(drive[1])))
    margin, _ = weakest_direction(stage)
    if margin <= 0.0:
        return None
    middle = (box[0] + box[1]) / 2.0
    centre = solve(Network((stage,)), middle[None], tolerance=SOLVED).states[0][0]
    # What rounding and the solution's residual add is far below a thousandth of the radius or of the units.
    radius = float(np.linalg.norm(np.abs(stage.U) @ (box[1] - box[0]) / 2.0)) / margin
    radius = radius * (1.0 + ROUNDING) + 1e-6 * float(np.abs(centre).max(initial=0.0)) + SOLVED / margin
    now: Interval = (centre - radius, centre + radius)
    own = np.diag(stage.W)
    others = stage.W - np.diag(own)
    for _ in range(PASSES):
        fed = _times(others, now)
        low, high = _outwards((fed[0] + drive[0], fed[1] + drive[1]))
        image = _settled(stage, own, (low, high), now)
        new = (np.maximum(now[0], image[0]), np.minimum(now[1], image[1]))
        shrunk = (new[0] - now[0]) + (now[1] - new[1])
        done = bool(np.all(shrunk <= SHRUNK * (now[1] - now[0])))
        now = new
        if done:
            break
    return now


def _settled(stage: Stage, own: Floats, fed: Interval, now: Interval) -> Interval:
    """Where units come to rest that get between ``fed``, besides what they feed themselves."""
    slopes = {"relu": 0.0, "identity": 1.0, "leaky-relu": stage.activation.parameter}
    if stage.activation.name in slopes and np.all(own < 1.0):
        slope = slopes[stage.activation.name]

        def rest(given: Floats) -> Floats:
            return np.where(given > 0.0, given / (1.0 - own), slope * given / (1.0 - slope * own))

        return _outwards((rest(fed[0]), rest(fed[1])))
    low, high = np.minimum(own * now[0], own * now[1]), np.maximum(own * now[0], own * now[1])
    return _outwards((stage.activation(fed[0] + low), stage.activation(fed[1] + high)))


def _times(matrix: Floats, box: Interval) -> Interval:
    up, down = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    return up @ box[0] + down @ box[1], up @ box[1] + down @ box[0]


def _outwards(box: Interval) -> Interval:
    """The interval, larger by what rounding may have taken."""
    room = ROUNDING * np.maximum(np.abs(box[0]), np.abs(box[1]))
    return box[0] - room, box[1] + room
