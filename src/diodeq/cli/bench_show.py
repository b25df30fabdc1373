"""``diodeq bench show`` and ``circuit``: what a bench can do, and the circuit of a board that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.printable import counted, percent, quantity


@click.command()
@click.argument("description", metavar="DESCRIPTION")
@click.option("--circuit", type=click.Path(path_type=Path), help="On it: counts channels and seconds.")
@JSON
def show(description: str, circuit: Path | None, as_json: bool) -> None:
    """Say what a bench can do and what is imperfect about it.

    DESCRIPTION is a TOML file or a shipped name, xor, iris or digits, with options after colons such as
    iris:no-noise:adc.bits=8.

    Example: diodeq bench show iris
    """
    from diodeq.api import benches

    found = benches.bench(description, None if circuit is None else Circuit.load(circuit))
    if as_json:
        print_json(found)
    else:
        say("\n".join(_lines(found)))


@click.command("circuit")
@click.argument("description", metavar="DESCRIPTION")
@click.option("-o", "--output", required=True, type=WRITTEN, help="The circuit to write (.npz).")
@JSON
def bench_circuit(description: str, output: Path, as_json: bool) -> None:
    """Write the circuit of the board that DESCRIPTION is of, to train --from it.

    Example: diodeq bench circuit xor -o board.npz
    """
    from diodeq.api import benches

    circuit = benches.bench_circuit(description)
    circuit.save(output)
    if as_json:
        print_json({"circuit": str(output), "resistors": len(circuit.resistors), "diodes": len(circuit.diodes)})
    else:
        say(f"{circuit.title}: {counted(len(circuit.resistors), 'resistor')}, {counted(len(circuit.diodes), 'diode')}")


def _nodes(section: dict[str, Any], beside: str = "") -> str:
    nodes = section["nodes"]
    named = {"all": "all nodes", "outputs": "outputs"}.get(nodes) if isinstance(nodes, str) else ", ".join(nodes)
    return f"{beside} and {named}" if beside and nodes not in ("all", "outputs") else str(named)


def _lines(found: dict[str, Any]) -> list[str]:
    """What a person reads."""
    lines = [" ".join([found["name"], *found["options"]]) + (f": {found['about']}" if found["about"] else "")]
    for name, words in (
        ("drives", "inputs"),
        ("reads", f"readings of {_nodes(found['reads'])}"),
        ("injections", f"currents into {_nodes(found['injections'], 'outputs')}"),
        ("holds", "held outputs"),
    ):
        one = found[name]
        low, high = (quantity(each, one["unit"]) for each in one["range"])
        lines.append(f"{words}: {low} … {high}, {one['bits']} bits of {quantity(one['step'], one['unit'])}")
    taps = found["taps"]
    low, high = (quantity(each, "Ω") for each in taps["ohms"])
    coded = f"{taps['codes']} taps, steps of at most {percent(taps['largest_step'])}" if taps["codes"] else "any value"
    lines.append(f"resistors: {low} … {high}, {coded}" + (f" ({taps['part']})" if taps["part"] else ""))
    reading = found["reading"]
    size = "as noise and curvature ask" if reading["amplitude"] == "auto" else f"±{quantity(reading['amplitude'], 'A')}"
    lines.append(f"gradients: currents of {size}, {counted(reading['repeats'], 'reading')} each")
    if "channels" in found:
        counts = ", ".join(f"{count:,} {name}" for name, count in found["channels"].items())
        took, whole = (quantity(found[f"seconds_{each}"], "s") for each in ("a_reading", "a_gradient"))
        several = counted(found["readings_a_gradient"], "reading")
        lines.append(f"channels: {counts}; {took} a reading, {several} in {whole} a gradient and sample")
    lines.append("imperfect:" if found["imperfections"] else "nothing is imperfect")
    for name, entries in found["imperfections"].items():
        lines.append(f"  {name}: {', '.join(f'{key} = {value}' for key, value in entries.items())}")
    return lines
