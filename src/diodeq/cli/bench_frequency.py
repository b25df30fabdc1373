"""``diodeq bench frequency``: how fast a gradient can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, Amount, plot, print_json
from diodeq.cli.samples import Samples, sampled
from diodeq.cli.terminal import say
from diodeq.files import write_atomically
from diodeq.printable import counted, quantity

if TYPE_CHECKING:
    from diodeq.benches.frequency import ToneErrors


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@sampled
@click.option(
    "--samples", type=click.IntRange(min=1), default=32, show_default=True, metavar="N", help="At most so many."
)
@click.option(
    "--wiring",
    type=Amount("farads"),
    default="2p",
    show_default=True,
    help="Capacitance that every connected end of a part adds to its node.",
)
@click.option(
    "--load",
    type=Amount("farads"),
    default="10p",
    show_default=True,
    help="Capacitance at each node that is read.",
)
@click.option("--low", type=Amount("hertz"), default="1", show_default=True, help="The lowest frequency.")
@click.option("--high", type=Amount("hertz"), default="1g", show_default=True, help="The highest frequency.")
@click.option("--check", is_flag=True, help="Compare with ngspice's .ac, for the first samples.")
@plot("Draw the error over frequency")
@JSON
def frequency(
    circuit: Path,
    samples: int,
    wiring: float,
    load: float,
    low: float,
    high: float,
    check: bool,
    picture: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Read the gradient of CIRCUIT with a tone of currents at its outputs, and see where capacitances spoil it.

    What is in phase with the tone is the gradient, as long as every node follows; the junctions' capacitances are those
    of their models.

    Example: diodeq bench frequency run/circuit.npz --data iris --check --plot frequency.svg
    """
    from diodeq.api import bench_studies
    from diodeq.cli.console import counting_bar

    loaded = Circuit.load(circuit)
    drives, labels = Samples(**given).needed(circuit, loaded, samples)
    with counting_bar() as step:
        found = bench_studies.frequency(
            *(loaded, drives, labels),
            wiring=wiring,
            load=load,
            low=low,
            high=high,
            check=check,
            units="volts",
            on_step=step,
        )
    if picture is not None:
        from diodeq.report.bench_plots import frequency_figure
        from diodeq.report.figures import render

        write_atomically(picture, render(frequency_figure(found), picture))
    if as_json:
        print_json(found.to_json())
    else:
        say("\n".join(_words(found)))


def _words(found: ToneErrors) -> Iterator[str]:
    yield f"gradient of {counted(found.samples, 'sample')}, read in phase with a tone of the outputs' currents"
    for share, hertz in found.reached.items():
        where = "nowhere in this band" if hertz is None else f"at {quantity(hertz, 'Hz')}"
        yield f"  its error comes to {100 * share:g} % {where}"
    for hertz, error, cosine in zip(found.hertz[::4].tolist(), found.errors[::4], found.cosines[::4], strict=True):
        yield f"  {quantity(hertz, 'Hz'):>8}: error {error:.1e}, cosine {cosine:.6f}"
    if found.apart is not None:
        yield f"ngspice's gradients differ by {found.apart:.1e} of it at most"
