"""Certificates: how far each stage is from losing its unique equilibrium, and how strongly inputs can move outputs.

The stage is ``0 ∈ H z + F(z) - U x - b`` with H = I - W. With the margin ``m = λ_min((H + Hᵀ)/2)`` and F strongly
monotone with constant μ (1 for asinh, 0 for the others), H + F is strongly monotone with ``κ = m + μ``. For κ > 0 there
is exactly one equilibrium for every input, it moves by at most ``‖U Δx‖/κ``, and both survive every perturbation of W
with ``‖ΔW‖₂ < κ`` (guide/theory.md §6). These are sufficient conditions: κ ≤ 0 proves nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh
from scipy.sparse import csgraph
from scipy.sparse.linalg import LinearOperator, eigsh

if TYPE_CHECKING:
    from diodeq.network.network import Network, Stage

Floats = NDArray[np.float64]

DENSE = 4000  # up to this many units the dense eigenvalue solver is quick
ROUGH, FINE, ROUNDS = 1e-3, 1e-13, 8


@dataclass(frozen=True)
class StageCertificate:
    """What is known of one stage, in network units: the conductance of an isolated unit is 1."""

    margin: float
    """m = λ_min((H + Hᵀ)/2); 1 for a feed-forward stage and for a stage without units."""
    monotonicity: float
    """κ = m + μ"""
    unit: int | None
    """The largest unit of the margin's eigenvector, where more conductance to ground helps most; None if W is None."""
    unique: bool
    """Whether a unique equilibrium is guaranteed for every input: κ is above its rounding error."""
    lipschitz: float
    """Bound on ``‖Δz‖₂ / ‖Δx‖₂``; infinite where uniqueness is not guaranteed."""
    radius: float
    """``‖ΔW‖₂`` below this keeps uniqueness; infinite for a feed-forward stage, which has no W, and 0 if not unique."""


@dataclass(frozen=True)
class Certificate:
    """Certificates of all stages of a cascade."""

    stages: tuple[StageCertificate, ...]

    @property
    def margin(self) -> float:
        """The smallest margin of all stages."""
        return min(stage.margin for stage in self.stages)

    @property
    def weakest(self) -> int:
        """The stage with the smallest κ."""
        return min(range(len(self.stages)), key=lambda k: self.stages[k].monotonicity)

    @property
    def unique(self) -> bool:
        """Whether every stage's equilibrium is guaranteed to be unique."""
        return all(stage.unique for stage in self.stages)

    @property
    def lipschitz(self) -> float:
        """Bound on ``‖Δoutput‖₂ / ‖Δinput‖₂``: the product over the stages, infinite if any is."""
        bounds = [stage.lipschitz for stage in self.stages]
        return math.inf if math.inf in bounds else math.prod(bounds)

    @property
    def radius(self) -> float:
        """The smallest radius of all stages."""
        return min(stage.radius for stage in self.stages)


def certify_network(network: Network) -> Certificate:
    """The certificates of a network; always returns, whatever the weights."""
    return Certificate(tuple(certify_stage(stage) for stage in network.stages))


def certify_stage(stage: Stage) -> StageCertificate:
    """The certificate of one stage."""
    margin, unit = weakest_direction(stage)
    kappa = margin + stage.activation.law.strength
    gain = float(np.linalg.norm(stage.U, 2)) if stage.U.size else 0.0
    if stage.W is None or not stage.size:
        return StageCertificate(margin, kappa, None, True, gain / kappa, math.inf)
    unique = is_above_rounding(kappa, stage)
    return StageCertificate(margin, kappa, unit, unique, gain / kappa if unique else math.inf, kappa if unique else 0.0)


def is_above_rounding(kappa: float, stage: Stage) -> bool:
    """Whether a margin is above the eigenvalue solver's rounding: below, it could as well be zero or negative."""
    size = 0.0 if stage.W is None else float(np.linalg.norm(stage.W))
    return bool(kappa > 4.0 * np.finfo(np.float64).eps * stage.size * (1.0 + size))


