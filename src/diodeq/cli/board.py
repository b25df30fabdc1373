"""``diodeq board``: a circuit as a KiCad project that can be ordered."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import rich_click as click

from diodeq.analysis.quantization import Cost, cost, drawn_drives
from diodeq.circuit import Circuit
from diodeq.cli.drives import row_of
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, UNITS, WRITTEN, print_json
from diodeq.cli.quantizing import moved
from diodeq.cli.terminal import complain, say
from diodeq.errors import SimulatorMissingError
from diodeq.files import write_folder
from diodeq.printable import counted
from diodeq.simulators import create

FABRICATION = "fabrication"
_SECONDS = 600.0  # that KiCad may take for a file


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=WRITTEN, help="The folder to make; its name is the project's.")
@click.option("--overwrite", is_flag=True, help="Replace the files of a project that is there.")
@click.option("--fixed", is_flag=True, help="Take the nearest resistors of E24.")
@click.option(
    "--complement",
    type=click.Choice(["connector", "amplifier"]),
    default="connector",
    show_default=True,
    help="Where inputs of the other sign (-x) come from: pins of their own, or inverting amplifiers.",
)
@click.option("--buffers", is_flag=True, help="Read the outputs through followers.")
@click.option("--amplifier", default="TL074", show_default=True, help="That of --complement amplifier and --buffers.")
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
    complement: str,
    buffers: bool,
    amplifier: str,
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
    from diodeq.board import build, buildable

    loaded = Circuit.load(circuit)
    amplifiers = "" if complement == "connector" and not buffers else amplifier
    changed, notes = buildable(loaded, fixed, complement == "amplifier", buffers, amplifiers)
    made = build(changed, output.name, row_of(loaded, at, row, units), notes)
    files: dict[str, str | bytes] = {**made.files}
    if gerbers:
        files |= _fabricated(made.name, made.files)
    moves = None if changed is loaded else _cost(loaded, changed, simulator, time_limit)
    write_folder(output, files, overwrite)
    if as_json:
        document = None if moves is None else moves.to_json()
        print_json({"project": str(output), "files": sorted(files), "moved": document, **made.to_json()})
        return
    for note in made.notes:
        complain(f"note: {note}")
    if moves is not None:
        say(moved(moves, len(loaded.outputs), True, simulator))
    say(f"{made.sentence()}\nwrote {counted(len(files), 'file')} to {output}: open {made.name}.kicad_pro")


def _cost(before: Circuit, after: Circuit, simulator: str, time_limit: float) -> Cost:
    """How far the outputs move from the circuit's to the board's, for drives drawn at random."""
    with create(simulator, 1, time_limit) as engine:
        return cost(engine, before, after, drawn_drives(before))


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
