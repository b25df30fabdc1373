"""Learning-rate schedules: functions from the step number (0, 1, …) to a factor of the rate."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """1 throughout."""
    return lambda step: 1.0


def cosine(steps: int, end: float = 0.0) -> Schedule:
    """From 1 to ``end`` over ``steps`` steps along half a cosine (Loshchilov & Hutter, arXiv:1608.03983, one cycle)."""

    def factor(step: int) -> float:
        part = min(1.0, step / max(1, steps))
        return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * part))

    return factor


def staircase(every: int, ratio: float = 0.1) -> Schedule:
    """Multiplied by ``ratio`` after each ``every`` steps."""
    return lambda step: float(ratio ** (step // max(1, every)))


def exponential(steps: int, end: float = 0.01) -> Schedule:
    """From 1 to ``end`` over ``steps`` steps, by the same factor each step."""
    return lambda step: float(end ** min(1.0, step / max(1, steps)))


# What the command line offers: each is made for a number of steps in all.
SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "constant": lambda steps: constant(),
    "cosine": cosine,
    "step": lambda steps: staircase(max(1, math.ceil(steps / 3))),
    "exponential": exponential,
}
