"""Circuits of boards that exist, for the descriptions that come along."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from diodeq.circuit import Circuit, Inputs, Units, bank
from diodeq.circuit.check import check
from diodeq.devices.diode.model import DiodeModel
from diodeq.errors import InputError

SWING, HALF, TARGET = 1.5, 1.5, 0.3
"""Volts: of an input and of the bias rails around the middle, and between the outputs where the inputs differ"""
SPAN = (12e-6, 200e-6)
"""Siemens of the first resistors"""


def eqprop_xor(seed: int = 0) -> Circuit:
    """The network of emersonmde/eqprop: two inputs and their complements, rails of 1 V and 4 V, two hidden nodes with
    a pair of diodes each, and a pair of output nodes.

    Volts are around the middle rail of 2.5 V, which is ground here. The inputs differ where the pair of outputs is
    further apart than half of the project's target, a threshold of the host's that is a node held by a source here. The
    diode's constants are those of the project's own simulation. Resistors have random values from a seed.
    """
    names = ("0", "x1", "x1c", "x2", "x2c", "low", "high", "half", "h1", "h2", "yp", "yn")
    at = {name: k for k, name in enumerate(names)}
    held, hidden, outputs = names[1:8], names[8:10], names[10:]
    pairs = [*itertools.product(held[:6], hidden), *itertools.product(hidden, outputs)]
    volts = [0.0, 0.0, 0.0, 0.0, -HALF, HALF, TARGET / 2.0]
    low, high = (math.log(each) for each in SPAN)
    siemens = np.exp(np.random.default_rng(seed).uniform(low, high, len(pairs)))
    resistors = [(at[a], at[b], g) for (a, b), g in zip(pairs, siemens.tolist(), strict=True)]
    columns = [(0, 0, 1.0), (1, 0, -1.0), (2, 1, 1.0), (3, 1, -1.0)]
    source, column, gain = (np.array(each) for each in zip(*columns, strict=True))
    constants = {"is": 1e-7, "n": 1.1}
    return check(
        Circuit(
            nodes=names,
            resistors=bank("resistors", resistors, [f"r_w{k}" for k in range(1, len(pairs) + 1)]),
            diodes=bank("diodes", [pair for node in hidden for pair in ((at[node], 0, 0), (0, at[node], 0))]),
            voltage_sources=bank("voltage_sources", [(at[n], 0, v) for n, v in zip(held, volts, strict=True)]),
            models=(DiodeModel("BAT42", tuple(constants.items()), "emersonmde/eqprop: sim/eqprop/diode.py"),),
            inputs=Inputs(source, column, gain, ("x0", "x1")),
            outputs=np.array([[at["half"], 0], [at["yp"], at["yn"]]], np.int32),
            output_names=("equal", "unequal"),
            trainable=np.ones(len(pairs), bool),
            units=Units(np.zeros(2), np.full(2, SWING), output_scale=20.0),
            title="XOR board of emersonmde/eqprop",
        )
    )


BOARDS: dict[str, Callable[[], Circuit]] = {"eqprop-xor": eqprop_xor}


def board(name: str) -> Circuit:
    """The circuit that a description names; raises ``InputError`` where there is none of the name."""
    if name not in BOARDS:
        raise InputError(f"there is no board called {name!r}", f"use one of {', '.join(BOARDS)}")
    return BOARDS[name]()
