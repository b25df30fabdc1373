"""How long a circuit takes to settle after its inputs step, and what that costs in energy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.amplifiers import in_time, poles
from diodeq.analysis.capacitance import demand_time, time_constants
from diodeq.analysis.energy import SETTLINGS_PER_GRADIENT, supplied
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.capacitance import capacitances
from diodeq.circuit.one_ports import laws_of
from diodeq.circuit.power import dissipated
from diodeq.errors import InputError, SimulationError, numbered
from diodeq.simulators.base import DynamicSimulator, OperatingPoint, Waveform
from diodeq.synthesis.quantize import scaled_impedance

# Rows whose waveforms are held at a time.
AT_ONCE = 16
# The first time simulated, in longest time constants; where that is too short it grows by a factor, a few times.
FIRST, GROWTH, ATTEMPTS = 12.0, 6.0, 7
# Relative error of a time step, and as a share of the tolerance that is judged.
STEP_ERROR, STEP_SHARE = 1e-5, 1e-2
# Amperes of an amplifier's input by which its straight current is another than the limited one.
UNLIKE = 1e-12
# At the end an output must have come so much closer than the tolerance, every node as close as the tolerance.
FINISHED = 0.1


@dataclass(frozen=True, eq=False)
class SettlingTimes:
    """How B rows settle, each from the operating point of the inputs before it.

    ``times`` float64[B, n_out] s: from then on the output stays within ``band`` volts of its final value. ``decided``
    float64[B] s: from then on the highest output is the final one. ``outputs`` float64[B, n_out] are final volts,
    ``span`` is what band is a share of: from the lowest to the highest output, starts included. ``power`` float64[B] W
    is static, ``energy`` float64[B] J all that sources delivered from the step until the slowest output has settled.
    ``slowest`` is the row that took longest, ``wave`` its movement.
    """

    circuit: Circuit
    times: Floats
    decided: Floats
    outputs: Floats
    span: float
    band: float
    power: Floats
    energy: Floats
    slowest: int
    wave: Waveform

    @property
    def row_times(self) -> Floats:
        """float64[B] s: all outputs have settled."""
        longest: Floats = self.times.max(axis=1)
        return longest


def settle(
    engine: DynamicSimulator,
    circuit: Circuit,
    farads: Floats,
    before: Floats,
    after: Floats,
    tolerance: float = 1e-3,
) -> SettlingTimes:
    """How the outputs settle when the input volts step from ``before`` to ``after``, float64[B, n_in].

    Args:
        engine: one that knows time.
        circuit: with at least one output.
        farads: float64[N], see ``capacitances``.
        before, after: row by row.
        tolerance: of the outputs' span; an n-bit converter's least significant bit is 2⁻ⁿ.

    Raises:
        InputError: no outputs, outputs that never differ, no capacitance, or an impossible tolerance.
        SimulationError: a row does not settle, or the engine's waveform is not one between its operating points.
    """
    if not len(circuit.outputs):
        raise InputError(f"circuit {circuit.title!r} has no outputs that could settle", "give it some")
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"a tolerance of {tolerance:g} of the span is impossible", "give one between 0 and 1")
    longest = time_constants(circuit, farads)[1]
    demand_time(circuit, longest)
    moving, farads = in_time(circuit, farads)
    charged = farads + poles(moving)
    straight, _ = in_time(circuit, farads, slews=False)
    start, end = (_resting(engine, moving, straight, drives) for drives in (before, after))
    span = float(np.ptp(np.concatenate([start.outputs, end.outputs])))
    if not span > 0:
        raise InputError("no output moves or differs from another: there is nothing to settle", "give other inputs")
    band = tolerance * span
    rows = len(after)
    times, decided, energy = np.zeros((rows, len(circuit.outputs))), np.zeros(rows), np.zeros(rows)
    slowest: tuple[float, int, Waveform] | None = None
    for row, wave in _waves(engine, moving, start, end, charged, FIRST * longest, band, tolerance):
        times[row] = _settled(wave, end.outputs[row], band)
        decided[row] = _decided(wave, end.outputs[row])
        energy[row] = np.interp(times[row].max(), wave.times, supplied(wave, farads))
        if slowest is None or times[row].max() > slowest[0]:
            slowest = times[row].max(), row, wave
    assert slowest is not None
    power = dissipated(end.circuit, end.node_voltages)
    return SettlingTimes(circuit, times, decided, end.outputs, span, band, power, energy, slowest[1], slowest[2])


def _resting(engine: DynamicSimulator, moving: Circuit, straight: Circuit, drives: Floats) -> OperatingPoint:
    """Operating points of the circuit ``moving``. They are those of the one with ``straight`` gains, much easier to
    solve, but for rows in which a saturated amplifier's input gives all it can."""
    point = engine.operate(straight, drives)
    ends = straight.diodes.terminals
    across = point.node_voltages[:, ends[:, 0]] - point.node_voltages[:, ends[:, 1]]
    unlike = np.abs(laws_of(moving).current(across) - laws_of(straight).current(across)) > UNLIKE
    rows = np.flatnonzero(unlike.any(axis=1))
    volts = point.node_voltages.copy()
    if len(rows):
        with numbered(rows.tolist()):
            volts[rows] = engine.operate(moving, drives[rows]).node_voltages
    return OperatingPoint(moving, point.drives, volts, point.diode_conductances)


