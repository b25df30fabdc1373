"""An experiment: data, circuit and recipe, trained in a run folder that survives any interruption."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import diodeq
from diodeq import processors
from diodeq.circuit import Circuit
from diodeq.circuit.check import check
from diodeq.circuit.survey import Survey
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import BenchWarning, InputError, UsageError
from diodeq.learning import checkpoint, datasets, snapshots, trainer
from diodeq.learning.datasets import Dataset
from diodeq.learning.initial import brought, fresh, in_range, technology_of
from diodeq.learning.metrics import Metrics
from diodeq.learning.objective import fits, labels_of, outputs, score
from diodeq.learning.recipe import Recipe
from diodeq.learning.rules import named
from diodeq.learning.rules.clamping import demand_clamps
from diodeq.learning.run_folder import opened
from diodeq.learning.snapshots import Snapshot
from diodeq.learning.solves import settled
from diodeq.learning.tasks import TASKS
from diodeq.learning.trainer import OnBatch
from diodeq.measures import scored
from diodeq.netlist.listing import circuit_digest
from diodeq.pool import TIME_LIMIT
from diodeq.printable import counted
from diodeq.simulators import create
from diodeq.simulators.base import Counting, Simulator, batches

OnEpoch = Callable[[Metrics], None]
Picture = Callable[[Path, list[dict[str, Any]], dict[str, Any]], None]


@dataclass(frozen=True)
class Experiment:
    """What is trained on what and how: ``data`` as in ``datasets.load``, ``start`` a circuit file or ""."""

    data: str
    recipe: Recipe
    diode: str = "1N4148"
    simulator: str = "ngspice"
    start: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain dict that ``from_json`` turns back into an equal experiment."""
        return {
            "data": self.data,
            "recipe": self.recipe.to_json(),
            "diode": self.diode,
            "simulator": self.simulator,
            "start": self.start,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Experiment:
        """The experiment written by ``to_json``; raises ``InputError`` for anything else."""
        unreadable = InputError("the checkpoint's experiment cannot be read", "train again with --overwrite")
        try:
            found = Experiment(**{**document, "recipe": Recipe.from_json(document["recipe"])})
        except (TypeError, KeyError, UsageError) as error:
            raise unreadable from error
        if not all(isinstance(text, str) for text in (found.data, found.diode, found.simulator, found.start)):
            raise unreadable
        return found


def stored(out: Path) -> Experiment:
    """The experiment of the run in ``out``; raises ``InputError`` if there is none."""
    if not out.exists():
        raise InputError(f"there is no run {out} to resume", "leave --resume out to start it")
    return Experiment.from_json(checkpoint.read_document(out / "checkpoint.npz").get("experiment", {}))


def conduct(
    experiment: Experiment,
    out: Path,
    mode: str = "new",
    *,
    data: Dataset | None = None,
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
    verify_with: str = "",
    on_engine: Callable[[Simulator], None] | None = None,
    on_start: Callable[[Circuit, Dataset, int], None] | None = None,
    on_batch: OnBatch | None = None,
    on_epoch: OnEpoch | None = None,
    picture: Picture | None = None,
) -> dict[str, Any]:
    """Train and write the run folder ``out``; returns the summary.

    ``mode`` is one of ``run_folder.MODES``; "resume" goes on from the checkpoint and ends in the same bits as a run
    that was never interrupted (with the same versions and kernel of linear algebra). ``data`` is the experiment's,
    where it is loaded already; ``verify_with`` names an engine that evaluates the trained circuit once more.
    ``on_engine(simulator)``, ``on_start(circuit, data, epochs done)``, ``on_batch`` and ``on_epoch`` report progress;
    ``picture(path, metrics, summary)`` draws training.svg.

    Raises:
        DiodeqError: any of its kinds; the folder then holds the last checkpoint.
    """
    if mode == "new" and out.exists():
        with opened(out, mode):  # refuses before anything slow is done
            pass
    recipe = experiment.recipe
    technology = technology_of(experiment.recipe, experiment.diode)
    data = data or datasets.load(experiment.data, recipe.seed, recipe.task)
    document: dict[str, Any] = {"experiment": experiment.to_json(), "data_digest": _digest(data)}
    if mode == "resume":
        document = _same_data(out, document)
        circuit = Circuit.load(out / "circuit.npz")
    else:
        circuit = build(experiment, data, technology)
        document["initial_digest"] = circuit_digest(circuit)
    fits(circuit, data)
    snapshot = snapshots.start(circuit, recipe, technology)
    with ExitStack() as stack:
        simulator = stack.enter_context(create(experiment.simulator, workers, time_limit))
        # A budget that allows nothing is to be found before the folder is made too.
        trainer.steps_in_all(circuit, recipe, len(data.x_train), settled(simulator, circuit))
        if getattr(named(recipe.rule), "clamps", False):
            demand_clamps(simulator, circuit)
        version = simulator.version  # starts the engine: a missing one is to be found before the folder is made
        if verify_with:
            with create(verify_with, workers, time_limit) as other:
                _ = other.version  # and one that is to judge hours later
        if on_engine is not None:
            on_engine(simulator)
        folder = stack.enter_context(opened(out, mode))
        _bring(simulator, document, mode, out)
        if mode == "resume":
            snapshot = checkpoint.load(folder.file("checkpoint.npz"), snapshot)
            folder.rewind(snapshot.epoch)
            if isinstance(simulator, Counting):
                _compare(simulator, snapshots.current(circuit, snapshot, recipe, technology), document.get("taps"))
        else:
            circuit.save(folder.file("circuit.npz"))
            checkpoint.save(folder.file("checkpoint.npz"), snapshot, document)
        if on_start is not None:
            on_start(circuit, data, snapshot.epoch)

        def keep(reached: Snapshot) -> None:
            if isinstance(simulator, Counting):
                document["readings"] = simulator.readings
                if (taps := simulator.taps(snapshots.current(circuit, reached, recipe, technology))) is not None:
                    document["taps"] = taps[0].tolist()
            checkpoint.save(folder.file("checkpoint.npz"), reached, document)

        # On a bench that is there an epoch may take hours.
        lasts = isinstance(simulator, Counting) and simulator.taps(circuit) is not None
        given = (circuit, data, simulator, recipe, technology, snapshot, on_batch)
        for epoch in trainer.train(*given, on_step=keep if lasts else None):
            snapshot, metrics = epoch
            # Metrics first: a line too many can be dropped when resuming, a missing one cannot be made up.
            folder.append(metrics)
            keep(snapshot)
            if on_epoch is not None:
                on_epoch(metrics)
        circuit = snapshots.result(circuit, snapshot, recipe, technology)
        summary = summarize(experiment, circuit, data, simulator, snapshot)
        summary["simulator_version"] = version
        if isinstance(simulator, Counting):
            summary["bench"] = simulator.described
        learned = folder.metrics()[: snapshot.epoch]
        summary["solves"] = learned[-1].get("solves", 0) if learned else 0
        if verify_with:
            summary["verified"] = _verify(verify_with, workers, time_limit, simulator, circuit, data)
        if picture is not None:
            picture(folder.file("training.svg"), folder.metrics(), summary)
        folder.write_results(circuit, summary)
    return summary


def _bring(simulator: Simulator, document: dict[str, Any], mode: str, out: Path) -> None:
    """A bench to where the run's last checkpoint left it; raises ``InputError`` where it is another."""
    if not isinstance(simulator, Counting):
        return
    found = simulator.described["sha256"]
    if mode == "resume" and document.get("bench") != found:
        raise InputError(
            f"the description of the bench changed since the run {out} began",
            "put the old one back or train again with --overwrite",
        )
    document["bench"] = found
    simulator.readings = document.setdefault("readings", 0)


def _compare(simulator: Counting, circuit: Circuit, left: Any) -> None:
    """Warn where a bench's taps are neither where the last checkpoint ``left`` them nor where ``circuit`` has them."""
    taps = simulator.taps(circuit)
    if taps is None:
        return
    found, asked = taps
    if np.array_equal(found, asked) or found.tolist() == left:
        return
    before = np.asarray(left if isinstance(left, list) and len(left) == len(asked) else asked)
    moved = np.flatnonzero(found != before)
    warnings.warn(
        f"{len(moved)} of {counted(len(found), 'tap')} of the bench are not where the run left them (tap {moved[0]} is"
        f" at {found[moved[0]]}, not {before[moved[0]]}): it was switched off, or is another; they are set again",
        BenchWarning,
        stacklevel=2,
    )


def build(experiment: Experiment, data: Dataset, technology: Technology) -> Circuit:
    """The circuit before training: a layered one of the recipe's widths, or the file the experiment starts from."""
    recipe = experiment.recipe
    if experiment.start:
        circuit = check(Circuit.load(experiment.start))
        in_range(circuit, technology, experiment.start)
        return brought(circuit, recipe, data)
    return fresh(recipe, experiment.diode, data, technology)


def beginning(out: Path) -> tuple[Dataset, Circuit | None]:
    """The data of the run in ``out``, and the circuit it began with, built once more from recipe and seed, without what
    was pruned since.

    The circuit is None where it cannot be had any more: the file it was read from has changed or gone.

    Raises:
        InputError: there is no run, or its data changed since.
    """
    experiment = stored(out)
    data = datasets.load(experiment.data, experiment.recipe.seed, experiment.recipe.task)
    document = _same_data(out, {"experiment": experiment.to_json(), "data_digest": _digest(data)})
    technology = technology_of(experiment.recipe, experiment.diode)
    try:
        circuit = build(experiment, data, technology)
    except InputError:
        return data, None
    if circuit_digest(circuit) != document.get("initial_digest"):
        return data, None
    snapshot = checkpoint.load(out / "checkpoint.npz", snapshots.start(circuit, experiment.recipe, technology))
    return data, snapshots.remaining(circuit, snapshot.stays)


def survey_of(experiment: Experiment, circuit: Circuit) -> Survey:
    """A survey of a circuit of the experiment: its supply, but of a circuit that was brought, and its resistors."""
    ladder = technology_of(experiment.recipe, experiment.diode).ladder
    supply = math.inf if experiment.start else experiment.recipe.supply
    return Survey(circuit, supply=supply, made_of=None if ladder is None else ladder.single)


def summarize(
    experiment: Experiment, circuit: Circuit, data: Dataset, simulator: Simulator, snapshot: Snapshot
) -> dict[str, Any]:
    """The run in numbers; both accuracies, or R², are of the circuit that is kept, measured after training."""
    recipe = experiment.recipe
    learned = snapshot.epoch * len(data.x_train)
    survey = survey_of(experiment, circuit)
    found = []
    for point in batches(simulator, circuit, circuit.scaling.to_volts(data.x_test)):
        survey.add(point.drives, point.node_voltages, point.branch_currents)
        found.append(point.outputs)
    feasible = survey.feasibility(circuit.scaling.clipped(data.x_test))
    key = TASKS[data.task].measure.key
    return {
        "data": experiment.data,
        "task": data.task,
        "simulator": experiment.simulator,
        "simulator_version": "",
        "rule": recipe.rule,
        "seed": recipe.seed,
        "epochs": snapshot.epoch,
        "seconds": round(snapshot.seconds, 3),
        f"train_{key}": score(simulator, circuit, data.x_train, data.y_train),
        f"test_{key}": scored(np.concatenate(found), labels_of(circuit, data.y_test)),
        "resistors": len(circuit.resistors),
        "diodes": len(circuit.diodes),
        "nodes": len(circuit.nodes),
        "samples_per_second": round(learned / snapshot.learning_seconds, 3) if snapshot.learning_seconds else 0.0,
        "train_samples": len(data.x_train),
        "test_samples": len(data.x_test),
        "features": data.x_train.shape[1],
        "classes": list(data.classes),
        "targets": list(data.targets),
        "diode": ", ".join(model.name for model in circuit.models),
        "start": experiment.start,
        "kept_epoch": snapshot.best_epoch if recipe.patience else snapshot.epoch,
        "best_epoch": snapshot.best_epoch,
        "best_loss": snapshot.best_loss,
        "recipe": recipe.to_json(),
        "diodeq_version": diodeq.__version__,
        "blas": processors.kernels(),
        **feasible.summary(),
        "feasibility": feasible.to_json(),
    }


def _verify(
    engine: str, workers: int | None, time_limit: float, simulator: Simulator, circuit: Circuit, data: Dataset
) -> dict[str, Any]:
    """The held-out samples once more, in another engine."""
    with create(engine, workers, time_limit) as other:
        theirs = outputs(other, circuit, data.x_test)
        version = other.version
    ours = outputs(simulator, circuit, data.x_test)
    same = {"same_decisions": int(np.sum(theirs.argmax(axis=1) == ours.argmax(axis=1)))} if data.classes else {}
    return {
        "simulator": engine,
        "simulator_version": version,
        f"test_{TASKS[data.task].measure.key}": scored(theirs, labels_of(circuit, data.y_test)),
        "samples": len(theirs),
        **same,
        "max_difference_volts": float(np.max(np.abs(theirs - ours))),
    }


def _same_data(out: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The document of the run in ``out``; raises unless it is of this experiment and this data."""
    before = checkpoint.read_document(out / "checkpoint.npz")
    if before.get("data_digest") != document["data_digest"]:
        raise InputError(
            f"the data {document['experiment']['data']} changed since the run {out} began",
            "put the old data back or train again with --overwrite",
        )
    if Experiment.from_json(before["experiment"]).to_json() != document["experiment"]:
        raise UsageError(
            f"the run {out} was made by another recipe", "repeat its options or train again with --overwrite"
        )
    return before


def _digest(data: Dataset) -> str:
    found = hashlib.sha256("\n".join(data.outputs).encode())
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        found.update(repr(array.shape).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
