"""A learning rule of your own: a board that compares voltages but cannot multiply them knows the gradient's sign."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

import diodeq
from diodeq.learning.losses import cross_entropy
from diodeq.learning.rules import RULES
from diodeq.simulators import create


@dataclass(frozen=True)
class SignOnly:
    """Hardware linearization, of which no more is kept than which way each conductance has to go."""

    name: ClassVar[str] = "sign-only"
    finds_others: ClassVar[bool] = False

    def __call__(self, simulator, circuit, drives, loss, /, *, also=()):
        found = RULES["hardware-linearization"](simulator, circuit, drives, loss)
        return replace(found, conductances=np.sign(found.conductances))

    def inexact(self, circuit):
        return "it has only the sign"

    def cost(self, circuit):
        return 2  # settlings a sample


random = np.random.default_rng(0)
volts = random.uniform(-5, 5, size=(200, 2))
classes = (volts[:, 0] > volts[:, 1]).astype(int)
circuit, rule, rate = diodeq.layered((2, 6, 2)), SignOnly(), 0.2
with create("wave") as wave:
    for step in range(31):
        found = rule(wave, circuit, volts, cross_entropy(classes, beta=4.0))
        if step % 10 == 0:
            right = (found.outputs.argmax(axis=1) == classes).mean()
            print(f"step {step}: loss {found.loss:.3f}, {right:.0%} right")
        changed = circuit.conductances * np.exp(-rate * found.conductances)  # every one by as many percent
        circuit, rate = circuit.with_conductances(np.clip(changed, 1e-7, 1e-3)), 0.95 * rate
