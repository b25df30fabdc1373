"""The conductances of a large circuit as one heat map a layer."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from diodeq.circuit.bank import Floats
from diodeq.circuit.schematic.layers import Layer
from diodeq.circuit.schematic.pen import INK, follow_page, printable
from diodeq.errors import CircuitError
from diodeq.printable import counted, drawn

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

MOST_LAYERS, MOST_CELLS = 16, 50_000_000


def svg(circuit: Circuit, layers: list[Layer]) -> str:
    """Each layer's conductances by colour, a row for each of its nodes, a column for each node they are joined to.

    Raises:
        CircuitError: there is nothing to draw, or more than a picture holds.
    """
    cells = sum(len(layer.nodes) * (len(layer.rows) + len(layer.nodes)) for layer in layers)
    if not 0 < len(layers) <= MOST_LAYERS or cells > MOST_CELLS:
        raise CircuitError(
            f"no picture can show {len(layers)} layers with room for {cells} resistors (circuit {circuit.title!r})",
            "export it as a netlist",
        )
    from matplotlib import rc_context
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    matrices = [_matrix(circuit, layer) for layer in layers]
    low, high = circuit.conductances.min(), circuit.conductances.max()
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    style: dict[Any, Any] = {
        "svg.hashsalt": "diodeq",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9.0,
        **ink,
    }
    buffer = io.StringIO()
    with rc_context(style), drawn():
        figure = Figure(figsize=(11.0, 1.2 + 2.6 * len(layers)), layout="constrained")
        figure.suptitle(f"{printable(circuit.title)}: conductances of {counted(len(circuit.resistors), 'resistor')}")
        all_axes = figure.subplots(len(layers), squeeze=False)[:, 0]
        for axes, (matrix, columns), layer in zip(all_axes, matrices, layers, strict=True):
            image = axes.imshow(
                matrix, norm=LogNorm(low, high * (1 + 1e-9)), cmap="viridis", aspect="auto", interpolation="nearest"
            )
            axes.set_xlabel(f"from {_between(circuit, columns)}")
            axes.set_ylabel(f"to {_between(circuit, layer.nodes)}")
            axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
        figure.colorbar(image, ax=list(all_axes), label="conductance (S)", pad=0.01)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None}, dpi=160)
    return follow_page(buffer.getvalue())


def _matrix(circuit: Circuit, layer: Layer) -> tuple[Floats, list[int]]:
    """Conductances float64[nodes, columns] (NaN where there is no resistor) and which nodes the columns are."""
    columns = [*layer.rows, *(layer.nodes if len(layer.within) else []), *([0] if len(layer.shunts) else [])]
    place = np.zeros((2, len(circuit.nodes)), np.int64)
    place[0, columns], place[1, layer.nodes] = np.arange(len(columns)), np.arange(len(layer.nodes))
    matrix = np.zeros((len(layer.nodes), len(columns)))
    for chosen, ends in (
        (layer.crossings, layer.ends),
        (layer.shunts, layer.ends),
        (layer.within, layer.ends),
        (layer.within, layer.ends[:, ::-1]),
    ):
        np.add.at(matrix, (place[1, ends[chosen, 1]], place[0, ends[chosen, 0]]), circuit.conductances[chosen])
    return np.where(matrix > 0, matrix, np.nan), columns


def _between(circuit: Circuit, nodes: list[int]) -> str:
    names = [printable(circuit.nodes[node]) for node in nodes]
    return ", ".join(names) if len(names) < 3 else f"{names[0]} … {names[-1]}"
