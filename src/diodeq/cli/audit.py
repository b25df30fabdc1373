"""``diodeq audit``: what each learning rule finds on a circuit, against the exact gradient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.drives import rows_of, volts
from diodeq.cli.names import RULES
from diodeq.cli.options import (
    INPUTS,
    JSON,
    SIMULATOR,
    TIME_LIMIT,
    UNITS,
    WORKERS,
    plot,
    print_json,
    rule_list,
)
from diodeq.files import write_atomically
from diodeq.learning.rules import described
from diodeq.printable import counted
from diodeq.simulators import BENCH

if TYPE_CHECKING:
    from rich.table import Table

    from diodeq.learning.audit import Agreement, Audited

# Nudges that a picture shows, three a decade.
SIZES = np.logspace(-6, 0, 19)


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@INPUTS
@click.option(
    "--labelled",
    is_flag=True,
    help="The last column is the label: the loss is cross-entropy (or the squared error of a quantity), not the squared"
    " outputs.",
)
@click.option(
    "--rules",
    type=RULES,
    default="all",
    show_default=True,
    callback=rule_list,
    metavar="NAME[:OPTION=VALUE…][,…]",
    help=f"Of, with their options: {described()}.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Conductances that finite differences check, evenly spread.",
)
@plot("Draw errors over the nudge")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@UNITS
@JSON
def audit(
    circuit: Path,
    inputs: Path | None,
    labelled: bool,
    rules: tuple[str, ...],
    limit: int,
    picture: Path | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    units: str,
    as_json: bool,
) -> None:
    """Compare what learning rules find on a circuit with its exact gradient, per layer and over all.

    The exact gradient is hardware linearization's; finite differences check it. The loss is half the mean squared
    output voltage, or with --labelled the cross-entropy of the outputs. A circuit solve is one sample that settles
    once. Rules that are not exact on this circuit say why on stderr.

    Example: diodeq audit run/circuit.npz --inputs X.csv --rules all --plot audit.svg
    """
    from diodeq.api.audits import audit as audited

    loaded = Circuit.load(circuit)
    rows, labels = rows_of(loaded, inputs, labelled, circuit)
    drives = volts(loaded, rows, inputs, units)
    answer = audited(
        *(loaded, drives, labels),
        rules=rules,
        limit=limit,
        sizes=SIZES if picture is not None else (),
        units="volts",
        simulator=simulator,
        workers=workers,
        time_limit=time_limit,
    )
    found, curves = answer.rules, answer.curves
    if picture is not None:
        from diodeq.report.audit_plot import audit_figure
        from diodeq.report.figures import render

        checked = [row.overall.largest_error for row in found if row.overall and row.rule.startswith("finite-diff")]
        floors = {loaded.title: max(checked)} if checked else {}
        write_atomically(picture, render(audit_figure({loaded.title: (SIZES, curves)}, floors), picture))
    if as_json:
        document = {"circuit": loaded.title, "simulator": simulator, "samples": len(drives)}
        swept = {"sizes": SIZES.tolist(), "largest_error": curves} if curves else None
        print_json({**document, "rules": [row.to_json() for row in found], "sweep": swept})
    else:
        from diodeq.cli.console import WIDE, Terminal

        console = Terminal(least=WIDE)
        console.print(_table(found, len(drives), simulator))


def _table(found: Sequence[Audited], samples: int, simulator: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    nominal = " of the circuit as it should be" if simulator.startswith(f"{BENCH}:") else ""
    title = f"against the exact gradient{nominal}, {counted(samples, 'sample')}"
    table = Table(title=title, title_justify="left")
    table.add_column("rule, layer")
    for name in ("cosine", "norm ratio", "largest error", "checked", "solves", "seconds"):
        table.add_column(name, justify="right")
    for row in found:
        if row.overall is None or row.layers is None:
            table.add_row(row.rule, f"not possible: {row.failed}", end_section=True)
            continue
        costs = (f"{row.checked:,}", f"{row.solves:,}", f"{row.seconds:.3f}")
        table.add_row(Text(row.rule, "bold"), *_numbers(row.overall), *costs, end_section=len(row.layers) < 2)
        if len(row.layers) > 1:
            for k, (label, agreement) in enumerate(row.layers.items(), start=1):
                table.add_row(f"  {label}", *_numbers(agreement), end_section=k == len(row.layers))
    return table


def _numbers(agreement: Agreement) -> tuple[str, str, str]:
    if np.isnan(agreement.cosine):
        return "-", "-", "-"
    return f"{agreement.cosine:.6f}", f"{agreement.norm_ratio:.4f}", f"{agreement.largest_error:.1e}"
