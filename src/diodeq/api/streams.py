"""Outputs for more rows of inputs than memory holds: block by block."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.api.units import volts_of
from diodeq.circuit import KINDS, Circuit
from diodeq.errors import SimulationError
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import create
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]

ROWS, NUMBERS = 4096, 1 << 22
"""Rows of a block, and the most numbers that an array of a block may have"""


@dataclass(frozen=True, eq=False)
class BlockAnswers:
    """Of a block of rows: ``outputs`` float64[B, n_out], NaN in rows without an answer, of which ``failures`` say why;
    how many values the circuit's limit ``clipped``; the ``version`` of the engine."""

    outputs: Floats
    version: str
    failures: Mapping[int, str] = field(default_factory=dict)
    clipped: int = 0


def rows_at_once(circuit: Circuit) -> int:
    """As many rows as engines like to solve together, fewer where their voltages and conductances would fill memory."""
    most = len(circuit.nodes) + sum(len(circuit.bank(kind)) for kind in KINDS if kind != "resistors")
    return max(64, min(ROWS, NUMBERS // (most + len(circuit.inputs))))


def simulate_blocks(
    circuit: Circuit,
    blocks: Iterable[ArrayLike],
    *,
    keep_going: bool = False,
    units: str = "network",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Generator[BlockAnswers, None, None]:
    """What `simulate` gives for blocks of rows float64[B, n_in], each when it is asked for.

    Args:
        circuit: that settles.
        blocks: of inputs.
        keep_going: answer rows without an operating point by NaN instead of raising.
        units: of inputs and outputs.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.

    Raises:
        SimulationError: a row has no answer; rows are counted from 1 through all blocks.

    Example:
        >>> import diodeq
        >>> blocks = ([[k, -k], [0.0, k]] for k in range(3))
        >>> [answers.outputs.shape for answers in diodeq.simulate_blocks(diodeq.layered((2, 4, 1)), blocks)]
        [(2, 1), (2, 1), (2, 1)]
    """
    done = 0
    with create(simulator, workers, time_limit) as engine:
        for block in blocks:
            rows = np.atleast_2d(np.asarray(block, np.float64))
            outputs, failures = _answer(engine, circuit, volts_of(circuit, rows, units), done, keep_going)
            clipped = 0
            if units == "network":
                with np.errstate(over="ignore"):
                    outputs = circuit.scaling.from_volts(outputs)
                clipped = circuit.scaling.clipped(rows)
            done += len(rows)
            yield BlockAnswers(outputs, engine.version, failures, clipped)


def _answer(
    engine: Simulator, circuit: Circuit, drives: Floats, before: int, keep_going: bool
) -> tuple[Floats, Mapping[int, str]]:
    """Output volts float64[B, n_out], and why the rows that are NaN there have none; ``before`` rows came before."""
    try:
        return engine.operate(circuit, drives).outputs, {}
    except SimulationError as error:
        failures, point = error.failures, error.answered
        if keep_going and failures and point is not None:
            return point.outputs, failures
        if failures:
            row = min(failures)
            raise SimulationError(f"row {before + row + 1} has no answer: {failures[row]}", error.remedy) from error
        if before and error.sample is None:
            words = f"after row {before}, from where samples count: {error.problem}"
            raise SimulationError(words, error.remedy) from error
        raise
