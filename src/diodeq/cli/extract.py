"""``diodeq extract``: the equilibrium network that a circuit is."""

from __future__ import annotations

import math
from pathlib import Path

import rich_click as click

from diodeq.circuit import Circuit
from diodeq.cli.options import JSON, POSITIVE, WRITTEN, print_json
from diodeq.cli.terminal import say
from diodeq.files import demand_place
from diodeq.printable import counted


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=WRITTEN, help="The network (.npz or .safetensors).")
@click.option("--alpha", type=POSITIVE, help="The step of W = I - alpha H, in ohms; chosen by default.")
@JSON
def extract(circuit: Path, output: Path, alpha: float | None, as_json: bool) -> None:
    """Write the equilibrium network z = σ(W z + U u + b) that a circuit is, whatever it is made of.

    Each one-port is a unit, and its own law the activation; inputs and outputs are in the circuit's units. A unit is
    described by its voltage, or by its current where voltages leave something open. Units that amplifiers drive one way
    are stages of a cascade.

    Example: diodeq extract run/circuit.npz -o network.npz
    """
    from diodeq.api.extraction import extract as extracted
    from diodeq.network.weights import save

    demand_place(output, read=(circuit,))
    found = extracted(Circuit.load(circuit), alpha)
    save(found.network, output)
    kernel, step, several = found.kernel, found.alpha, found.several
    if as_json:
        print_json(
            {
                "units": len(kernel.H),
                "currents": int(kernel.currents.sum()),
                "inputs": kernel.B.shape[1],
                "outputs": len(kernel.C),
                "stages": len(kernel.stages),
                "alpha_ohms": step,
                "margin_siemens": kernel.margin if math.isfinite(kernel.margin) else None,
                "unique": several is None,
                "feedthrough": bool(kernel.D.any()),
            }
        )
        return
    say(
        f"{counted(len(kernel.H), 'unit')} ({int(kernel.currents.sum())} described by currents), "
        f"{counted(kernel.B.shape[1], 'input')}, {counted(len(kernel.C), 'output')}"
    )
    if len(kernel.stages) > 1:
        say(f"a cascade of {len(kernel.stages)} stages; the margin is the smallest of theirs")
    if len(kernel.H):
        say(f"W = I - alpha H with alpha = {step:.6g} ohm; the margin of H is {kernel.margin:.3g} S")
    if kernel.D.any():
        say("inputs reach outputs past the one-ports: further units without a one-port carry them")
    say(
        "one operating point for every input"
        if several is None
        else f"several operating points are possible: {several}"
    )
