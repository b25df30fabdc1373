"""What is asked of a circuit that exists: how its production spreads, what wires cost, how fast it settles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from diodeq import cluster as clusters
from diodeq.analysis import board_log
from diodeq.analysis import montecarlo as boards_of
from diodeq.analysis.montecarlo import Measured, Study
from diodeq.analysis.quantization import Cost, cost, drawn_drives
from diodeq.analysis.sensitivity import certified, rank
from diodeq.analysis.settling import ScaledSettling, levels
from diodeq.api.things import demand_circuit
from diodeq.api.units import labels_in, volts_of
from diodeq.circuit import Circuit
from diodeq.devices.hardware.technology import Technology, variation_of
from diodeq.errors import UsageError
from diodeq.learning.losses import usual
from diodeq.measures import scored
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import computing
from diodeq.simulators.ngspice import NgspiceSimulator
from diodeq.synthesis.crossbar import Crossbars, Wires, lay_out
from diodeq.synthesis.predistortion import Predistorted, predistort
from diodeq.synthesis.quantize import scaled_impedance

MAY_LOSE = 0.01
"""Accuracy, R² or agreement that a good board may lose."""


@dataclass(frozen=True, eq=False)
class MonteCarlo(Sequence[Measured]):
    """Random boards, each as it was measured, and the ``document`` of what they come to: distributions, yield, which
    parts matter, and a certificate beside the worst that was seen."""

    boards: tuple[Measured, ...]
    document: dict[str, Any]

    @overload
    def __getitem__(self, at: int) -> Measured: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Measured, ...]: ...

    def __getitem__(self, at: int | slice) -> Measured | tuple[Measured, ...]:
        return self.boards[at]

    def __len__(self) -> int:
        return len(self.boards)


def monte_carlo(
    circuit: Circuit,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    boards: int = 100,
    variation: str | Technology = "tolerance=1%",
    threshold: float | None = None,
    seed: int = 0,
    simulator: str = "wave",
    workers: int | None = 1,
    time_limit: float = TIME_LIMIT,
    cluster: str = "",
    units: str = "network",
    log: Path | None = None,
    resume: bool = False,
    on_board: Callable[[int], None] | None = None,
) -> MonteCarlo:
    """Random boards of a circuit, each simulated with ``inputs`` float64[B, n_in] in the circuit's units.

    Board k depends on ``seed`` and k alone.

    Args:
        circuit: as it is drawn.
        inputs: of every board.
        labels: class numbers int[B], or quantities float64[B, n_out] of a regression.
        boards: how many.
        variation: what differs from board to board, such as ``"tolerance=5%,temperature=0:70"``, or a technology.
        threshold: the score of a good board; as drawn less 0.01 unless given.
        seed: of the boards.
        simulator: the engine.
        workers: processes.
        time_limit: seconds of processor time for a deck of ordinary size.
        cluster: as of ``diodeq.cluster.mapper``.
        units: of inputs and quantities, ``"network"`` or ``"volts"``.
        log: a file that gets a JSON line for every board as it is done.
        resume: go on with that file.
        on_board: called with the number of boards that are done.

    Raises:
        UsageError: a variation that cannot be read or does not vary.
        InputError: no inputs or outputs, or labels that are no classes.

    Example:
        >>> import diodeq
        >>> circuit = diodeq.layered((2, 4, 2))
        >>> found = diodeq.monte_carlo(circuit, [[1.0, -1.0], [-1.0, 1.0]], boards=3, variation="tolerance=5%")
        >>> len(found), bool(max(board.rms for board in found) > 0)
        (3, True)
    """
    technology = variation
    if not isinstance(technology, Technology):
        technology = replace(Technology(), variation=variation_of(technology))
    drives, known = volts_of(circuit, inputs, units), labels_in(circuit, labels, units)
    computing(simulator)
    if boards < 1:
        raise UsageError(f"boards = {boards} is not possible", "give at least 1", arguments=("boards",))
    study = Study(circuit, technology, drives, known, simulator, seed, time_limit)
    wanted, version = boards_of.drawn(study)
    if threshold is None:
        threshold = (1.0 if known is None else scored(wanted, known)) - MAY_LOSE
    done = board_log.begin(log, study, resume)[:boards] if log is not None else []
    tell = on_board or (lambda count: None)
    tell(len(done))
    with clusters.mapper(cluster, workers) as map_:
        found: Iterable[Measured] = boards_of.measure(study, wanted, range(len(done), boards), map_)
        for board in found if log is None else board_log.logged(log, found):
            done.append(board)
            tell(len(done))
        with computing(simulator, 1, time_limit) as engine:
            ranking = rank(engine, circuit, technology, drives, usual(known, circuit.scaling.output_scale))
        bound = certified(study, ranking, map_)
    document = {
        **study.to_json(),
        "simulator_version": version,
        **boards_of.summary(study, wanted, done, threshold),
        "ranking": ranking.to_json(),
        "certificate": bound,
    }
    return MonteCarlo(tuple(done), document)


@dataclass(frozen=True, eq=False)
class Crossed:
    """A circuit whose dense layers are crossbars: ``laid`` as drawn and ``better`` pre-distorted, if that was asked
    for, ``costs`` against the circuit without wires, in the same order."""

    laid: Crossbars
    better: Predistorted | None
    costs: tuple[Cost, ...]
    version: str

    @property
    def circuit(self) -> Circuit:
        """The one to build."""
        return self.laid.circuit if self.better is None else self.better.circuit


def crossbar(
    circuit: Circuit,
    ohms: float,
    *,
    bit_ohms: float | None = None,
    both_ends: bool = False,
    scale: float = 1.0,
    compensate: bool | Technology = False,
    inputs: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    units: str = "network",
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Crossed:
    """Every dense layer of a circuit as a crossbar of cells, with ``ohms`` of wire from one to the next.

    Args:
        circuit: with dense layers.
        ohms: of word lines, from cell to cell.
        bit_ohms: of bit lines; as word lines unless given.
        both_ends: whether lines are joined to their nodes at both ends.
        scale: multiplies all conductances first: weaker cells mind the wires less.
        compensate: program cells so that arrays conduct as drawn, within a technology's range.
        inputs: float64[B, n_in] to measure the cost with; drawn at random unless given.
        labels: class numbers int[B] or quantities float64[B, n_out].
        units: of inputs and quantities.
        simulator: the engine.
        workers: its processes.
        time_limit: of each.

    Raises:
        InputError: the circuit has no dense layer.

    Example:
        >>> import diodeq
        >>> found = diodeq.crossbar(diodeq.layered((2, 4, 2)), 2.5)
        >>> len(found.laid.arrays), bool(found.costs[0].rms > 0)
        (2, True)
    """
    wires = Wires(ohms, ohms if bit_ohms is None else bit_ohms, both_ends)
    demand_circuit(circuit)
    drives = drawn_drives(circuit) if inputs is None else volts_of(circuit, inputs, units)
    known = labels_in(circuit, labels, units)
    laid = lay_out(scaled_impedance(circuit, scale), wires)
    technology = compensate if isinstance(compensate, Technology) else Technology()
    better = predistort(laid, technology) if compensate else None
    with computing(simulator, workers, time_limit) as engine:
        built = [laid.circuit, *([better.circuit] if better is not None else [])]
        costs = tuple(cost(engine, circuit, each, drives, known) for each in built)
        return Crossed(laid, better, costs, engine.version)


@dataclass(frozen=True, eq=False)
class SettlingStudy:
    """How a circuit settles at each scale of its admittances, and the ``version`` of ngspice that says so."""

    levels: tuple[ScaledSettling, ...]
    version: str


def settle(
    circuit: Circuit,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    tolerance: float = 1e-3,
    scales: Sequence[float] = (1.0,),
    wiring: float = 1e-12,
    load: float = 1e-12,
    from_row_before: bool = False,
    units: str = "network",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> SettlingStudy:
    """How long a circuit takes until its outputs stay near their final values when inputs step, and its joules.

    Args:
        circuit: with at least one output.
        inputs: float64[B, n_in], each stepped to from 0 V.
        labels: class numbers int[B].
        tolerance: a share of the outputs' span.
        scales: multiply all admittances and currents, each in turn.
        wiring: farads at every end of a part.
        load: farads at every node that an output reads.
        from_row_before: inputs step from the row before instead of from 0 V.
        units: of inputs.
        workers: processes of ngspice.
        time_limit: of each.

    Raises:
        InputError: the circuit has no time to tell, or labels do not fit.
        SimulationError: a row does not settle.

    Example:
        >>> import diodeq
        >>> found = diodeq.settle(diodeq.layered((2, 3, 2)), [[1.0, -1.0]], workers=1)
        >>> bool(0 < found.levels[0].settling.row_times[0] < 1e-3)
        True
    """
    after = volts_of(circuit, inputs, units)
    before = np.zeros_like(after)
    if from_row_before:
        before[1:] = after[:-1]
    classes = None if labels is None else np.asarray(labels, np.int64)
    with NgspiceSimulator(workers, time_limit) as engine:
        found = levels(engine, circuit, (wiring, load), before, after, tolerance, scales, classes)
        return SettlingStudy(tuple(found), engine.version)
