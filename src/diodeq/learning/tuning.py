"""Fine-tuning: a compiled circuit learns to answer as its network does, whatever its parts make of the weights.

Targets are the network's own answers, so that labels are only used to say how many are right.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from diodeq.circuit import Circuit, check
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import SimulationError, UsageError
from diodeq.learning.datasets import Dataset
from diodeq.learning.losses import squared_error
from diodeq.learning.objective import fits
from diodeq.learning.objective import outputs as volts_of
from diodeq.learning.parametrization import Parametrization
from diodeq.learning.rules.hardware_linearization import HardwareLinearization
from diodeq.learning.schedules import cosine
from diodeq.learning.updates import adam
from diodeq.measures import Labels
from diodeq.network import Network
from diodeq.network.solve import solve
from diodeq.printable import counted, percent
from diodeq.simulators.base import Simulator

BATCH = 32
STEP = 0.5
"""A step in log-conductance, at first, of the root mean square of the error relative to the largest output, …"""
LEAST = 1e-9
"""… and at least."""
JUDGED = 256
"""So many training samples say whether the circuit got better."""


@dataclass(frozen=True)
class Answers:
    """How a circuit answers on held-out samples: the largest error of an output and its root mean square, relative to
    the largest output, the share that is decided as by the network, and the share that is right."""

    error: float
    rms: float
    agreement: float
    accuracy: float

    @staticmethod
    def of(outputs: Floats, wanted: Floats, labels: Labels) -> Answers:
        """Of outputs float64[B, n_out] where ``wanted`` are the network's."""
        largest = float(np.abs(wanted).max(initial=0.0)) or 1.0
        off, decided = outputs - wanted, outputs.argmax(axis=1)
        return Answers(
            float(np.abs(off).max(initial=0.0)) / largest,
            float(np.sqrt(np.mean(off**2))) / largest,
            float(np.mean(decided == wanted.argmax(axis=1))),
            float(np.mean(decided == labels)),
        )


@dataclass(frozen=True, eq=False)
class Tuned:
    """A circuit after fine-tuning, how it answered before and after, and the share that its network has right."""

    circuit: Circuit
    data: str
    samples: int
    held_out: int
    epochs: int
    seconds: float
    before: Answers
    after: Answers
    software: float
    better: bool
    """otherwise it did not answer better on what it had learned, and is as it was"""

    def to_json(self) -> dict[str, Any]:
        """As a plain dict, without the circuit."""
        return {
            "data": self.data,
            "samples": self.samples,
            "held_out": self.held_out,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "network_accuracy": self.software,
            "kept": self.better,
        }

    def sentence(self) -> str:
        """In a line."""
        before, after = self.before, self.after
        if not self.better:
            told = f"{counted(self.epochs, 'epoch')} did not make it answer better, and it is left as it was"
        else:
            told = f"{counted(self.epochs, 'epoch')} in {self.seconds:.0f} s"
        return (
            f"tuned on {counted(self.samples, 'sample')} of {self.data}, {told}; on {self.held_out:,} held out the"
            f" error went from {100 * before.error:.2g} to {100 * after.error:.2g} % of the largest output,"
            f" decisions as the network's from {percent(before.agreement)} to {percent(after.agreement)}, right ones"
            f" from {percent(before.accuracy)} to {percent(after.accuracy)} (the network {percent(self.software)})"
        )


def tune(
    simulator: Simulator,
    circuit: Circuit,
    network: Network,
    data: Dataset,
    technology: Technology,
    epochs: int = 1,
    rate: float | None = None,
    seed: int = 0,
    on_batch: Callable[[int, int, float], None] | None = None,
) -> Tuned:
    """Tune the circuit of a network by hardware linearization, on the samples to learn of a data set.

    Args:
        simulator: what the circuit settles in. technology: the range of its resistors, and their values.
        epochs: passes through the samples. rate: of Adam, in log-conductance, falling as a cosine; in
            proportion to the error by default. seed: of the order.
        on_batch: called with the epoch, the samples of it so far and their mean loss in V².

    Raises:
        UsageError: less than one epoch. InputError: the data do not fit the circuit.
        SimulationError: the simulator failed, or the loss is no longer a number.
    """
    if epochs < 1:
        raise UsageError(f"{epochs} epochs are not possible", "give 1 or more", arguments=("tune_epochs",))
    fits(circuit, data)
    began = time.perf_counter()
    drives, scale = circuit.scaling.to_volts(data.x_train), circuit.scaling.output_scale
    targets = solve(network, data.x_train).outputs / scale
    wanted = solve(network, data.x_test).outputs
    judged = slice(0, JUDGED)
    values, rule = Parametrization("log-conductance", technology), HardwareLinearization()
    now, parameters = circuit, values.read(circuit)

    def off(each: Circuit) -> float:
        return float(np.sqrt(np.mean((volts_of(simulator, each, data.x_train[judged]) - targets[judged]) ** 2)))

    missed = off(circuit)
    if rate is None:
        rate = max(STEP * missed / (float(np.abs(targets).max(initial=0.0)) or 1.0), LEAST)
    update = adam(rate, cosine(epochs * math.ceil(len(drives) / BATCH)))
    state = update.start(parameters)
    for epoch in range(1, epochs + 1):
        order, total = np.random.default_rng([seed, epoch]).permutation(len(drives)), 0.0
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            found = rule(simulator, now, drives[batch], squared_error(targets[batch]))
            if not math.isfinite(found.loss):
                raise SimulationError(f"the loss of epoch {epoch} is not a number", "lower the rate")
            now, state = values.step(now, found, update, parameters, state)
            total += found.loss * len(batch)
            if on_batch is not None:
                on_batch(epoch, at + len(batch), total / (at + len(batch)))
    now = check(now)

    def answers(each: Circuit) -> Answers:
        return Answers.of(scale * volts_of(simulator, each, data.x_test), wanted, data.y_test)

    better = off(now) < missed
    before = answers(circuit)
    return Tuned(
        now if better else circuit,
        data.name,
        len(drives),
        len(data.x_test),
        epochs,
        time.perf_counter() - began,
        before,
        answers(now) if better else before,
        float(np.mean(wanted.argmax(axis=1) == data.y_test)),
        better,
    )
