"""Tables of shares as pictures: what each class was taken for, how often each diode conducts for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from diodeq.circuit.bank import Floats
from diodeq.report.figures import BLUE, GREY, PAPER, RED, label, style

# With more classes numbers do not fit into their cells; with more cells a bitmap is smaller than rectangles.
NUMBERED = 16
RECTANGLES = 1500
CENTRED: Any = {"ha": "center", "va": "center"}


def confusion_figure(confusion: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """int64[k, k], true class by decision: the diagonal blue, mistakes red, as shares of the true class."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    with style():
        figure = Figure(figsize=(4.8, 4.4), layout="constrained")
        axes = figure.subplots()
        diagonal = np.eye(len(classes), dtype=bool)
        _cells(axes, np.where(diagonal, shares, 0.0), BLUE)
        _cells(axes, np.where(diagonal, 0.0, np.sqrt(shares)), RED)
        if len(classes) <= NUMBERED:
            for row, column in np.argwhere(confusion > 0):
                solid = shares[row, column] > 0.5 if row == column else shares[row, column] > 0.25
                axes.text(column, row, f"{confusion[row, column]}", color=PAPER if solid else "black", **CENTRED)
        _names(axes, classes)
        axes.set(xlabel="taken for", ylabel="class")
    return figure


def activity_figure(shares: Floats, classes: Sequence[str], breaks: Sequence[int] = ()) -> Figure:
    """float64[k, n_diodes]: the share of each class's samples for which each diode conducts; ``breaks`` part layers."""
    with style():
        figure = Figure(figsize=(4.8, min(4.4, 1.2 + 0.22 * len(classes))), layout="constrained")
        axes = figure.subplots()
        _cells(axes, shares, BLUE)
        for at in breaks:
            axes.axvline(at - 0.5, color="black", linewidth=0.8)
        _names(axes, classes, both=False)
        axes.set(xlabel="diode", ylabel="class")
    return figure


def _cells(axes: Axes, shares: Floats, color: str) -> None:
    """Each share 0 … 1 as a cell of that opacity."""
    rows, columns = shares.shape
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.add_patch(Rectangle((-0.5, -0.5), columns, rows, fill=False, edgecolor=GREY, linewidth=0.8))
    if shares.size > RECTANGLES:
        red, green, blue = (int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
        pixels = np.empty((rows, columns, 4))
        pixels[...] = red, green, blue, 0.0
        pixels[..., 3] = shares
        axes.imshow(pixels, aspect="auto", interpolation="none")
        return
    for row, column in np.argwhere(shares > 0.004):
        place = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(place, 1, 1, facecolor=color, alpha=float(shares[row, column]), linewidth=0))


def _names(axes: Axes, classes: Sequence[str], both: bool = True) -> None:
    if len(classes) <= 2 * NUMBERED:
        classes = [label(name) for name in classes]
        axes.set_yticks(range(len(classes)), classes)
        if both:
            turned = 90 if max(map(len, classes)) > 3 and len(classes) > 4 else 0
            axes.set_xticks(range(len(classes)), classes, rotation=turned)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
