"""The layered circuit: rails, layers of diode nodes and differential outputs, joined by dense trainable resistors.

The topology of in-circuit training: the inputs drive dual rails (+x, -x), a pair of constant rails gives the bias,
every hidden node has a unit (``devices.units``), one grounded diode whose polarity alternates where nothing else is
said, an output is a pair of plain nodes. There are no amplifiers between the layers, so each layer loads the one before
it: the whole circuit is one equilibrium.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Bank, Circuit, Inputs, Units
from diodeq.devices import Model
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.units import Unit
from diodeq.errors import UsageError

Ints = NDArray[np.int32]


def layered(
    widths: Sequence[int],
    diode: Model,
    volts: float,
    *,
    unit: str = "diode",
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
        UsageError: a width is not a positive whole number, there is no hidden layer, or a number is out of range.
    """
    widths = _checked(widths)
    for what, value in (("volts", volts), ("median", median)):
        if not (math.isfinite(value) and value > 0.0):
            raise UsageError(f"{what} = {value:g} is not possible", "give a positive number")
    if not (math.isfinite(spread) and spread >= 0.0):
        raise UsageError(f"spread = {spread:g} is not possible", "give zero or a positive number")
    technology = technology or Technology()
    names, rails, bias, hidden, outputs = _number(widths)
    names, diodes, rail_nodes, levels = _hang(Unit.parse(unit), names, hidden)
    groups = list(_joints(rails, bias, hidden, outputs, lateral))
    terminals = np.concatenate([pairs for _, pairs in groups])
    logarithms = math.log(median) + spread * np.random.default_rng(seed).standard_normal(len(terminals))
    resistors = Bank(
        terminals, technology.clip(np.exp(logarithms)), groups=tuple((label, len(p)) for label, p in groups)
    )
    columns = np.arange(widths[0])
    return Circuit(
        nodes=names,
        resistors=resistors,
        diodes=diodes,
        voltage_sources=_sources(bias, rails, volts, rail_nodes, levels),
        models=(Unit.parse(unit).kind.device(diode),),
        inputs=Inputs(
            source=np.arange(2, 2 + 2 * widths[0], dtype=np.int32),
            column=np.repeat(columns, 2).astype(np.int32),
            gain=np.tile([1.0, -1.0], widths[0]),
            names=tuple(f"x{j}" for j in columns),
        ),
        outputs=outputs.reshape(-1, 2),
        output_names=tuple(f"y{k}" for k in range(widths[-1])),
        trainable=np.ones(len(terminals), bool),
        units=units,
        temperature=temperature,
        title=title or "layered " + "-".join(str(width) for width in widths),
    )


def _checked(widths: Sequence[int]) -> tuple[int, ...]:
    if len(widths) < 3:
        raise UsageError(
            f"widths {tuple(widths)} have no hidden layer, so the circuit has no diode",
            "give at least one hidden width",
        )
    for place, width in enumerate(widths):
        if width < 1 or width != int(width):
            what = "input" if place == 0 else "output" if place == len(widths) - 1 else "hidden"
            raise UsageError(f"a layered circuit cannot have {width} {what} units", "give a whole number of at least 1")
    return tuple(int(width) for width in widths)


def _number(widths: tuple[int, ...]) -> tuple[tuple[str, ...], Ints, Ints, list[Ints], Ints]:
    """Node names and the node numbers of input rails, bias rails, each hidden layer, and outputs (pairs in a row)."""
    names = ["0", "bias_p", "bias_n"]
    names += [f"x{j}_{sign}" for j in range(widths[0]) for sign in "pn"]
    rails = np.arange(3, len(names), dtype=np.int32)
    hidden = []
    for layer, width in enumerate(widths[1:-1], start=1):
        hidden.append(np.arange(len(names), len(names) + width, dtype=np.int32))
        names += [f"h{layer}_{k}" for k in range(width)]
    outputs = np.arange(len(names), len(names) + 2 * widths[-1], dtype=np.int32)
    names += [f"y{k}_{sign}" for k in range(widths[-1]) for sign in "pn"]
    return tuple(names), rails, np.array([1, 2], np.int32), hidden, outputs


def _joints(rails: Ints, bias: Ints, hidden: list[Ints], outputs: Ints, lateral: bool) -> Iterator[tuple[str, Ints]]:
    """What is joined to what: a label and the terminals int32[n, 2] of its resistors."""
    before, below = "inputs", rails
    for layer, nodes in enumerate(hidden, start=1):
        yield f"{before} to hidden {layer}", _every_pair(below, nodes)
        yield f"bias to hidden {layer}", _every_pair(bias, nodes)
        if lateral and len(nodes) > 1:
            first, second = np.triu_indices(len(nodes), k=1)
            yield f"within hidden {layer}", np.stack([nodes[first], nodes[second]], axis=1)
        before, below = f"hidden {layer}", nodes
    yield f"{before} to outputs", _every_pair(below, outputs)
    yield "bias to outputs", _every_pair(bias, outputs)


def _every_pair(first: Ints, second: Ints) -> Ints:
    return np.stack([np.repeat(first, len(second)), np.tile(second, len(first))], axis=1)


def _hang(
    unit: Unit, names: tuple[str, ...], hidden: list[Ints]
) -> tuple[tuple[str, ...], Bank, Ints, tuple[float, ...]]:
    """Units on the hidden nodes: all node names, the diodes, and the units' rails with their volts.

    Of units that alternate, even nodes' diodes conduct when they would go negative, odd ones' positive.
    """
    element, nodes = unit.element, np.concatenate(hidden)
    rails = np.arange(len(names), len(names) + len(element.rails), dtype=np.int32)
    names += tuple(rail.name for rail in element.rails)
    places = {"node": nodes, "0": np.zeros_like(nodes)}
    places |= {rail.name: np.full_like(nodes, node) for rail, node in zip(element.rails, rails.tolist(), strict=True)}
    for inner in element.inner:
        places[inner] = np.arange(len(names), len(names) + len(nodes), dtype=np.int32)
        names += tuple(f"h{layer}_{k}_{inner}" for layer, own in enumerate(hidden, start=1) for k in range(len(own)))
    # Units one after the other, each with all of its diodes.
    terminals = np.stack([np.stack([places[a], places[c]], axis=1) for a, c in element.diodes], axis=1)
    if unit.kind.alternating:
        odd = np.concatenate([np.arange(len(layer)) % 2 == 1 for layer in hidden])
        terminals[odd] = terminals[odd][:, :, ::-1]
    terminals = terminals.reshape(-1, 2)
    each = len(element.diodes)
    groups = tuple((f"hidden {layer}", each * len(own)) for layer, own in enumerate(hidden, start=1))
    diodes = Bank(terminals, np.zeros(len(terminals)), groups=groups)
    return names, diodes, rails, tuple(rail.level for rail in element.rails)


def _sources(bias: Ints, rails: Ints, volts: float, others: Ints, levels: tuple[float, ...]) -> Bank:
    """The bias sources (+volts, -volts), one source per input rail (0 V until it is driven) and the units' rails, all
    to ground."""
    nodes = np.concatenate([bias, rails, others])
    values = np.zeros(len(nodes))
    values[:2] = volts, -volts
    values[len(nodes) - len(others) :] = levels
    groups = (("bias rails", len(bias)), ("input rails", len(rails)), ("unit rails", len(others)))
    return Bank(
        np.stack([nodes, np.zeros_like(nodes)], axis=1), values, groups=tuple(each for each in groups if each[1])
    )
