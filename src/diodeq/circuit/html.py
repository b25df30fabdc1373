"""A circuit as notebooks show it: its parts, its ports, and the schematic where it is small enough to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diodeq.circuit.kinds import KINDS
from diodeq.markup import card

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

# A schematic of more parts is a wall of symbols.
READABLE = 300


def schematic(circuit: Circuit) -> str | None:
    """The ``<svg>`` of a circuit of few parts, None for a larger one."""
    if sum(len(circuit.bank(kind)) for kind in KINDS) > READABLE:
        return None
    from diodeq.circuit.schematic import svg

    return svg(circuit)


def summary(circuit: Circuit) -> str:
    """Counts and values of every kind of part, inputs, outputs and notes, as HTML."""
    rows = [("nodes", f"{len(circuit.nodes):,}", "")]
    for kind in KINDS:
        if len(circuit.bank(kind)):
            rows.append((kind.replace("_", " "), f"{len(circuit.bank(kind)):,}", _values(circuit, kind)))
    rows.append(("inputs", f"{len(circuit.inputs):,}", _names(circuit.inputs.names)))
    rows.append(("outputs", f"{len(circuit.outputs):,}", _names(circuit.output_names)))
    rows += [("", "", note) for note in circuit.notes]
    return card(circuit.title, rows, picture=schematic(circuit) or "")


def _values(circuit: Circuit, kind: str) -> str:
    values = circuit.bank(kind).values
    if KINDS[kind].nonlinear:
        return ", ".join(circuit.models[int(number)].name for number in np.unique(values))
    said = f"{values.min():.3g} … {values.max():.3g} ({KINDS[kind].quantity})"
    return f"{said}, {int(circuit.mask.sum()):,} trainable" if kind == "resistors" else said


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{names[0]}, {names[1]}, … {names[-1]}"
