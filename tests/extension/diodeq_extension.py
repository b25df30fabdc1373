"""One of each that a package can add to diodeq: an engine, a learning rule, a dialect, a device, a data set."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from diodeq.devices import DiodeModel
from diodeq.learning.rules import named
from diodeq.learning.rules.base import caution, positive
from diodeq.netlist.deck import Dialect
from diodeq.simulators.wave import WaveSimulator


class Counting(WaveSimulator):
    """wave, which says how many samples it has settled."""

    name = "counting"
    settled = 0

    @property
    def version(self):
        return f"counting 1.0, {self.settled} so far"

    def operate(self, circuit, drives):
        self.settled += len(drives)
        return super().operate(circuit, drives)


def counting(*options, workers, time_limit):
    return Counting(*options, workers=workers)


@dataclass(frozen=True)
class Signs:
    """The signs of the gradient, as large as its mean: what a crossbar that is written row by row can follow."""

    name: ClassVar[str] = "signs"
    finds_others: ClassVar[bool] = False
    scale: float = 1.0

    def __post_init__(self):
        positive("scale", self.scale)

    def __call__(self, simulator, circuit, drives, loss, /, *, also=()):
        caution(self, circuit, also)
        found = named("hardware-linearization")(simulator, circuit, drives, loss)
        size = self.scale * np.abs(found.conductances).mean()
        return replace(found, conductances=size * np.sign(found.conductances))

    def inexact(self, circuit):
        return "it keeps nothing of the gradient but its signs"

    def cost(self, circuit):
        return named("hardware-linearization").cost(circuit)


SIGNS = Signs()


def _write(listing):
    lines = [f"# {listing.title}"]
    for section in listing.sections:
        lines += ["\t".join([name, *nodes, repr(value)]) for (name, nodes, value), _ in section.rows]
    return "\n".join(lines) + "\n"


TABLE = Dialect("table", "a line for every element, parted by tabs", ".tsv", _write)

LAB7 = DiodeModel.from_json(
    {"name": "LAB7", "description": "measured in the laboratory", "parameters": {"is": 1e-9, "n": 1.8, "rs": 0.5}}
)


def spiral(argument):
    """Two arms; ``spiral:N`` has N samples of each."""
    count = int(argument or 100)
    angle = np.linspace(0.5, 6.0, count)
    arm = np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1)
    return np.concatenate([arm, -arm]), np.repeat(["one", "other"], count)
