"""``diodeq devices fit``: which parts come nearest to an activation."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.cli.options import JSON, POSITIVE, Drawable, print_json
from diodeq.cli.terminal import say
from diodeq.devices import catalogue
from diodeq.files import write_atomically
from diodeq.network import Activation
from diodeq.printable import printable
from diodeq.synthesis.proposals import MOST_STAGES, REACH, STAGES, SUPPLY, Proposal, proposals

DRAWN = 3


@click.command("fit")
@click.argument("activation")
@click.option("--part", "names", multiple=True, metavar="PART", help="Try this part; repeatable.  [default: all]")
@click.option("--supply", type=POSITIVE, default=SUPPLY, show_default=True, help="Volts that nothing exceeds.")
@click.option("--reach", type=POSITIVE, default=REACH, show_default=True, help="Largest input, in the network's units.")
@click.option(
    "--stages",
    type=click.IntRange(1, MOST_STAGES),
    default=STAGES,
    show_default=True,
    help="Clamps a side at most, each but the last behind a resistor.",
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="How many to show.")
@click.option("-o", "--output", type=Drawable(), help="Draw the best three: .svg, .png or .pdf.")
@JSON
def fit(
    activation: str,
    names: tuple[str, ...],
    supply: float,
    reach: float,
    stages: int,
    top: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Propose parts whose activation is nearest to ACTIVATION, such as tanh, sigmoid, relu or leaky-relu:0.1.

    Of every part and structure the resistance before the node, the volts that stand for 1, rails and resistors are
    fitted; the error is the largest difference to the formula for inputs within the reach, in the network's units.

    Example: diodeq devices fit tanh
    """
    wanted = Activation.parse(activation)
    parts = [catalogue.get(name) for name in names or [name for name in catalogue.names() if name != "ideal"]]
    from diodeq.cli.console import counting_bar

    with counting_bar() as step:
        found = list(proposals(wanted, parts, supply, reach, stages, step))
    # Of equals the one with fewer parts.
    found.sort(key=lambda each: (round(each.error, 4), each.parts))
    if output is not None:
        from diodeq.report.device_plot import fit_figure
        from diodeq.report.figures import render

        write_atomically(output, render(fit_figure(wanted, found[:DRAWN]), output))
    if as_json:
        print_json({"activation": str(wanted), "proposals": [each.to_json() for each in found[:top]]})
        return
    if wanted.name == "sigmoid":
        say("sigmoid(x) = (1 + tanh(x / 2)) / 2, so these are for tanh:")
    for place, each in enumerate(found[:top], start=1):
        say(f"{place:>2}. {_sentence(each)}")
    if output is not None:
        say(f"{printable(str(output))}: the first {min(DRAWN, len(found))}")


def _sentence(each: Proposal) -> str:
    rails = sorted({abs(volts) for volts in each.rails.values()})
    held = f", rails ±{', ±'.join(f'{volts:.3g}' for volts in rails)} V" if len(each.rails) > 1 else ""
    held = held or (f", rail {next(iter(each.rails.values())):.3g} V" if each.rails else "")
    resistors = sorted(set(each.resistors))
    behind = f", {' and '.join(f'{ohms:.3g}' for ohms in resistors)} Ω before them" if resistors else ""
    return (
        f"{each.structure} of {each.parts} {each.part.name}: within {each.error:.2g} (rms {each.rms:.2g}) behind"
        f" {each.ohms:.3g} Ω at {each.volts_per_unit:.3g} V a unit{held}{behind}"
    )
