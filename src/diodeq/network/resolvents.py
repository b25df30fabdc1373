"""The resolvents ``(I + αF)⁻¹`` of the element laws F behind the activations, and their derivatives.

Every function takes an array of any shape, the step α > 0 and the activation's parameter, and returns the resolvent's
value v (the solution of ``v + α F(v) ∋ x``) and its derivative dv/dx in the same shape; α = 1 is the activation itself.
At a kink the derivative is that of the side on which the element conducts (relu's is 0 at 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import wrightomega

Floats = NDArray[np.float64]
Resolvent = Callable[[Floats, float, float], tuple[Floats, Floats]]

SATURATION = 1e-6
"""Saturation current of diode-relu per unit of its thermal voltage and of conductance."""

NEWTON_STEPS = 60  # from the starting point used here fewer than ten are ever needed
ELU_STEPS = 400
TANH_STEPS = 400  # a flat end and a step next to 0 make it slow just there


class ElementLaw(NamedTuple):
    """What a solver and a certificate need to know of an element law F."""

    resolvent: Resolvent
    strength: float = 0.0
    """The largest μ with ``(F(v) - F(w))(v - w) ≥ μ (v - w)²`` for all v and w."""
    pieces: bool = False
    """Whether F is piecewise linear, so that a correct guess of the pieces makes the solution exact."""


def identity(x: Floats, alpha: float, parameter: float) -> tuple[Floats, Floats]:
    """F = 0: ``v = x``."""
    return x.copy(), np.ones_like(x)


def relu(x: Floats, alpha: float, parameter: float) -> tuple[Floats, Floats]:
    """F = normal cone of v ≥ 0 (ideal diode): ``v = max(x, 0)`` for every α."""
    return np.maximum(x, 0.0), (x > 0.0).astype(np.float64)


def leaky_relu(x: Floats, alpha: float, slope: float) -> tuple[Floats, Floats]:
    """F(v) = (1/s - 1) v for v < 0, else 0 (diode in series with a resistor): ``v = x / (1 + α (1/s - 1))`` below 0."""
    derivative = np.where(x > 0.0, 1.0, 1.0 / (1.0 + alpha * (1.0 / slope - 1.0)))
    return x * derivative, derivative


def hard_tanh(x: Floats, alpha: float, limit: float) -> tuple[Floats, Floats]:
    """F = normal cone of [-c, c] (ideal clamp): ``v = clip(x, -c, c)`` for every α."""
    return np.clip(x, -limit, limit), (np.abs(x) < limit).astype(np.float64)


def soft_threshold(x: Floats, alpha: float, threshold: float) -> tuple[Floats, Floats]:
    """F(v) = t sign(v), the subdifferential of t|v| (dead zone): ``v = sign(x) max(|x| - αt, 0)``."""
    excess = np.abs(x) - alpha * threshold
    return np.sign(x) * np.maximum(excess, 0.0), (excess > 0.0).astype(np.float64)


def asinh(x: Floats, alpha: float, scale: float) -> tuple[Floats, Floats]:
    """F(v) = a sinh(v/a): an antiparallel pair of Shockley diodes with ``n V_T = a`` and ``2 I_s = a`` per unit
    conductance (``I_s (e^{v/a} - 1) - I_s (e^{-v/a} - 1) = 2 I_s sinh(v/a)``), guide/theory.md §4.

    With y = |v|/a and ξ = |x|/a this is ``y + α sinh y = ξ``. The left side is convex and increasing, and both
    ``ξ/(1+α)`` and ``asinh(ξ/α)`` lie above the solution: Newton's method descends to it from the smaller one without
    ever overflowing.
    """
    target = np.abs(x) / scale
    with np.errstate(over="ignore"):
        y = np.minimum(target / (1.0 + alpha), np.arcsinh(target / alpha))
    for _ in range(NEWTON_STEPS):
        step = (y + alpha * np.sinh(y) - target) / (1.0 + alpha * np.cosh(y))
        lower = np.maximum(y - np.maximum(step, 0.0), 0.0)
        done = bool(np.all(y - lower <= 1e-16 * y))
        y = lower
        if done:
            break
    return np.copysign(scale * y, x), 1.0 / (1.0 + alpha * np.cosh(y))


def diode_relu(x: Floats, alpha: float, thermal: float) -> tuple[Floats, Floats]:
    """F(v) = -I_s (exp(-v/t) - 1), a Shockley diode that conducts for v < 0, with ``I_s = t · SATURATION``.

    With A = α I_s: ``v = x - A + t ω(log(A/t) - (x - A)/t)`` and ``dv/dx = 1/(1 + ω)``, ω the Wright omega function
    (guide/theory.md §4). It tends to relu as t → 0. Where the diode conducts, ``t ω = A exp(-v/t)`` gives v without
    cancellation.
    """
    ratio = alpha * SATURATION  # A / t
    shifted = x - ratio * thermal
    omega = np.asarray(wrightomega(np.log(ratio) - shifted / thermal), np.float64)
    conducting = omega > 1.0
    with np.errstate(divide="ignore"):
        below = thermal * (np.log(ratio) - np.log(np.where(conducting, omega, 1.0)))
    return np.where(conducting, below, shifted + thermal * omega), 1.0 / (1.0 + omega)


def tanh(x: Floats, alpha: float, parameter: float) -> tuple[Floats, Floats]:
    """F(v) = artanh(v) - v: ``v = tanh(t)`` with ``(1 - α) tanh(t) + α t = x``."""
    t = _tanh_and_line(1.0 - alpha, alpha, x)
    bent = _sech_squared(t)
    return np.tanh(t), bent / ((1.0 - alpha) * bent + alpha)


def sigmoid(x: Floats, alpha: float, parameter: float) -> tuple[Floats, Floats]:
    """F(v) = log(v / (1 - v)) - v: ``v = (1 + tanh(t)) / 2`` with ``(1 - α)(1 + tanh(t)) / 2 + 2 α t = x``."""
    bend, line = (1.0 - alpha) / 2.0, 2.0 * alpha
    t = _tanh_and_line(bend, line, x - bend)
    bent = _sech_squared(t)
    return (1.0 + np.tanh(t)) / 2.0, 0.5 * bent / (bend * bent + line)


def elu(x: Floats, alpha: float, scale: float) -> tuple[Floats, Floats]:
    """F(v) = log(1 + v/a) - v for v < 0, else 0, with a ≤ 1: ``v = a (e^t - 1)`` with ``a (1 - α)(e^t - 1) + α t = x``.

    The left side rises, and is convex (α < 1) or concave in t < 0; from where Newton's method starts it comes to the
    solution without ever passing it.
    """
    bend, target = scale * (1.0 - alpha), np.minimum(x, 0.0)
    t = np.zeros_like(target) if bend > 0.0 else (target + bend) / alpha
    for _ in range(ELU_STEPS):
        step = (bend * np.expm1(t) + alpha * t - target) / (bend * np.exp(t) + alpha)
        t = np.minimum(t - step, 0.0)
        if np.all(np.abs(step) <= 4e-16 * np.abs(t)):
            break
    bent = scale * np.exp(t)
    below = bent / (alpha + bent * (1.0 - alpha))
    return np.where(x > 0.0, x, scale * np.expm1(t)), np.where(x > 0.0, 1.0, below)


def _tanh_and_line(bend: float, line: float, x: Floats) -> Floats:
    """The t with ``bend tanh(t) + line t = x``, for line > 0 and bend + line > 0.

    Both sides are odd; for t > 0 the left one is concave (bend > 0) or convex, and ``x / (bend + line)`` lies on the
    side from which Newton's method comes to the solution without ever passing it.
    """
    target = np.abs(x)
    t = target / (bend + line)
    for _ in range(TANH_STEPS):
        step = (bend * np.tanh(t) + line * t - target) / (bend * _sech_squared(t) + line)
        t = t - step
        if np.all(np.abs(step) <= 4e-16 * t):
            break
    return np.copysign(t, x)


def _sech_squared(t: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return 1.0 / np.cosh(np.minimum(np.abs(t), 350.0)) ** 2
