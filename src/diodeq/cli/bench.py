"""``diodeq bench``: the things on the table that circuits are trained on, or their twins."""

from __future__ import annotations

import rich_click as click

from diodeq.cli.bench_calibrate import calibrate
from diodeq.cli.bench_frequency import frequency
from diodeq.cli.bench_probes import probes
from diodeq.cli.bench_replay import replay
from diodeq.cli.bench_serve import serve
from diodeq.cli.bench_show import bench_circuit, show


@click.group()
def bench() -> None:
    """A circuit on the table, or its twin: train with --simulator bench:DESCRIPTION.

    Example: diodeq bench show iris
    """


bench.add_command(show)
bench.add_command(bench_circuit)
bench.add_command(serve)
bench.add_command(replay)
bench.add_command(calibrate)
bench.add_command(probes)
bench.add_command(frequency)
