"""Circuits in the making, for tests that draw them at random."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.kinds import source_kinds
from diodeq.devices import DiodeModel, catalogue

SAMPLES = 4
Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Case:
    """A circuit and its input volts or amperes float64[B, n_in]."""

    family: str
    seed: int
    circuit: Circuit
    drives: NDArray[np.float64]

    @property
    def passive(self) -> bool:
        """Whether no part gives more power than it takes, sources aside, and all laws rise, as they do not with ISR:
        then there is one operating point at most."""
        rising = not any(model.values()["isr"] for model in self.circuit.models)
        return rising and not len(self.circuit.buffers) and not len(self.circuit.mirrors)


@dataclass
class Sketch:
    """A circuit in the making: rows by kind and the inputs' amplitudes."""

    rng: Random
    nodes: list[str] = field(default_factory=lambda: ["0"])
    rows: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    models: list[DiodeModel] = field(default_factory=list)
    inputs: list[tuple[str, int, int, float]] = field(default_factory=list)

    def node(self) -> int:
        """A new node."""
        self.nodes.append(f"n{len(self.nodes)}")
        return len(self.nodes) - 1

    def add(self, kind: str, *row: float) -> int:
        """A part; its number in its bank."""
        self.rows.setdefault(kind, []).append(row)
        return len(self.rows[kind]) - 1

    def resistor(self, a: int, b: int, ohms: float) -> None:
        self.add("resistors", a, b, 1.0 / ohms)

    def diode(self, anode: int, cathode: int, model: DiodeModel) -> None:
        if model not in self.models:
            self.models.append(model)
        self.add("diodes", anode, cathode, self.models.index(model))

    def source(self, plus: int, minus: int, volts: float = 0.0, gains: dict[int, float] | None = None) -> None:
        """A voltage source of ``volts`` and of ``gains`` times inputs."""
        number = self.add("voltage_sources", plus, minus, volts)
        self.inputs += [("voltage_sources", number, column, gain) for column, gain in (gains or {}).items()]

    def done(self, title: str, temperature: float, outputs: int = 3) -> Circuit:
        """The circuit, measured at some pairs of nodes."""
        count = len(self.nodes)
        pairs = [self.rng.choice(count, 2, replace=False) for _ in range(min(outputs, count - 1))]
        kinds, starts, start = source_kinds(), {}, 0
        for kind in kinds:
            starts[kind] = start
            start += len(self.rows.get(kind, ()))
        columns = max((column for _, _, column, _ in self.inputs), default=-1) + 1
        return Circuit.of_banks(
            {kind: bank(kind, rows) for kind, rows in self.rows.items()},
            nodes=tuple(self.nodes),
            models=tuple(self.models),
            inputs=Inputs(
                np.array([starts[kind] + number for kind, number, _, _ in self.inputs], np.int32),
                np.array([column for _, _, column, _ in self.inputs], np.int32),
                np.array([gain for _, _, _, gain in self.inputs], float),
                tuple(f"u{k}" for k in range(columns)),
            ),
            outputs=np.array(pairs, np.int32).reshape(-1, 2),
            temperature=temperature,
            title=title,
        )


def spread(rng: Random, low: float, high: float) -> float:
    """A number between two, evenly in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


# Of the catalogue, in an order that stays, so that a seed names a circuit for good.
DIODES = (
    *("ideal", "1N4148", "1N4148-nxp", "1N4007", "1N5817", "BAT54", "BAT85", "BAS70", "1N5711", "BAS16"),
    *("BZX84C3V3", "QTLP690C"),
)


def part(rng: Random) -> DiodeModel:
    return catalogue.get(str(rng.choice(DIODES)))
