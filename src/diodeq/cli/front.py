"""``diodeq front``: what accuracy costs in resistors and milliwatts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from diodeq.cli.architecture import ARCHITECTURE
from diodeq.cli.names import DATA
from diodeq.cli.options import (
    CLUSTER,
    JOB_SCRIPT,
    JSON,
    SIMULATOR,
    TIME_LIMIT,
    WORKERS,
    WRITTEN,
    Amount,
    numbers,
    plot,
)
from diodeq.cli.samples import TARGET, TASK
from diodeq.cli.terminal import say
from diodeq.cluster import job_script as cluster_script
from diodeq.measures import ACCURACY, measure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

MOST_SEEDS = 10_000


def _seeds(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """``5`` is 0 to 4; ``7,`` is 7 alone."""
    found = numbers(int)(context, parameter, value)
    if "," in value or not found:
        return found
    if not 0 < found[0] <= MOST_SEEDS:
        raise click.BadParameter(f"{value} is no number of seeds from 1 to {MOST_SEEDS:,}")
    return tuple(range(found[0]))


@click.command()
@click.argument("data", type=DATA)
@TARGET
@TASK
@click.option("--out", "-o", required=True, type=WRITTEN, help="Folder of the runs.")
@click.option(
    "--parts",
    default="0",
    callback=numbers(int, "300,600"),
    metavar="N[,N…]",
    help="Prune to so many resistors; 0 keeps all.  [default: 0]",
)
@click.option(
    "--power",
    default="0",
    callback=numbers(Amount("watts").read, "1mW,5mW"),
    metavar="W[,W…]",
    help="Steer to such mean powers, as in 1mW,20mW; 0 is any.  [default: 0]",
)
@click.option(
    "--seeds",
    default="3",
    show_default=True,
    callback=_seeds,
    metavar="N|SEED,SEED…",
    help="How many of each, 0 to N - 1, or which (7, is 7 alone).",
)
@ARCHITECTURE
@click.option("--epochs", type=int, help="Passes through the training samples.")
@SIMULATOR
@WORKERS
@TIME_LIMIT
@CLUSTER
@JOB_SCRIPT
@plot("Draw accuracy over parts and power")
@JSON
def front(
    data: str,
    out: Path,
    parts: tuple[int, ...],
    power: tuple[float, ...],
    seeds: tuple[int, ...],
    job_script: bool,
    picture: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Train circuits on DATA within every number of --parts and every --power, and show what they reach.

    That is accuracy, or R². Milliwatts are those of held-out samples: the median one (of the median seed) and the worst
    of all. What no other line is as good as, in accuracy, resistors and milliwatts, is marked. Each run is that of
    `diodeq train DATA --parts N --power W --seed S`, in a folder under --out. Interrupted, the same command goes on;
    finished runs are not repeated, so that seeds and limits may be added later.

    Example: diodeq front iris --parts 30,60 --power 1mW,10mW --simulator wave --out front --plot front.svg
    """
    if job_script:
        say(cluster_script(given["cluster"]).rstrip("\n"))
        return
    from diodeq.api import series
    from diodeq.cli.console import counting_bar, document_out

    with counting_bar() as on_run:
        document = series.front(data, out, parts=parts, power=power, seeds=seeds, **given, on_run=on_run)
    document_out(document, out / "front.json", picture, _figure, None if as_json else _table)
    series.demand_one(document)


def _figure(document: dict[str, Any]) -> Figure:
    from diodeq.report.front_plot import front_figure

    return front_figure(document)


def _table(document: dict[str, Any]) -> Table:
    from rich.table import Table

    measure = next((measure_of(point) for point in document["points"] if point["watts"] is not None), ACCURACY)
    reached = f"test_{measure.key}"
    table = Table(
        title=f"{document['data']}: held-out {measure.axis} within parts and power",
        title_justify="left",
        caption=f"* nothing else is as good in {measure.name}, resistors and median milliwatts",
        caption_justify="left",
    )
    for name in ("parts", "power mW", "mean", "±", "each seed", "resistors", "median mW", "worst mW"):
        table.add_column(name, justify="right")
    table.add_column("")
    for point in document["points"]:
        limits = (
            f"{point['parts']:,}" if point["parts"] else "all",
            _milli(point["power"]) if point["power"] else "any",
        )
        each = ", ".join("failed" if "failed" in run else measure.number(run[reached]) for run in point["runs"])
        if point["watts"] is None:
            table.add_row(*limits, "", "", each)
            continue
        mean, deviation = (measure.number(point[reached][key]) for key in ("mean", "deviation"))
        watts = (_milli(point["watts"][key]) for key in ("median", "worst"))
        table.add_row(
            *limits, mean, deviation, each, f"{point['resistors']:,.0f}", *watts, "*" if point["best"] else ""
        )
    failed = next((run for point in document["points"] for run in point["runs"] if "failed" in run), None)
    if failed is not None:
        table.caption = f"{table.caption}; {failed['folder']}: {failed['failed']}; {failed['remedy']}"
    return table


def _milli(watts: float) -> str:
    return f"{1e3 * watts:.3g}"
