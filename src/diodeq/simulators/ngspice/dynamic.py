"""Jobs in which time passes: a transient and a noise analysis of one sample, checked like every other answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.errors import SimulationError
from diodeq.netlist.dynamic import Stimulus, noise_deck, transient_deck
from diodeq.simulators.ngspice.jobs import next_marker
from diodeq.simulators.ngspice.session import Session


@dataclass(frozen=True)
class Transient:
    """A folded circuit from one stimulus to another: (times [T], node voltages [T, N], diode currents [T, n])."""

    circuit: Circuit
    capacitances: Floats
    before: Stimulus
    after: Stimulus
    stop: float
    tolerance: float

    def run(self, session: Session) -> tuple[Floats, Floats, Floats]:
        """Raises SimulationError when ngspice fails or stops before the time is over."""
        deck = transient_deck(
            self.circuit, self.capacitances, self.before, self.after, self.stop, self.tolerance, next_marker()
        )
        found = session.run(deck.text, deck.marker, ["time", *deck.nodes, *deck.diode_currents], None)
        times = found["time"]
        if times[0] != 0.0 or times[-1] < (1 - 1e-9) * self.stop or np.any(np.diff(times) <= 0):
            raise SimulationError(
                f"ngspice simulated {times[-1]:.3g} of {self.stop:.3g} s", "check capacitances and conductances"
            )
        currents = [found[name] for name in deck.diode_currents]
        ground = np.zeros_like(times)
        return (
            times,
            np.stack([ground, *(found[name] for name in deck.nodes)], axis=1),
            np.stack(currents, axis=1) if currents else np.empty((len(times), 0)),
        )


@dataclass(frozen=True)
class Noise:
    """A folded circuit's noise: (node voltages [N], frequencies [F] in Hz, densities [n_out, F] in V²/Hz)."""

    circuit: Circuit
    capacitances: Floats
    stimulus: Stimulus
    outputs: tuple[tuple[int, int], ...]
    band: tuple[float, float]

    def run(self, session: Session) -> tuple[Floats, Floats, Floats]:
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
        return np.array([0.0, *(point[name][0] for name in deck.nodes)]), frequencies, densities**2
