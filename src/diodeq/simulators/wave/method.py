"""What every way of solving a folded circuit gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Of Newton's method on a small core, compiled or not.
STEPS = 60
# A step that shrinks the error by this much with an old Jacobian makes a new one a waste.
QUICK = 0.02


@dataclass(frozen=True, eq=False)
class Settled:
    """``unknowns`` float64[B, n]; ``currents`` and terminal ``conductances`` of the one-ports float64[B, D]: three
    arrays.

    Whether they are right is for the judge to say (``circuit.proof``). All in numpy, in the precision of the backend.
    """

    unknowns: Floats
    currents: Floats
    conductances: Floats


class Method(Protocol):
    """One circuit with its values, prepared. Takes and gives numpy arrays, whatever computes between."""

    def settle(self, right: Floats) -> Settled:
        """The operating points for right sides float64[B, n]."""
        ...

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """The circuit, or its transpose, with one-ports frozen at ``conductances`` [B, D], for right sides [B, n].

        Returns unknowns float64[B, n] and the currents of the frozen one-ports float64[B, D].
        """
        ...

    def leaving(self, unknowns: Floats, through: Floats, *, transposed: bool = False) -> Floats:
        """The linear part times each row of unknowns, and the currents ``through`` the one-ports that leave its nodes.

        ``transposed``: of the transposed linear part.
        """
        ...


@dataclass(frozen=True)
class Unaided:
    """For a circuit with ``ports`` one-ports that no method fits: Newton's has to start from nothing."""

    ports: int

    def settle(self, right: Floats) -> Settled:
        """All at 0 V."""
        none = np.zeros((len(right), self.ports), right.dtype)
        return Settled(np.zeros_like(right), none, none.copy())

    def linear(self, conductances: Floats, right: Floats, *, transposed: bool) -> tuple[Floats, Floats]:
        """What nobody has computed is not a number, so that it proves nothing."""
        return np.full_like(right, np.nan), np.full((len(right), self.ports), np.nan, right.dtype)

    def leaving(self, unknowns: Floats, through: Floats, *, transposed: bool = False) -> Floats:
        """Not a number either."""
        return np.full_like(unknowns, np.nan)
