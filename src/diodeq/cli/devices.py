"""``diodeq devices``: the diodes and measured curves that are known, what is known of one, and its picture."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.cli.amplifiers import amplifiers
from diodeq.cli.fit import fit
from diodeq.cli.import_parts import import_parts
from diodeq.cli.measure import measure
from diodeq.cli.options import JSON, POSITIVE, SIMULATOR, TIME_LIMIT, Drawable, print_json
from diodeq.cli.part_summaries import CURRENTS, shown_amperes, summaries, warmth
from diodeq.cli.technologies import technologies
from diodeq.cli.terminal import mention, say
from diodeq.devices import catalogue
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import PARAMETERS
from diodeq.devices.ratings import LIMITS
from diodeq.devices.transistor.model import TransistorModel
from diodeq.devices.two_pin import EXPORTED, TwoPin, definition
from diodeq.errors import InputError
from diodeq.files import write_atomically
from diodeq.network import ACTIVATIONS, Activation
from diodeq.printable import quantity
from diodeq.spice.numbers import shortest

TEMPERATURE = click.option(
    "--temperature", type=float, help="Temperature in °C; by default 27, or the one at which the part was measured."
)


@click.group()
def devices() -> None:
    """The diodes that are known and the activation each one induces.

    Example: diodeq devices list
    """


devices.add_command(technologies)
devices.add_command(amplifiers)
devices.add_command(fit)
devices.add_command(measure)
devices.add_command(import_parts)


@devices.command("list")
@JSON
def list_devices(as_json: bool) -> None:
    """List the diodes with their forward voltage at 27 °C.

    Your own come from $DIODEQ_DEVICES or ~/.config/diodeq/devices.toml.

    Example: diodeq devices list
    """
    known = catalogue.parts()
    added = []
    for name in catalogue.ADDED:
        try:
            added += [catalogue.ADDED[name]] if name.casefold() not in known else []
        except InputError as error:  # a package's, which harms no other part
            mention(str(error))
    parts = summaries([*known.values(), *added])
    if as_json:
        print_json(parts)
        return
    from rich import box
    from rich.table import Table

    from diodeq.cli.console import Terminal

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for current in CURRENTS:
        table.add_column(f"V_f at\n{shown_amperes(current)}", justify="right", no_wrap=True)
    table.add_column("V_z at\n1 mA", justify="right", no_wrap=True)
    table.add_column("description", ratio=3)
    table.add_column("source", ratio=4, style="dim")
    for part in parts:
        volts = ["-" if entry["volts"] is None else f"{entry['volts']:.3f}" for entry in part["forward_voltages"]]
        volts.append("-" if part["breakdown_volts"] is None else f"{part['breakdown_volts']:.4g}")
        table.add_row(part["name"], *volts, part["description"], part["source"])
    Terminal().print(table)


@devices.command()
@click.argument("name")
@TEMPERATURE
@JSON
def show(name: str, temperature: float | None, as_json: bool) -> None:
    """Show a diode's parameters, where they come from, its forward voltages and its SPICE card.

    Example: diodeq devices show 1N4148 --temperature 85
    """
    model = catalogue.get(name)
    (document,) = summaries([model], temperature)
    temperature = document["temperature"]
    if isinstance(model, TwoPin):
        card = definition(model, EXPORTED)
    else:
        # repr of a float is the shortest text that reads back as the same number
        card = f".model {model.spice_name} D({' '.join(f'{key}={shortest(value)}' for key, value in model.card())})"
    if as_json:
        print_json({**document, "card": card})
        return
    say(": ".join(filter(None, (model.name, model.description))))
    say(f"source: {model.source}\n" if model.source else "")
    if isinstance(model, CurveModel):
        say("  volt          ampere")
        for v, i in zip(model.volts, model.amperes, strict=True):
            say(f"  {v:<12.6g}  {i:.6g}")
        held = "the same at every temperature" if model.temperature is None else "measured at one temperature"
        say(f"\nmonotone cubics between these points, straight beyond them, {held}")
        say("\n".join(["in ngspice, a and c being its pins:", *model.original]) if model.original else "")
    elif isinstance(model, TransistorModel):
        for key, value in model.values().items():
            meant = model.kind.law[key]
            say(f"  {key.upper():<6} {shortest(value):<12} {meant.unit:<5} {meant.meaning}")
        say(f"\nterminals of the {model.polarity} at its pins, current flowing in at a: {model.terminals}")
    elif isinstance(model, TwoPin):
        for line in definition(model, EXPORTED).split("\n"):
            say(f"  {line}")
    else:
        for key, value in model.card():
            parameter = PARAMETERS[key.lower()]
            say(f"  {key:<5} {shortest(value):<12} {parameter.unit:<5} {parameter.meaning}")
    rated = model.ratings.known()
    if rated:
        limits = ", ".join(f"{LIMITS[key].words} {quantity(value, LIMITS[key].unit)}" for key, value in rated.items())
        say(f"\nrated: {limits} ({model.ratings.source or 'no source'})")
    say(f"\nforward voltage at {temperature:g} °C")
    for entry in document["forward_voltages"]:
        known = "never, or not measured" if entry["volts"] is None else f"{entry['volts']:.6g} V"
        say(f"  {shown_amperes(entry['amperes']):>7}  {known}")
    if document["breakdown_volts"] is not None:
        say(f"breakdown: {document['breakdown_volts']:.4g} V at 1 mA")
    if isinstance(model, TwoPin):
        say(f"\nin netlists: a subcircuit {model.spice_name}")
    else:
        say(f"\n{card}")


@devices.command()
@click.argument("name")
@click.option("-o", "--output", required=True, type=Drawable(), help="The picture to write: .svg, .png or .pdf.")
@click.option(
    "--alpha",
    type=POSITIVE,
    default=1e4,
    show_default=True,
    help="The resistance in ohm that feeds the node whose voltage is the activation.",
)
@click.option(
    "--diode", default="ideal", show_default=True, help="For an activation: the diode its element is made of."
)
@TEMPERATURE
@SIMULATOR
@TIME_LIMIT
@JSON
def plot(
    name: str,
    output: Path,
    alpha: float,
    diode: str,
    temperature: float | None,
    simulator: str,
    time_limit: float,
    as_json: bool,
) -> None:
    """Draw a diode's I-V curve and the activation it induces: the law as a line, points measured in the simulator.

    NAME may also be an activation of a network's stage, such as relu, leaky-relu:0.1 or hard-tanh: then its formula is
    drawn over the element that stands for it, compiled and measured.

    Example: diodeq devices plot 1N4148 -o 1n4148.svg
    """
    if name.lower().partition(":")[0] in ACTIVATIONS:
        _plot_activation(Activation.parse(name), output, diode, simulator, time_limit, as_json)
        return
    from diodeq.report.device_plot import device_figure, measure_device
    from diodeq.report.figures import render
    from diodeq.simulators import computing

    model = catalogue.get(name)
    temperature = warmth(model) if temperature is None else temperature
    with computing(simulator, 1, time_limit) as engine:
        points = measure_device(engine, model, alpha, temperature)
    write_atomically(output, render(device_figure(model, points), output))
    if as_json:
        print_json(
            {
                "name": model.name,
                "output": str(output),
                "simulator": points.engine,
                "temperature": temperature,
                "alpha": alpha,
                "points": len(points.currents) + len(points.outputs),
                "largest_relative_current_deviation": points.largest_current_deviation,
                "largest_activation_deviation_volts": points.largest_output_deviation,
            }
        )
    else:
        say(f"{output}: {model.name} by its law and in {points.engine}")


def _plot_activation(
    activation: Activation, output: Path, diode: str, simulator: str, time_limit: float, as_json: bool
) -> None:
    from diodeq.report.activation_plot import activation_figure, measure_activation
    from diodeq.report.figures import render
    from diodeq.simulators import computing

    with computing(simulator, 1, time_limit) as engine:
        points = measure_activation(engine, activation, diode)
    write_atomically(output, render(activation_figure(activation, points), output))
    if as_json:
        document = {"name": str(activation), "output": str(output), "simulator": points.engine, "diode": diode}
        print_json({**document, "largest_deviation": points.largest_deviation})
    else:
        say(f"{output}: {activation} by its formula and in {points.engine}")
