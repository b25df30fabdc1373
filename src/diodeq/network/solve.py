"""Reference solution of a network: every stage's equilibrium to rounding, by Newton's method and operator splitting.

A stage is ``0 ∈ H z + F(z) - q`` with ``q = U x + b`` and H = I - W. Peaceman and Rachford's splitting alternates the
resolvents of the linear part, ``(I + αH)⁻¹(v + αq)``, one inverse for all samples and iterations, and of the
activation's law F (guide/theory.md §5; Winston and Kolter 2020). For a margin m > 0 it converges linearly for every α;
``α = 1/√(m ‖H‖₂)`` is near the best in general. Stiff stages are finished by Newton's method on ``z - σ(W z + q)``,
which is exact as soon as the pieces of a piecewise linear activation are right. One-ports are sought along their load
lines first: of laws that are steep in one place and flat in another no single step α suits all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.errors import InputError, SimulationError
from diodeq.network.certificate import weakest_direction
from diodeq.network.network import Network, Stage
from diodeq.network.units import OnePortUnits
from diodeq.printable import counted

Floats = NDArray[np.float64]

TOLERANCE = 1e-12
ITERATIONS = 10_000
CHECK_EVERY = 10  # a residual costs as much as an iteration
# Iterations of a first turn, at whose end Newton's method is tried on the samples that are left: more for many units,
# of which a step of that costs as much as many iterations.
ROUND, ROUND_OF = 100, 60
NEWTON_STEPS, PATIENCE = 60, 8  # and so many that bring nothing nearer: laws may be steep
STIFF = 1e-3  # margin over ‖H‖ below which a small residual alone says little
# Along load lines: the least share of what a unit sees that is beside itself, the share of the states that a last step
# is, and the shortest part of a step that is taken.
BESIDE, NEAR, SHORTEST = 1e-10, 1e-13, 2.0**-6
EXACT = 2.0**-53  # a residual of mere rounding
BATCH_ENTRIES = 1 << 23  # matrix entries factorized at once: 64 MiB


@dataclass(frozen=True, eq=False)
class Solution:
    """The equilibrium of every stage for a batch of inputs."""

    inputs: Floats
    """float64[B, n_in]"""
    states: tuple[Floats, ...]
    """float64[B, n_k] per stage"""
    residuals: tuple[float, ...]
    """Per stage, the largest ``|z - σ(W z + U x + b)|`` over the largest ``|W||z| + |U x + b|``, worst sample."""
    iterations: tuple[int, ...]
    """Per stage, the splitting iterations until the slowest sample was done; 0 where the solution is a formula."""

    @property
    def outputs(self) -> Floats:
        """float64[B, n_out]: the last stage's states."""
        return self.states[-1]

    @property
    def residual(self) -> float:
        """The largest residual of all stages."""
        return max(self.residuals)


def solve(network: Network, x: ArrayLike, tolerance: float = TOLERANCE) -> Solution:
    """The equilibrium of every stage for the inputs ``x`` (float64[B, n_in], or one sample [n_in]).

    Raises:
        InputError: x has another shape or a value that is not finite.
        SimulationError: a stage did not converge to ``tolerance`` (relative residual); it is named with its margin.
    """
    inputs = as_inputs(network, x)
    states, residuals, iterations = [], [], []
    into = inputs
    for k, stage in enumerate(network.stages):
        into, residual, count = _solve_stage(stage, into, tolerance, k)
        states.append(into)
        residuals.append(residual)
        iterations.append(count)
    return Solution(inputs, tuple(states), tuple(residuals), tuple(iterations))


def as_inputs(network: Network, x: ArrayLike) -> Floats:
    """``x`` as float64[B, n_in]; raises ``InputError`` when it does not fit the network or is not finite."""
    inputs = np.atleast_2d(real("the inputs", x))
    if inputs.ndim != 2 or inputs.shape[1] != network.widths[0]:
        raise InputError(
            f"the inputs have shape {np.shape(x)} but the network has {counted(network.widths[0], 'input')}",
            "give one row a sample and one column an input",
        )
    if not np.isfinite(inputs).all():
        row, column = np.argwhere(~np.isfinite(inputs))[0]
        raise InputError(
            f"input {column} of sample {row} is {inputs[row, column]}",
            "every input must be a finite number",
            sample=int(row),
        )
    return inputs


