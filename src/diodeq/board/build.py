"""From a circuit to the files of its project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.board import programmable
from diodeq.board.bench import Bench, bench
from diodeq.board.brackets import legal
from diodeq.board.copper import Layout
from diodeq.board.layout import laid_out, roomy
from diodeq.board.parts import nets
from diodeq.board.picture import picture
from diodeq.board.project import project
from diodeq.board.proof import demand_sound
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import amplifiers
from diodeq.circuit.check import check
from diodeq.netlist.listing import AMPLIFIED, TOLERANCES, plain
from diodeq.printable import counted


@dataclass(frozen=True)
class Built:
    """A board of a ``circuit`` with its files by name, and what it takes; ``notes`` are sentences for who orders it."""

    name: str
    circuit: Circuit
    files: dict[str, str]
    bench: Bench
    layout: Layout
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Its figures as a plain dict."""
        parts = [part for part in self.bench.plan.parts if part.kind]
        width, height = self.layout.size
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
            "copper_mm": round(sum(track.length for track in self.layout.tracks) / 1000.0, 1),
            "parts_by_kind": dict(Counter(part.kind for part in parts)),
            "notes": list(self.notes),
        }

    def sentence(self) -> str:
        """The same in a line."""
        found = self.to_json()
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in found["parts_by_kind"].items())
        return (
            f"board: {found['width_mm']:.1f} x {found['height_mm']:.1f} mm on {found['layers']} layers,"
            f" {counted(found['parts'], 'part')} ({kinds}), {counted(found['nets'], 'net')},"
            f" {counted(found['pads'], 'pad')}, {counted(found['vias'], 'via')},"
            f" {found['copper_mm'] / 1000.0:.2f} m of tracks"
        )


def build(
    circuit: Circuit, name: str, drives: ArrayLike | None = None, notes: Sequence[str] = (), potentiometer: str = ""
) -> Built:
    """The project of a circuit; ``drives`` float64[n_in] are the volts that its schematic is simulated with (0).

    Its conductances are `programmable.rungs` of a ``potentiometer``, where that is named.

    Raises:
        CircuitError: the circuit is not sound.
        NotRealizableError: a part that nobody can solder.
    """
    check(circuit)
    name = legal(name) or "board"
    volts = np.zeros(len(circuit.inputs)) if drives is None else real("the input volts", drives)
    found = bench(circuit, volts, potentiometer)
    layout = laid_out(found.plan)
    demand_sound(layout)
    options = " ".join(f"{key}={value}" for key, value in (AMPLIFIED if amplifiers(circuit) else TOLERANCES))
    title = _text(circuit.title) or "circuit"
    files = project(
        name,
        title,
        found.parts,
        layout,
        [_text(note) for note in (*circuit.notes, *notes)],
        [f".options {options} temp={circuit.temperature:g} tnom=27", ".op"],
        roomy(found.plan),
    )
    files[f"{name}.svg"] = picture(layout)
    files |= found.models
    if found.taps:
        files |= programmable.tables(name, potentiometer, found.taps)
    return Built(name, circuit, files, found, layout, tuple(notes))


def _text(text: str) -> str:
    """A line of plain text; braces, in which KiCad names its variables, are round."""
    return plain(text).replace("{", "(").replace("}", ")")
