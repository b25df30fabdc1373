"""Implicit gradient of a loss through a cascade of equilibrium stages.

At an equilibrium ``z = σ(p)`` with ``p = W z + U x + b`` and D = diag σ'(p), a small change obeys
``(I - D W) dz = D (dW z + dU x + U dx + db)``. So for a loss ℓ the transposed system ``(I - Wᵀ D) λ = ∂ℓ/∂z`` and
``δ = D λ`` give ``∂ℓ/∂b = δ``, ``∂ℓ/∂W = δ zᵀ``, ``∂ℓ/∂U = δ xᵀ`` and ``∂ℓ/∂x = Uᵀ δ`` (implicit function theorem; Bai,
Kolter and Koltun 2019). Nothing is unrolled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.errors import InputError, SimulationError
from diodeq.network.network import Network
from diodeq.network.solve import Solution, solve_each

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StageGradient:
    """∂ℓ/∂(W, U, b) of one stage, summed over the batch, in the shapes of the stage; W is None where the stage's is."""

    W: Floats | None
    U: Floats
    b: Floats


@dataclass(frozen=True, eq=False)
class NetworkGradient:
    """The gradient of a loss with respect to every weight and every input."""

    stages: tuple[StageGradient, ...]
    x: Floats
    """float64[B, n_in]: per sample"""


def loss_gradient(network: Network, solution: Solution, output_gradient: ArrayLike) -> NetworkGradient:
    """The gradient of a loss whose derivative by the outputs is ``output_gradient`` (float64[B, n_out]).

    ``solution`` is ``solve(network, x)``. At a kink of an activation the derivative of the side on which the element
    conducts is taken.

    Raises:
        InputError: ``output_gradient`` has another shape than the outputs.
        SimulationError: at a stage, which is named, the equilibrium is not a differentiable function of the weights.
    """
    back = real("the outputs' gradient", output_gradient)
    if back.shape != solution.outputs.shape:
        raise InputError(
            f"the outputs' gradient has shape {back.shape}, the outputs have {solution.outputs.shape}",
            "give the loss's derivative by every output of every sample",
        )
    found = []
    for k in reversed(range(len(network.stages))):
        stage, z = network.stages[k], solution.states[k]
        x = solution.states[k - 1] if k else solution.inputs
        slopes = stage.activation.slope(x @ stage.U.T + stage.b + (0.0 if stage.W is None else z @ stage.W.T))
        if stage.W is not None:
            try:
                back = solve_each(stage.W, slopes, back, transposed=True)
            except np.linalg.LinAlgError:
                raise SimulationError(
                    f"the equilibrium of stage {k} has no derivative: I - W D is singular",
                    "use weights with a positive margin",
                ) from None
        delta = slopes * back
        found.append(StageGradient(None if stage.W is None else delta.T @ z, delta.T @ x, delta.sum(axis=0)))
        back = delta @ stage.U
    return NetworkGradient(tuple(reversed(found)), back)