def _solve_stage(stage: Stage, x: Floats, tolerance: float, k: int) -> tuple[Floats, float, int]:
    """States float64[B, n], worst relative residual, iterations."""
    drive = x @ stage.U.T + stage.b
    if stage.W is None or not stage.W.any() or not len(x):
        return stage.activation(drive), 0.0, 0
    states = np.zeros_like(drive)
    residuals = np.full(len(drive), np.inf)
    iterations = 0
    try:
        if stage.activation.name == "identity":
            states = np.asarray(np.linalg.solve(stage.H, drive.T).T, np.float64)
        else:
            # Where there is no equilibrium the iterates may grow without bound; the residual tells.
            with np.errstate(over="ignore", invalid="ignore"):
                states, iterations = _split(stage, drive, tolerance)
        residuals = residual(stage, states, drive)
    except np.linalg.LinAlgError:
        pass
    if not np.all(residuals <= tolerance):
        margin, unit = weakest_direction(stage)
        sample = int(np.argmax(np.where(np.isnan(residuals), np.inf, residuals)))
        raise SimulationError(
            f"stage {k} did not reach an equilibrium for sample {sample}: its residual is {residuals[sample]:.3g}, not "
            f"{tolerance:g}; its margin is {margin:.6g}, weakest at unit {unit}",
            "use weights with a positive margin, for which there is exactly one equilibrium"
            if margin <= 0.0
            else "allow a larger tolerance or use weights with a larger margin",
            sample=sample,
        )
    return states, float(residuals.max()), iterations


def residual(stage: Stage, states: Floats, drive: Floats) -> Floats:
    """float64[B]: ``‖z - σ(W z + q)‖∞`` over ``‖|W||z| + |q|‖∞``, the size of what is summed (and rounded) there."""
    return _looked(stage, states, drive)[0]


def _looked(stage: Stage, states: Floats, drive: Floats) -> tuple[Floats, Floats, Floats]:
    """``residual``, and what it is of: ``σ(W z + q) - z`` and the slopes of σ there, both [B, n]."""
    weights = np.zeros((stage.size, stage.size)) if stage.W is None else stage.W
    with np.errstate(invalid="ignore", over="ignore"):
        found, slopes = stage.activation.law.resolvent(states @ weights.T + drive, 1.0, stage.activation.parameter)
        error = found - states
        off = np.abs(error).max(axis=1)
        size = (np.abs(states) @ np.abs(weights).T + np.abs(drive)).max(axis=1)
    return np.where(off == 0.0, 0.0, off / np.where(size > 0.0, size, 1.0)), error, slopes


