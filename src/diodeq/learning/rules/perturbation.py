"""Simultaneous perturbation: all conductances are turned up or down at random at once, and the loss says which way.

Spall, IEEE Transactions on Automatic Control 37(3), 1992 (SPSA); in analog circuits Jabri & Flower, IEEE Transactions
on Neural Networks 3(1), 1992, and Cauwenberghs, NIPS 5, 1993.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.errors import UsageError
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution, positive
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Perturbation:
    """The mean over ``samples`` random directions of the loss's central difference along each.

    Values are turned by the factors exp(±step). The directions derive from ``seed``, the conductances and the drives:
    every step of a training has its own, and a run repeats bit for bit. The variance grows with the number of
    conductances and falls with ``samples``; the loss and outputs are means over the perturbed circuits.

    Raises:
        UsageError: the step is not positive, or no direction is asked for.
    """

    step: float = 1e-3
    samples: int = 1
    seed: int = 0
    name: ClassVar[str] = "perturbation"
    finds_others: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("step", self.step)
        if self.samples < 1:
            raise UsageError(f"samples = {self.samples} is no direction", "give at least 1")
        if self.seed < 0:
            raise UsageError(f"seed = {self.seed} is not possible", "give 0 or more")

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient plus noise of mean zero (up to step²)."""
        caution(self, circuit, also)
        kinds = ("resistors", *also)
        turned = {
            kind: circuit.mask if kind == "resistors" else np.ones(len(circuit.bank(kind)), bool) for kind in kinds
        }
        random = np.random.default_rng([self.seed, _digest(circuit.conductances, drives)])
        found = {kind: np.zeros(len(circuit.bank(kind))) for kind in kinds}
        value, outputs = 0.0, np.zeros((len(drives), len(circuit.outputs)))
        for _ in range(self.samples):
            signs = {kind: random.choice([-1.0, 1.0], size=len(each)) * each for kind, each in turned.items()}
            losses = []
            for side in (1.0, -1.0):
                moved = circuit
                for kind, sign in signs.items():
                    moved = moved.with_values(kind, circuit.bank(kind).values * np.exp(side * self.step * sign))
                at = simulator.operate(moved, drives).outputs
                losses.append(loss(at)[0])
                outputs += at / (2 * self.samples)
            value += sum(losses) / (2 * self.samples)
            for kind, sign in signs.items():
                found[kind] += (losses[0] - losses[1]) / (2 * self.step * self.samples) * sign
        slopes = {
            kind: np.divide(
                each, circuit.bank(kind).values, out=np.zeros_like(each), where=circuit.bank(kind).values != 0
            )
            for kind, each in found.items()
        }
        return Gradient(slopes.pop("resistors")[circuit.mask], value, outputs, slopes)

    def inexact(self, circuit: Circuit) -> str | None:
        """Always, but right on average."""
        return "it is right only on average over random directions"

    def cost(self, circuit: Circuit) -> int:
        """Two settlings a direction."""
        return 2 * self.samples


def _digest(*arrays: Floats) -> int:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(found.digest()[:8])
