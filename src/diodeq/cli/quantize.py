"""``diodeq quantize``: a circuit of resistors that can be bought or programmed, and what that costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.bits import BITS, try_bits
from diodeq.cli.options import JSON, SIMULATOR, STRICT, TIME_LIMIT, WORKERS, WRITTEN, plot, print_json
from diodeq.cli.quantizing import PartOptions, document, quantizing, words
from diodeq.cli.terminal import say
from diodeq.errors import UsageError
from diodeq.files import demand_place, write_atomically


@click.command("quantize")
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=WRITTEN, help="The circuit to write (.npz).")
@quantizing
@BITS
@plot("Draw conductances before and after")
@STRICT
@SIMULATOR
@WORKERS
@TIME_LIMIT
@JSON
def quantize_command(
    circuit: Path,
    output: Path | None,
    bits: str | None,
    tolerance: float,
    activation: str | None,
    layers: tuple[str, ...] | None,
    margin: float | None,
    picture: Path | None,
    strict: bool,
    simulator: str,
    workers: int | None,
    time_limit: float,
    as_json: bool,
    **parts: Any,
) -> None:
    """Replace every resistor by the nearest that can be bought or programmed, and measure what that costs.

    The result is a circuit like any other: simulate it, export it, train it on (train --from OUTPUT --quantize E24).

    With --bits it tries several numbers of values, of a circuit's resistors or of a network's weights, and says of each
    what it costs and what is proved: one equilibrium for every input, and decisions that no board changes.

    Example: diodeq quantize run/circuit.npz --series E24 --data digits -o e24.npz
    """
    asked = PartOptions.taken(parts)
    weights = {"activation": activation, "layers": layers, "margin": margin}
    if bits is not None:
        given = next(
            (name for name, value in (("-o", output), ("--plot", picture), ("--strict", strict)) if value), None
        )
        if given:
            raise UsageError(f"{given} has no meaning with --bits, which writes nothing", "leave it out")
        try_bits(circuit, bits, asked, tolerance, weights, (simulator, workers, time_limit), as_json)
        return
    given = next((f"--{name}" for name, value in weights.items() if value is not None), None)
    if given:
        raise UsageError(f"{given} has no meaning without --bits", "leave it out")
    if output is None:
        raise UsageError("there is no file to write the circuit to", "add -o OUTPUT, or --bits 2:8")
    ladder = asked.ladder()
    if ladder is None:
        raise UsageError("there are no parts to choose from", "add --series E24, --programmable AD5206 or --levels 16")
    demand_place(output)
    loaded = Circuit.load(circuit)
    changed = asked.apply(loaded, circuit, ladder, simulator=simulator, workers=workers, time_limit=time_limit)
    quantized = changed.quantized
    if strict:
        changed.feasibility.demand("choose other parts, lower the supply or leave --strict out; nothing was written")
    if picture is not None:
        from diodeq.report.figures import render
        from diodeq.report.quantize_plot import quantize_figure

        write_atomically(picture, render(quantize_figure(quantized, loaded.title), picture))
    quantized.circuit.save(output)
    if as_json:
        print_json({"file": str(output), **document(changed)})
        return
    say(words(changed, not asked.samples.given))
    say(f"wrote {output}")
