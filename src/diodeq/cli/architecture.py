"""The options that say what circuit is built to be trained."""

from __future__ import annotations

import rich_click as click

from diodeq.cli.names import DIODE
from diodeq.cli.options import together
from diodeq.devices import units


def _widths(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[int, ...] | None:
    """``--hidden 64 --hidden 32`` and ``--hidden 64,32`` are the same; None when it is not given."""
    parts = [part for text in value for part in text.split(",")]
    try:
        return tuple(int(part) for part in parts) or None
    except ValueError:
        raise click.BadParameter(f"{','.join(value)!r} is not a width such as 40 or 64,32") from None


FIXED_BY_CIRCUIT = ("hidden", "unit", "topology", "lateral", "diode")
"""Their names: what a circuit that exists already fixes"""

ARCHITECTURE = together(
    click.option("--hidden", multiple=True, callback=_widths, metavar="N[,N…]", help="Width of each hidden layer."),
    click.option(
        "--unit",
        metavar="NAME[:VOLTS]",
        help=f"What each hidden node has: {units.described()}.  [default: diode]",
    ),
    click.option(
        "--topology",
        metavar="NAME[:OPTION…]",
        help="What hidden layers are joined to before them: dense, local:5x5, local:5x5:stride2:28x28 (fields of an"
        " image), random:0.1.  [default: dense]",
    ),
    click.option("--lateral/--no-lateral", default=None, help="Join the nodes within each hidden layer too."),
    click.option(
        "--diode", type=DIODE, help="A part of `diodeq devices list`.  [default: 1N4148, or what suits the unit]"
    ),
    click.option(
        "--supply", type=float, metavar="V", help="Volts of the bias rails, and what --encode puts there.  [default: 5]"
    ),
    click.option(
        "--encode",
        metavar="ENCODING",
        help="What of a feature is at the ends of the supply: range (the training samples' extremes), standard:K (K"
        " deviations; what is beyond is clipped), unbounded (one, and nothing is clipped).  [default: range]",
    ),
)
