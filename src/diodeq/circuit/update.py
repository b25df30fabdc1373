"""One inverse for many linear systems that differ in the conductances of a few ports alone.

Sherman, Morrison and Woodbury's formula (Hager, Updating the inverse of a matrix, SIAM Review 31(2), 1989): a Jacobian
is that at a reference plus one term for each one-port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.circuit.elimination import equilibrated


@dataclass(frozen=True, eq=False)
class PortUpdate:
    """Solves ``(A + portsᵀ diag(g) ports) x = b`` for any g from the ``inverse`` [n, n] at g = ``reference`` [D].

    ``ports`` is sparse [D, n], ``seen`` [D, D] ports · inverse · portsᵀ, ``condition`` that of the reference.
    """

    ports: Any
    reference: Floats
    inverse: Floats
    seen: Floats
    condition: float

    @staticmethod
    def of(matrix: Floats, ports: Any, reference: Floats) -> PortUpdate:
        """From A [n, n] and the ports; of infinite condition where the reference is singular."""
        at_reference = matrix + (ports.T @ (reference[:, None] * ports.toarray()))
        inverse, condition = inverted(at_reference[None])
        return PortUpdate(ports, reference, inverse[0], ports @ (ports @ inverse[0].T).T, float(condition[0]))

    def solve(self, right: Floats, conductances: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """Solutions [B, n] for ``right`` [B, n] and ``conductances`` [B, D], and about their condition
        [B]."""
        inverse, seen = (self.inverse.T, self.seen.T) if transposed else (self.inverse, self.seen)
        plain = right @ inverse.T
        change = conductances - self.reference
        small = np.eye(len(seen)) + change[:, :, None] * seen
        scale = 1.0 / np.abs(small).max(axis=2, keepdims=True, initial=0.0)
        small *= scale
        # The second right side is any: what becomes of it tells how large the inverse is.
        asked = np.stack([change * (self.ports @ plain.T).T, np.broadcast_to(_signs(len(seen)), change.shape)], axis=2)
        asked[:, :, :1] *= scale
        try:
            through, probe = np.moveaxis(np.linalg.solve(small, asked), 2, 0)
        except np.linalg.LinAlgError:
            return plain, np.full(len(right), np.inf)
        condition = self.condition * _norm(small) * np.abs(probe).max(axis=1, initial=0.0)
        return plain - (self.ports.T @ through.T).T @ inverse.T, condition


def inverted(matrices: Floats) -> tuple[Floats, Floats]:
    """Inverses of matrices [B, n, n] and their conditions [B] with rows and columns scaled, infinite or not a number
    where there is none."""
    scaled, rows, columns = equilibrated(matrices)
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(scaled)
        except np.linalg.LinAlgError:
            inverse = np.full_like(scaled, np.nan)
        condition = _norm(scaled) * _norm(inverse)
        inverse *= columns[:, :, None]
        inverse *= rows[:, None, :]
    return inverse, condition


def solved_drawn(matrices: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Solutions [B, n] of stacked equations [B, n, n] that have no positive entry beside the diagonal, and their
    conditions [B] with rows scaled; infinite where a matrix is no M-matrix.

    It is one if ``matrix @ y = diagonal > 0`` has a solution y > 0, which is then the inverse of the scaled matrix
    times ones: the norm of that inverse, since no entry of it is negative (Berman and Plemmons, Nonnegative Matrices
    in the Mathematical Sciences, ch. 6).
    """
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    with np.errstate(all="ignore"):
        try:
            found, whole = np.moveaxis(np.linalg.solve(matrices, np.stack([right, diagonal], axis=2)), 2, 0)
        except np.linalg.LinAlgError:
            return np.full_like(right, np.nan), np.full(len(right), np.inf)
        norm = (2.0 - matrices.sum(axis=2) / diagonal).max(axis=1, initial=0.0)
        proved = ((diagonal > 0.0) & (whole > 0.0)).all(axis=1)
        return found, np.where(proved, norm * whole.max(axis=1, initial=0.0), np.inf)


def _norm(matrices: Floats) -> Floats:
    found: Floats = np.abs(matrices).sum(axis=1).max(axis=1, initial=0.0)
    return found


def _signs(count: int) -> Floats:
    """Signs without a pattern."""
    return np.where(np.random.default_rng(0).random(count) < 0.5, -1.0, 1.0)
