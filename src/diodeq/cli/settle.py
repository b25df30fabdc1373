"""``diodeq settle``: how long a circuit takes to settle, and the power and energy that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import INPUTS, JSON, TIME_LIMIT, UNITS, WORKERS, plot, print_json
from diodeq.cli.physical import LABELLED, LOAD, SAMPLES, WIRING, rows_of
from diodeq.errors import UsageError
from diodeq.files import write_atomically
from diodeq.printable import counted, percent

if TYPE_CHECKING:
    from rich.table import Table

    from diodeq.analysis.settling import ScaledSettling


def _tolerance(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """The share of the span: ``0.1%``, or ``8bit`` for one least significant bit of eight."""
    try:
        if value.endswith("%"):
            return float(value[:-1]) / 100.0
        if value.endswith("bit"):
            return float(2.0 ** -int(value[:-3]))
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"--to {value!r} is neither per cent nor bits", "write --to 0.1% or --to 8bit")


def _scales(context: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(word) for word in value.split(","))
    except ValueError:
        raise UsageError(f"--scale {value!r} is no list of numbers", "write --scale 0.1,1,10") from None
    if not all(0.0 < scale < np.inf for scale in scales):
        raise UsageError(f"--scale {value!r} has a factor that is not above 0", "write --scale 0.1,1,10")
    return scales


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@INPUTS
@LABELLED
@SAMPLES
@click.option(
    "--to",
    "tolerance",
    default="0.1%",
    show_default=True,
    callback=_tolerance,
    metavar="P%|Nbit",
    help="How close to its final value an output must stay: a share of the outputs' span, or 1 LSB of N bits over it.",
)
@click.option(
    "--from",
    "origin",
    type=click.Choice(["zero", "previous"]),
    default="zero",
    show_default=True,
    help="Inputs step from 0 V, or from the row before (the first from 0 V); constant sources stay on.",
)
@click.option(
    "--scale",
    "scales",
    default="1",
    show_default=True,
    callback=_scales,
    metavar="S[,S…]",
    help="With all conductances times each S: faster, and hotter.",
)
@WIRING
@LOAD
@plot("Draw outputs over time, and energies")
@WORKERS
@TIME_LIMIT
@UNITS
@JSON
def settle(
    circuit: Path,
    inputs: Path | None,
    labelled: bool,
    samples: int | None,
    tolerance: float,
    origin: str,
    scales: tuple[float, ...],
    wiring: float,
    load: float,
    picture: Path | None,
    workers: int | None,
    time_limit: float,
    units: str,
    as_json: bool,
) -> None:
    """Let the inputs step in ngspice, with every capacitance, and time the outputs; then count the joules.

    Energy is all that ideal sources, and the supplies of operational amplifiers, deliver until the slowest output has
    settled, to wires at the inputs too; the sources' own losses, converters and control are not in it. A gradient is
    two settlings.

    Example: diodeq settle run/circuit.npz --inputs X.csv --scale 0.1,1,10 --plot settle.svg
    """
    from diodeq.api import studies

    loaded = Circuit.load(circuit)
    drives, labels = rows_of(inputs, loaded, labelled, units, samples, circuit)
    settled = studies.settle(
        *(loaded, drives, labels),
        tolerance=tolerance,
        scales=scales,
        wiring=wiring,
        load=load,
        from_row_before=origin == "previous",
        units="volts",
        workers=workers,
        time_limit=time_limit,
    )
    found, version = settled.levels, settled.version
    if picture is not None:
        from diodeq.report.figures import render
        from diodeq.report.settle_plot import settle_figure

        write_atomically(picture, render(settle_figure(found), picture))
    if as_json:
        print_json(_document(found, version, wiring, load, tolerance, origin))
    else:
        from diodeq.cli.console import WIDE, Terminal

        console = Terminal(least=WIDE)
        console.print(_table(found))
        console.print("\n".join(_sentences(found, version, wiring, load, origin)), soft_wrap=True)


def _document(
    found: Sequence[ScaledSettling], version: str, wiring: float, load: float, tolerance: float, origin: str
) -> dict[str, Any]:
    from diodeq.analysis.energy import DIGITAL, PASSES_PER_GRADIENT, multiply_accumulates

    circuit = found[0].settling.circuit
    weights = multiply_accumulates(circuit)
    return {
        "circuit": circuit.title,
        "simulator": version,
        "samples": len(found[0].settling.times),
        "from": origin,
        "tolerance": tolerance,
        "wiring_farads": wiring,
        "load_farads": load,
        "levels": [level.to_json() for level in found],
        "multiply_accumulates": weights,
        "multiply_accumulates_per_gradient": PASSES_PER_GRADIENT * weights,
        "digital": [
            {
                "arithmetic": each.name,
                "joules": weights * each.joules,
                "per_operation": each.joules,
                "from": each.source,
            }
            for each in DIGITAL
        ],
    }


def _table(found: Sequence[ScaledSettling]) -> Table:
    from rich.table import Table

    from diodeq.report.quantities import quantity

    table = Table(title_justify="left")
    table.add_column("G (median)")
    accurate = found[0].accuracy is not None
    # A single output decides nothing.
    decides = len(found[0].settling.circuit.outputs) > 1
    decided = ["decided"] if decides else []
    for name in ("settled", "worst", *decided, "power", "energy", "worst", "gradient"):
        table.add_column(name, justify="right")
    if decides:
        table.add_column("accuracy" if accurate else "same decision", justify="right")
    for level in found:
        each = level.settling
        share = level.agreement if level.accuracy is None else level.accuracy
        table.add_row(
            f"{level.scale:g} × ({quantity(level.median_siemens, 'S')})",
            quantity(float(np.median(each.row_times)), "s"),
            quantity(float(each.row_times.max()), "s"),
            *([quantity(float(np.median(each.decided)), "s")] if decides else []),
            quantity(float(np.median(each.power)), "W"),
            quantity(float(np.median(each.energy)), "J"),
            quantity(float(each.energy.max()), "J"),
            quantity(level.joules_per_gradient, "J"),
            *([percent(share)] if decides else []),
        )
    return table


def _sentences(found: Sequence[ScaledSettling], version: str, wiring: float, load: float, origin: str) -> list[str]:
    from diodeq.analysis.energy import DIGITAL, multiply_accumulates
    from diodeq.report.quantities import quantity

    each = found[0].settling
    start = "0 V" if origin == "zero" else "the row before"
    weights = multiply_accumulates(each.circuit)
    digital = "; ".join(f"{item.name} {quantity(weights * item.joules, 'J')}" for item in DIGITAL)
    share = f"{100 * each.band / each.span:.3g} % of the outputs' span"
    return [
        f"{counted(len(each.times), 'row')}, inputs step from {start} ({version});"
        f" settled: within {quantity(each.band, 'V')}"
        f" of the final value, {share}",
        f"{quantity(wiring, 'F')} of wire at every end of a part, {quantity(load, 'F')} at every node of an output,"
        " and the diodes' junctions; medians of the rows; energy is all that ideal sources deliver until settled",
        f"{weights:,} multiply-accumulates in software: {digital} (Horowitz, ISSCC 2014, 45 nm)",
    ]
