"""``diodeq report``: a run or a compiled circuit as one HTML page."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.names import ENGINE
from diodeq.cli.options import JSON, PERCENT, TIME_LIMIT, WEIGHTS, WORKERS, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.errors import UsageError
from diodeq.files import demand_place, write_atomically

if TYPE_CHECKING:
    from diodeq.api.reports import Page


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
    if out is not None:
        demand_place(out, read=(subject, weights, inputs))
    if subject.is_dir() or not (weights or inputs or subject.suffix == ".npz"):
        if weights or inputs or labelled or activation or layers or margin:
            raise UsageError("a run brings its own data", "leave --weights, what belongs to it, and --inputs out")
        out = out or subject / "report.html"
        page = _run(subject, simulator, workers, time_limit)
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
        page = _circuit(subject, given, inputs, labelled, tolerance, simulator or "ngspice", workers, time_limit)
    write_atomically(out, page.html)
    size = len(page.html.encode())
    if as_json:
        print_json({"page": str(out), "bytes": size, **page.document})
    else:
        say(f"{out}: {size / 1000:.0f} kB, opens in any browser")


def _run(path: Path, simulator: str | None, workers: int | None, time_limit: float) -> Page:
    from diodeq.api.reports import report_run
    from diodeq.cli.reproduce import command

    # In the folder where the run was made, its own name is taken.
    out = f"{path.resolve().name}-again"
    return report_run(
        path,
        simulator=simulator,
        workers=workers,
        time_limit=time_limit,
        again=lambda experiment: command(experiment, out),
    )


def _circuit(
    path: Path,
    given: tuple[Path, str | None, tuple[str, ...] | None, float | None],
    inputs: Path,
    labelled: bool,
    tolerance: float,
    simulator: str,
    workers: int | None,
    time_limit: float,
) -> Page:
    from diodeq.api.reports import report_circuit
    from diodeq.cli.drives import quantities_of, rows_of
    from diodeq.cli.networks import open_network
    from diodeq.cli.reproduce import this_command

    loaded, network = Circuit.load(path), open_network(*given, as_json=False).network
    rows, labels = rows_of(loaded, inputs, labelled, path)
    return report_circuit(
        *(loaded, network, rows, quantities_of(loaded, labels)),
        tolerance=tolerance / 100.0,
        simulator=simulator,
        workers=workers,
        time_limit=time_limit,
        command=this_command(),
        digests=_digests(weights=given[0], inputs=inputs),
    )


def _digests(**files: Path) -> list[tuple[str, str]]:
    """What ``sha256sum`` says of each file; a pipe is read once, and has been."""
    rows = []
    for name, path in files.items():
        if path.is_file():
            with path.open("rb") as file:
                rows.append((f"{name}, SHA-256", hashlib.file_digest(file, "sha256").hexdigest()))
    return rows
