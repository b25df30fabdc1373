"""What every way of solving a folded circuit gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Settled:
    """``unknowns`` float64[B, n]; ``currents`` and terminal ``conductances`` of the diodes float64[B, D].

    ``mismatch`` float64[B] is by how much the solution may be off, as a share of what is allowed: at most 1 where the
    row converged. All in numpy, in the precision of the backend.
    """

    unknowns: Floats
    currents: Floats
    conductances: Floats
    mismatch: Floats


class Method(Protocol):
    """One circuit with its values, prepared. Takes and gives numpy arrays, whatever computes between."""

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        ...

    def adjoint(self, conductances: Floats, right: Floats) -> tuple[Floats, Floats]:
        """The transposed circuit with frozen diodes, for right sides float64[B, n].

        Returns unknowns float64[B, n] and the currents of the frozen diodes float64[B, D].
        """
        ...

    def leaving(
        self, unknowns: Floats, through: Floats, *, transposed: bool = False, magnitude: bool = False
    ) -> Floats:
        """The linear part times each row of unknowns, and the diode currents ``through`` that leave its nodes.

        ``transposed``: of the transposed linear part; ``magnitude``: every term without its sign.
        """
        ...
