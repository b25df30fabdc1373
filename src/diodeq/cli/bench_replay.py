"""``diodeq bench replay``: a logged session beside the twin."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, print_json
from diodeq.cli.terminal import say
from diodeq.printable import counted, quantity


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.argument("description")
@click.option(
    "--circuit",
    type=click.Path(path_type=Path),
    help="The circuit that was on the table; else the board that the description names.",
)
@JSON
def replay(log: Path, description: str, circuit: Path | None, as_json: bool) -> None:
    """Tell the twin of DESCRIPTION what LOG says that a bench was told, and compare what both read.

    A log is written where DIODEQ_BENCH_LOG names a file: DIODEQ_BENCH_LOG=session.jsonl diodeq train … Each channel's
    mean difference is an offset that the description does not have, the rest is noise, drift and what else is missing.

    Example: diodeq bench replay session.jsonl iris --circuit run/circuit.npz
    """
    from diodeq.api.benches import replay as replayed

    found = replayed(log, description, None if circuit is None else Circuit.load(circuit))
    if as_json:
        print_json(found)
        return
    say(f"{found['bench']}: {counted(found['samples'], 'sample')} beside the twin of {description}")
    for each in found["channels"]:
        mean, rms, worst = (quantity(each[name], "V") for name in ("mean", "rms", "worst"))
        say(f"{each['node']}: mean {mean}, root mean square {rms}, worst {worst} at line {each['line']}")
