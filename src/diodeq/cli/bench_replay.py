"""``diodeq bench replay``: a logged session beside the twin."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, plot, print_json
from diodeq.cli.terminal import say
from diodeq.errors import UsageError
from diodeq.files import write_atomically
from diodeq.printable import counted, quantity

SURE = 4.0
"""Standard errors from which a drift counts as one"""


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.argument("description")
@click.option(
    "--circuit",
    type=click.Path(path_type=Path),
    help="The circuit that was on the table; else the board that the description names.",
)
@plot("Draw what differs, reading by reading")
@click.option("--details", is_flag=True, help="Every difference in --json too, sample by sample, in volts.")
@JSON
def replay(
    log: Path, description: str, circuit: Path | None, picture: Path | None, details: bool, as_json: bool
) -> None:
    """Tell the twin of DESCRIPTION what LOG says that a bench was told, and compare what both read.

    A log is written where DIODEQ_BENCH_LOG names a file: DIODEQ_BENCH_LOG=session.jsonl diodeq train … Each channel's
    mean difference is an offset that the description does not have, the rest is noise, drift and what else is missing.

    A description that was calibrated is compared by what is believed of the bench, noise left out.

    Example: diodeq bench replay session.jsonl iris --circuit run/circuit.npz
    """
    from diodeq.api import benches

    if details and not as_json:
        raise UsageError("--details are for --json", "add it, or look at --plot")
    found = benches.replay(log, description, None if circuit is None else Circuit.load(circuit))
    if picture is not None:
        from diodeq.report.bench_plots import replay_figure
        from diodeq.report.figures import render

        write_atomically(picture, render(replay_figure(found), picture))
    if as_json:
        if not details:
            for each in found["channels"]:
                del each["off"]
        print_json(found)
        return
    say(f"{found['bench']}: {counted(found['samples'], 'sample')} beside {description}")
    for each in found["channels"]:
        mean, rms, worst = (quantity(each[name], "V") for name in ("mean", "rms", "worst"))
        moves = abs(each["drift"]) > SURE * each["drift_error"] > 0.0
        drift = f", drifts by {quantity(each['drift'], 'V')}" if moves else ""
        where = f" at line {each['line']}" if each["worst"] else ""
        say(f"{each['node']}: mean {mean}, root mean square {rms}, worst {worst}{where}{drift}")
