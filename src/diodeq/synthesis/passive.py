"""Resistors between the units, nothing else: D (I - W) must be a conductance matrix with room for the inputs."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from diodeq.errors import NotRealizableError
from diodeq.network import Stage
from diodeq.synthesis.plan import Core, Floats, Joints

# Weights that went through float32 are symmetric to about this share of the largest.
ASYMMETRY = 1e-7
# What rounding leaves of an entry that is zero.
ROUNDING = 1e-13

REMEDY = "take transformer-gyrator or buffered, or the nearest passive weights (--nearest)"


def core(stage: Stage, scalable: bool) -> Core:
    """The core of a passive stage; ``scalable`` says that the activation allows any row scaling D > 0.

    Raises:
        NotRealizableError: no row scaling makes I - W symmetric, an off-diagonal entry of it is positive, or a row
            sum negative; the message names the entry or row and by how much.
    """
    if stage.W is None:
        return Core(np.ones(stage.size), np.ones(stage.size))
    H = stage.H
    scale = symmetrizing_scale(H) if scalable else np.ones(stage.size)
    G = H * scale[:, None]
    largest = float(np.abs(G).max(initial=0.0))
    _symmetric(stage.W, G, largest, scalable)
    G = (G + G.T) / 2.0
    couplings = G - np.diag(np.diag(G))
    _couples_positively(stage.W, couplings, largest)
    couplings = np.minimum(couplings, 0.0)
    headroom = np.diag(G) + couplings.sum(axis=1)
    row = int(np.argmin(headroom)) if len(headroom) else 0
    if len(headroom) and headroom[row] < -ROUNDING * len(headroom) * largest:
        raise NotRealizableError(
            f"row {row} of I - W is not diagonally dominant: it sums to {headroom[row] / scale[row]:.6g}, "
            "where resistors need at least 0",
            REMEDY,
        )
    upper = Joints.of(np.triu(couplings))
    return Core(scale, np.maximum(headroom, 0.0), resistors=Joints(upper.rows, upper.columns, -upper.values))


def symmetrizing_scale(H: Floats) -> Floats:
    """float64[n] D > 0 with D H symmetric where there is one (something positive where there is none).

    In every connected group of units the geometric mean of D is 1. Along a tree of non-zero entries ``D_i H_ij =
    D_j H_ji`` leaves no choice; whether the other entries agree is for the caller to see.
    """
    size = len(H)
    if not size:
        return np.ones(0)
    logarithm = np.zeros(size)
    pattern = sparse.csr_array((H != 0) & (H.T != 0) & ~np.eye(size, dtype=bool))
    count, group = csgraph.connected_components(pattern, directed=False)
    _, starts, units = np.unique(group, return_index=True, return_counts=True)
    for start in starts[units > 1].tolist():
        order, parents = csgraph.breadth_first_order(pattern, start, directed=False)
        for unit in order[1:]:
            parent = parents[unit]
            logarithm[unit] = logarithm[parent] + np.log(abs(H[parent, unit] / H[unit, parent]))
    means = np.bincount(group, logarithm, count) / np.maximum(np.bincount(group, minlength=count), 1)
    scale: Floats = np.exp(np.clip(logarithm - means[group], -300.0, 300.0))
    # An H that is symmetric as it stands is left exactly alone.
    return np.where(np.abs(scale - 1.0) < ASYMMETRY, 1.0, scale)


def _symmetric(W: Floats, G: Floats, largest: float, scalable: bool) -> None:
    difference = np.abs(G - G.T)
    if not difference.size or difference.max() <= ASYMMETRY * largest:
        return
    i, j = np.unravel_index(int(np.argmax(difference)), difference.shape)
    raise NotRealizableError(
        f"W is not symmetric{', and no row scaling makes I - W so' if scalable else ''}: "
        f"W[{i}, {j}] = {W[i, j]:.6g} and W[{j}, {i}] = {W[j, i]:.6g} differ by {abs(W[i, j] - W[j, i]):.3g}",
        REMEDY,
    )


def _couples_positively(W: Floats, couplings: Floats, largest: float) -> None:
    wrong = couplings > ROUNDING * largest
    if wrong.any():
        i, j = np.unravel_index(int(np.argmax(couplings)), couplings.shape)
        raise NotRealizableError(
            f"{int(wrong.sum())} off-diagonal entries of W are negative, which no resistor can be: "
            f"the largest is W[{i}, {j}] = {W[i, j]:.6g}",
            REMEDY,
        )
