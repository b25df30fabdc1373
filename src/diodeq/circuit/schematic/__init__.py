"""A circuit as a picture: each layer of resistors a crossbar, the other parts at their nodes; large ones a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real
from diodeq.circuit.graph import idle
from diodeq.circuit.kinds import KINDS
from diodeq.circuit.schematic.layers import layers
from diodeq.circuit.schematic.sheet import Sheet

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

# The most lines into a layer, nodes in it, other parts, and layers that are still drawn part by part.
SMALL = (26, 12, 80, 8)


def svg(circuit: Circuit, drives: ArrayLike | None = None) -> str:
    """The circuit as an SVG picture that is right on white and on dark pages.

    Layers of up to about 12 by 12 (26 rails by 12 nodes) are drawn part by part, larger ones as heat maps of their
    conductances. ``drives`` float64[n_in] are written at the sources; without them the inputs' names are.

    Raises:
        CircuitError: the drives do not fit, or the circuit is more than even a heat map can show.
    """
    found = layers(circuit)
    volts = None if drives is None else circuit.source_values(real("the input volts", drives).reshape(1, -1))[0]
    others = sum(int(np.count_nonzero(~idle(circuit, kind))) for kind in KINDS if kind != "resistors")
    small = all(len(layer.rows) <= SMALL[0] and len(layer.nodes) <= SMALL[1] for layer in found) and others <= SMALL[2]
    if not small or len(found) > SMALL[3]:
        from diodeq.circuit.schematic.heat_map import svg as heat_map

        return heat_map(circuit, found)
    sheet = Sheet(circuit, volts)
    sheet.layers(found)
    sheet.rest()
    return sheet.finish()
