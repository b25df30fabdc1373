"""``diodeq devices``: the diodes and measured curves that are known, what is known of one, and its picture."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.cli.fit import fit
from diodeq.cli.measure import measure
from diodeq.cli.options import JSON, POSITIVE, SIMULATOR, TIME_LIMIT, WRITTEN, print_json
from diodeq.cli.technologies import technologies
from diodeq.cli.terminal import complain, say
from diodeq.devices import Model, catalogue
from diodeq.devices.curve.file import read_curve
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import PARAMETERS
from diodeq.devices.one_ports import forward_voltage, one
from diodeq.devices.transistor.model import TransistorModel
from diodeq.devices.two_pin import EXPORTED, TwoPin, definition
from diodeq.devices.vendor.file import Part, read_parts
from diodeq.devices.vendor.transistors import sized
from diodeq.errors import UsageError
from diodeq.files import write_atomically
from diodeq.network import ACTIVATIONS, Activation
from diodeq.printable import printable

CURRENTS = (1e-6, 1e-4, 1e-3)
HIGHEST = 1e4  # volts: beyond, a current is never reached
TEMPERATURE = click.option(
    "--temperature", type=float, help="Temperature in °C; by default 27, or the one at which the part was measured."
)


@click.group()
def devices() -> None:
    """The diodes that are known and the activation each one induces.

    Example: diodeq devices list
    """


devices.add_command(technologies)
devices.add_command(fit)
devices.add_command(measure)


@devices.command("list")
@JSON
def list_devices(as_json: bool) -> None:
    """List the diodes with their forward voltage at 27 °C. Your own come from $DIODEQ_DEVICES or
    ~/.config/diodeq/devices.toml.

    Example: diodeq devices list
    """
    parts = [_summary(catalogue.get(name)) for name in catalogue.names()]
    if as_json:
        print_json(parts)
        return
    from rich import box
    from rich.table import Table

    from diodeq.cli.console import Terminal

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for current in CURRENTS:
        table.add_column(f"V_f at\n{_amperes(current)}", justify="right", no_wrap=True)
    table.add_column("description", ratio=3)
    table.add_column("source", ratio=4, style="dim")
    for part in parts:
        volts = ["-" if entry["volts"] is None else f"{entry['volts']:.3f}" for entry in part["forward_voltages"]]
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
    document = _summary(model, temperature)
    temperature = document["temperature"]
    if isinstance(model, TwoPin):
        card = definition(model, EXPORTED)
    else:
        # repr of a float is the shortest text that reads back as the same number
        card = f".model {model.spice_name} D({' '.join(f'{key}={value!r}' for key, value in model.card())})"
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
            say(f"  {key.upper():<6} {value:<12g} {meant.unit:<5} {meant.meaning}")
        say(f"\nterminals of the {model.polarity} at its pins, current flowing in at a: {model.terminals}")
    elif isinstance(model, TwoPin):
        for line in definition(model, EXPORTED).split("\n"):
            say(f"  {line}")
    else:
        for key, value in model.card():
            parameter = PARAMETERS[key.lower()]
            say(f"  {key:<5} {value:<12g} {parameter.unit:<5} {parameter.meaning}")
    say(f"\nforward voltage at {temperature:g} °C")
    for entry in document["forward_voltages"]:
        known = "never, or not measured" if entry["volts"] is None else f"{entry['volts']:.6g} V"
        say(f"  {_amperes(entry['amperes']):>7}  {known}")
    if isinstance(model, TwoPin):
        say(f"\nin netlists: a subcircuit {model.spice_name}")
    else:
        say(f"\n{card}")


@devices.command()
@click.argument("name")
@click.option("-o", "--output", required=True, type=WRITTEN, help="The picture to write: .svg, .png or .pdf.")
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
    from diodeq.simulators import create

    model = catalogue.get(name)
    temperature = _warmth(model) if temperature is None else temperature
    with create(simulator, 1, time_limit) as engine:
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


@devices.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What to call the part, where the file has one; a curve needs it.")
@click.option("--source", "origin", metavar="TEXT", help="Of a curve: who measured it, and how.")
@click.option("--only", multiple=True, metavar="PART", help="Take this part of the file alone; repeatable.")
@click.option("--instance", metavar="W=10U …", help="Of transistors: what stands on the element's own line.")
@click.option("--replace", is_flag=True, help="Prefer these parts to known ones of the same names.")
@JSON
def import_parts(
    file: Path,
    name: str | None,
    origin: str | None,
    only: tuple[str, ...],
    instance: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Add the diodes of a vendor's SPICE file to your catalogue: .model cards, and .subckt of diodes, resistors and
    constant sources: one of two pins is one device, of more pins it is each that lies between two of them.

    A transistor (level 1 MOSFET, bipolar, junction FET) becomes a diode, gate at drain or base at collector, a junction
    FET a current limiter, gate at source: `devices show` says which terminal is at which pin.

    A FILE.csv is a measured I-V curve: volts, amperes, a header or none, two or more points in any order. Currents that
    fall as the voltage rises are taken for noise and pooled (monotone regression), which is said.

    The catalogue is $DIODEQ_DEVICES or ~/.config/diodeq/devices.toml. Nothing in the file is executed or opened, and
    ngspice never sees its text.

    Example: diodeq devices import 1N4148.lib
    """
    if file.suffix.lower() == ".csv":
        if only:
            raise UsageError("--only chooses among a SPICE file's parts, a CSV file has one curve", "leave it out")
        _import_curve(file, name, origin, replace, as_json)
        return
    if origin is not None:
        raise UsageError("--source is for curves: SPICE parts say it themselves", "leave it out")
    found = read_parts(file)
    parts = [part for part in found.parts if not only or part.model.name.casefold() in map(str.casefold, only)]
    missing = set(map(str.casefold, only)) - {part.model.name.casefold() for part in parts}
    if missing:
        there = ", ".join(part.model.name for part in found.parts[:10])
        raise UsageError(f"{file} has no part called {sorted(missing)[0]!r}", f"it has {there}")
    if instance is not None:
        parts = [_sized(part, instance) for part in parts]
    if name is not None:
        if len(parts) > 1:
            raise UsageError(f"{file} has {len(parts)} parts but --name gives one name", "choose one with --only")
        _demand_name(name)
        parts = [dataclasses.replace(parts[0], model=dataclasses.replace(parts[0].model, name=name))]
    path = catalogue.add([part.model for part in parts], replace)
    documents = [{**_summary(part.model), **_found(part)} for part in parts]
    if as_json:
        print_json({"catalogue": str(path), "parts": documents, "skipped": list(found.skipped)})
        return
    for document in documents:
        known = [entry for entry in document["forward_voltages"] if entry["volts"] is not None]
        volts = ", ".join(f"{e['volts']:.3f} V at {_amperes(e['amperes'])}" for e in known)
        pins = "" if document["pins"] is None else ", pins {anode} to {cathode}".format(**document["pins"])
        say(f"{document['name']} (line {document['line']}{pins}): V_f {volts}")
        for phrase in document["ignored"]:
            say(f"  left out: {phrase}")
    for phrase in found.skipped:
        complain(f"left out: {phrase}")
    say(f"wrote {path}")


