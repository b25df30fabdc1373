"""One factorization of the linear part, dense or sparse, used for every sample and for the adjoint."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse import linalg as sparse_linalg

from diodeq.errors import SimulationError

Floats = NDArray[np.float64]

# A matrix of fewer unknowns, or one fuller than this share, is factored densely.
DENSE_BELOW = 600
DENSE_ABOVE = 0.05
# Where a dense factorization would take more memory (16 bytes an entry) than this, sparse it must be.
DENSE_LIMIT = 12_000


class Factor(Protocol):
    """``solve`` takes and returns rows of unknowns, float64[B, n]; ``transposed`` solves with the transposed matrix."""

    def solve(self, right: Floats, *, transposed: bool = False) -> Floats: ...


class DenseFactor:
    """LU, and the inverse it gives: products with an inverse run several times faster than substitutions."""

    def __init__(self, matrix: Floats) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", linalg.LinAlgWarning)
            self.inverse: Floats = linalg.inv(matrix)

    def solve(self, right: Floats, *, transposed: bool = False) -> Floats:
        return np.asarray(right @ (self.inverse if transposed else self.inverse.T))


class SparseFactor:
    """SuperLU."""

    def __init__(self, matrix: sparse.csr_array) -> None:
        self._lu: Any = sparse_linalg.splu(sparse.csc_matrix(matrix))

    def solve(self, right: Floats, *, transposed: bool = False) -> Floats:
        return np.asarray(self._lu.solve(np.ascontiguousarray(right.T), trans="T" if transposed else "N").T)


class Refined:
    """Another factor followed by one step of iterative refinement: digits back where conductances span decades."""

    def __init__(self, matrix: sparse.csr_array, rough: Factor) -> None:
        full = 10 * matrix.nnz > matrix.shape[0] ** 2
        self._matrix: Any = matrix.toarray() if full else matrix
        self._rough = rough

    def solve(self, right: Floats, *, transposed: bool = False) -> Floats:
        found = self._rough.solve(right, transposed=transposed)
        matrix = self._matrix.T if transposed else self._matrix
        found += self._rough.solve(right - (matrix @ found.T).T, transposed=transposed)
        return found


def factor(matrix: sparse.csr_array, refined: bool) -> Factor:
    """Factor a square sparse matrix, with refinement on request; raises ``SimulationError`` when it is singular."""
    size = matrix.shape[0]
    dense = size < DENSE_BELOW or (matrix.nnz > DENSE_ABOVE * size * size and size <= DENSE_LIMIT)
    try:
        found = DenseFactor(matrix.toarray()) if dense else SparseFactor(matrix)
        return Refined(matrix, found) if refined else found
    except (linalg.LinAlgError, linalg.LinAlgWarning, RuntimeError, ValueError) as error:
        raise SimulationError(
            "the circuit's linear equations have no unique solution to working precision",
            "look for nodes held only by controlled sources, or narrow the conductance range",
        ) from error
