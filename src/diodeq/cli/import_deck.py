"""``diodeq import``: a SPICE deck, or a schematic of LTspice's or KiCad's, in; a circuit out."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from diodeq.circuit import KINDS
from diodeq.cli.options import JSON, WRITTEN, print_json
from diodeq.cli.terminal import mention, say
from diodeq.files import demand_place
from diodeq.netlist.reading import import_deck
from diodeq.printable import counted


@click.command("import")
@click.argument("deck", type=click.Path(path_type=Path))
@click.option("-o", "--out", "file", required=True, type=WRITTEN, help="The circuit to write.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SOURCES",
    help="Sources to drive: v1,v2 or v* are a column each; x0=v3,-v4,x1=v5 are two columns, v4 reversed; repeatable.  "
    "[default: noted by diodeq, else swept by .dc or with a waveform or AC]",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="NODES",
    help="Voltages to read: NODE, PLUS:MINUS, or patterns as in y*_p:y*_n, with NAME= before them if you like; "
    "repeatable.  [default: noted by diodeq, else those of .print, .save and .meas]",
)
@click.option(
    "--train",
    "trainable",
    multiple=True,
    metavar="RESISTORS",
    help="Resistors that training may change, such as r1,r2 or rw*; none for none; repeatable.  [default: all]",
)
@click.option(
    "--include",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="A file, or a folder of files, that the deck may include by name, whatever path it gives; repeatable.  "
    "[default: none is opened]",
)
@JSON
def import_command(
    deck: Path,
    file: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    trainable: tuple[str, ...],
    include: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Read a SPICE deck or a schematic, drawn by hand or written by diodeq, into a circuit to simulate, train, export.

    R, D, V, I, E, F, G, H, B, .model, .param, .func, .if and subcircuits of them are read, as ngspice, LTspice, KiCad,
    Qucs-S, xschem and Xyce write them, and the schematics of LTspice (.asc) and KiCad 6 to 9 (.kicad_sch); a file's
    content tells what it is. What has no effect in direct current is left out and said; what cannot be read is refused
    with its line. No command is executed, and no file is opened that --include does not name, but for the sheets beside
    a KiCad schematic that belong to it.

    Example: diodeq import amplifier.net -o circuit.npz --input vin --output out --train 'r*'
    """
    demand_place(file, read=(deck,))
    imported = import_deck(deck, inputs, outputs, trainable, include)
    circuit = imported.circuit
    circuit.save(file)
    parts = {kind: len(circuit.bank(kind)) for kind in KINDS}
    for note in () if as_json else imported.notes:
        mention(note)
    if as_json:
        print_json(
            {
                "file": str(file),
                "nodes": len(circuit.nodes),
                **parts,
                "models": [model.name for model in circuit.models],
                "temperature": circuit.temperature,
                "inputs": list(circuit.inputs.names),
                "outputs": list(circuit.output_names),
                "trainable": int(circuit.mask.sum()),
                "notes": list(imported.notes),
            }
        )
        return
    said = [counted(len(circuit.nodes), "node")]
    said += [counted(count, KINDS[kind].singular) for kind, count in parts.items() if count]
    say(f"{', '.join(said)}; {counted(int(circuit.mask.sum()), 'resistor')} may be trained")
    say(f"inputs: {_some(circuit.inputs.names)}")
    say(f"outputs: {_some(circuit.output_names)}")
    say(f"wrote {file}")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "") if names else "none"
