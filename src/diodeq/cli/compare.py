"""``diodeq compare``: learning curves of several rules at an equal budget of circuit solves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from diodeq.cli.names import DATA, DIODE, ENGINE, RULES
from diodeq.cli.options import (
    CLUSTER,
    JOB_SCRIPT,
    JSON,
    SIMULATOR,
    TIME_LIMIT,
    WORKERS,
    WRITTEN,
    numbers,
    plot,
    rule_list,
)
from diodeq.cli.samples import TARGET, TASK
from diodeq.cli.terminal import say
from diodeq.cluster import job_script as cluster_script
from diodeq.errors import UsageError
from diodeq.learning.rules import described
from diodeq.measures import ACCURACY, measure_of
from diodeq.printable import counted
from diodeq.simulators import BENCH

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

# The rates of every decade that a rule is tuned over, in log-conductance.
RATES = "0.01,0.03,0.1,0.3"


@click.command()
@click.argument("data", type=DATA)
@TARGET
@TASK
@click.option("--out", "-o", required=True, type=WRITTEN, help="Folder of the runs.")
@click.option(
    "--rules",
    type=RULES,
    default="all",
    show_default=True,
    callback=rule_list,
    metavar="NAME[:OPTION=VALUE…][,…]",
    help=f"Of, with their options: {described()}.",
)
@click.option("--seeds", default="0,1,2", show_default=True, callback=numbers(int), help="Reported.")
@click.option("--budget", type=int, required=True, help="Circuit solves of each training run.")
@click.option(
    "--rates", default=RATES, show_default=True, callback=numbers(float), help="Each rule takes the best of them."
)
@click.option(
    "--tuning-seeds", default="10", show_default=True, callback=numbers(int), help="On which the best rate is found."
)
@click.option("--diode", type=DIODE, default="1N4148", show_default=True, help="A diode of `diodeq devices list`.")
@click.option("--supply", type=float, metavar="V", help="Volts of the bias rails and of inputs. [default: 5]")
@click.option("--batch-size", type=int, help="Samples per update.")
@SIMULATOR
@click.option("--bench", metavar="DESCRIPTION", help="Train on a bench, a TOML file or a shipped name: see the guide.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="ENTRY=VALUES",
    help="Of the bench: compare with each value, adc.bits=8:16 or reads.noise=0,1e-3; repeatable.",
)
@click.option("--verify-with", type=ENGINE, help="Evaluate the results once more in this engine.")
@WORKERS
@TIME_LIMIT
@CLUSTER
@JOB_SCRIPT
@plot("Draw learning curves")
@JSON
def compare(
    data: str,
    out: Path,
    job_script: bool,
    picture: Path | None,
    as_json: bool,
    bench: str | None,
    **given: Any,
) -> None:
    """Train circuits on DATA by several learning rules, each with the same number of circuit solves.

    A circuit solve is one sample that settles once, linearized or not. Circuits and recipe are those of `diodeq train
    DATA`. The learning rate is each rule's own: the best of --rates by held-out accuracy, or R², on --tuning-seeds,
    other splits and circuits than those reported. Interrupted, the same command goes on; finished runs are not
    repeated.

    Example: diodeq compare iris --simulator wave --budget 20000 --out rules --plot curves.svg
    """
    if job_script:
        say(cluster_script(given["cluster"]).rstrip("\n"))
        return
    from diodeq.api import series
    from diodeq.cli.console import counting_bar, document_out

    if bench is not None:
        given["simulator"] = f"{BENCH}:{bench}"
    elif given["sweeps"]:
        raise UsageError("--sweep changes entries of a bench, and there is none", "name one with --bench")
    given["verify_with"] = given["verify_with"] or ""
    with counting_bar() as on_run:
        document = series.compare(data, out, **given, on_run=on_run)
    drawn, shown = (_lab_figure, _lab_table) if given["sweeps"] else (_figure, _table)
    document_out(document, out / "compare.json", picture, drawn, None if as_json else shown)
    series.demand_one(document)


def _lab_figure(document: dict[str, Any]) -> Figure:
    from diodeq.report.lab_plot import lab_figure

    return lab_figure(document)


def _lab_table(document: dict[str, Any]) -> Table:
    from rich.table import Table

    points = [(each["entry"], at) for each in document["sweeps"] for at in each["points"]]
    names = list(dict.fromkeys(rule["rule"] for _, at in points for rule in at["rules"]))
    seeds = counted(len(document["seeds"]), "seed")
    title = f"{document['data']} on {document['bench']}: held-out, mean ± deviation over {seeds}"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("with", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for entry, at in points:
        found = {rule["rule"]: rule for rule in at["rules"]}
        table.add_row(f"{entry}={at['value']}", *(_lab_cell(found.get(name, {})) for name in names))
    table.caption = _why(rule for _, at in points for rule in at["rules"])
    return table


def _why(entries: Iterable[dict[str, Any]]) -> str | None:
    """Of every rule of which runs failed the first one's reason."""
    said: dict[str, str] = {}
    for entry in entries:
        failed = next((run for run in entry.get("runs", ()) if "failed" in run), None)
        if failed is not None:
            said.setdefault(entry["rule"], f"{failed['folder']} failed: {failed['failed']}; {failed['remedy']}")
    return "\n".join(said.values()) or None


def _lab_cell(entry: dict[str, Any]) -> str:
    """What a rule reached, or that it did nothing."""
    if "runs" not in entry:
        return "no step"
    measure = measure_of(entry)
    moments = entry[f"test_{measure.key}"]
    if moments is None:
        return "failed"
    some = f", {entry['failed']} failed" if entry["failed"] else ""
    return f"{measure.number(moments['mean'])} ± {measure.number(moments['deviation'])}{some}"


def _figure(document: dict[str, Any]) -> Figure:
    from diodeq.report.compare_plot import compare_figure

    return compare_figure([document])


def _table(document: dict[str, Any]) -> Table:
    from rich.table import Table

    measure = next((measure_of(entry) for entry in document["rules"] if "impossible" not in entry), ACCURACY)
    reached, verified_as = f"test_{measure.key}", f"verified_{measure.key}"
    title = f"{document['data']}: held-out {measure.axis} after at most {document['budget']:,} circuit solves"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("rule", no_wrap=True, overflow="fold")  # its options are what tells rules apart
    verified = any(verified_as in entry for entry in document["rules"])
    for name in ("solves a sample", "steps", "rate", "mean", "±", "each seed", *(["verified"] if verified else [])):
        table.add_column(name, justify="right")
    affordable = [entry for entry in document["rules"] if "impossible" not in entry]
    for entry in sorted(affordable, key=lambda entry: -(entry[reached] or {"mean": -math.inf})["mean"]):
        figures = ["", ""]
        if entry[reached] is not None:
            figures = [measure.number(entry[reached][key]) for key in ("mean", "deviation")]
        each = ", ".join("failed" if "failed" in run else measure.number(run[reached]) for run in entry["runs"])
        last = [measure.number(entry[verified_as]["mean"])] if verified_as in entry else []
        costs = (f"{entry['solves_per_sample']:,}", f"{entry['steps']:,}", f"{entry['rate']:g}")
        table.add_row(entry["rule"], *costs, *figures, each, *last)
    table.caption = _why(affordable)
    for entry in document["rules"]:
        if "impossible" in entry:
            table.add_row(entry["rule"], "", "0")
            table.caption = f"{table.caption}\n{entry['impossible']}" if table.caption else entry["impossible"]
    return table
