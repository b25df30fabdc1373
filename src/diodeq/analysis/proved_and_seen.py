"""What is proved of every board and what was seen of some, side by side over the tolerance of resistors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.box import Box
from diodeq.analysis.certified import Certified, certify
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.errors import InputError
from diodeq.simulators.base import Simulator

TOLERANCES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True, eq=False)
class ProvedAndSeen:
    """For each of several tolerances: the certificate, the accuracy of each board float64[boards], and the volts that
    any output of any was off."""

    proved: tuple[Certified, ...]
    seen: tuple[Floats, ...]
    farthest: tuple[float, ...]


def prove_and_see(
    circuit: Circuit,
    drives: Floats,
    labels: NDArray[np.int64],
    engine: Simulator,
    boards: int,
    tolerances: Sequence[float] = TOLERANCES,
) -> ProvedAndSeen | None:
    """Of the samples and so many random boards, half of them with every resistor at an end of its tolerance; None
    where nothing is proved of such circuits."""
    try:
        proved = certify(circuit, drives, labels, [Box(each) for each in tolerances], engine)
    except InputError:
        return None
    drawn, random = engine.operate(circuit, drives).outputs, np.random.default_rng(0)
    seen, farthest = [], []
    for each in proved:
        share, off = [], 0.0
        for number in range(boards):
            deviation = random.uniform(-1.0, 1.0, len(circuit.resistors))
            deviation = np.sign(deviation) if number % 2 else deviation
            board = circuit.with_conductances(circuit.conductances / (1.0 + each.box.of_parts(circuit) * deviation))
            found = engine.operate(board, drives).outputs
            share.append(float(np.mean(found.argmax(axis=1) == labels)))
            off = max(off, float(np.abs(found - drawn).max()))
        seen.append(np.array(share))
        farthest.append(off)
    return ProvedAndSeen(tuple(proved), tuple(seen), tuple(farthest))
