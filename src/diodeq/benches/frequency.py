"""How fast a gradient can be read: the one that a tone's answers give, with all capacitances, against the exact one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from diodeq.circuit import Circuit
from diodeq.circuit.capacitance import capacitances, toned
from diodeq.circuit.products import branch_products
from diodeq.errors import InputError
from diodeq.learning.losses import Loss
from diodeq.simulators.base import OperatingPoint, Simulator
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.simulators.two_sided import demand_reciprocal

Floats = NDArray[np.float64]
PER_DECADE = 4
"""Frequencies of a decade"""
SHARES = (0.01, 0.1)
"""Errors whose frequencies are looked for"""
ROWS = 4
"""Samples that ngspice computes too"""


@dataclass(frozen=True, eq=False)
class ToneErrors:
    """Of gradients read at ``hertz`` float64[F]: their ``errors`` float64[F], norms of what differs from the exact one
    over its norm, and ``cosines`` float64[F] with it; ``reached``: at how many hertz the error comes to a share, None
    where it does not; ``apart``: by how much ngspice's gradients differ, over the exact one's norm, None if not asked.
    """

    hertz: Floats
    errors: Floats
    cosines: Floats
    reached: dict[float, float | None]
    apart: float | None
    samples: int

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "samples": self.samples,
            "hertz": self.hertz.tolist(),
            "errors": self.errors.tolist(),
            "cosines": self.cosines.tolist(),
            "reached": [{"error": share, "hertz": found} for share, found in self.reached.items()],
            "ngspice_apart": self.apart,
        }


def spectrum(
    engine: Simulator,
    circuit: Circuit,
    drives: Floats,
    loss: Loss,
    per_end_and_load: tuple[float, float],
    band: tuple[float, float],
    reference: NgspiceSimulator | None = None,
    on_tone: Callable[[int, int, str], None] | None = None,
) -> ToneErrors:
    """Gradients that a tone at the outputs reads in phase, for input volts ``drives`` float64[B, n_in].

    Args:
        engine: finds where the circuit settles.
        circuit: a reciprocal one.
        loss: of the outputs.
        per_end_and_load: farads, as of ``circuit.capacitance``.
        band: the lowest and the highest frequency in Hz.
        reference: ngspice, whose ``.ac`` answers for the first few samples are compared.
        on_tone: called with how many tones are done.

    Raises:
        SimulationError: the circuit is not reciprocal.
        InputError: a band that is none, or a gradient that is 0.
    """
    demand_reciprocal(circuit)
    low, high = band
    if not 0.0 < low < high < math.inf:
        raise InputError(f"{low:g} to {high:g} Hz is no band", "give the lowest frequency and then the highest")
    point = engine.operate(circuit, drives)
    _, injections = loss(point.outputs)
    exact = branch_products(circuit, point.node_voltages, engine.small_signal(point, injections).node_voltages)
    size = float(np.linalg.norm(exact))
    if not size > 0.0:
        raise InputError("the gradient of these samples is 0", "give other samples")
    farads, injected = capacitances(circuit, *per_end_and_load), circuit.output_injections(injections)

    def read(hertz: float, rows: slice = slice(None)) -> Floats:
        volts, frozen = point.node_voltages[rows], point.diode_conductances[rows]
        answers = toned(circuit, volts, frozen, injected[rows], farads, hertz)
        return branch_products(circuit, volts, answers)

    def error(hertz: float) -> float:
        return float(np.linalg.norm(read(hertz) - exact)) / size

    count = max(2, round(PER_DECADE * math.log10(high / low)) + 1)
    hertz = np.geomspace(low, high, count)
    errors, cosines = np.zeros(count), np.zeros(count)
    for k, each in enumerate(hertz.tolist()):
        found = read(each)
        errors[k] = np.linalg.norm(found - exact) / size
        cosines[k] = found @ exact / max(float(np.linalg.norm(found)) * size, np.finfo(float).tiny)
        if on_tone is not None:
            on_tone(k + 1, count, "tones")
    reached = {share: _reached(error, hertz, errors, share) for share in SHARES}
    apart = None
    if reference is not None:
        rows = slice(0, ROWS)
        apart = _apart(reference, circuit, point, injections[rows], farads, hertz, lambda f: read(f, rows))
    return ToneErrors(hertz, errors, cosines, reached, apart, len(drives))


def _reached(error: Callable[[float], float], hertz: Floats, errors: Floats, share: float) -> float | None:
    """Where the error first comes to a share."""
    above = np.flatnonzero(errors >= share)
    if not len(above) or above[0] == 0:
        return None
    low, high = np.log(hertz[[above[0] - 1, above[0]]]).tolist()
    return math.exp(float(brentq(lambda log: math.log(error(math.exp(log)) / share), low, high, xtol=1e-4)))


def _apart(
    reference: NgspiceSimulator,
    circuit: Circuit,
    point: OperatingPoint,
    injections: Floats,
    farads: Floats,
    hertz: Floats,
    read: Callable[[float], Floats],
) -> float:
    """The largest difference of ngspice's gradients over the norm of the one at the lowest frequency."""
    rows = len(injections)
    answers: Sequence[NDArray[np.complex128]] = reference.tones(
        circuit, farads, point.drives[:rows], injections, (float(hertz[0]), float(hertz[-1])), PER_DECADE
    )
    own = [read(each) for each in hertz.tolist()]
    theirs = [
        branch_products(circuit, point.node_voltages[:rows], np.stack([each[k].real for each in answers]))
        for k in range(len(hertz))
    ]
    size = float(np.linalg.norm(own[0]))
    return max(float(np.linalg.norm(a - b)) for a, b in zip(own, theirs, strict=True)) / size
