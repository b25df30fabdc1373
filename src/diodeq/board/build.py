"""From a circuit to the files of its project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.board import programmable, schematic
from diodeq.board.brackets import legal
from diodeq.board.completed import Bench, bench
from diodeq.board.copper import Layout
from diodeq.board.divided import boards
from diodeq.board.layout import Plan
from diodeq.board.parts import Part, nets
from diodeq.board.picture import picture
from diodeq.board.project import libraries, project, settings
from diodeq.board.proof import demand_sound
from diodeq.board.purchase import CHIPS, unpackaged
from diodeq.circuit import Circuit
from diodeq.circuit.amplifiers import amplifiers
from diodeq.circuit.check import check
from diodeq.netlist.listing import AMPLIFIED, TOLERANCES, plain
from diodeq.printable import counted

LONGEST = 400.0
"""mm of a side above which a note says that `build` divides."""


@dataclass(frozen=True)
class Built:
    """The boards of a ``circuit`` with their files by name, and what they take; ``notes`` are for who orders them."""

    name: str
    circuit: Circuit
    files: dict[str, str]
    bench: Bench
    boards: tuple[tuple[Plan, Layout], ...]
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """That of the first board."""
        return self.boards[0][1]

    @property
    def parts(self) -> list[Part]:
        """What is soldered onto all boards."""
        return [part for plan, _ in self.boards for part in plan.parts if part.kind]

    def to_json(self) -> dict[str, Any]:
        """Their figures as a plain dict; width and height are the largest board's."""
        layouts = [layout for _, layout in self.boards]
        sizes = [layout.size for layout in layouts]
        return {
            "boards": len(layouts),
            "parts": len(self.parts),
            "resistors": sum(part.kind.startswith("resistor") for part in self.parts),
            "nets": len(nets(part for plan, _ in self.boards for part in plan.parts)),
            "width_mm": max(width for width, _ in sizes),
            "height_mm": max(height for _, height in sizes),
            "area_cm2": round(sum(width * height for width, height in sizes) / 100.0, 2),
            "layers": max(layout.layers for layout in layouts),
            "pads": sum(len(each.part.package.pads) for layout in layouts for each in layout.placed),
            "vias": sum(len(layout.vias) for layout in layouts),
            "copper_mm": round(sum(track.length for layout in layouts for track in layout.tracks) / 1000.0, 1),
            "parts_by_kind": dict(Counter(part.kind for part in self.parts)),
            "notes": list(self.notes),
        }

    def sentence(self) -> str:
        """The same in a line."""
        found = self.to_json()
        kinds = "; ".join(f"{count:,} × {kind}" for kind, count in found["parts_by_kind"].items())
        size = f"{found['width_mm']:.1f} x {found['height_mm']:.1f} mm"
        boards = f"board: {size}" if found["boards"] == 1 else f"{found['boards']} boards of up to {size}"
        return (
            f"{boards} on {found['layers']} layers, {found['area_cm2']:.1f} cm²,"
            f" {counted(found['parts'], 'part')} ({kinds}), {counted(found['nets'], 'net')},"
            f" {counted(found['pads'], 'pad')}, {counted(found['vias'], 'via')},"
            f" {found['copper_mm'] / 1000.0:.2f} m of tracks"
        )


def build(
    circuit: Circuit,
    name: str,
    drives: ArrayLike | None = None,
    notes: Sequence[str] = (),
    potentiometer: str = "",
    size: tuple[float, float] | None = None,
    chip: str = CHIPS[0],
) -> Built:
    """The project of a circuit; ``drives`` float64[n_in] are the volts that its schematic is simulated with (0).

    Its conductances are `programmable.rungs` of a ``potentiometer``, where that is named. Boards are no larger than
    ``size`` in mm, as they are or turned: where one does not do, each has a project of its own, NAME-1 and so on,
    beside the schematic of all. Resistors have the size ``chip``, 0603 or 0805.

    Raises:
        CircuitError: the circuit is not sound.
        NotRealizableError: a part that nobody can solder, or boards that are too small.
    """
    check(circuit)
    name = legal(name) or "board"
    volts = np.zeros(len(circuit.inputs)) if drives is None else real("the input volts", drives)
    found = bench(circuit, volts, potentiometer, chip)
    made = boards(found, size)
    guessed = unpackaged(circuit)
    notes = [
        *notes,
        *[f"SOD-123 stands for the package of {' and '.join(guessed)}, which is not known"] * bool(guessed),
    ]
    if size is None and max(made[0][1].size) > LONGEST:
        notes = [*notes, f"a board of more than {LONGEST:g} mm is more than many houses make; add --size"]
    for _, layout in made:
        demand_sound(layout)
    given = dict(AMPLIFIED if amplifiers(circuit) else TOLERANCES)
    if not amplifiers(circuit):
        given["abstol"] = "1e-15"  # ngspice alone reaches no less where volts stand upon small resistors
    options = " ".join(f"{key}={value}" for key, value in given.items())
    directives = [f".options {options} temp={circuit.temperature:g} tnom=27", ".op"]
    title, said = _text(circuit.title) or "circuit", [_text(note) for note in (*circuit.notes, *notes)]
    files: dict[str, str] = {}
    if len(made) == 1:
        plan, layout = made[0]
        files |= project(name, title, [*found.sources, *plan.parts], layout, said, directives)
        files[f"{name}.svg"] = picture(layout)
    else:
        whole = found.plan(found.bridges, found.blocks)
        files[f"{name}.kicad_pro"] = settings(name)
        files |= schematic.schematics(name, title, [*found.sources, *whole.parts], said, directives)
        for k, (plan, layout) in enumerate(made, 1):
            files |= project(f"{name}-{k}", f"{title}, board {k}", plan.parts, layout, said, [])
            files[f"{name}-{k}.svg"] = picture(layout)
        everything = [part for plan, _ in made for part in plan.parts]
        files |= libraries([*found.sources, *everything, *whole.parts])
    files |= found.models
    if found.taps:
        files |= programmable.tables(name, potentiometer, found.taps)
    return Built(name, circuit, files, found, tuple(made), tuple(notes))


def _text(text: str) -> str:
    """A line of plain text; braces, in which KiCad names its variables, are round."""
    return plain(text).replace("{", "(").replace("}", ")")
