"""How few bits, levels or preferred values are enough, for weights and for resistors: what is proved of each number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diodeq.analysis.box import Box
from diodeq.analysis.certificate import doubt
from diodeq.analysis.certified import Certified, certify
from diodeq.analysis.decided import decisions
from diodeq.analysis.passive import Passive
from diodeq.analysis.quantization import Cost, cost
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices.hardware.ladder import ladder
from diodeq.errors import InputError, SimulationError
from diodeq.measures import Labels, scored
from diodeq.network.network import Network
from diodeq.network.rounding import Rounded, kept, prove
from diodeq.network.solve import solve
from diodeq.simulators.base import Simulator
from diodeq.synthesis.quantize import Quantized, quantize


@dataclass(frozen=True, eq=False)
class FewWeights:
    """A network with weights of so many bits: ``agreement`` is the share of samples that it decides as the drawn one,
    ``proved`` that of those of which this is certain without solving it; None where it has no equilibrium or where
    there are no samples."""

    rounded: Rounded
    agreement: float | None = None
    proved: float | None = None
    accuracy: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        known = {name: getattr(self, name) for name in ("accuracy", "agreement", "proved")}
        return {**self.rounded.to_json(), **known}


def of_network(
    network: Network, bits: Sequence[int], rows: Floats | None = None, labels: Labels | None = None
) -> list[FewWeights]:
    """A network with weights of each number of bits, over samples float64[B, n_in] and class numbers.

    Raises:
        UsageError: a number of bits that is not possible.
        SimulationError: the network as it is has no equilibrium.
    """
    drawn = None if rows is None else solve(network, rows)
    found = []
    for each in bits:
        few = prove(network, each)
        if drawn is None:
            found.append(FewWeights(few))
            continue
        proved = float(np.mean(kept(network, few, drawn.states, drawn.inputs)))
        try:
            outputs = solve(few.network, drawn.inputs).outputs
        except SimulationError:
            found.append(FewWeights(few, proved=proved))
            continue
        right = None if labels is None else scored(outputs, labels)
        found.append(FewWeights(few, scored(outputs, drawn.outputs.argmax(axis=1)), proved, right))
    return found


@dataclass(frozen=True, eq=False)
class FewValues:
    """A circuit whose resistors are of a ladder ``name``: ``unique`` is whether it is proved that no input has two
    operating points, ``certified`` what is proved of its boards, None where nothing can be."""

    name: str
    quantized: Quantized
    unique: bool
    cost: Cost
    certified: Certified | None

    @property
    def share(self) -> float | None:
        """Of the samples, those certified: as their labels, or else as the circuit that was drawn decides them."""
        return None if self.certified is None else share(self.certified)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        proved = None if self.certified is None else self.certified.to_json()
        labelled = bool(self.cost.known())
        return {
            "values": self.name,
            "levels": len(self.quantized.ladder),
            "unique": self.unique,
            **self.cost.to_json(),
            "certified_accuracy": None if proved is None or not labelled else proved["certified_accuracy"],
            "certified_as_drawn": None if proved is None or labelled else proved["certified_accuracy"],
            "certified_decisions": None if proved is None else proved["certified_decisions"],
            "largest_bound_volts": None if proved is None else proved["largest_bound_volts"],
        }


def of_circuit(
    circuit: Circuit,
    values: Sequence[str],
    drives: Floats,
    labels: Labels | None,
    tolerance: float,
    engine: Simulator,
    ends: tuple[float, float] | None = None,
    tell: Callable[[int], object] = lambda done: None,
) -> list[FewValues]:
    """A circuit with resistors of each of some ladders, each as ``devices.hardware.ladder`` spells it; levels are
    spread over ``ends`` in siemens, by default from the circuit's least to its largest conductance.

    ``labels`` are class numbers, or volts of a regression. ``tolerance`` is that of every resistor of the boards that
    are certified. ``tell`` is called with the number of ladders that are done.

    Raises:
        InputError: the circuit has no resistors or no outputs.
        UsageError: there is no such ladder.
    """
    own = circuit.conductances
    if not len(own):
        raise InputError(f"circuit {circuit.title!r} has no resistors", "there is nothing to quantize")
    low, high = ends or (float(own.min()), float(own.max()))
    rungs = [ladder(name, *((low, high) if name.isdigit() or ends else (0.0, np.inf))) for name in values]
    classes = labels
    if labels is None and len(circuit.outputs) and not circuit.scaling.regresses:
        classes = decisions(engine.operate(circuit, drives).outputs)
    found = []
    for done, (name, each) in enumerate(zip(values, rungs, strict=True), start=1):
        few = quantize(circuit, each)
        proved = boards_of(few.circuit, drives, classes, tolerance, engine)
        costs = cost(engine, circuit, few.circuit, drives, labels)
        found.append(FewValues(name, few, doubt(few.circuit) is None, costs, proved))
        tell(done)
    return found


def boards_of(
    circuit: Circuit, drives: Floats, labels: Labels | None, tolerance: float, engine: Simulator
) -> Certified | None:
    """What is proved of a circuit's boards with all resistors within a ``tolerance``; None where it has other parts
    than resistors, one-ports and sources, a law that falls, or no outputs."""
    try:
        Passive.of(circuit)
    except InputError:
        return None
    if doubt(circuit) is not None or not len(circuit.outputs):
        return None
    classes = None if labels is None or labels.ndim > 1 else labels.astype(np.int64)
    box = Box(tolerance, cold=circuit.temperature, hot=circuit.temperature)
    (found,) = certify(circuit, drives, classes, [box], engine)
    return found


def share(found: Certified) -> float:
    """Of the samples, those that every board decides as their labels, or as drawn where there are none."""
    known = found.certified_accuracy
    return float(np.mean(found.kept)) if known is None else known