def weakest_direction(stage: Stage) -> tuple[float, int | None]:
    """The margin ``λ_min((H + Hᵀ)/2)`` and the unit that is largest in its eigenvector (None without W or units)."""
    if stage.W is None or not stage.size:
        return 1.0, None
    symmetric = (stage.W + stage.W.T) / -2.0
    symmetric[np.diag_indices(stage.size)] += 1.0
    value, vector = lowest(symmetric)
    return value, int(np.argmax(np.abs(vector)))


def lowest(symmetric: Floats) -> tuple[float, Floats]:
    """The smallest eigenvalue of a symmetric matrix (float64[n, n], n > 0) and its vector (float64[n], of length 1).

    Units that nothing couples have eigenvalues of their own, so each connected group is asked alone.
    """
    groups = _groups(symmetric)
    found = [_lowest_of(symmetric[np.ix_(group, group)] if len(groups) > 1 else symmetric) for group in groups]
    least = min(range(len(groups)), key=lambda k: found[k][0])
    vector = np.zeros(len(symmetric))
    vector[groups[least]] = found[least][1]
    return found[least][0], vector


def _groups(symmetric: Floats) -> list[NDArray[np.intp]]:
    """The connected groups of units, in order."""
    size = len(symmetric)
    if 2 * np.count_nonzero(symmetric) > size * size:  # one group has most units, if there are several
        return [np.arange(size)]
    count, label = csgraph.connected_components(sparse.csr_array(symmetric), directed=False)
    order = np.argsort(label, kind="stable")
    return np.split(order, np.cumsum(np.bincount(label, minlength=count))[:-1])


def _lowest_of(symmetric: Floats) -> tuple[float, Floats]:
    if len(symmetric) == 1:
        return float(symmetric[0, 0]), np.ones(1)
    if len(symmetric) > DENSE:
        return _lowest_of_many(symmetric)
    values, vectors = eigh(symmetric, subset_by_index=[0, 0])
    return float(values[0]), np.asarray(vectors[:, 0], np.float64)


def _lowest_of_many(symmetric: Floats) -> tuple[float, Floats]:
    """The same for a large matrix, by Lanczos' method with shifts and inversions.

    The lower end is often crowded, where plain Lanczos is hopeless. So from a rough value on, each round factorizes
    just below the last value and finds the eigenvalue nearest to that. Cholesky's factorization exists only if no
    eigenvalue is lower: the result cannot be another one. It is lowered by its residual, to err on the safe side.
    """
    n = len(symmetric)
    scale = 2.0 * float(np.abs(symmetric).sum(axis=1).max()) or 1.0  # twice what no eigenvalue exceeds
    vector = np.random.default_rng(0).standard_normal(n)  # the library's own start is random; answers should repeat
    _, vectors = eigsh(symmetric - scale * np.eye(n), k=1, which="LM", v0=vector, tol=ROUGH)
    value, doubt = _rayleigh(symmetric, vectors[:, 0])
    for _ in range(ROUNDS):
        below = 2.0 * doubt + FINE * scale
        while (factor := _factor_below(symmetric, value - below)) is None:
            below *= 4.0
        inverse = LinearOperator((n, n), matvec=partial(cho_solve, (factor, True), check_finite=False), dtype=float)
        _, vectors = eigsh(inverse, k=1, which="LM", v0=vector, tol=ROUGH)
        value, doubt = _rayleigh(symmetric, vectors[:, 0])
        if doubt <= FINE * scale:
            break
    return value - doubt, vectors[:, 0]


def _rayleigh(symmetric: Floats, vector: Floats) -> tuple[float, float]:
    """The vector's eigenvalue and the norm of its residual; the vector has length 1."""
    product = symmetric @ vector
    value = float(vector @ product)
    return value, float(np.linalg.norm(product - value * vector))


def _factor_below(symmetric: Floats, shift: float) -> Floats | None:
    """Cholesky's lower factor of ``symmetric - shift I``, or None if an eigenvalue is below the shift."""
    shifted = symmetric.copy()
    shifted[np.diag_indices(len(shifted))] -= shift
    try:
        return np.asarray(cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)[0], np.float64)
    except LinAlgError:
        return None
