"""``diodeq board``: a circuit as a KiCad project that can be ordered."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rich_click as click

from diodeq.analysis.quantization import best_scaled, cost, drawn_drives
from diodeq.circuit import Circuit
from diodeq.cli.drives import row_of
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, UNITS, WRITTEN, Amount, print_json
from diodeq.cli.quantizing import moved
from diodeq.cli.terminal import complain, say
from diodeq.devices.hardware.ladder import ladder
from diodeq.errors import SimulatorMissingError, UsageError
from diodeq.files import demand_place, write_folder
from diodeq.printable import change, counted
from diodeq.simulators import create
from diodeq.simulators.base import Simulator
from diodeq.synthesis.quantize import quantize

FABRICATION = "fabrication"
_SECONDS = 600.0  # that KiCad may take for a file


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
@click.option("--gerbers", is_flag=True, help=f"Let kicad-cli write Gerbers, drills and positions into {FABRICATION}/.")
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
    from diodeq.board import build
    from diodeq.board.drivers import driven
    from diodeq.board.parasitics import Surroundings, realistic
    from diodeq.board.programmable import rungs

    if fixed and programmable:
        raise UsageError("--fixed and --programmable exclude each other", "give one of them")
    if not (0.0 < contact < np.inf and 0.0 < surface < np.inf):
        raise UsageError("--contact and --surface must be above 0", "leave them out for a clean board")
    demand_place(output, overwrite, folder=True)
    if parasitics is not None and parasitics.parent != output:
        if parasitics.resolve() == output.resolve():
            raise UsageError(f"{parasitics} would be the project's folder and a file", "give --parasitics another name")
        demand_place(parasitics)
    loaded = Circuit.load(circuit)
    amplifiers = complement == "amplifier", buffers
    with create(simulator, 1, time_limit) as engine:
        changed, notes = _of_parts(engine, loaded, fixed, programmable or "")
        if any(amplifiers):
            changed = driven(changed, *amplifiers, amplifier)
        moves = None if changed is loaded else cost(engine, loaded, changed, drawn_drives(loaded))
    if programmable and moves and moves.apart > (span := rungs(programmable).single.span):
        notes.append(
            f"nodes come {moves.apart:.3g} V apart, but {programmable} takes {span:g} V; train with --supply 2.5"
        )
    made = build(changed, output.name, row_of(loaded, at, row, units), notes, programmable or "", size, package)
    files: dict[str, str | bytes] = {**made.files}
    if gerbers:
        for name in (file.removesuffix(".kicad_pcb") for file in made.files if file.endswith(".kicad_pcb")):
            files |= _fabricated(name, made.files)
    copper = None
    if parasitics is not None:
        real = realistic(made, Surroundings(contact, surface))
        with create(simulator, 1, time_limit) as engine:
            copper = cost(engine, changed, real, drawn_drives(changed))
    write_folder(output, files, overwrite, (".kicad_pro",))
    if parasitics is not None:
        real.save(parasitics)
    if as_json:
        document = {"moved": moves and moves.to_json(), "copper_moves": copper and copper.to_json()}
        print_json({"project": str(output), "files": sorted(files), **document, **made.to_json()})
        return
    for note in made.notes:
        complain(f"note: {note}")
    if moves is not None:
        say(moved(moves, len(loaded.outputs), True, simulator))
    if copper is not None:
        say(f"copper, contacts and surface: {moved(copper, len(loaded.outputs), True, simulator)}")
    say(f"{made.sentence()}\nwrote {counted(len(files), 'file')} to {output}: open {made.name}.kicad_pro")


def _of_parts(engine: Simulator, circuit: Circuit, fixed: bool, programmable: str) -> tuple[Circuit, list[str]]:
    """The circuit with the resistors asked for, the same object where it has them, and sentences about them."""
    from diodeq.board.programmable import rungs
    from diodeq.board.purchase import odd_values

    if not fixed and not programmable:
        odd = odd_values(circuit)
        have = "has a value" if odd == 1 else "have values"
        told = f"{counted(odd, 'resistor')} {have} that no shop has; add --fixed, or see diodeq quantize"
        return circuit, [told] * bool(odd)
    if programmable:
        quantized = best_scaled(engine, circuit, rungs(programmable), drawn_drives(circuit))
    else:
        quantized = quantize(circuit, ladder("E24"))
    worst = float(np.abs(quantized.errors).max(initial=0.0))
    scaled = f" after all conductances times {quantized.scale:.4g}" if quantized.scale != 1.0 else ""
    told = f"resistors are the nearest of {quantized.ladder.name}{scaled}, the worst {change(worst)} off in conductance"
    beyond = f"{counted(quantized.beyond, 'resistor')} lay outside the values that there are"
    return quantized.circuit, [told, *[beyond] * bool(quantized.beyond)]


def _fabricated(name: str, files: Mapping[str, str]) -> dict[str, bytes]:
    """What a board house wants, as KiCad makes it of a project."""
    tool = shutil.which("kicad-cli")
    if tool is None:
        raise SimulatorMissingError("kicad-cli is not installed, which writes Gerbers", "install KiCad 8 or 9")
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder) / name, files)
        board, made = str(Path(folder) / name / f"{name}.kicad_pcb"), Path(folder) / FABRICATION
        made.mkdir()
        for words in (["gerbers"], ["drill"], ["pos", "--format", "csv"]):
            where = str(made / "positions.csv") if words[0] == "pos" else f"{made}/"
            done = subprocess.run(
                [tool, "pcb", "export", *words, "--output", where, board],
                capture_output=True, text=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SimulatorMissingError(f"kicad-cli cannot export {words[0]}: {done.stderr.strip()}", "see KiCad")
        return {f"{FABRICATION}/{path.name}": path.read_bytes() for path in sorted(made.iterdir())}
