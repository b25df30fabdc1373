"""What a report of a training run rests on: the run's files, and its circuit evaluated once more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.analysis.proved_and_seen import ProvedAndSeen, prove_and_see
from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.feasibility import Feasibility
from diodeq.circuit.power import Share, dissipation, groups
from diodeq.errors import InputError
from diodeq.files import open_binary
from diodeq.learning import checkpoint
from diodeq.learning.datasets import Dataset
from diodeq.learning.experiment import Experiment, beginning, stored, survey_of
from diodeq.learning.gradcheck import thinned
from diodeq.learning.objective import bind, fits, labels_of
from diodeq.learning.records import read_summary
from diodeq.learning.rules import RULES
from diodeq.learning.run_folder import RunFolder
from diodeq.learning.tasks import TASKS
from diodeq.measures import Measure, scored
from diodeq.simulators.base import Counting, OperatingPoint, Simulator, batches
from diodeq.simulators.wave import WaveSimulator

# Held-out samples whose every voltage is looked at; outputs are computed for all of them.
CLOSELY = 1024
# Of the gradient check: four simulations per conductance.
CHECKED_SAMPLES, CHECKED_CONDUCTANCES = 4, 60
# Samples that are certified, and boards at each tolerance.
PROVED, BOARDS = 200, 6


@dataclass(frozen=True, eq=False)
class Evidence:
    """All figures of a run's report.

    ``initial`` is the circuit before training, or None where it cannot be rebuilt; ``outputs`` float64[n_test, n_out]
    are the volts of every held-out sample and ``feasible`` what the circuit asks for over them; ``point`` is the
    operating point of the first ``CLOSELY`` of them and ``power`` what they dissipate; ``gradients`` are hardware
    linearization's and finite differences' of the run's loss for some conductances, of what a bench ``reads`` and of
    the circuit as it should be. ``certified`` is of classes and circuits of which anything is proved, on no bench.
    """

    path: Path
    experiment: Experiment
    data_digest: str
    netlist_digest: str
    summary: dict[str, Any]
    metrics: list[dict[str, Any]]
    data: Dataset
    circuit: Circuit
    initial: Circuit | None
    engine: str
    outputs: Floats
    feasible: Feasibility
    point: OperatingPoint
    power: tuple[Share, ...]
    gradients: tuple[Floats, Floats]
    certified: ProvedAndSeen | None
    reads: bool = False

    @property
    def confusion(self) -> NDArray[np.int64]:
        """int64[classes, classes]: held-out samples of each class (row) by what they were taken for (column)."""
        count, decided = len(self.data.classes), self.outputs.argmax(axis=1)
        return np.bincount(self.data.y_test * count + decided, minlength=count**2).reshape(count, count)

    @property
    def measure(self) -> Measure:
        """Accuracy or R²."""
        return TASKS[self.data.task].measure

    @property
    def score(self) -> float:
        """The share of held-out samples taken for what they are, or R²."""
        return scored(self.outputs, labels_of(self.circuit, self.data.y_test))

    @property
    def sorts(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """What sorts of samples there are, and which those of ``point`` are of: classes, or quarters of the first
        quantity."""
        y = self.data.y_test[: len(self.point.drives)]
        if self.data.classes:
            return self.data.classes, y.astype(np.int64)
        first = y[:, 0]
        ends = np.quantile(first, [0.25, 0.5, 0.75])
        name = self.data.targets[0]
        names = (f"{name} < {ends[0]:.4g}", *(f"{name} < {end:.4g}" for end in ends[1:]), f"{name} above")
        return names, np.searchsorted(ends, first, side="right").astype(np.int64)

    @property
    def gradient_error(self) -> float:
        """The largest difference of the two gradients, relative to the largest entry."""
        exact, differences = self.gradients
        return float(np.max(np.abs(exact - differences))) / (float(np.max(np.abs(differences))) or 1.0)

    def to_json(self) -> dict[str, Any]:
        """The figures as a plain dict."""
        return {
            "data": self.experiment.data,
            "simulator_version": self.engine,
            "test_samples": len(self.outputs),
            f"test_{self.measure.key}": self.score,
            **({"confusion": self.confusion.tolist()} if self.data.classes else {}),
            "watts": {f"{s.kind}: {s.label}": float(s.watts.mean()) for s in self.power},
            "watts_per_inference": float(sum(s.watts.mean() for s in self.power)),
            "gradient_error": self.gradient_error,
            "feasibility": self.feasible.to_json(),
            "certified": [each.to_json() for each in self.certified.proved] if self.certified else None,
            "netlist_sha256": self.netlist_digest,
        }


def summary_of(path: Path) -> dict[str, Any]:
    """The summary of the finished run in ``path``; raises ``InputError`` where there is none."""
    try:
        return read_summary(path / "summary.json")
    except FileNotFoundError:
        if (path / "checkpoint.npz").exists():
            raise InputError(f"the run {path} is not finished", "go on with diodeq train … --resume") from None
        raise InputError(f"{path} is not the folder of a run", "give what diodeq train --out made") from None


def gather(path: Path, simulator: Simulator) -> Evidence:
    """Read the run in ``path`` and evaluate its circuit on the held-out samples.

    Raises:
        InputError: the run is missing, unfinished or damaged, or its data changed since.
        SimulationError: the circuit has no solution.
    """
    summary, experiment = summary_of(path), stored(path)
    document = checkpoint.read_document(path / "checkpoint.npz")
    data, initial = beginning(path)
    circuit = Circuit.load(path / "circuit.npz")
    fits(circuit, data)
    drives, survey, outputs = circuit.scaling.to_volts(data.x_test), survey_of(experiment, circuit), []
    point = simulator.operate(circuit, drives[:CLOSELY])
    for each in chain([point], batches(simulator, circuit, drives[CLOSELY:])):
        survey.add(each.drives, each.node_voltages, each.branch_currents)
        outputs.append(each.outputs)
    part, few = thinned(circuit, CHECKED_CONDUCTANCES), point.drives[:CHECKED_SAMPLES]
    loss = bind(experiment.recipe, circuit, labels_of(circuit, data.y_test[:CHECKED_SAMPLES]))
    reads = isinstance(simulator, Counting)
    found = RULES["hardware-linearization"](simulator, part, few, loss)
    against = RULES["hardware-linearization" if reads else "finite-difference"]
    wanted = against(WaveSimulator() if reads else simulator, part, few, loss)
    return Evidence(
        path=path,
        experiment=experiment,
        data_digest=document["data_digest"],
        netlist_digest=_digest(path / "netlist.cir"),
        summary=summary,
        metrics=RunFolder(path).metrics(),
        data=data,
        circuit=circuit,
        initial=initial,
        engine=simulator.version,
        outputs=np.concatenate(outputs),
        feasible=survey.feasibility(circuit.scaling.clipped(data.x_test)),
        point=point,
        power=dissipation(point.circuit, point.node_voltages),
        gradients=(found.conductances, wanted.conductances),
        certified=prove_and_see(circuit, drives[:PROVED], data.y_test[:PROVED].astype(np.int64), simulator, BOARDS)
        if data.classes and not reads
        else None,
        reads=reads,
    )


def layers(point: OperatingPoint) -> dict[str, Floats]:
    """Voltages float64[B, n] of the inputs, of every group of diodes (the terminal off ground) and of the outputs."""
    found = {"inputs": point.drives}
    terminals = point.circuit.diodes.terminals
    for label, part in groups(point.circuit, "diodes"):
        anode, cathode = terminals[part].T
        found[label] = point.node_voltages[:, np.where(cathode == 0, anode, cathode)]
    found["outputs"] = point.outputs
    return found


def _digest(path: Path) -> str:
    try:
        with open_binary(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "train again with --overwrite") from error
