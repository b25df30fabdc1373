"""How noisy a circuit's outputs are."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from diodeq.analysis.noise import NoiseFigures, output_noise
from diodeq.api.units import volts_of
from diodeq.circuit import Circuit
from diodeq.circuit.capacitance import capacitances
from diodeq.pool import TIME_LIMIT
from diodeq.simulators.ngspice import NgspiceSimulator


@dataclass(frozen=True, eq=False)
class Noise:
    """The ``figures`` of every row, and the ``version`` of ngspice that found them."""

    figures: NoiseFigures
    version: str


def noise(
    circuit: Circuit,
    inputs: ArrayLike,
    *,
    bandwidth: float | None = None,
    wiring: float = 0.1e-12,
    load: float = 1e-12,
    units: str = "network",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Noise:
    """The noise of each output where the circuit settles, found in ngspice, and what it leaves of the signal.

    Args:
        circuit: with at least one output.
        inputs: float64[B, n_in].
        bandwidth: hertz above which noise is cut off; all that the capacitances let through unless given.
        wiring: farads at every end of a part.
        load: farads at every node that an output reads.
        units: of inputs.
        workers: processes of ngspice.
        time_limit: of each.

    Raises:
        InputError: no outputs, no capacitance and no bandwidth, or an impossible bandwidth.
        SimulationError: a row has no answer.

    Example:
        >>> import diodeq
        >>> found = diodeq.noise(diodeq.layered((2, 3, 2)), [[1.0, -1.0], [-1.0, 1.0]], workers=1)
        >>> bool(1e-6 < found.figures.rms.max() < 1e-3)
        True
    """
    drives = volts_of(circuit, inputs, units)
    with NgspiceSimulator(workers, time_limit) as engine:
        figures = output_noise(engine, circuit, capacitances(circuit, wiring, load), drives, bandwidth)
        return Noise(figures, engine.version)
