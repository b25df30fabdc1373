"""The layered circuit: rails, layers of diode nodes and differential outputs, joined by trainable resistors.

The topology of in-circuit training: the inputs drive dual rails (+x, -x), a pair of constant rails gives the bias,
every hidden node has a unit (``devices.units``), one grounded diode whose polarity alternates where nothing else is
said, an output is a pair of plain nodes. There are no amplifiers between the layers, so each layer loads the one before
it: the whole circuit is one equilibrium.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diodeq.arrays import seeds
from diodeq.circuit import Circuit, Units
from diodeq.devices import Model
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import UsageError
from diodeq.synthesis.assembly import Assembly
from diodeq.synthesis.topologies import topology as parsed


def layered(
    widths: Sequence[int],
    diode: Model,
    volts: float,
    *,
    unit: str = "diode",
    topology: str = "dense",
    lateral: bool = False,
    seed: int | Sequence[int] = 0,
    technology: Technology | None = None,
    median: float = 1e-5,
    spread: float = 1.0,
    units: Units | None = None,
    temperature: float = 27.0,
    title: str = "",
) -> Circuit:
    """A layered circuit with random conductances, all of them trainable.

    Args:
        widths: ``(inputs, hidden 1, …, outputs)``; at least one hidden layer.
        diode: the model of every hidden diode, or of what a unit makes of it.
        volts: the bias rails are at +volts and -volts.
        unit: what every hidden node has, as ``devices.units`` writes it.
        topology: what the hidden layers are joined to before them, as ``synthesis.topologies`` writes it.
        lateral: join every two nodes of a hidden layer by a resistor (a true equilibrium layer).
        seed: of the initial values, which are log-normal.
        technology: its conductance range clips the initial values.
        median: of the initial conductances, siemens.
        spread: standard deviation of the logarithm of the initial conductances.
        units: how features become volts and outputs become scores; volts themselves by default.
        temperature: of the circuit, °C.
        title: of the circuit.

    Nodes are ``bias_p bias_n x0_p x0_n … h1_0 … y0_p y0_n …``, then a unit's rails and inner nodes, if it has any;
    resistors are grouped by what they join.

    Raises:
        UsageError: a width is not a positive whole number, there is no hidden layer, a number is out of range, or the
            topology is not possible.
    """
    if isinstance(widths, (str, int)) or not hasattr(widths, "__len__"):
        raise UsageError(f"the widths cannot be {widths!r}", "give such as (4, 10, 3)")
    if len(widths) < 3:
        raise UsageError(
            f"widths {tuple(widths)} have no hidden layer, so the circuit has no diode",
            "give at least one hidden width",
        )
    joined = parsed(topology)
    # Not the stream of the initial values: those of a dense circuit do not depend on it.
    random = np.random.default_rng(seeds(seed).spawn(1)[0])
    board = Assembly()
    bias, rails = board.bias(volts), board.inputs(widths[0])
    hidden = [board.layer(width, unit="") for width in widths[1:-1]]
    outputs = board.outputs(widths[-1])
    before, below = "inputs", rails
    for number, nodes in enumerate(hidden, start=1):
        board.hang(nodes, unit, diode, f"hidden {number}")
        pairs = (joined.first if number == 1 else joined.later)(below, nodes, random)
        board.wire(pairs, label=f"{before} to hidden {number}")
        board.join(bias, nodes, label=f"bias to hidden {number}")
        if lateral:
            first, second = np.triu_indices(len(nodes), k=1)
            board.wire(nodes[np.stack([first, second], axis=1)], label=f"within hidden {number}")
        before, below = f"hidden {number}", nodes
    board.join(below, outputs, label=f"{before} to outputs")
    board.join(bias, outputs, label="bias to outputs")
    return board.circuit(
        median=median,
        spread=spread,
        seed=seed,
        technology=technology,
        units=units,
        temperature=temperature,
        title=title or "layered " + "-".join(str(width) for width in widths),
    )
