"""A sheet with a whole circuit: its layers side by side and below each other, what is left over in rows below."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.circuit.graph import first_source, idle
from diodeq.circuit.kinds import KINDS
from diodeq.circuit.schematic.crossbar import Crossbar
from diodeq.circuit.schematic.layers import Layer
from diodeq.circuit.schematic.parts import draw_part
from diodeq.circuit.schematic.pen import VALUE, SchematicPen, si

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit


@dataclass
class Sheet:
    """The drawing under way: what is drawn already, and where the lowest thing is."""

    circuit: Circuit
    volts: Floats | None
    pen: SchematicPen = field(default_factory=SchematicPen)
    drawn: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    low: float = 0.0
    right: float = 0.0

    def layers(self, found: list[Layer]) -> None:
        """Crossbars, each turned against the one before it, so that a layer's lines run on into the next."""
        along: dict[int, float] = {}
        corner, horizontal = (0.0, 0.0), False
        for layer in found:
            old = [node for node in along if node in layer.rows]
            if old:
                horizontal = not horizontal
            else:
                horizontal, corner = True, (0.0, self.low - (5.0 if along else 0.0))
            along, corner = Crossbar(self, layer, horizontal, along if old else {}, corner).draw()
            self.low = min(self.low, corner[1], *(along.values() if horizontal else [0.0]))
        self.low -= 1.5

    def rest(self) -> None:
        """Every part that found no place in a layer, in rows below."""
        x, y = 0.0, self.low - 3.5
        wide = max(30.0, self.right)
        for kind in KINDS:
            # Sources that nothing uses would fill the page.
            wanted = [] if kind == "resistors" else np.flatnonzero(~idle(self.circuit, kind)).tolist()
            for k in wanted:
                if k in self.drawn[kind]:
                    continue
                if x > wide:
                    x, y = 0.0, y - 5.0
                x += draw_part(self.pen, self.circuit, kind, k, (x, y), self.said(kind, k))
                self.low = y - 3.0

    def ohms(self, k: int) -> tuple[str, str]:
        """What is written at a resistor: its name, as netlist and parts list have it, and its ohms."""
        return self.circuit.part_names("resistors")[k], si(1.0 / self.circuit.conductances[k])

    def said(self, kind: str, k: int) -> str:
        """What is written at a part."""
        circuit, value = self.circuit, float(self.circuit.bank(kind).values[k])
        spec = KINDS[kind]
        if spec.nonlinear:
            return circuit.models[int(value)].name
        if spec.source:
            number, unit = k + first_source(circuit, kind), spec.unit
            driven = circuit.inputs.source == number
            if self.volts is not None:
                return si(float(self.volts[number]), unit)
            terms = [si(value, unit)] if value or not driven.any() else []
            for column, gain in zip(circuit.inputs.column[driven], circuit.inputs.gain[driven], strict=True):
                factor = {1.0: "", -1.0: "−"}.get(gain, f"{gain:.3g} ".replace("-", "−"))
                terms.append(f"{factor}{circuit.inputs.names[column]}")
            return " + ".join(terms).replace("+ −", "− ")
        if spec.unit == "S":
            return si(value, "S")
        return f"{value:.3g}".replace("-", "−")

    def finish(self) -> str:
        circuit = self.circuit
        counts = ", ".join(
            f"{n} {spec.singular}{'s' if n != 1 else ''}"
            for kind, spec in KINDS.items()
            if (n := int(np.count_nonzero(~idle(circuit, kind))))
        )
        self.pen.say(circuit.title, (-2.2, 5.0), size=13)
        self.pen.say(f"{counts}; resistances in ohms", (-2.2, 4.2), color=VALUE, size=9)
        return self.pen.svg()
