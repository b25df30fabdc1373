"""What the noise of a circuit's resistors and diodes does to its outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.amplifiers import noisy, poles
from diodeq.analysis.capacitance import demand_time, time_constants
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import inside
from diodeq.circuit.bank import Floats
from diodeq.devices import DiodeModel
from diodeq.errors import InputError, SimulationError, numbered
from diodeq.simulators.base import DynamicSimulator, Spectrum

# Rows whose spectra are asked for at a time.
AT_ONCE = 64
# Spectra reach this factor beyond the slowest and the fastest node: what is left out of one pole is 6e-4 of its power.
BEYOND = 1e3
# Where a diode flickers, noise grows without end towards 0 Hz: it is counted from here.
LOWEST_FLICKER = 1.0
# Each row's outputs are drawn so many times.
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class NoiseFigures:
    """The noise of B rows, each at its own operating point.

    ``outputs`` float64[B, n_out] V; ``rms`` float64[B, n_out] V, integrated from 0 (or, with flicker noise, from
    ``low``) to ``high`` Hz; ``span`` V from the lowest to the highest output; ``noisiest`` the row with the largest rms
    and ``spectrum`` its densities.
    """

    circuit: Circuit
    outputs: Floats
    rms: Floats
    span: float
    low: float
    high: float
    noisiest: int
    spectrum: Spectrum

    @property
    def bits(self) -> float:
        """log2(span / (√12 rms)) with the largest rms: a converter of so many bits over the span adds as much noise."""
        with np.errstate(divide="ignore"):
            return float(np.log2(self.span / (np.sqrt(12.0) * self.rms.max())))

    def accuracy(self, labels: NDArray[np.int64], times: float = 1.0, seed: int = 0) -> float:
        """The share of drawn rows whose highest output is the label, with ``times`` the noise.

        Noise is normal and drawn independently for each output, 1,000 times a row.
        """
        random = np.random.default_rng(seed)
        right = [
            np.mean((volts + times * rms * random.standard_normal((DRAWS, len(volts)))).argmax(axis=1) == label)
            for volts, rms, label in zip(self.outputs, self.rms, labels, strict=True)
        ]
        return float(np.mean(right))


def output_noise(
    engine: DynamicSimulator, circuit: Circuit, farads: Floats, drives: Floats, bandwidth: float | None = None
) -> NoiseFigures:
    """The noise of the outputs for input volts ``drives`` float64[B, n_in].

    Thermal noise of resistors and of the diodes' series resistance, shot noise 2qI and, where its model has one,
    flicker noise of diodes; an operational amplifier's voltage and current noise, white, of the catalogue, and nothing
    else of it. Sources, buffers, transformers, gyrators and mirrors are noiseless.

    Args:
        engine: one that knows noise.
        circuit: with at least one output.
        farads: float64[N], see ``capacitances``.
        drives: row by row.
        bandwidth: Hz; noise above it is cut off. By default all the capacitances let through.

    Raises:
        InputError: no outputs, no capacitance and no bandwidth, or an impossible bandwidth.
        SimulationError: the engine's spectrum is not one at its operating point.
    """
    if not len(circuit.outputs):
        raise InputError(f"circuit {circuit.title!r} has no outputs that could be noisy", "give it some")
    for k in np.unique(circuit.diodes.values[~inside(circuit, "diodes")]).tolist():
        if not isinstance(circuit.models[k], DiodeModel):
            raise InputError(
                f"the noise of {circuit.models[k].name} is not known: only a single diode's model says it",
                "take a diode with a SPICE model",
            )
    low, high = _band(circuit, farads, bandwidth)
    flickers = _flickers(circuit)
    circuit, farads = noisy(circuit, farads)
    farads = farads + poles(circuit)
    point = engine.operate(circuit, drives)
    rms = np.zeros(point.outputs.shape)
    noisiest: tuple[float, int, Spectrum] | None = None
    for at in range(0, len(drives), AT_ONCE):
        with numbered(range(at, len(drives))):
            spectra = engine.noise(circuit, farads, drives[at : at + AT_ONCE], (low, high))
        for row, spectrum in enumerate(spectra, at):
            off = np.abs(spectrum.node_voltages - point.node_voltages[row]).max()
            if off > 1e-6 * max(1.0, np.abs(point.node_voltages[row]).max()):
                raise SimulationError(
                    f"the noise of sample {row} was found {off:.2g} V off its operating point",
                    "report this circuit",
                    sample=row,
                )
            rms[row] = np.sqrt(integrated(spectrum, flat_below=not flickers))
            if noisiest is None or rms[row].max() > noisiest[0]:
                noisiest = rms[row].max(), row, spectrum
    assert noisiest is not None
    span = float(np.ptp(point.outputs))
    first = float(noisiest[2].frequencies[0]) if flickers else 0.0
    return NoiseFigures(circuit, point.outputs, rms, span, first, high, noisiest[1], noisiest[2])


def integrated(spectrum: Spectrum, flat_below: bool) -> Floats:
    """V² of each output over its frequencies, between which a density is a power of frequency; also from 0 Hz to the
    first, where ``flat_below`` says that it does not change there."""
    f, density = spectrum.frequencies, spectrum.densities
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(f[1:] / f[:-1])
        slope = np.log(density[:, 1:] / density[:, :-1]) / ratio + 1.0
        # ∫ of a power is (f₂ S₂ - f₁ S₁) / slope, and f₁ S₁ ln(f₂/f₁) where slope is 0.
        pieces = density[:, :-1] * f[:-1] * np.where(np.abs(slope) < 1e-9, ratio, np.expm1(slope * ratio) / slope)
    whole: Floats = density[:, 0] * (f[0] if flat_below else 0.0) + np.nan_to_num(pieces).sum(axis=1)
    return whole


def _band(circuit: Circuit, farads: Floats, bandwidth: float | None) -> tuple[float, float]:
    if bandwidth is not None and not 0.0 < bandwidth < np.inf:
        raise InputError(f"a bandwidth of {bandwidth:g} Hz is impossible", "give one above 0")
    fastest, slowest = time_constants(circuit, farads)
    if bandwidth is None:
        demand_time(circuit, slowest)
    high = BEYOND / (2 * np.pi * fastest) if bandwidth is None else bandwidth
    # Below the first frequency a spectrum has to be flat.
    low = min(high, 1 / (2 * np.pi * slowest) if slowest else high) / BEYOND
    if _flickers(circuit):
        low = LOWEST_FLICKER
        if high <= low:
            raise InputError(
                f"flicker noise is counted from {low:g} Hz, but the bandwidth ends at {high:g} Hz", "give a larger one"
            )
    return float(low), float(high)


def _flickers(circuit: Circuit) -> bool:
    models = (circuit.models[int(k)] for k in np.unique(circuit.diodes.values))
    return any(isinstance(model, DiodeModel) and model.get("kf") > 0 for model in models)
