"""``diodeq bench``: the things on the table that circuits are trained on, or their twins."""

from __future__ import annotations

import rich_click as click

from diodeq.cli.bench_serve import serve


@click.group()
def bench() -> None:
    """A circuit on the table, or its twin: train with --simulator bench:DESCRIPTION.

    Example: diodeq bench serve iris --circuit run/circuit.npz --pty
    """


bench.add_command(serve)
