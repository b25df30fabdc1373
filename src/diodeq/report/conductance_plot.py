"""Conductances before and after training: how they are distributed, and where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from diodeq.circuit import Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.power import groups
from diodeq.report.figures import BLUE, GREY, style, tidy

# Pixels a side of a map, and groups of resistors drawn.
PIXELS = 160
GROUPS = 6


def conductance_figure(circuit: Circuit, initial: Circuit | None) -> Figure:
    """The distribution of the trainable conductances, before training too where it is known."""
    after = circuit.conductances[circuit.mask]
    before = initial.conductances[initial.mask] if initial is not None else after
    ends = min(before.min(), after.min()), max(before.max(), after.max())
    bins = np.geomspace(ends[0] * 0.999, ends[1] * 1.001, int(np.clip(len(after) / 8, 12, 60)) + 1).tolist()
    with style():
        figure = Figure(figsize=(4.8, 3.4), layout="constrained")
        axes = figure.subplots()
        if initial is not None:
            axes.hist(before, bins, color=GREY, alpha=0.45, label="before")
        axes.hist(after, bins, histtype="step", color=BLUE, linewidth=1.4, label="after")
        axes.set(xscale="log", xlabel="conductance (S)", ylabel="resistors")
        axes.legend(frameon=False)
        tidy(axes)
    return figure


def conductance_maps(circuits: Sequence[Circuit]) -> Iterator[Figure]:
    """The largest groups of resistors as maps, first terminal by second: a figure a circuit, all on one scale."""
    found = sorted(groups(circuits[0], "resistors"), key=lambda group: group[1].start - group[1].stop)[:GROUPS]
    found.sort(key=lambda group: group[1].start)
    maps = [[_map(circuit, part) for _, part in found] for circuit in circuits]
    flat = np.concatenate([each.ravel() for row in maps for each in row])
    norm = LogNorm(np.nanmin(flat), np.nanmax(flat))
    heights = [float(np.clip(each.shape[0] * 0.055, 0.35, 2.2)) for each in maps[0]]
    for row in maps:
        with style():
            figure = Figure(figsize=(4.8, 0.7 + sum(heights) + 0.35 * len(found)), layout="constrained")
            panels = figure.subplots(len(found), squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
            for axes, each, (label, _) in zip(panels, row, found, strict=True):
                image = axes.imshow(each, norm=norm, aspect="auto", interpolation="none", cmap="viridis")
                axes.set(xticks=[], yticks=[])
                axes.set_title(label, fontsize=9.0, loc="left")
                axes.spines[:].set_visible(False)
            figure.colorbar(image, ax=panels, label="conductance (S)", aspect=40, fraction=0.03, pad=0.01)
        yield figure


def _map(circuit: Circuit, part: slice) -> Floats:
    """Mean log-conductance, exponentiated, of the resistors between blocks of first and second terminals."""
    places = [np.unique(end, return_inverse=True) for end in circuit.resistors.terminals[part].T]
    shape = [min(PIXELS, len(nodes)) for nodes, _ in places]
    row, column = (index * size // len(nodes) for (nodes, index), size in zip(places, shape, strict=True))
    at = row * shape[1] + column
    total = np.bincount(at, np.log(circuit.conductances[part]), minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        mean: Floats = np.exp(total / np.bincount(at, minlength=len(total)))
    return mean.reshape(shape)
