"""Networks as mathematics: a cascade of equilibrium layers ``z = σ(W z + U x + b)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.arrays import real
from diodeq.errors import InputError
from diodeq.network.activations import Activation
from diodeq.network.units import OnePortUnits
from diodeq.printable import counted

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stage:
    """One equilibrium layer ``z = σ(W z + U x + b)``; ``W = None`` is feed-forward.

    ``W`` float64[n, n] or None, ``U`` float64[n, n_in], ``b`` float64[n]; ``activation`` is σ, or its name.

    Raises:
        InputError: shapes do not fit or a value is not finite.
    """

    U: Floats
    b: Floats
    W: Floats | None = None
    activation: Activation | OnePortUnits = Activation("relu")  # noqa: RUF009

    def __post_init__(self) -> None:
        put = object.__setattr__
        if isinstance(self.activation, str):
            put(self, "activation", Activation.parse(self.activation))
        put(self, "U", np.array(real("U", self.U)))
        put(self, "b", np.array(real("b", self.b)))
        if self.W is not None:
            put(self, "W", np.array(real("W", self.W)))
        if self.U.ndim != 2:
            raise InputError(f"U has shape {self.U.shape}", "give a matrix of units by inputs")
        n = len(self.U)
        if self.b.shape != (n,):
            raise InputError(f"b has shape {self.b.shape}, U has {counted(n, 'row')}", f"give b the shape ({n},)")
        if self.W is not None and self.W.shape != (n, n):
            raise InputError(f"W has shape {self.W.shape}, U has {counted(n, 'row')}", f"give W the shape ({n}, {n})")
        if isinstance(self.activation, OnePortUnits) and self.activation.size != n:
            raise InputError(f"{counted(self.activation.size, 'one-port')} for {counted(n, 'unit')}", "give one a unit")
        for name in ("W", "U", "b"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
                raise InputError(f"{name}{list(at)} is {value[at]}", "every weight must be finite")

    @property
    def size(self) -> int:
        """The number of units."""
        return len(self.b)

    @property
    def H(self) -> Floats:
        """float64[n, n]: ``I - W``."""
        return np.eye(self.size) - (0.0 if self.W is None else self.W)


@dataclass(frozen=True, eq=False)
class Network:
    """A cascade of stages; the output of each is the input of the next.

    Raises:
        InputError: no stage, or one stage does not fit the next.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise InputError("the network has no stage", "give at least U0 and b0")
        for k, (first, second) in enumerate(zip(self.stages, self.stages[1:], strict=False)):
            if second.U.shape[1] != first.size:
                raise InputError(
                    f"U{k + 1} has {counted(second.U.shape[1], 'column')} but stage {k} has"
                    f" {counted(first.size, 'unit')}",
                    f"give U{k + 1} the shape ({second.size}, {first.size})",
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """(inputs, units of stage 0, units of stage 1, …)."""
        return (self.stages[0].U.shape[1], *(stage.size for stage in self.stages))

    def __repr__(self) -> str:
        return f"<Network {'-'.join(map(str, self.widths))}>"

    def _repr_html_(self) -> str:
        from diodeq.network.html import summary

        return summary(self)
