"""``diodeq gradcheck``: hardware linearization against ngspice's small-signal analysis and finite differences."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.drives import rows_of, volts
from diodeq.cli.options import INPUTS, JSON, POSITIVE, SIMULATOR, TIME_LIMIT, UNITS, WORKERS, print_json
from diodeq.cli.terminal import say
from diodeq.errors import ToleranceError
from diodeq.printable import counted


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@INPUTS
@click.option(
    "--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Conductances to check, evenly spread."
)
@click.option("--tolerance", type=POSITIVE, default=1e-5, show_default=True, help="Largest error that passes.")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@UNITS
@JSON
def gradcheck(
    circuit: Path,
    inputs: Path | None,
    limit: int,
    tolerance: float,
    simulator: str,
    workers: int | None,
    time_limit: float,
    units: str,
    as_json: bool,
) -> None:
    """Check the gradient of a circuit's conductances three ways.

    The loss is half the mean squared output voltage. Errors are relative to the largest entry of the gradient. Exit
    code 7 when one is above the tolerance.

    Example: diodeq gradcheck run/circuit.npz --inputs X.csv --units network
    """
    from diodeq.api.audits import gradcheck as checked_against

    loaded = Circuit.load(circuit)
    drives = volts(loaded, rows_of(loaded, inputs)[0], inputs, units)
    report = checked_against(
        loaded, drives, limit=limit, units="volts", simulator=simulator, workers=workers, time_limit=time_limit
    )
    if as_json:
        print_json(report)
    else:
        difference = report["finite_difference"]
        checked = f"{report['parameters']} of {counted(report['trainable'], 'conductance')}"
        say(f"{checked}, {counted(len(drives), 'sample')}, {simulator}")
        say(f"  .ac analysis        largest relative error {report['ac']['max_relative_error']:.1e}")
        say(
            f"  finite differences  largest relative error {difference['max_relative_error']:.1e}, "
            f"cosine {difference['cosine']:.12f}"
        )
    worst = max(report["ac"]["max_relative_error"], report["finite_difference"]["max_relative_error"])
    if not worst <= tolerance:
        remedy = "see the figures above"
        if "float32" in simulator.split(":"):
            remedy = (
                "finite differences in single precision know no better: give a larger --tolerance, or double precision"
            )
        raise ToleranceError(f"the gradient of {circuit} is off by {worst:.1e}, more than {tolerance:g}", remedy)
