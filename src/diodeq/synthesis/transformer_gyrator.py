"""Ideal transformers and gyrators: any W whose I - W has a positive margin.

The skew part of H = I - W is gyrators. Of the symmetric part S, negative off-diagonals are resistors between two units;
positive ones resistors to the inverted copy of a unit, which one transformer of ratio -1 makes. Where S is not
diagonally dominant, ``S = diag(h) + AᵀA``: each row of A is a chain of secondaries across one resistor.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from diodeq.errors import NotRealizableError
from diodeq.network import Stage
from diodeq.synthesis.passive import ROUNDING
from diodeq.synthesis.plan import Core, Floats, Index, Joints

# A row that has less than this share of its diagonal left for the inputs takes the turns: drivers' gains stay small.
DOMINANCE = 0.02


def core(stage: Stage, scalable: bool) -> Core:
    """The core of a transformer-gyrator stage.

    Raises:
        NotRealizableError: the symmetric part of I - W is not positive definite.
    """
    ones = np.ones(stage.size)
    if stage.W is None:
        return Core(ones, ones)
    H = stage.H
    largest = float(np.abs(H).max(initial=0.0))
    symmetric = (H + H.T) / 2.0
    skew = np.triu((H - H.T) / 2.0)
    gyrators = Joints.of(np.where(np.abs(skew) > ROUNDING * largest, skew, 0.0))
    load = np.abs(stage.U).sum(axis=1) + np.abs(stage.b)
    couplings = symmetric - np.diag(np.diag(symmetric))
    couplings[np.abs(couplings) <= ROUNDING * largest] = 0.0
    headroom = np.diag(symmetric) - np.abs(couplings).sum(axis=1)
    if np.all(headroom >= DOMINANCE * np.diag(symmetric) * (load > 0)):
        upper = np.triu(couplings)
        direct = Joints.of(np.maximum(-upper, 0.0))
        return Core(ones, headroom, resistors=direct, copied=_copies(np.maximum(couplings, 0.0)), gyrators=gyrators)
    headroom = _room(symmetric, load)
    rest = symmetric - np.diag(headroom)
    turns = np.triu(_factor(rest, lower=False))
    turns[np.abs(turns) <= ROUNDING * largest] = 0.0
    return Core(ones, headroom, turns=Joints.of(turns), gyrators=gyrators)


def _copies(positive: Floats) -> Joints:
    """Conductances from inverted copies to units: each positive entry once, few units copied (greedy vertex cover)."""
    uncovered = positive > 0
    degree = uncovered.sum(axis=1)
    found: list[tuple[int, Index]] = []
    while degree.any():
        unit = int(np.argmax(degree))
        others = np.flatnonzero(uncovered[unit])
        found.append((unit, others))
        uncovered[unit] = False
        uncovered[:, unit] = False
        degree[others] -= 1
        degree[unit] = 0
    if not found:
        return Joints.of(np.zeros((0, 0)))
    rows = np.concatenate([np.full(len(others), unit) for unit, others in found])
    columns = np.concatenate([others for _, others in found]).astype(np.int64)
    return Joints(rows, columns, positive[rows, columns])


def _room(symmetric: Floats, load: Floats) -> Floats:
    """float64[n] h, shaped like the inputs' load and nearly as large as ``S - diag(h)`` positive definite allows."""
    weight = load + 0.05 * load.mean() if load.any() else np.ones(len(load))
    factor = _factor(symmetric, lower=True)
    # S ⪰ θ diag(w) exactly when θ λ_max(w^½ S⁻¹ w^½) ≤ 1.
    whitened = solve_triangular(factor, np.diag(np.sqrt(weight)), lower=True, check_finite=False)
    headroom: Floats = 0.9 * weight / float(np.linalg.norm(whitened, 2)) ** 2
    return headroom


def _factor(matrix: Floats, *, lower: bool) -> Floats:
    try:
        return np.asarray(cholesky(matrix, lower=lower, check_finite=False), np.float64)
    except np.linalg.LinAlgError:
        raise NotRealizableError(
            "the symmetric part of I - W is not positive definite, or only to rounding",
            "transformers and gyrators need a positive margin",
        ) from None
