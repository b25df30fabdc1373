"""Jobs in which time passes: a transient and a noise analysis of one sample, checked like every other answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit, motion
from diodeq.circuit.bank import Floats
from diodeq.errors import SimulationError
from diodeq.netlist.dynamic import Stimulus, noise_deck, tone_deck, transient_deck
from diodeq.netlist.listing import TOLERANCES
from diodeq.simulators.ngspice.jobs import next_marker
from diodeq.simulators.ngspice.session import Session


@dataclass(frozen=True)
class Moved:
    """Times [T], node voltages [T, N] and diode currents [T, n] of a folded circuit; the volts by which its first and
    its last point are off, and those that each may be off by."""

    times: Floats
    node_voltages: Floats
    diode_currents: Floats
    off: tuple[float, float]
    allowed: tuple[float, float]


@dataclass(frozen=True)
class Heard:
    """Node voltages [N], frequencies [F] in Hz and densities [n_out, F] in V²/Hz of a folded circuit; the volts by
    which its operating point is off, and those that it may be off by."""

    node_voltages: Floats
    frequencies: Floats
    densities: Floats
    off: float
    allowed: float


@dataclass(frozen=True)
class Transient:
    """A folded circuit from one stimulus to another; where it rests at first is looked for near ``rest`` [N]."""

    circuit: Circuit
    capacitances: Floats
    before: Stimulus
    after: Stimulus
    stop: float
    tolerance: float
    rest: Floats | None = None

    def run(self, session: Session) -> Moved:
        """Raises SimulationError when ngspice fails or stops before the time is over."""
        deck = transient_deck(
            self.circuit,
            self.capacitances,
            self.before,
            self.after,
            self.stop,
            self.tolerance,
            next_marker(),
            self.rest,
        )
        found = session.run(deck.text, deck.marker, ["time", *deck.nodes, *deck.diode_currents], None)
        times = found["time"]
        if times[0] != 0.0 or times[-1] < (1 - 1e-9) * self.stop or np.any(np.diff(times) <= 0):
            raise SimulationError(
                f"ngspice simulated {times[-1]:.3g} of {self.stop:.3g} s", "check capacitances and conductances"
            )
        currents = [found[name] for name in deck.diode_currents]
        volts = np.stack([np.zeros_like(times), *(found[name] for name in deck.nodes)], axis=1)
        through = np.stack(currents, axis=1) if currents else np.empty((len(times), 0))
        ends = motion.Moving(self.circuit, self.capacitances, times, volts, through)
        return Moved(
            times,
            volts,
            through,
            (motion.resting(self.circuit, volts[0], _right(self.before), through[0]), ends.off(_right(self.after))),
            (motion.allowed(volts[0], self.tolerance), motion.allowed(volts[-1], self.tolerance)),
        )


@dataclass(frozen=True)
class ToneJob:
    """What a folded circuit's nodes answer to a tone of currents ``amperes`` [N], at ``points`` frequencies of a decade
    over ``band``."""

    circuit: Circuit
    capacitances: Floats
    stimulus: Stimulus
    amperes: Floats
    band: tuple[float, float]
    points: int

    def run(self, session: Session) -> NDArray[np.complex128]:
        """Complex [F, N]; raises SimulationError when ngspice fails or stops before the highest frequency."""
        marker = next_marker()
        deck = tone_deck(self.circuit, self.capacitances, self.stimulus, self.amperes, self.band, self.points, marker)
        plots = session.run_each(deck.text, deck.marker, [deck.marker, "frequency", *deck.nodes])
        found = next((plot for plot in plots if "frequency" in plot), None)
        if found is None:
            raise SimulationError("ngspice returned no spectrum", "report this deck")
        hertz = found["frequency"].real
        if not hertz[0] <= self.band[0] * (1 + 1e-6) or not hertz[-1] >= self.band[1] * (1 - 1e-6):
            raise SimulationError("ngspice returned a spectrum that is not whole", "report this deck")
        answers = [found[name].astype(np.complex128) for name in deck.nodes]
        return np.stack([np.zeros(len(hertz), np.complex128), *answers], axis=1)


@dataclass(frozen=True)
class NoiseJob:
    """A folded circuit's noise."""

    circuit: Circuit
    capacitances: Floats
    stimulus: Stimulus
    outputs: tuple[tuple[int, int], ...]
    band: tuple[float, float]

    def run(self, session: Session) -> Heard:
        """Raises SimulationError when ngspice fails or an output's spectrum is not there."""
        # Between two nodes that sources hold there is no noise, and nothing for ngspice to do.
        noisy = [k for k, (plus, minus) in enumerate(self.outputs) if plus != minus]
        asked = [self.outputs[k] for k in noisy]
        deck = noise_deck(self.circuit, self.capacitances, self.stimulus, asked, self.band, next_marker())
        vectors = [deck.marker, *deck.nodes, "frequency", "onoise_spectrum"]
        plots = session.run_each(deck.text, deck.marker, vectors)
        spectra = [plot for plot in plots if "onoise_spectrum" in plot]
        point = next(plot for plot in plots if deck.marker in plot)
        if len(spectra) != len(asked):
            raise SimulationError(f"ngspice returned {len(spectra)} of {len(asked)} spectra", "report this deck")
        frequencies = spectra[0]["frequency"].real if spectra else np.array(self.band)
        densities = np.zeros((len(self.outputs), len(frequencies)))
        for k, plot in zip(noisy, spectra, strict=True):
            densities[k] = plot["onoise_spectrum"].real
        # Frequencies are reached by repeated multiplication.
        whole = frequencies[0] <= self.band[0] * (1 + 1e-6) and frequencies[-1] >= self.band[1] * (1 - 1e-6)
        if not whole or (densities < 0).any():
            raise SimulationError("ngspice returned a spectrum that is not whole", "report this deck")
        volts = np.array([0.0, *(point[name][0].real for name in deck.nodes)])
        return Heard(
            volts,
            frequencies,
            densities**2,
            motion.resting(self.circuit, volts, _right(self.stimulus)),
            motion.allowed(volts, float(dict(TOLERANCES)["reltol"])),
        )


def _right(stimulus: Stimulus) -> motion.Right:
    return stimulus.currents[None], stimulus.volts[None]
