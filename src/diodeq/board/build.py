"""From a circuit to the files of its project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.board import amplified
from diodeq.board.bench import Bench, bench
from diodeq.board.brackets import legal
from diodeq.board.copper import Layout
from diodeq.board.layout import laid_out, roomy
from diodeq.board.parts import nets
from diodeq.board.project import project
from diodeq.board.proof import demand_sound
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import amplifiers
from diodeq.circuit.check import check
from diodeq.netlist.listing import AMPLIFIED, TOLERANCES, plain


@dataclass(frozen=True)
class Built:
    """A board with its files by name, and what it takes."""

    files: dict[str, str]
    bench: Bench
    layout: Layout

    def to_json(self) -> dict[str, Any]:
        """Its figures as a plain dict."""
        parts = [part for part in self.bench.plan.parts if part.kind]
        width, height = self.layout.size
        kinds: dict[str, int] = {}
        for part in parts:
            kinds[part.kind] = kinds.get(part.kind, 0) + 1
        return {
            "parts": len(parts),
            "resistors": sum(part.kind.startswith("resistor") for part in parts),
            "nets": len(nets(self.bench.plan.parts)),
            "width_mm": width,
            "height_mm": height,
            "area_cm2": round(width * height / 100.0, 2),
            "layers": self.layout.layers,
            "pads": sum(len(each.part.package.pads) for each in self.layout.placed),
            "vias": len(self.layout.vias),
            "copper_mm": round(sum(abs(t.x1 - t.x0) + abs(t.y1 - t.y0) for t in self.layout.tracks) / 1000.0, 1),
            "parts_by_kind": kinds,
        }


def build(circuit: Circuit, name: str, drives: ArrayLike | None = None, notes: Sequence[str] = ()) -> Built:
    """The project of a circuit; ``drives`` float64[n_in] are the volts that its schematic is simulated with (0).

    Raises:
        CircuitError: the circuit is not sound.
        NotRealizableError: a part that nobody can solder.
    """
    check(circuit)
    volts = np.zeros(len(circuit.inputs)) if drives is None else real("the input volts", drives)
    found = bench(circuit, volts)
    layout = laid_out(found.plan)
    demand_sound(layout)
    tolerances = AMPLIFIED if amplifiers(circuit) else TOLERANCES
    options = " ".join(f"{key}={value}" for key, value in tolerances)
    title = plain(circuit.title) or "circuit"
    files = project(
        legal(name) or "board",
        title,
        found.parts,
        layout,
        [plain(note) for note in (*circuit.notes, *notes)],
        [f".options {options} temp={circuit.temperature:g} tnom=27", ".op"],
        roomy(found.plan),
    )
    if found.library:
        files[amplified.LIBRARY] = found.library
    return Built(files, found, layout)
