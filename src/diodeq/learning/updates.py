"""Updates: how a gradient becomes a step. Small ``(init, update)`` pairs joined by ``chain`` (the idea is optax's).

An update works on parameters θ, by default the logarithms of the conductances: steps are then multiplicative, values
stay positive and a step means the same at 1e-7 S and at 1e-2 S. Each parameter moves by itself, so any part of them may
be updated apart. State is nested tuples of plain numpy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diodeq.learning.schedules import Schedule, constant

Floats = NDArray[np.float64]

State = Any  # nested tuples of numpy arrays


class Update(NamedTuple):
    """``init(parameters) -> state`` and ``update(gradient, state, parameters) -> (step, state)``.

    The step is what is added to the parameters; every array is float64[n], or a single number. ``update`` overwrites
    the arrays of the state it is given.
    """

    init: Callable[[Floats], State]
    update: Callable[[Floats, State, Floats], tuple[Floats, State]]


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


def scale_by_momentum(decay: float = 0.9) -> Update:
    """Heavy-ball accumulation: m ← decay·m + gradient (Polyak, 1964)."""

    def update(gradient: Floats, state: State, parameters: Floats) -> tuple[Floats, State]:
        average = state[0]
        average *= decay
        average += gradient
        return average, state

    return Update(lambda parameters: (np.zeros_like(parameters),), update)


def scale_by_adam(decay: float = 0.9, square_decay: float = 0.999, epsilon: float = 1e-8) -> Update:
    """Gradient over its running size, with bias correction (Kingma & Ba, arXiv:1412.6980, algorithm 1)."""

    def init(parameters: Floats) -> State:
        return np.zeros(()), np.zeros_like(parameters), np.zeros_like(parameters)

    def update(gradient: Floats, state: State, parameters: Floats) -> tuple[Floats, State]:
        count, first, second = state[0] + 1.0, state[1], state[2]
        step = (1.0 - decay) * gradient
        first *= decay
        first += step
        np.multiply(gradient, gradient, out=step)
        step *= 1.0 - square_decay
        second *= square_decay
        second += step
        np.multiply(second, 1.0 / (1.0 - square_decay**count), out=step)
        np.sqrt(step, out=step)
        step += epsilon
        np.divide(first, step, out=step)
        step *= 1.0 / (1.0 - decay**count)
        return step, (np.asarray(count), first, second)

    return Update(init, update)


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


def part(state: State, where: slice) -> State:
    """The state of some of the parameters: views of the arrays, single numbers as they are."""
    if isinstance(state, tuple):
        return tuple(part(each, where) for each in state)
    return state[where] if state.ndim else state


def joined(state: State, after: State) -> State:
    """The arrays of ``state`` with the single numbers of ``after``, a state of some of the parameters."""
    if isinstance(state, tuple):
        return tuple(joined(*each) for each in zip(state, after, strict=True))
    return state if state.ndim else after


def copied(state: State) -> State:
    """The state in arrays of its own."""
    return tuple(map(copied, state)) if isinstance(state, tuple) else state.copy()


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
