"""``diodeq crossbar``: layers as arrays with wires that resist, what that costs, and its compensation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, SIMULATOR, TIME_LIMIT, WORKERS, WRITTEN, print_json
from diodeq.cli.samples import Samples, sampled
from diodeq.cli.terminal import say
from diodeq.devices.hardware.technology import Technology
from diodeq.files import demand_place
from diodeq.measures import MEASURES
from diodeq.printable import change, counted, percent

# Above this relative error pre-distortion did not do what it is for.
REACHED = 0.01


@click.command("crossbar")
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=WRITTEN, help="The circuit to write (.npz).")
@click.option("--segment", type=float, required=True, metavar="OHMS", help="Of the wire from one cell to the next.")
@click.option("--bit-segment", type=float, metavar="OHMS", help="The same of bit lines.  [default: --segment]")
@click.option(
    "--drive",
    type=click.Choice(["one", "both"]),
    default="one",
    show_default=True,
    help="Whether lines are joined to their nodes at one end or at both.",
)
@click.option(
    "--scale",
    type=float,
    default=1.0,
    show_default=True,
    help="Multiply all conductances first: weaker cells mind the wires less, and only the diodes mind the scale.",
)
@click.option("--compensate", is_flag=True, help="Pre-distort: program cells so that arrays conduct as drawn.")
@click.option(
    "--conductances",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Siemens within which --compensate keeps cells.  [default: 1e-7 1e-2]",
)
@sampled
@SIMULATOR
@WORKERS
@TIME_LIMIT
@JSON
def crossbar(
    circuit: Path,
    output: Path,
    segment: float,
    bit_segment: float | None,
    drive: str,
    scale: float,
    compensate: bool,
    conductances: tuple[float, float] | None,
    simulator: str,
    workers: int | None,
    time_limit: float,
    as_json: bool,
    **given: Any,
) -> None:
    """Lay every dense layer of CIRCUIT out as a crossbar of cells, with the resistance of its wires, and measure it.

    Rows of a layer are word lines, columns bit lines. The result is a circuit like any other, whose cells can be
    trained on: train --from OUTPUT. Without --data or --inputs, inputs are drawn at random.

    Example: diodeq crossbar run/circuit.npz -o array.npz --segment 2.5 --compensate --data digits
    """
    from diodeq.api import studies

    demand_place(output)
    loaded = Circuit.load(circuit)
    drives, labels = Samples(**given).read(circuit, loaded)
    technology = Technology(*conductances) if conductances else Technology()
    made = studies.crossbar(
        *(loaded, segment),
        bit_ohms=bit_segment,
        both_ends=drive == "both",
        scale=scale,
        compensate=technology if compensate else False,
        inputs=drives,
        labels=labels,
        units="volts",
        simulator=simulator,
        workers=workers,
        time_limit=time_limit,
    )
    made.circuit.save(output)
    laid, better = made.laid, made.better
    found, after = made.costs[0], made.costs[1] if better else None
    document = {
        "file": str(output),
        "arrays": [list(array.cells.shape) for array in laid.arrays],
        "cells": sum(array.cells.size for array in laid.arrays),
        "wire_segments": len(laid.circuit.resistors) - len(loaded.resistors),
        "nodes": len(laid.circuit.nodes),
        "ohms_word": segment,
        "ohms_bit": segment if bit_segment is None else bit_segment,
        "drive": drive,
        "scale": scale,
        "simulator": made.version,
        "wires": found.to_json(),
        "compensated": after.to_json() if after else None,
        "predistortion": {
            "error_before": better.before,
            "error_after": better.after,
            "cells_at_limit": better.limited,
        }
        if better
        else None,
    }
    if as_json:
        print_json(document)
        return
    say("\n".join(_words(document, len(loaded.outputs) > 1)))


def _words(found: dict[str, Any], decides: bool) -> Iterator[str]:
    """Lines to read; ``decides`` says that there are several outputs, of which one is the highest."""
    shapes = ", ".join(" x ".join(map(str, shape)) for shape in found["arrays"])
    yield (
        f"arrays of {shapes}: {counted(found['cells'], 'cell')}, {counted(found['wire_segments'], 'wire segment')},"
        f" {counted(found['nodes'], 'node')}"
    )
    yield _cost("wires", found["wires"], found["simulator"], decides)
    done = found["predistortion"]
    if done:
        yield (
            f"pre-distortion: effective conductances were off by {100 * done['error_before']:.3g} %, are by"
            f" {100 * done['error_after']:.2g} %; {counted(done['cells_at_limit'], 'cell')} at the end of their range"
        )
        if done["error_after"] > REACHED:
            yield "note: these wires resist too much for cells to conduct as drawn; --scale 0.1 makes all cells weaker"
        yield _cost("pre-distorted", found["compensated"], found["simulator"], decides)
    yield f"wrote {found['file']}"


def _cost(what: str, found: dict[str, Any], simulator: str, decides: bool) -> str:
    kept = f"; {percent(found['agreement'])} keep their highest output" if decides else ""
    key = next((key for key in MEASURES if found[key] is not None), None)
    known = "" if key is None else f"; {MEASURES[key].drawn(found[key], found[f'{key}_before'])}"
    return (
        f"{what}: outputs move by {found['rms']:.3g} V rms ({change(found['relative'])}), {found['largest']:.3g} V"
        f" at most, over {counted(found['samples'], 'sample')}{kept}{known} ({simulator})"
    )
