"""``diodeq report``: a run or a compiled circuit as one HTML page."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.names import ENGINE
from diodeq.cli.options import JSON, PERCENT, TIME_LIMIT, WEIGHTS, WORKERS, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.errors import InputError, UsageError
from diodeq.files import write_atomically


@click.command()
@click.argument("subject", metavar="RUN|CIRCUIT.npz", type=WRITTEN)
@click.option("--output", "-o", "out", type=WRITTEN, help="The page.  [default: RUN/report.html, CIRCUIT.html]")
@click.option("--weights", type=click.Path(path_type=Path), help="Of a circuit: the weights it was compiled from.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Of a circuit: CSV in network units, one row a sample.")
@click.option("--labelled", is_flag=True, help="The last column of the CSV is the class number.")
@click.option(
    "--tolerance", type=PERCENT, default=1.0, show_default=True, help="Of resistors, in %, for a circuit's certificate."
)
@WEIGHTS
@click.option(
    "--simulator",
    type=ENGINE,
    help="The engine to use.  [default: the run's; ngspice for a circuit]",
)
@WORKERS
@TIME_LIMIT
@JSON
def report(
    subject: Path,
    out: Path | None,
    weights: Path | None,
    inputs: Path | None,
    labelled: bool,
    tolerance: float,
    activation: str | None,
    layers: tuple[str, ...] | None,
    margin: float | None,
    simulator: str | None,
    workers: int | None,
    time_limit: float,
    as_json: bool,
) -> None:
    """Write one HTML page about a training run or a compiled circuit.

    Of a run: learning curves, decisions, conductances before and after, voltages, diodes, the gradient checked, power,
    parts, and the command that repeats it; its circuit is evaluated once more on the held-out samples. Of a circuit,
    with --weights and --inputs: parity with its network, an error budget, its certificate. Pages need no connection.

    Example: diodeq report run -o report.html
    """
    if out is not None and not out.parent.is_dir():
        # Better found before the circuit is evaluated.
        raise InputError(f"{out} cannot be written: there is no folder {out.parent}", "choose another place")
    if subject.is_dir() or not (weights or inputs or subject.suffix == ".npz"):
        if weights or inputs or labelled or activation or layers or margin:
            raise UsageError("a run brings its own data", "leave --weights, what belongs to it, and --inputs out")
        out = out or subject / "report.html"
        page, document = _run(subject, simulator, workers, time_limit)
    else:
        if weights is None:
            raise UsageError(
                f"the report of {subject} compares it with the weights it was compiled from",
                "add --weights, or give the folder of a run; of any other circuit see diodeq simulate and export",
            )
        if inputs is None:
            raise UsageError(f"the report of {subject} compares it with its network on samples", "add --inputs X.csv")
        out = out or subject.with_suffix(".html")
        given = (weights, activation, layers, margin)
        page, document = _circuit(
            subject, given, inputs, labelled, tolerance, simulator or "ngspice", workers, time_limit
        )
    write_atomically(out, page)
    if as_json:
        print_json({"page": str(out), "bytes": len(page.encode()), **document})
    else:
        say(f"{out}: {len(page.encode()) / 1000:.0f} kB, opens in any browser")


def _run(path: Path, simulator: str | None, workers: int | None, time_limit: float) -> tuple[str, dict[str, Any]]:
    from diodeq.cli.reproduce import command
    from diodeq.report.run_evidence import gather, summary_of
    from diodeq.report.run_report import run_page
    from diodeq.simulators import create

    with create(simulator or summary_of(path)["simulator"], workers, time_limit) as engine:
        evidence = gather(path, engine)
    # In the folder where the run was made, its own name is taken.
    line, unset = command(evidence.experiment, f"{path.resolve().name}-again")
    return run_page(evidence, line, unset), {**evidence.to_json(), "command": line}


def _circuit(
    path: Path,
    given: tuple[Path, str | None, tuple[str, ...] | None, float | None],
    inputs: Path,
    labelled: bool,
    tolerance: float,
    simulator: str,
    workers: int | None,
    time_limit: float,
) -> tuple[str, dict[str, Any]]:
    from diodeq.analysis import verify as analysis
    from diodeq.circuit.survey import Survey
    from diodeq.cli.drives import rows_of, scores_of
    from diodeq.cli.networks import open_network
    from diodeq.cli.reproduce import this_command
    from diodeq.report.circuit_report import circuit_page
    from diodeq.simulators import create
    from diodeq.simulators.ngspice import NgspiceReference

    weights = given[0]
    loaded, network = Circuit.load(path), open_network(*given, as_json=False).network
    rows, labels = rows_of(loaded, inputs, labelled, path)
    labels = scores_of(loaded, labels)
    with create(simulator, workers, time_limit) as engine, NgspiceReference(workers, time_limit) as reference:
        found = analysis.verify(engine, reference, loaded, network, rows, labels, tolerance / 100.0)
        version = engine.version
    digests = _digests(weights=weights, inputs=inputs)
    survey, point = Survey(loaded), found.point
    survey.add(point.drives, point.node_voltages, point.branch_currents)
    feasible = survey.found(loaded.scaling.clipped(rows))
    page = circuit_page(loaded, found, feasible, version, this_command(), digests)
    return page, {**found.to_json(), "feasibility": feasible.to_json()}


def _digests(**files: Path) -> list[tuple[str, str]]:
    """What ``sha256sum`` says of each file; a pipe is read once, and has been."""
    rows = []
    for name, path in files.items():
        if path.is_file():
            with path.open("rb") as file:
                rows.append((f"{name}, SHA-256", hashlib.file_digest(file, "sha256").hexdigest()))
    return rows
