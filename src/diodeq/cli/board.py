"""``diodeq board``: a circuit as a KiCad project that can be ordered."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.drives import row_of
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, UNITS, WRITTEN, Amount, print_json
from diodeq.cli.quantizing import moved
from diodeq.cli.terminal import complain, say
from diodeq.errors import UsageError
from diodeq.files import demand_place
from diodeq.printable import counted


def _size(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """Width and height in mm."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)[x×]([0-9]{1,4}(?:\.[0-9]{1,3})?)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no size in mm such as 100x100")
    return float(found[1]), float(found[2])


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=WRITTEN, help="The folder to make; its name is the project's.")
@click.option("--overwrite", is_flag=True, help="Replace the files of a project that is there.")
@click.option("--fixed", is_flag=True, help="Take the nearest resistors of E24.")
@click.option(
    "--programmable",
    metavar="PART",
    help="Take digital potentiometers on a bus, each in series with 2.49 kΩ: MCP4251, MCP4131 or AD5206. All"
    " conductances are multiplied by what costs least.",
)
@click.option(
    "--complement",
    type=click.Choice(["connector", "amplifier"]),
    default="connector",
    show_default=True,
    help="Where inputs of the other sign (-x) come from: pins of their own, or inverting amplifiers.",
)
@click.option("--buffers", is_flag=True, help="Read the outputs through followers.")
@click.option("--amplifier", default="TL074", show_default=True, help="That of --complement amplifier and --buffers.")
@click.option("--package", type=click.Choice(["0603", "0805"]), default="0603", show_default=True, help="Of resistors.")
@click.option("--size", metavar="WxH", callback=_size, help="No board larger than so many mm, such as 100x100.")
@click.option(
    "--parasitics",
    type=WRITTEN,
    help="Also write the circuit with what its board adds (.npz): tracks, vias and contacts resist, surfaces leak.",
)
@click.option(
    "--contact", type=Amount("ohms"), default="0.02", show_default=True, metavar="OHMS", help="Of a connector's pin."
)
@click.option(
    "--surface",
    type=Amount("ohms"),
    default="1e12",
    show_default=True,
    metavar="OHMS",
    help="Of a square of the board's surface: 1e12 is clean, 1e9 is not.",
)
@click.option(
    "--at", type=click.Path(path_type=Path), help="CSV of inputs that the schematic is simulated with.  [default: 0 V]"
)
@click.option("--row", type=click.IntRange(min=1), default=1, show_default=True, help="Which row of the CSV, from 1.")
@click.option("--gerbers", is_flag=True, help="Let kicad-cli write Gerbers, drills and positions into fabrication/.")
@UNITS
@SIMULATOR
@TIME_LIMIT
@JSON
def board(
    circuit: Path,
    output: Path,
    overwrite: bool,
    fixed: bool,
    programmable: str | None,
    complement: str,
    buffers: bool,
    amplifier: str,
    package: str,
    size: tuple[float, float] | None,
    parasitics: Path | None,
    contact: float,
    surface: float,
    at: Path | None,
    row: int,
    gerbers: bool,
    units: str,
    simulator: str,
    time_limit: float,
    as_json: bool,
) -> None:
    """Make a KiCad project of CIRCUIT: schematic, board, parts list, and the libraries that they need.

    The board is placed and routed by construction: each layer is a matrix, rows on the front, columns on the back, a
    resistor where one crosses the other.

    Example: diodeq board run/circuit.npz -o board
    """
    from diodeq.api.boards import kicad_project
    from diodeq.board.parasitics import Surroundings

    if not (0.0 < contact < np.inf and 0.0 < surface < np.inf):
        raise UsageError("--contact and --surface must be above 0", "leave them out for a clean board")
    demand_place(output, overwrite, folder=True)
    if parasitics is not None and parasitics.parent != output:
        if parasitics.resolve() == output.resolve():
            raise UsageError(f"{parasitics} would be the project's folder and a file", "give --parasitics another name")
        demand_place(parasitics)
    loaded = Circuit.load(circuit)
    made = kicad_project(
        loaded,
        output.name,
        fixed=fixed,
        programmable=programmable or "",
        complement=complement,
        buffers=buffers,
        amplifier=amplifier,
        package=package,
        size=size,
        drives=row_of(loaded, at, row, units),
        surroundings=None if parasitics is None else Surroundings(contact, surface),
        gerbers=gerbers,
        simulator=simulator,
        time_limit=time_limit,
    )
    made.save(output, overwrite)
    if parasitics is not None and made.real is not None:
        made.real.save(parasitics)
    if as_json:
        print_json({"project": str(output), "files": sorted(made.files), **made.to_json()})
        return
    for note in made.built.notes:
        complain(f"note: {note}")
    if made.moves is not None:
        say(moved(made.moves, len(loaded.outputs), True, simulator))
    if made.copper_moves is not None:
        say(f"copper, contacts and surface: {moved(made.copper_moves, len(loaded.outputs), True, simulator)}")
    project = f"{made.built.name}.kicad_pro"
    say(f"{made.built.sentence()}\nwrote {counted(len(made.files), 'file')} to {output}: open {project}")
