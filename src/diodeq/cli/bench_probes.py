"""``diodeq bench probes``: which nodes to read first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, PERCENT, Amount, plot, print_json
from diodeq.cli.samples import Samples, sampled
from diodeq.cli.terminal import say
from diodeq.files import write_atomically

if TYPE_CHECKING:
    from diodeq.benches.probes import Probes

SHOWN = 12
"""Nodes that are named"""


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@sampled
@click.option(
    "--samples", type=click.IntRange(min=1), default=32, show_default=True, metavar="N", help="At most so many."
)
@click.option("--tolerance", type=PERCENT, default=20.0, show_default=True, help="Of the resistors, in per cent.")
@click.option("--noise", type=Amount("volts"), default="1m", show_default=True, help="Of a reading.")
@click.option("--boards", type=click.IntRange(min=1), default=3, show_default=True, help="Drawn to measure with.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of these.")
@plot("Draw errors over the number of probes")
@JSON
def probes(
    circuit: Path,
    samples: int,
    tolerance: float,
    noise: float,
    boards: int,
    seed: int,
    picture: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Rank the nodes of CIRCUIT by how much reading them takes from the error of its gradient.

    The outputs are read in any case. What the other nodes have comes from the model of the circuit, whose resistors
    deviate on the bench; with every node that is read the expectation of the others changes too. Cosines are those of
    the gradient with the exact one, on boards drawn at random.

    Example: diodeq bench probes run/circuit.npz --data iris --plot probes.svg
    """
    from diodeq.api import bench_studies
    from diodeq.cli.console import counting_bar

    loaded = Circuit.load(circuit)
    drives, labels = Samples(**given).needed(circuit, loaded, samples)
    with counting_bar() as step:
        found = bench_studies.probes(
            *(loaded, drives, labels),
            tolerance=tolerance / 100.0,
            noise=noise,
            boards=boards,
            seed=seed,
            units="volts",
            on_step=step,
        )
    if picture is not None:
        from diodeq.report.bench_plots import probes_figure
        from diodeq.report.figures import render

        write_atomically(picture, render(probes_figure(found), picture))
    if as_json:
        print_json(found.to_json())
    else:
        say("\n".join(_words(found)))


def _words(found: Probes) -> Iterator[str]:
    named = found.nodes[found.fixed :][:SHOWN]
    more = len(found.nodes) - found.fixed - len(named)
    yield f"read first: {', '.join(named)}{f' and then {more} more' if more else ''}"
    yield "probes beside the outputs: expected error of the gradient, cosine with the rest as modelled, and corrected"
    for count, plain, better in zip(found.counts.tolist(), found.modelled, found.corrected, strict=True):
        yield f"  {count:4d}: {100 * found.expected[count]:5.1f} %  {plain:.6f}  {better:.6f}"