def _waves(
    engine: DynamicSimulator,
    circuit: Circuit,
    start: OperatingPoint,
    end: OperatingPoint,
    farads: Floats,
    stop: float,
    band: float,
    tolerance: float,
) -> Iterator[tuple[int, Waveform]]:
    """(row, waveform that settles), rows in order; the time simulated grows until it does."""
    accuracy = min(STEP_ERROR, STEP_SHARE * tolerance)
    for at in range(0, len(end.drives), AT_ONCE):
        left = np.arange(at, min(at + AT_ONCE, len(end.drives)))
        done: dict[int, Waveform] = {}
        for attempt in range(ATTEMPTS):
            seconds = stop * GROWTH**attempt
            with numbered(left.tolist()):
                steps = start.drives[left], end.drives[left]
                waves = engine.transient(circuit, farads, *steps, seconds, accuracy, start.node_voltages[left])
            for row, wave in zip(left.tolist(), waves, strict=True):
                _demand_start(wave, start.node_voltages[row], band, row)
                if _finished(wave, end.node_voltages[row], end.outputs[row], band):
                    done[row] = wave
            left = np.array([row for row in left.tolist() if row not in done], int)
            if not len(left):
                break
        else:
            raise SimulationError(
                f"sample {left[0]} has not settled after {seconds:.3g} s",
                "the circuit oscillates, or a node has far more capacitance than its resistors can charge",
                sample=int(left[0]),
            )
        yield from sorted(done.items())


def _demand_start(wave: Waveform, volts: Floats, band: float, row: int) -> None:
    off = np.abs(wave.node_voltages[0] - volts)
    if off.max() > band:
        node = wave.circuit.nodes[int(off.argmax())]
        raise SimulationError(
            f"the waveform of sample {row} starts {off.max():.2g} V off its operating point at node {node}",
            "report this circuit",
            sample=row,
        )


def _finished(wave: Waveform, volts: Floats, outputs: Floats, band: float) -> bool:
    """Whether the waveform ends at the operating point, and has rested there for the second half of its time."""
    late = wave.times >= 0.5 * wave.times[-1]
    return bool(
        np.abs(wave.node_voltages[-1] - volts).max() <= band
        and np.abs(wave.outputs[-1] - outputs).max() <= FINISHED * band
        and np.abs(wave.outputs[late] - outputs).max() <= band
    )


def _settled(wave: Waveform, final: Floats, band: float) -> Floats:
    """float64[n_out] s: when each output last entered the band, between points by its error's straight line."""
    error = np.abs(wave.outputs - final)
    return np.array([_last_crossing(wave.times, column - band) for column in error.T])


def _decided(wave: Waveform, final: Floats) -> float:
    """When the final highest output last rose above all others; 0 for a single output."""
    if len(final) < 2:
        return 0.0
    winner, outputs = int(final.argmax()), wave.outputs
    ahead = np.delete(outputs, winner, axis=1).max(axis=1) - outputs[:, winner]
    return _last_crossing(wave.times, ahead)


def _last_crossing(times: Floats, excess: NDArray[np.float64]) -> float:
    """When ``excess`` became negative or zero for good."""
    above = np.flatnonzero(excess > 0)
    if not len(above) or above[-1] == len(times) - 1:
        return 0.0 if not len(above) else float(times[-1])
    last = above[-1]
    share = excess[last] / (excess[last] - excess[last + 1])
    return float(times[last] + share * (times[last + 1] - times[last]))


@dataclass(frozen=True, eq=False)
class ScaledSettling:
    """How a circuit settles with all its admittances and currents times ``scale``.

    ``agreement`` is the share of rows with the same highest output as at scale 1, ``accuracy`` needs labels.
    """

    scale: float
    settling: SettlingTimes
    agreement: float
    accuracy: float | None

    @property
    def median_siemens(self) -> float:
        """The conductance that half of the resistors exceed."""
        return float(np.median(self.settling.circuit.conductances)) if len(self.settling.circuit.resistors) else 0.0

    @property
    def joules_per_gradient(self) -> float:
        """Of two settlings, the second counted like the first; the median row's."""
        return SETTLINGS_PER_GRADIENT * float(np.median(self.settling.energy))

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        each, outputs = self.settling, self.settling.circuit.output_names
        return {
            "scale": self.scale,
            "median_siemens": self.median_siemens,
            "span_volts": each.span,
            "band_volts": each.band,
            "seconds": _summary(each.row_times),
            "seconds_per_row": each.row_times.tolist(),
            "outputs": {name: _summary(column) for name, column in zip(outputs, each.times.T, strict=True)},
            "decided_seconds": _summary(each.decided),
            "watts": _summary(each.power),
            "joules": _summary(each.energy),
            "joules_per_row": each.energy.tolist(),
            "joules_per_gradient": self.joules_per_gradient,
            "agreement": self.agreement,
            "accuracy": self.accuracy,
        }


def levels(
    engine: DynamicSimulator,
    circuit: Circuit,
    per_end_and_load: tuple[float, float],
    before: Floats,
    after: Floats,
    tolerance: float,
    scales: Sequence[float],
    labels: NDArray[np.int64] | None = None,
) -> list[ScaledSettling]:
    """``settle`` with all admittances and currents times each of ``scales``; ``per_end_and_load`` are those of
    ``capacitances``."""
    farads = capacitances(circuit, *per_end_and_load)
    decisions = engine.operate(circuit, after).outputs.argmax(axis=1) if len(circuit.outputs) else None
    found = []
    for scale in scales:
        scaled = scaled_impedance(circuit, scale)
        settling = settle(engine, scaled, farads, before, after, tolerance)
        chosen = settling.outputs.argmax(axis=1)
        accuracy = None if labels is None else float(np.mean(chosen == labels))
        found.append(ScaledSettling(scale, settling, float(np.mean(chosen == decisions)), accuracy))
    return found


def _summary(values: Floats) -> dict[str, float]:
    return {"median": float(np.median(values)), "worst": float(values.max())}
