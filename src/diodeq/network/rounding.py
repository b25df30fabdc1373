"""Weights of few bits, and whether a network keeps its unique equilibrium with them.

Each matrix W and U is rounded to the multiples of its own step, its largest entry over ``2^(bits - 1) - 1``; biases
stay as they are. Three proofs, each reaching further than the one before (guide/theory.md §6):

- the change is less than the margin, ``‖ΔW‖₂ < κ`` (Li, Leong and Chaffey, arXiv:2603.10562): known before the
  equilibrium of the rounded network is;
- the rounded weights have a margin themselves;
- they have one once units are weighed: ``D H + Hᵀ D`` is positive definite for a diagonal D > 0. Laws that act on each
  unit alone stay monotone under any such D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize

from diodeq.errors import UsageError
from diodeq.network.activations import Activation
from diodeq.network.certificate import certify_stage, is_above_rounding, lowest
from diodeq.network.network import Network, Stage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SHY = 1e-9
"""By this share a bound is enlarged, for the rounding of arithmetic."""
WEIGHED_UP_TO = 600
"""Units for which weights are sought: every step asks for an eigenvector."""
STEPS = 200


@dataclass(frozen=True, eq=False)
class RoundedStage:
    """What is proved of one stage with a W.

    ``change`` is ``‖ΔW‖₂``, ``radius`` what it has to stay below; ``margin`` the rounded stage's, ``weighed`` the best
    that was found with weights of units, ``weights`` float64[n], all margins with what the activation adds.
    """

    change: float
    radius: float
    margin: float
    weighed: float
    weights: Floats
    by_change: bool
    by_margin: bool
    by_weights: bool


@dataclass(frozen=True, eq=False)
class Rounded:
    """A network with weights of so many ``bits``, and what is proved of each of its stages; None of those without a W.
    Numbers are those of the weakest stage."""

    bits: int
    network: Network
    stages: tuple[RoundedStage | None, ...]

    def _all(self, name: str) -> list[Any]:
        return [getattr(stage, name) for stage in self.stages if stage is not None]

    @property
    def change(self) -> float:
        """The largest ``‖ΔW‖₂``."""
        return max(self._all("change"), default=0.0)

    @property
    def radius(self) -> float:
        """The least that a ``‖ΔW‖₂`` has to stay below."""
        return min(self._all("radius"), default=math.inf)

    @property
    def margin(self) -> float:
        """The least margin of a rounded stage."""
        return min(self._all("margin"), default=math.inf)

    @property
    def weighed(self) -> float:
        """The same with weights of units."""
        return min(self._all("weighed"), default=math.inf)

    @property
    def proof(self) -> str:
        """The first proof that holds for every stage: ``"change"``, ``"margin"``, ``"weights"``, or ``""``."""
        return next((name for name in ("change", "margin", "weights") if all(self._all(f"by_{name}"))), "")

    def to_json(self) -> dict[str, Any]:
        """All but the network, as a plain dict."""
        numbers = {name: getattr(self, name) for name in ("change", "radius", "margin", "weighed")}
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return {"bits": self.bits, **finite, "unique": bool(self.proof), "proof": self.proof or None}


def on_grid(values: Floats, bits: int) -> Floats:
    """The nearest multiples of the largest entry over ``2^(bits - 1) - 1``; ties go to the even one.

    Raises:
        UsageError: fewer than two bits, or more than 32.
    """
    if not 2 <= bits <= 32:
        raise UsageError(f"{bits} bits are not possible", "give from 2 to 32, one of them is the sign")
    step = float(np.abs(values).max(initial=0.0)) / (2 ** (bits - 1) - 1)
    return np.asarray(step * np.rint(values / step)) if step else np.array(values)


def rounded(network: Network, bits: int) -> Network:
    """The network with every W and U on its grid."""
    return Network(tuple(_rounded(stage, bits) for stage in network.stages))


def _rounded(stage: Stage, bits: int) -> Stage:
    W = None if stage.W is None else on_grid(stage.W, bits)
    return replace(stage, W=W, U=on_grid(stage.U, bits))


def prove(network: Network, bits: int) -> Rounded:
    """The rounded network and what is proved of it; always returns, whatever the weights."""
    few = rounded(network, bits)
    pairs = zip(network.stages, few.stages, strict=True)
    return Rounded(bits, few, tuple(_proved(before, after) for before, after in pairs))


def _proved(before: Stage, after: Stage) -> RoundedStage | None:
    if before.W is None or after.W is None or not before.size:
        return None
    drawn, found = certify_stage(before), certify_stage(after)
    change = float(np.linalg.norm(after.W - before.W, 2))
    best, weights = found.monotonicity, np.ones(after.size)
    if not found.unique and after.size <= WEIGHED_UP_TO:
        margin, weights = weighed_margin(after.H)
        best = max(best, margin + after.activation.law.strength)
    return RoundedStage(
        *(change, drawn.radius, found.monotonicity, best, weights),
        by_change=drawn.unique and change * (1.0 + SHY) < drawn.radius,
        by_margin=found.unique,
        by_weights=found.unique or is_above_rounding(best, after),
    )


def kept(network: Network, few: Rounded, states: Sequence[Floats], inputs: Floats) -> Bools:
    """bool[B]: of which samples it is proved that the rounded network decides as the drawn one, whose equilibria are
    ``states``, without solving the rounded one.

    With r what does not balance at the drawn equilibrium, weights D and their margin κ, ``‖√D Δz‖₂ ≤ ‖√D (r + U Δx)‖₂ /
    κ``; stage by stage. A read-out's pairs of outputs are bounded each by itself.
    """
    off, scale = np.zeros(len(inputs)), np.ones(inputs.shape[1])
    x = inputs
    for k, (before, after, proved) in enumerate(zip(network.stages, few.network.stages, few.stages, strict=True)):
        z = states[k]
        if k == len(states) - 1 and before.W is None and before.activation == Activation("identity"):
            return _read_out(before, after, x, off, scale)
        root = np.ones(after.size) if proved is None else np.sqrt(proved.weights)
        rest = x @ (after.U - before.U).T
        margin = 1.0
        if proved is not None and before.W is not None and after.W is not None:
            rest = rest + z @ (after.W - before.W).T
            margin = proved.weighed if proved.by_weights else 0.0
        gain = float(np.linalg.norm(root[:, None] * after.U / scale, 2)) if after.U.size else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (np.linalg.norm(rest * root, axis=1) + gain * off) * (1.0 + SHY) / margin
        x, scale = z, root
    if x.shape[1] == 1:
        x = np.pad(x, ((0, 0), (0, 1)))
    best = x.argmax(axis=1)[:, None]
    gaps = np.take_along_axis(x, best, axis=1) - x
    np.put_along_axis(gaps, best, np.inf, axis=1)
    return np.asarray(gaps.min(axis=1) > off * np.sqrt(2.0) / scale.min())


def _read_out(before: Stage, after: Stage, x: Floats, off: Floats, scale: Floats) -> Bools:
    """The same for outputs ``U x + b``, x being off by at most ``off`` [B] after a scaling; one decides by its sign."""
    more = ((0, int(before.size == 1)), (0, 0))
    U, few = np.pad(before.U, more), np.pad(after.U, more)
    outputs = x @ U.T + np.pad(before.b, more[0])
    best = outputs.argmax(axis=1)
    moved = x @ (few - U).T
    found = np.ones(len(x), bool)
    for k in range(len(U)):
        apart = np.linalg.norm((few[best] - few[k]) / scale, axis=1)
        gap = outputs[np.arange(len(x)), best] - outputs[:, k] + moved[np.arange(len(x)), best] - moved[:, k]
        with np.errstate(invalid="ignore"):  # no bound at all, times nothing
            found &= (best == k) | (gap > apart * off * (1.0 + SHY))
    return found


def weighed_margin(H: Floats) -> tuple[float, Floats]:
    """The largest margin of ``√D H √D⁻¹`` that was found over diagonal D, and D float64[n], of mean logarithm 0.

    Any D proves; this one is sought from that of the comparison matrix, if H is close enough to an M-matrix for one,
    and from 1. The margin's slope by ``ln D`` is ``½ v (K - Kᵀ) v`` entry by entry, v being its eigenvector.
    """

    def scaled(logarithms: Floats) -> Floats:
        root = np.exp(0.5 * (logarithms - logarithms.mean()))
        return np.asarray(root[:, None] * H / root)

    def loss(logarithms: Floats) -> tuple[float, Floats]:
        K = scaled(logarithms)
        values, vectors = eigh(0.5 * (K + K.T), subset_by_index=[0, 0])
        v = vectors[:, 0]
        slope = 0.5 * v * ((K - K.T) @ v)
        return -float(values[0]), -(slope - slope.mean())

    starts = [np.zeros(len(H)), *_of_comparison(H)]
    found = [minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x for start in starts]
    best = max([*starts, *found], key=lambda logarithms: -loss(logarithms)[0])
    K = scaled(best)
    return lowest(0.5 * (K + K.T))[0], np.exp(best - best.mean())


def _of_comparison(H: Floats) -> list[Floats]:
    """ln D from the comparison matrix M, diagonal less the others' sizes: with M x > 0 and Mᵀ y > 0, D = y / x."""
    M = -np.abs(H)
    M[np.diag_indices(len(H))] = np.diag(H)
    try:
        x, y = np.linalg.solve(M, np.ones(len(H))), np.linalg.solve(M.T, np.ones(len(H)))
    except np.linalg.LinAlgError:
        return []
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        return []
    return [np.log(y / x)]