def _sized(part: Part, instance: str) -> Part:
    if not isinstance(part.model, TransistorModel):
        raise UsageError(f"--instance is for transistors, and {part.model.name} is none", "choose with --only")
    return dataclasses.replace(part, model=sized(part.model, instance))


def _demand_name(name: str) -> None:
    if not re.fullmatch(r"[!-~]{1,64}", name):
        raise UsageError(f"{name!r} is no name for a part", "use up to 64 letters, digits, '-' and '_'")


def _import_curve(file: Path, name: str | None, origin: str | None, replace: bool, as_json: bool) -> None:
    if name is None:
        raise UsageError(f"{file} does not say what was measured", "name the part with --name")
    _demand_name(name)
    found = read_curve(file, name, printable(f"measured, {file.name}" if origin is None else origin))
    path = catalogue.add([found.model], replace)
    if as_json:
        print_json({"catalogue": str(path), "parts": [_summary(found.model)], "notes": list(found.notes)})
        return
    say(f"{name}: {found.model.description}, {len(found.model.volts)} knots")
    for note in found.notes:
        say(f"  {note}")
    say(f"wrote {path}")


def _summary(model: Model, temperature: float | None = None) -> dict[str, Any]:
    """The model as a plain dict, with its forward voltages: none at currents that it never has, or beyond what was
    measured. The temperature is by default the one it was measured at, or 27 °C."""
    temperature = _warmth(model) if temperature is None else temperature
    ports = one(model, temperature)
    most = model.amperes[-1] if isinstance(model, CurveModel) else math.inf
    known = [forward_voltage(ports, current) if current <= most else math.inf for current in CURRENTS]
    volts = [
        {"amperes": current, "volts": found if found < HIGHEST else None}
        for current, found in zip(CURRENTS, known, strict=True)
    ]
    return {**model.to_json(), "spice_name": model.spice_name, "temperature": temperature, "forward_voltages": volts}


def _warmth(model: Model) -> float:
    """The temperature at which a part was measured; 27 °C for one that has a law at every temperature."""
    measured = model.temperature if isinstance(model, CurveModel) else None
    return 27.0 if measured is None else measured


def _found(part: Part) -> dict[str, Any]:
    pins = dict(zip(("anode", "cathode"), part.pins, strict=True)) if part.pins else None
    return {"line": part.line, "pins": pins, "ignored": list(part.ignored)}


def _amperes(current: float) -> str:
    return f"{current * 1e6:g} µA" if current < 1e-3 else f"{current * 1e3:g} mA"


def _plot_activation(
    activation: Activation, output: Path, diode: str, simulator: str, time_limit: float, as_json: bool
) -> None:
    from diodeq.report.activation_plot import activation_figure, measure_activation
    from diodeq.report.figures import render
    from diodeq.simulators import create

    with create(simulator, 1, time_limit) as engine:
        points = measure_activation(engine, activation, diode)
    write_atomically(output, render(activation_figure(activation, points), output))
    if as_json:
        document = {"name": str(activation), "output": str(output), "simulator": points.engine, "diode": diode}
        print_json({**document, "largest_deviation": points.largest_deviation})
    else:
        say(f"{output}: {activation} by its formula and in {points.engine}")
