"""``diodeq verify``: how far a circuit is from the network it was compiled from, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import groups_of
from diodeq.cli.drives import quantities_of, rows_of
from diodeq.cli.options import JSON, PERCENT, SIMULATOR, TIME_LIMIT, WEIGHTS, WORKERS, plot, print_json
from diodeq.cli.terminal import mention, say
from diodeq.files import write_atomically
from diodeq.measures import R2
from diodeq.printable import counted, percent

if TYPE_CHECKING:
    from diodeq.analysis.verify import Verification


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("--weights", required=True, type=click.Path(path_type=Path), help="The weights it was compiled from.")
@click.option(
    "--inputs", required=True, type=click.Path(path_type=Path), help="CSV in network units, one row a sample."
)
@click.option("--labelled", is_flag=True, help="The last column of the CSV is the class number: report accuracies.")
@click.option(
    "--tolerance", type=PERCENT, default=1.0, show_default=True, help="Of resistors, in %, for the certificate."
)
@plot("Draw circuit over network")
@WEIGHTS
@SIMULATOR
@WORKERS
@TIME_LIMIT
@JSON
def verify(
    circuit: Path,
    weights: Path,
    inputs: Path,
    labelled: bool,
    tolerance: float,
    picture: Path | None,
    activation: str | None,
    layers: tuple[str, ...] | None,
    margin: float | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    as_json: bool,
) -> None:
    """Compare a circuit with the network it was compiled from, or that was extracted from it.

    Of a compiled one: an error budget per stage and unit, and a certificate.

    Errors are relative to the largest value of the stage.

    Example: diodeq verify circuit.npz --weights weights.npz --inputs X.csv --plot parity.svg
    """
    from diodeq.analysis.programs import DOUBTFUL, against_program
    from diodeq.api.running import verify as verified
    from diodeq.cli.networks import open_network

    loaded, opened = Circuit.load(circuit), open_network(weights, activation, layers, margin, as_json)
    network = opened.network
    rows, labels = rows_of(loaded, inputs, labelled, circuit)
    found = verified(
        *(loaded, network, rows, quantities_of(loaded, labels)),
        tolerance=tolerance / 100.0,
        simulator=simulator,
        workers=workers,
        time_limit=time_limit,
    )
    program = against_program(weights, network, rows)
    if program.difference is not None and program.difference > DOUBTFUL:
        mention(f"the network as it was read does not compute what its file does: {program.sentence()}")
    if picture is not None:
        from diodeq.report.figures import render
        from diodeq.report.parity_plot import parity_figure

        write_atomically(picture, render(parity_figure(found, loaded.title), picture))
    if as_json:
        print_json({**found.to_json(), "reference": program.to_json(), "notes": list(opened.notes)})
    else:
        say("\n".join([*_lines(found), program.sentence()]))


def _lines(found: Verification) -> list[str]:
    lines = [
        f"{counted(len(found.levels['network'][-1]), 'sample')}; errors relative to the largest value of the stage"
    ]
    for k in range(len(found.levels["network"])):
        stage = "outputs" if groups_of(found.point.circuit) else f"stage {k}"  # amplifiers hide what is between
        lines.append(f"{stage:<23} largest      rms   worst unit")
        lines.extend(
            f"  {name:<18} {entry['max']:>10.1e} {entry['rms']:>8.1e}   {entry['unit']}"
            for name, entry in found.budget(k).items()
        )
    lines.append(f"solver: production and reference route differ by at most {found.solver:.1e}")
    score = found.score() or {}
    for name, share in found.agreement().items() if found.decides else ():
        right = f", {percent(score[name])} right" if score else ""
        lines.append(f"{name:<9} decides as the network on {percent(share)} of the samples{right}")
    if not found.decides:
        lines.extend(f"{name:<9} {R2.words(each)}" for name, each in score.items())
    moved = (
        f"{100 * found.tolerance:g} % moves the outputs by at most {found.displacement:.3g} (Euclidean, network units)"
    )
    if found.seen is not None:
        moved += f", by {found.seen:.3g} on the worse of two boards that were tried"
    if found.certificate is not None:
        lines.append(f"certificate: {found.certificate.sentence()}; {moved}")
    return lines
