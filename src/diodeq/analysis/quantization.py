"""What quantization costs, measured in a simulator, and the impedance scale at which it costs least."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.survey import Survey
from diodeq.devices.hardware.ladder import Ladder
from diodeq.errors import InputError, SimulationError
from diodeq.measures import MEASURES, Labels, measure_for, scored
from diodeq.simulators.base import Simulator, batches
from diodeq.synthesis.quantize import Quantized, quantize

# Impedance scales are tried so many to a decade, with so many samples each.
PER_DECADE = 8
TRIED_WITH = 128
# Drives where nobody gave any: so many rows, and the volts where no constant source says what is usual.
DRAWN = 200
USUAL_VOLTS = 5.0


@dataclass(frozen=True)
class Cost:
    """The outputs of a circuit that should be another's, over a batch of drives.

    ``rms`` and ``largest`` errors are in volts, ``relative`` is rms error over rms output, ``agreement`` the share of
    samples with the same highest output; ``accuracy`` and ``accuracy_before`` need labels that are classes, ``r2`` and
    ``r2_before`` quantities. ``apart`` is the most volts between any two nodes of the quantized circuit.
    """

    samples: int
    rms: float
    largest: float
    relative: float
    agreement: float
    apart: float
    accuracy_before: float | None = None
    accuracy: float | None = None
    r2_before: float | None = None
    r2: float | None = None

    def known(self) -> str:
        """Such as ``accuracy 97.37 %, before 98.21 %``; nothing without labels."""
        for key, measure in MEASURES.items():
            after, before = getattr(self, key), getattr(self, f"{key}_before")
            if after is not None and before is not None:
                return f"{measure.name} {measure.said(after)}, before {measure.said(before)}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


def cost(
    simulator: Simulator,
    before: Circuit,
    after: Circuit,
    drives: Floats,
    labels: Labels | None = None,
    survey: Survey | None = None,
) -> Cost:
    """How far the outputs of ``after`` are from those of ``before`` for ``drives`` float64[B, n_in].

    ``labels`` are class numbers int64[B], or the volts float64[B, n_out] that outputs should have; a ``survey`` of
    ``after`` is told its operating points. Raises what the simulator does, and ``InputError`` for a circuit without
    outputs.
    """
    if not len(before.outputs):
        raise InputError(f"circuit {before.title!r} has no outputs to compare", "give it some")
    wanted = _outputs(simulator, before, drives)
    outputs, apart = [], 0.0
    for point in batches(simulator, after, drives):
        outputs.append(point.outputs)
        apart = max(apart, float(np.ptp(point.node_voltages, axis=1).max(initial=0.0)))
        if survey is not None:
            survey.add(point.drives, point.node_voltages, point.branch_currents)
    found = np.concatenate(outputs)
    error = found - wanted
    known = {}
    if labels is not None:
        key = measure_for(labels).key
        known = {f"{key}_before": scored(wanted, labels), key: scored(found, labels)}
    return Cost(
        samples=len(drives),
        rms=_rms(error),
        largest=float(np.abs(error).max(initial=0.0)),
        relative=_rms(error) / (_rms(wanted) or 1.0),
        agreement=scored(found, wanted.argmax(axis=1)),
        apart=apart,
        **known,
    )


def best_scaled(simulator: Simulator, circuit: Circuit, ladder: Ladder, drives: Floats) -> Quantized:
    """The circuit on a ladder at the impedance scale, of a grid, with the least rms error of the outputs.

    The grid reaches from where the least conductance comes onto the ladder to where the largest leaves it.
    """
    drives = drives[:: -(-len(drives) // TRIED_WITH)]
    wanted = _outputs(simulator, circuit, drives)
    ends = np.log10([ladder.low / circuit.conductances.min(), ladder.high / circuit.conductances.max()])
    first, last = np.floor(PER_DECADE * min(ends.min(), 0.0)), np.ceil(PER_DECADE * max(ends.max(), 0.0))

    def error(exponent: float) -> float:
        tried = quantize(circuit, ladder, 10.0 ** (exponent / PER_DECADE)).circuit
        try:
            return _rms(_outputs(simulator, tried, drives) - wanted)
        except SimulationError:
            return np.inf  # a scale at which the circuit does not settle is no choice

    best = min(np.arange(first, last + 1.0).tolist(), key=error)
    return quantize(circuit, ladder, 10.0 ** (best / PER_DECADE))


def drawn_drives(circuit: Circuit) -> Floats:
    """Drives for a circuit of which no inputs are known: normal, with the constant sources' largest volts as width, cut
    where the circuit's inputs are.

    The same for every circuit of as many inputs and such volts; float64[200, n_in].
    """
    volts = np.abs(circuit.voltage_sources.values).max(initial=0.0) or USUAL_VOLTS
    drawn: Floats = volts * np.random.default_rng(0).standard_normal((DRAWN, len(circuit.inputs)))
    return np.clip(drawn, -circuit.scaling.limit, circuit.scaling.limit)


def _outputs(simulator: Simulator, circuit: Circuit, drives: Floats) -> Floats:
    return np.concatenate([point.outputs for point in batches(simulator, circuit, drives)])


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))
