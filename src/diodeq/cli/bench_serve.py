"""``diodeq bench serve``: a twin at the other end of a link."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, POSITIVE, print_json
from diodeq.cli.terminal import complain, say
from diodeq.errors import UsageError


@click.command()
@click.argument("description")
@click.option(
    "--circuit",
    type=click.Path(path_type=Path),
    help="The circuit that is on the table; else the board that the description names.",
)
@click.option("--pty", is_flag=True, help="On a new pseudo-terminal, as a board on a serial port.")
@click.option("--name", type=click.Path(path_type=Path), help="Make this a link to the pseudo-terminal meanwhile.")
@click.option("--tcp", metavar="HOST:PORT", help="The same protocol on a TCP port; 0 is any free one.")
@click.option("--scpi", metavar="HOST:PORT", help="As an instrument that speaks SCPI.")
@click.option(
    "--silence",
    type=POSITIVE,
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="After so long without a word the bench goes to rest by itself.",
)
@JSON
def serve(
    description: str,
    circuit: Path | None,
    pty: bool,
    name: Path | None,
    tcp: str | None,
    scpi: str | None,
    silence: float,
    as_json: bool,
) -> None:
    """Put the twin of DESCRIPTION at the other end of a link, where a board would be, until Ctrl-C.

    DESCRIPTION is a TOML file or a shipped name, with options after colons. What is printed goes into the [link] of a
    description to train with: driver and protocol are those of a real board. Whoever can reach the port can set the
    twin, so give 127.0.0.1 as HOST.

    Example: diodeq bench serve iris --circuit run/circuit.npz --tcp 127.0.0.1:7000
    """
    from diodeq.simulators.bench import described
    from diodeq.simulators.bench.serving import on_table, serving

    ways = {"pty": "" if pty else None, "tcp": tcp, "scpi": scpi}
    chosen = {way: where for way, where in ways.items() if where is not None}
    if len(chosen) != 1:
        raise UsageError("a twin is served in one way", "give one of --pty, --tcp and --scpi")
    if name is not None and not pty:
        raise UsageError("--name has no meaning without --pty", "leave it out")
    (way, where), *_ = chosen.items()
    described_as = described(*description.split(":"))
    ended: list[int] = []
    board = on_table(described_as, None if circuit is None else Circuit.load(circuit))
    with serving(described_as, board, way, str(name or where), silence, complain) as (server, link):
        signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
        _tell(described_as.name, link, as_json)
        server.run(lambda: bool(ended))


def _tell(name: str, link: Any, as_json: bool) -> None:
    if as_json:
        print_json({"bench": name, "link": dict(link)})
    else:
        entries = "\n".join(f'{key} = "{value}"' for key, value in link.items())
        say(f"serving {name} until Ctrl-C; to train with it, put into its description:\n[link]\n{entries}")
    sys.stdout.flush()
