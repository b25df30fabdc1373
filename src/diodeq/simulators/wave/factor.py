"""One factorization of the linear part, dense or sparse, used for every sample and for the adjoint."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse import linalg as sparse_linalg

from diodeq.errors import SimulationError
from diodeq.processors import single_threaded
from diodeq.simulators.wave.arrays import Array, Arrays

Floats = NDArray[np.float64]

# A matrix of fewer unknowns, or one fuller than this share, is factored densely.
DENSE_BELOW = 600
DENSE_ABOVE = 0.05
# Where a dense factorization would take more memory (16 bytes an entry) than this, sparse it must be.
DENSE_LIMIT = 12_000


class Factor(Protocol):
    """``solve`` takes and returns rows of unknowns [B, n]; ``transposed`` solves with the transposed matrix."""

    def solve(self, right: Array, *, transposed: bool = False) -> Array: ...


class DenseFactor:
    """LU, and the inverse it gives: products with an inverse run several times faster than substitutions."""

    def __init__(self, matrix: Floats, arrays: Arrays) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", linalg.LinAlgWarning)
            self._inverse = arrays.put(linalg.inv(matrix))

    def solve(self, right: Array, *, transposed: bool = False) -> Array:
        return right @ (self._inverse if transposed else self._inverse.T)


class SparseFactor:
    """SuperLU, in numpy whatever the backend."""

    def __init__(self, matrix: sparse.csr_array, arrays: Arrays) -> None:
        self._lu: Any = sparse_linalg.splu(sparse.csc_matrix(matrix))
        self._arrays = arrays

    def solve(self, right: Array, *, transposed: bool = False) -> Array:
        columns = np.ascontiguousarray(self._arrays.take(right).T, dtype=np.float64)
        # SuperLU's products are small: threads that wait for each other make them ten times slower.
        with single_threaded():
            found = self._lu.solve(columns, trans="T" if transposed else "N")
        return self._arrays.put(found.T)


class Refined:
    """Another factor followed by one step of iterative refinement: digits back where conductances span decades."""

    def __init__(self, matrix: Array, rough: Factor) -> None:
        self._matrix = matrix
        self._rough = rough

    def solve(self, right: Array, *, transposed: bool = False) -> Array:
        found = self._rough.solve(right, transposed=transposed)
        matrix = self._matrix.T if transposed else self._matrix
        found += self._rough.solve(right - (matrix @ found.T).T, transposed=transposed)
        return found


def factor(matrix: sparse.csr_array, refined: bool, arrays: Arrays) -> Factor:
    """Factor a square sparse matrix, with refinement on request; raises ``SimulationError`` when it is singular."""
    size = matrix.shape[0]
    dense = size < DENSE_BELOW or (matrix.nnz > DENSE_ABOVE * size * size and size <= DENSE_LIMIT)
    try:
        found = DenseFactor(matrix.toarray(), arrays) if dense else SparseFactor(matrix, arrays)
    except (linalg.LinAlgError, linalg.LinAlgWarning, RuntimeError, ValueError) as error:
        raise SimulationError(
            "the circuit's linear equations have no unique solution to working precision",
            "look for nodes held only by controlled sources, or narrow the conductance range",
        ) from error
    if not refined:
        return found
    full = 10 * matrix.nnz > size**2 or not arrays.plain
    return Refined(arrays.put(matrix.toarray()) if full else matrix, found)