def _split(stage: Stage, drive: Floats, tolerance: float) -> tuple[Floats, int]:
    """Peaceman–Rachford until every sample has converged, with tries of Newton's method in between; for one-ports what
    Newton's steps along their load lines do not find.

    Returns the states and the iterations.
    """
    margin, _ = weakest_direction(stage)
    H = stage.H
    norm = _norm(H)
    # Without a margin nothing is guaranteed: average the iterates (Douglas–Rachford), which asks for the least.
    relax = 1.0 if margin > 1e-12 * norm else 0.5
    # No step suits every sample of a stiff stage: runs with several steps, on their own, take turns at what is left.
    steps = _steps(margin, norm)
    runs = [np.zeros_like(drive) for _ in steps]
    maps: dict[int, Floats] = {}
    states = np.zeros_like(drive)
    todo = np.arange(len(drive))
    if isinstance(stage.activation, OnePortUnits):
        block = max(1, BATCH_ENTRIES // stage.size**2)
        for rows in (todo[at : at + block] for at in range(0, len(todo), block)):
            states[rows] = _newton(stage, _along_lines(stage, stage.activation, drive[rows]), drive[rows])
        todo = todo[~(residual(stage, states, drive) <= tolerance)]
    iteration = 0
    for k, last in _turns(len(steps), min(-(-stage.size // ROUND_OF) * CHECK_EVERY, ROUND)):
        if not todo.size or iteration >= ITERATIONS:
            break
        alpha, u, q = steps[k], runs[k][todo], drive[todo]
        if k not in maps:
            # The inverse itself: a product beats two triangular solves; what it loses to rounding, Newton regains.
            maps[k] = np.asarray(2.0 * np.linalg.inv(np.eye(stage.size) + alpha * H).T, np.float64)
        for _ in range(CHECK_EVERY):
            z = stage.activation.resolvent(u, alpha)
            reflected = 2.0 * z - u
            u = u + relax * ((reflected + alpha * q) @ maps[k] - reflected - u)
        if last:
            z = _newton(stage, z, q)
        runs[k][todo], states[todo] = u, z
        todo = todo[~(residual(stage, z, q) <= tolerance)]
        iteration += CHECK_EVERY
    if margin < STIFF * norm:  # the error may be the residual over the margin: go on to rounding
        states = _newton(stage, states, drive)
    return states, iteration


def _steps(margin: float, norm: float) -> list[float]:
    """Steps α to try in turn: from 1/√(m ‖H‖), the best in general, down to 1/‖H‖ and then up to 1/m, by decades."""
    if margin <= 0.0:
        return [0.5 / norm]  # short enough for I + αH to be regular
    middle = np.sqrt(min(norm / max(margin, 1e-9 * norm), 1e9))
    decades = round(np.log10(middle))
    return [float(middle * 10.0**k / norm) for k in (*range(0, -decades - 1, -1), *range(1, decades + 1))]


def _turns(count: int, first: int) -> Iterator[tuple[int, bool]]:
    """Which run goes on for `CHECK_EVERY` iterations, and whether its turn then ends; turns get longer and longer."""
    for length in itertools.count():
        for k in range(count):
            blocks = (first << length) // CHECK_EVERY
            for block in range(1, blocks + 1):
                yield k, block == blocks


def _norm(H: Floats) -> float:
    """About ‖H‖₂, from above: the smaller of two bounds that need no decomposition."""
    size = np.abs(H)
    columns, rows = float(size.sum(axis=0).max()), float(size.sum(axis=1).max())
    return min(np.sqrt(columns * rows), float(np.linalg.norm(H))) or 1.0


def _along_lines(stage: Stage, units: OnePortUnits, drive: Floats) -> Floats:
    """Newton's steps from rest, limited by load lines: a unit that a step moves goes to where its own law meets the
    line through the step's end that all others draw there, so that no exponential overshoots. States [B, n], not
    proved."""
    v, f, g = units.met(np.zeros_like(drive), 1.0)
    length, before = np.ones((len(v), 1)), np.zeros_like(v)
    for _ in range(NEWTON_STEPS):
        matrices = np.repeat(stage.H[None], len(v), axis=0)
        matrices[:, np.arange(stage.size), np.arange(stage.size)] += g
        if not np.isfinite(matrices).all():
            break
        try:
            inverse = np.linalg.inv(matrices)
        except np.linalg.LinAlgError:
            break
        step = (inverse @ (drive - f - v @ stage.H.T)[:, :, None])[:, :, 0]
        if np.all(np.abs(step) <= NEAR * np.abs(v).max(axis=1, keepdims=True)):
            break
        # A step back over most of the last one is the beginning of a cycle.
        back = (step * before).sum(axis=1) < -0.25 * (before * before).sum(axis=1)
        length = np.where(back[:, None], np.maximum(length / 2.0, SHORTEST), np.minimum(1.0, 2.0 * length))
        seen = np.abs(np.diagonal(inverse, axis1=1, axis2=2))
        ohms = np.clip(seen / np.maximum(1.0 - g * seen, BESIDE), BESIDE, 1.0 / BESIDE)
        end = v + length * step + ohms * (f + length * g * step)
        if not np.isfinite(end).all():
            break
        v, f, g = units.met(end, ohms)
        before = step
    return v


def _newton(stage: Stage, z: Floats, drive: Floats) -> Floats:
    """Newton's method on ``z - σ(W z + q)`` from z; per sample the best state met, so never worse than z."""
    W = np.eye(stage.size) - stage.H
    best, best_residual = z.copy(), np.full(len(z), np.inf)
    todo, worse = np.arange(len(z)), np.zeros(len(z), np.int64)
    z, q = best, drive
    for _ in range(NEWTON_STEPS + 1):
        now, error, slopes = _looked(stage, z, q)
        better = now < best_residual[todo]
        worse = np.where(better, 0, worse + 1)
        best[todo[better]], best_residual[todo[better]] = z[better], now[better]
        left = (now > EXACT) & (worse <= PATIENCE)
        if not left.any():
            break
        todo, worse = todo[left], worse[left]
        z, q, error, slopes = (each[left] for each in (z, q, error, slopes))
        try:
            z = z + solve_each(W, slopes, error)
        except np.linalg.LinAlgError:
            break
    return best


def solve_each(W: Floats, slopes: Floats, right: Floats, transposed: bool = False) -> Floats:
    """float64[B, n]: per sample ``(I - D W)⁻¹ r``, or its transpose ``(I - Wᵀ D)⁻¹ r``, with D = diag(slopes[sample]).

    Raises ``LinAlgError`` where the matrix is singular.
    """
    if not W.any():
        return right.copy()
    if len(right) > 1 and (slopes == slopes[0]).all():  # as those of a linear activation are: one matrix for all
        return np.asarray(np.linalg.solve(_matrices(W, slopes[:1], transposed)[0], right.T).T)
    out = np.empty_like(right)
    block = max(1, BATCH_ENTRIES // max(W.size, 1))
    for start in range(0, len(right), block):
        d, r = slopes[start : start + block], right[start : start + block]
        out[start : start + block] = np.linalg.solve(_matrices(W, d, transposed), r[:, :, None])[:, :, 0]
    return out


def _matrices(W: Floats, slopes: Floats, transposed: bool) -> Floats:
    """The matrices [B, n, n] of ``solve_each``."""
    found = -(W.T * slopes[:, None, :]) if transposed else -(slopes[:, :, None] * W)
    found[:, np.arange(len(W)), np.arange(len(W))] += 1.0
    return found
