"""The passive weights closest to given ones: a projection onto the diagonally dominant matrices of resistors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from diodeq.errors import NotRealizableError
from diodeq.network import Network, Stage
from diodeq.synthesis import passive
from diodeq.synthesis.halves import without_sigmoids
from diodeq.synthesis.plan import Floats

# What every row of I - W keeps for its inputs, in units of an isolated unit's conductance.
ROOM = 0.05


def nearest_passive(W: Floats, room: float = ROOM) -> Floats:
    """float64[n, n]: the W in Frobenius norm closest to ``W`` that the passive realization can build as it stands.

    That is: ``S = I - W`` symmetric, off-diagonals at most 0, row sums at least ``room``. Its dual has one multiplier
    μ_i ≥ 0 per row: ``S_ii = H_ii + μ_i`` and ``S_ij = min(0, (H_ij + H_ji + μ_i + μ_j) / 2)``, and the dual function's
    gradient is the rows' shortfall; it is concave and smooth, so L-BFGS-B solves it.

    Raises:
        NotRealizableError: the optimization did not end at a matrix that can be built.
    """
    size = len(W)
    H = np.eye(size) - W
    H = (H + H.T) / 2.0
    if not size:
        return np.zeros_like(W)
    own = np.diag(H).copy()

    def primal(multipliers: Floats) -> Floats:
        S: Floats = np.minimum(0.0, H + (multipliers[:, None] + multipliers) / 2.0)
        S[np.diag_indices(size)] = own + multipliers
        return S

    def dual(multipliers: Floats) -> tuple[float, Floats]:
        S = primal(multipliers)
        shortfall = room - S.sum(axis=1)
        return -(0.5 * float(np.sum((S - H) ** 2)) + float(multipliers @ shortfall)), -shortfall

    start = np.zeros(size)
    found: Any = minimize(
        dual,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * size,
        options={"maxiter": 5000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-12},
    )
    S = primal(found.x)
    # What the tolerance left open is put on the diagonal, so that every row really has its room.
    shortfall = np.maximum(0.0, room - S.sum(axis=1))
    if not np.all(shortfall <= 1e-6 * max(1.0, float(np.abs(H).max()))):
        raise NotRealizableError(
            f"the nearest passive weights were not found: a row misses {shortfall.max():.3g}",
            "report these weights",
        )
    S[np.diag_indices(size)] += shortfall
    W_near: Floats = np.eye(size) - S
    return W_near


def nearest_passive_network(network: Network) -> tuple[Network, tuple[float, ...]]:
    """The network with every W that the passive realization refuses, or leaves no room, replaced by the nearest.

    Returns it and, per stage, the Frobenius distance by which W moved (0 where it stayed).
    """
    network = without_sigmoids(network)
    stages: list[Stage] = list(network.stages)
    distances = [0.0] * len(stages)
    for k, stage in enumerate(network.stages):
        if stage.W is None or not _refused(stage):
            continue
        stages[k] = replace(stage, W=nearest_passive(stage.W))
        distances[k] = float(np.linalg.norm(stage.H - stages[k].H))
    return Network(tuple(stages)), tuple(distances)


def _refused(stage: Stage) -> bool:
    scalable = stage.activation.element().scalable
    try:
        found = passive.core(stage, scalable)
    except NotRealizableError:
        return True
    fed = np.abs(stage.U).sum(axis=1) + np.abs(stage.b) > 0
    return bool(np.any(fed & (found.headroom < ROOM * found.row_scale)))
