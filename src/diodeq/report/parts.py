"""A circuit's parts, counted for a reader, and whether they can do what they are for."""

from __future__ import annotations

import numpy as np

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.feasibility import Feasibility
from diodeq.circuit.power import groups
from diodeq.printable import counted
from diodeq.report.page import PageSection, PageTable
from diodeq.report.quantities import quantity


def feasible(feasibility: Feasibility) -> str:
    """Whether the circuit can be built, as a sentence for the top of a page."""
    words = feasibility.sentence()
    return f"{words[0].upper()}{words[1:]}."


def parts_section(circuit: Circuit) -> PageSection:
    """How many parts of each kind there are, by purpose."""
    rows = []
    for kind in KINDS:
        for label, part in groups(circuit, kind):
            values = circuit.bank(kind).values[part]
            if kind == "resistors":
                note = f"{quantity(float(values.min()), 'S')} to {quantity(float(values.max()), 'S')}"
            elif KINDS[kind].nonlinear:
                note = ", ".join(circuit.models[int(number)].name for number in np.unique(values))
            else:
                note = ""
            name = kind.replace("_", " ")
            rows.append((name if label == kind else f"{name}: {label}", f"{len(values):,}", note))
    parts = sum(len(circuit.bank(kind)) for kind in KINDS)
    text = f"{counted(parts, 'part')} between {counted(len(circuit.nodes), 'node')}."
    return PageSection("Parts", [text], [PageTable("Parts by what they are for.", ("parts", "count", "values"), rows)])
