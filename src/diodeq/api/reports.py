"""Pages about a run, and about a circuit beside its network: HTML that needs no connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.api.running import verify
from diodeq.arrays import real
from diodeq.circuit import Circuit
from diodeq.circuit.survey import Survey
from diodeq.learning.experiment import Experiment
from diodeq.network import Network
from diodeq.pool import TIME_LIMIT
from diodeq.report.circuit_report import circuit_page
from diodeq.report.run_evidence import gather, summary_of
from diodeq.report.run_report import run_page
from diodeq.simulators import create

Again = Callable[[Experiment], tuple[str, Sequence[str]]]
"""The command that repeats an experiment, and entries of its recipe that no option sets"""


@dataclass(frozen=True)
class Page:
    """The page as ``html``, and its figures as a ``document`` for JSON."""

    html: str
    document: dict[str, Any]


def _unknown(experiment: Experiment) -> tuple[str, Sequence[str]]:
    return "", ()


def report_run(
    run: str | Path,
    *,
    simulator: str | None = None,
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    again: Again = _unknown,
) -> Page:
    """A training run as one page: learning curves, decisions, voltages, the gradient checked, power, parts.

    Its circuit is evaluated once more on the held-out samples.

    Args:
        run: the folder that ``diodeq train --out`` made.
        simulator: the engine; the run's unless given.
        workers: its processes.
        time_limit: of each.
        again: what the page says of how to repeat the run.

    Raises:
        InputError: the run is missing, unfinished or damaged, or its data changed since.
        SimulationError: the circuit has no solution.

    Example:
        >>> import diodeq
        >>> made = diodeq.front("xor", "front", parts=(20,), seeds=(0,), epochs=1)
        >>> page = diodeq.report_run("front/parts-20-power-0.0/seed-0")
        >>> page.html.startswith("<!DOCTYPE html>"), page.document["command"]
        (True, '')
    """
    run = Path(run)
    with create(simulator or summary_of(run)["simulator"], workers, time_limit) as engine:
        evidence = gather(run, engine)
    command, unset = again(evidence.experiment)
    return Page(run_page(evidence, command, unset), {**evidence.to_json(), "command": command})


def report_circuit(
    circuit: Circuit,
    network: Network,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    tolerance: float = 0.01,
    simulator: str = "ngspice",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    command: str = "",
    digests: Sequence[tuple[str, str]] = (),
) -> Page:
    """A circuit beside the network it was compiled from, as one page: parity, an error budget, its certificate.

    Args:
        circuit, network, inputs, labels, tolerance: as of `verify`.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.
        command: what writes the page again, as the page says it.
        digests: names of what was read, and their SHA-256.

    Raises:
        InputError: the circuit is not this network's, or labels do not fit.
        SimulationError: a row has no answer.

    Example:
        >>> import diodeq
        >>> network = diodeq.Network([diodeq.Stage([[1.0, -0.5]], [0.1]), diodeq.Stage([[2.0]], [0.0])])
        >>> compiled = diodeq.compile(network)
        >>> page = diodeq.report_circuit(compiled.circuit, network, [[0.2, 0.4]], simulator="wave", workers=1)
        >>> page.document["feasibility"]["supply_volts"]
        40.0
    """
    rows = np.atleast_2d(real("the inputs", inputs))
    found = verify(
        *(circuit, network, rows, labels),
        tolerance=tolerance,
        simulator=simulator,
        workers=workers,
        time_limit=time_limit,
    )
    survey, point = Survey(circuit), found.point
    survey.add(point.drives, point.node_voltages, point.branch_currents)
    feasible = survey.feasibility(circuit.scaling.clipped(rows))
    page = circuit_page(circuit, found, feasible, found.engine, command, digests)
    return Page(page, {**found.to_json(), "feasibility": feasible.to_json()})
