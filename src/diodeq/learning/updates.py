"""Updates: how a gradient becomes a step.

An update works on parameters θ, by default the logarithms of the conductances: steps are then multiplicative, values
stay positive and a step means the same at 1e-7 S and at 1e-2 S. Each parameter moves by itself and remembers a number
or two in slots of its own, so any part of them may be moved apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from diodeq.compiled import available
from diodeq.learning.schedules import Schedule, constant

Floats = NDArray[np.float64]


class State(NamedTuple):
    """How many steps were taken, and what the parameters remember: some float64[n]."""

    steps: int
    slots: tuple[Floats, ...]

    def copy(self) -> Self:
        """The same in arrays of its own."""
        return type(self)(self.steps, tuple(slot.copy() for slot in self.slots))


@dataclass(frozen=True)
class Update:
    """``rule(gradient, slots, k, factors)`` writes the slots of the parameters k and returns what is added to them.

    ``k`` is a slice, or the number of one parameter: a rule is plain arithmetic on either. ``slots`` says how many it
    has, ``factors`` gives its constants at step 0, 1, …
    """

    slots: int
    factors: Callable[[int], tuple[float, ...]]
    rule: Callable[[Any, tuple[Floats, ...], Any, tuple[float, ...]], Any]

    def start(self, parameters: Floats) -> State:
        """The state before the first step."""
        return State(0, tuple(np.zeros_like(parameters) for _ in range(self.slots)))


def _sgd(gradient: Any, slots: tuple[Floats, ...], k: Any, factors: tuple[float, ...]) -> Any:
    return factors[0] * gradient


def _momentum(gradient: Any, slots: tuple[Floats, ...], k: Any, factors: tuple[float, ...]) -> Any:
    rate, decay = factors
    slots[0][k] = decay * slots[0][k] + gradient
    return rate * slots[0][k]


def _adam(gradient: Any, slots: tuple[Floats, ...], k: Any, factors: tuple[float, ...]) -> Any:
    rate, decay, square_decay, scale, square_scale, epsilon = factors
    slots[0][k] = decay * slots[0][k] + (1.0 - decay) * gradient
    slots[1][k] = square_decay * slots[1][k] + (1.0 - square_decay) * (gradient * gradient)
    return rate * (scale * slots[0][k] / (np.sqrt(square_scale * slots[1][k]) + epsilon))


def sgd(rate: float, schedule: Schedule | None = None) -> Update:
    """Plain gradient descent; the rate is multiplied by the schedule, as in all updates."""
    factor = schedule or constant()
    return Update(0, lambda step: (-rate * factor(step),), _sgd)


def momentum(rate: float, schedule: Schedule | None = None, decay: float = 0.9) -> Update:
    """Gradient descent with heavy-ball momentum: m ← decay·m + gradient (Polyak, 1964)."""
    factor = schedule or constant()
    return Update(1, lambda step: (-rate * factor(step), decay), _momentum)


def adam(
    rate: float,
    schedule: Schedule | None = None,
    decay: float = 0.9,
    square_decay: float = 0.999,
    epsilon: float = 1e-8,
) -> Update:
    """Gradient over its running size, with bias correction (Kingma & Ba, arXiv:1412.6980, algorithm 1)."""
    factor = schedule or constant()

    def factors(step: int) -> tuple[float, ...]:
        corrections = (1.0 / (1.0 - decay ** (step + 1)), 1.0 / (1.0 - square_decay ** (step + 1)))
        return (-rate * factor(step), decay, square_decay, *corrections, epsilon)

    return Update(2, factors, _adam)


UPDATES: dict[str, Callable[..., Update]] = {"adam": adam, "momentum": momentum, "sgd": sgd}


# (dℓ/dG, G) → dℓ/dθ: plain arithmetic, on arrays or on numbers.
Pull = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Space:
    """What the parameters θ are of conductances G: ``enter`` G → θ, ``leave`` θ → G, and ``pull``."""

    enter: Callable[[Floats], Floats]
    leave: Callable[[Floats], Floats]
    pull: Pull


SPACES: dict[str, Space] = {
    "log-conductance": Space(np.log, np.exp, lambda gradient, conductances: gradient * conductances),
    "conductance": Space(np.copy, np.copy, lambda gradient, conductances: gradient),
}


Move = Callable[[Update, Pull, Floats, Floats, tuple[Floats, ...], int, Floats, float, float], bool]
# (dℓ/dG, G, slots, factors, θ, lowest θ, highest θ) → whether dℓ/dθ is finite; overwrites slots and θ.
Sweep = Callable[[Floats, Floats, tuple[Floats, ...], tuple[float, ...], Floats, float, float], bool]


def _plainly(rule: Callable[..., Any], pull: Pull) -> Sweep:
    def sweep(gradient: Any, values: Any, slots: Any, factors: Any, theta: Any, low: Any, high: Any) -> bool:
        pulled = np.asarray(pull(gradient, values), np.float64)
        theta += rule(pulled, slots, slice(None), factors)
        np.clip(theta, low, high, out=theta)
        return bool(np.isfinite(pulled).all())

    return sweep


@cache
def _compiled(rule: Callable[..., Any], pull: Pull) -> Sweep:
    import numba

    inline: Any = numba.njit(inline="always", error_model="numpy")
    stepped, pulled = inline(rule), inline(pull)

    @numba.njit(nogil=True, error_model="numpy")
    def sweep(gradient: Any, values: Any, slots: Any, factors: Any, theta: Any, low: Any, high: Any) -> bool:
        infinite = 0
        for k in range(len(theta)):
            each = np.float64(pulled(gradient[k], values[k]))
            theta[k] = min(max(theta[k] + stepped(each, slots, k, factors), low), high)
            infinite += not abs(each) < np.inf
        return infinite == 0

    return sweep  # type: ignore[no-any-return]


def move(
    update: Update,
    pull: Pull,
    gradient: Floats,
    values: Floats,
    slots: tuple[Floats, ...],
    step: int,
    theta: Floats,
    low: float,
    high: float,
    *,
    sweeps: Callable[[Callable[..., Any], Pull], Sweep] = _plainly,
) -> bool:
    """Add a step to θ, kept from ``low`` to ``high``, for the gradient that ``pull`` makes of one at ``values``;
    whether that is finite. ``theta`` and ``slots`` are overwritten."""
    return sweeps(update.rule, pull)(gradient, values, slots, update.factors(step), theta, low, high)


@cache
def fastest_move() -> Move:
    """``move`` in one pass over the parameters where numba can be imported: the same bits."""
    return partial(move, sweeps=_compiled) if available() else move
