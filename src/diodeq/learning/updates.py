"""Updates: how a gradient becomes a step. Small ``(init, update)`` pairs joined by ``chain`` (the idea is optax's).

An update works on parameters θ, by default the logarithms of the conductances: steps are then multiplicative, values
stay positive and a step means the same at 1e-7 S and at 1e-2 S. State is nested tuples of plain numpy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diodeq.learning.schedules import Schedule, constant

Floats = NDArray[np.float64]
# Parameters updated together: their working arrays stay in cache.
BLOCK = 1 << 16

State = Any  # nested tuples of numpy arrays


class Update(NamedTuple):
    """``init(parameters) -> state`` and ``update(gradient, state, parameters) -> (step, state)``.

    The step is what is added to the parameters; every array is float64[n].
    """

    init: Callable[[Floats], State]
    update: Callable[[Floats, State, Floats], tuple[Floats, State]]


def _stateless(step: Callable[[Floats, Floats], Floats]) -> Update:
    return Update(lambda parameters: (), lambda gradient, state, parameters: (step(gradient, parameters), state))


def chain(*updates: Update) -> Update:
    """One update that applies several, each to the step of the one before."""

    def init(parameters: Floats) -> State:
        return tuple(each.init(parameters) for each in updates)

    def update(step: Floats, state: State, parameters: Floats) -> tuple[Floats, State]:
        after = []
        for each, before in zip(updates, state, strict=True):
            step, new = each.update(step, before, parameters)
            after.append(new)
        return step, tuple(after)

    return Update(init, update)


def clip_by_norm(limit: float) -> Update:
    """Shorten gradients whose Euclidean norm exceeds ``limit``."""

    def step(gradient: Floats, parameters: Floats) -> Floats:
        norm = float(np.linalg.norm(gradient))
        return gradient * (limit / norm) if norm > limit else gradient

    return _stateless(step)


def scale_by_momentum(decay: float = 0.9) -> Update:
    """Heavy-ball accumulation: m ← decay·m + gradient (Polyak, 1964)."""

    def update(gradient: Floats, state: State, parameters: Floats) -> tuple[Floats, State]:
        average = decay * state[0] + gradient
        return average, (average,)

    return Update(lambda parameters: (np.zeros_like(parameters),), update)


def scale_by_adam(decay: float = 0.9, square_decay: float = 0.999, epsilon: float = 1e-8) -> Update:
    """Gradient over its running size, with bias correction (Kingma & Ba, arXiv:1412.6980, algorithm 1)."""

    def init(parameters: Floats) -> State:
        return np.zeros(()), np.zeros_like(parameters), np.zeros_like(parameters)

    def update(gradient: Floats, state: State, parameters: Floats) -> tuple[Floats, State]:
        count = state[0] + 1.0
        first, second, step = (np.empty_like(gradient) for _ in range(3))
        for start in range(0, len(gradient), BLOCK):
            part = slice(start, start + BLOCK)
            g, m, v = gradient[part], first[part], second[part]
            np.multiply(decay, state[1][part], out=m)
            m += (1.0 - decay) * g
            np.multiply(square_decay, state[2][part], out=v)
            v += (1.0 - square_decay) * g**2
            size = np.sqrt(v / (1.0 - square_decay**count))
            size += epsilon
            np.divide(m, 1.0 - decay**count, out=step[part])
            step[part] /= size
        return step, (np.asarray(count), first, second)

    return Update(init, update)


def add_decay(rate: float, towards: Floats | float = 0.0) -> Update:
    """Add a pull of strength ``rate`` towards some parameters (decoupled decay: put it after Adam, AdamW)."""
    return _stateless(lambda gradient, parameters: gradient + rate * (parameters - towards))


def scale_by_rate(rate: float, schedule: Schedule | None = None) -> Update:
    """Multiply by -rate·schedule(step number): from gradient to descent."""
    factor = schedule or constant()

    def update(gradient: Floats, state: State, parameters: Floats) -> tuple[Floats, State]:
        return -rate * factor(int(state[0])) * gradient, (np.asarray(state[0] + 1),)

    return Update(lambda parameters: (np.zeros((), np.int64),), update)


def sgd(rate: float, schedule: Schedule | None = None) -> Update:
    """Plain gradient descent."""
    return scale_by_rate(rate, schedule)


def momentum(rate: float, schedule: Schedule | None = None, decay: float = 0.9) -> Update:
    """Gradient descent with heavy-ball momentum."""
    return chain(scale_by_momentum(decay), scale_by_rate(rate, schedule))


def adam(rate: float, schedule: Schedule | None = None, square_decay: float = 0.999) -> Update:
    """Adam."""
    return chain(scale_by_adam(square_decay=square_decay), scale_by_rate(rate, schedule))


UPDATES: dict[str, Callable[..., Update]] = {"adam": adam, "momentum": momentum, "sgd": sgd}


@dataclass(frozen=True)
class Space:
    """What the parameters θ are of conductances G: ``enter`` G → θ, ``leave`` θ → G, ``pull`` (dℓ/dG, G) → dℓ/dθ."""

    enter: Callable[[Floats], Floats]
    leave: Callable[[Floats], Floats]
    pull: Callable[[Floats, Floats], Floats]


SPACES: dict[str, Space] = {
    "log-conductance": Space(np.log, np.exp, lambda gradient, conductances: gradient * conductances),
    "conductance": Space(np.copy, np.copy, lambda gradient, conductances: gradient),
}


def flatten(state: State) -> list[NDArray[Any]]:
    """The arrays of a state, in order."""
    if isinstance(state, tuple):
        return [array for part in state for array in flatten(part)]
    return [np.asarray(state)]


def unflatten(like: State, arrays: Sequence[NDArray[Any]]) -> State:
    """The arrays put back into the shape of the state ``like``; raises ``ValueError`` where they do not fit."""
    remaining = list(arrays)

    def build(part: State) -> State:
        if isinstance(part, tuple):
            return tuple(build(each) for each in part)
        array = remaining.pop(0) if remaining else None
        if array is None or array.shape != np.shape(part) or array.dtype != np.asarray(part).dtype:
            raise ValueError("the arrays do not fit the state")
        return array

    state = build(like)
    if remaining:
        raise ValueError("there are more arrays than the state has")
    return state
