"""``diodeq compile``: trained weights in, a circuit out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from diodeq.cli.console import counting_bar
from diodeq.cli.names import DIODE
from diodeq.cli.networks import open_network
from diodeq.cli.options import JSON, PERCENT, STRICT, WEIGHTS, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.devices.hardware.technology import Technology, get
from diodeq.errors import UsageError
from diodeq.files import demand_place
from diodeq.learning.datasets import load as load_data
from diodeq.network import Network
from diodeq.network.weights import save
from diodeq.synthesis.compile import MAX_GAIN, NAMES
from diodeq.synthesis.remedy import REMEDIES
from diodeq.tables import read_matrix

if TYPE_CHECKING:
    from diodeq.api.compilation import CompiledAtCost


@click.command("compile")
@click.argument("weights", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=WRITTEN, help="The circuit to write (.npz).")
@click.option(
    "--realization",
    type=click.Choice(["auto", *NAMES]),
    default="auto",
    show_default=True,
    help="Of every stage; auto takes the first that fits, in this order; with --amplifier precision before all others.",
)
@click.option("--diode", type=DIODE, default="ideal", show_default=True, help="A part of `diodeq devices list`.")
@click.option(
    "--amplifier", help="Operational amplifiers to build with; `diodeq devices amplifiers`.  [default: none, or ideal]"
)
@click.option(
    "--error",
    type=PERCENT,
    help="In % of the largest output: with --realization auto, the cheapest of parts that exist that is expected to be"
    " as exact, with --amplifier where that takes amplifiers; any other is refused where it is not.",
)
@click.option("--volts-per-unit", type=float, help="Volts that stand for 1.  [default: the remedy's choice, from 5 up]")
@click.option(
    "--remedy",
    type=click.Choice(REMEDIES),
    default="auto",
    show_default=True,
    help="Against the diodes' drop: bias sources, more volts per unit, another diode; auto takes what helps most and "
    "keeps the diode.",
)
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="CSV of sample inputs in network units, to choose the remedy by."
)
@click.option(
    "--tune",
    metavar="DATA",
    help="Then fine-tune it by hardware linearization to answer as the network does, on a data set of `diodeq train`,"
    " whose inputs serve as --inputs too where those are not given.",
)
@click.option("--tune-epochs", type=click.IntRange(1), help="Passes through DATA of --tune.  [default: 1]")
@click.option("--nearest", is_flag=True, help="Replace each W by the closest that is passive, and save those weights.")
@click.option(
    "--technology",
    help="Range, values and supply; `diodeq devices technologies`.  [default: any value, 1e-7 … 1e-2 S]",
)
@click.option("--low", type=float, help="The least conductance, in siemens.  [default: the technology's]")
@click.option("--high", type=float, help="The largest, in siemens.  [default: the technology's]")
@click.option(
    "--supply",
    type=float,
    help="The highest voltage, in V: of amplifiers ± their supply.  [default: the technology's, "
    "or none; with --amplifier 12, or 2.5 where it bears no more]",
)
@click.option("--max-gain", type=float, default=MAX_GAIN, show_default=True, help="Of drivers and buffers.")
@click.option("--allow-nonunique", is_flag=True, help="Let buffers build W without a guaranteed equilibrium.")
@STRICT
@WEIGHTS
@JSON
def compile_command(
    weights: Path,
    output: Path,
    realization: str,
    diode: str,
    amplifier: str | None,
    error: float | None,
    volts_per_unit: float | None,
    remedy: str,
    inputs: Path | None,
    tune: str | None,
    tune_epochs: int | None,
    nearest: bool,
    technology: str | None,
    low: float | None,
    high: float | None,
    supply: float | None,
    max_gain: float,
    allow_nonunique: bool,
    strict: bool,
    activation: str | None,
    layers: tuple[str, ...] | None,
    margin: float | None,
    as_json: bool,
) -> None:
    """Compile a network's weights into a circuit of resistors and diodes.

    Example: diodeq compile weights.npz -o circuit.npz --diode 1N4148
    """
    from diodeq.api.compilation import compile_at_cost

    if tune_epochs is not None and tune is None:
        raise UsageError("--tune-epochs has no meaning where nothing is tuned", "add --tune DATA, or leave it out")
    for place in (output, _nearest_beside(output)) if nearest else (output,):
        demand_place(place, read=(weights, inputs))
    hardware = get(technology) if technology else Technology()
    limits: dict[str, Any] = {"low": low, "high": high, "supply": supply, "diode": diode}
    hardware = replace(hardware, **{name: value for name, value in limits.items() if value is not None})
    loaded = open_network(weights, activation, layers, margin, as_json)
    rows = None if inputs is None else read_matrix(inputs, [f"x{k}" for k in range(loaded.network.widths[0])])
    with counting_bar() as step:
        made = compile_at_cost(
            loaded.network,
            realization,
            diode=diode,
            technology=hardware,
            amplifier=amplifier,
            error=None if error is None else error / 100.0,
            inputs=rows,
            tune=None if tune is None else load_data(tune),
            tune_epochs=tune_epochs or 1,
            nearest=nearest,
            on_step=step,
            volts_per_unit=volts_per_unit,
            remedy=remedy,
            max_gain=max_gain,
            allow_nonunique=allow_nonunique,
            title=f"compiled from {weights.name}",
        )
    if strict:
        made.demand_feasible("give fewer --volts-per-unit, another --realization or --diode, or leave --strict out")
    moved = _save_nearest(made.network, output) if made.moved else None
    made.noted(f"compiled from {weights.name}", *loaded.notes).save(output)
    _print(made, output, moved, loaded.notes if as_json else None)


def _nearest_beside(output: Path) -> Path:
    """Where the weights go that are compiled instead."""
    return output.with_name(f"{output.stem}-weights.npz")


def _save_nearest(network: Network, output: Path) -> Path:
    path = _nearest_beside(output)
    save(network, path)
    return path


def _print(made: CompiledAtCost, output: Path, moved: Path | None, notes: tuple[str, ...] | None) -> None:
    """Say it in words, or with ``notes`` as a JSON document."""
    if notes is not None:
        nearest = {} if moved is None else {"nearest_weights": str(moved)}
        print_json({"file": str(output), **nearest, **made.to_json(), "notes": list(notes)})
        return
    say("\n".join(made.sentences()))
    if moved is not None:
        say(f"wrote the weights that were compiled, the nearest passive ones, to {moved}")
    say(f"wrote {output}")
