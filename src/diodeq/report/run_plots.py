"""The smaller pictures of a run's report: voltages of its layers, its gradient checked, the power it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from diodeq.circuit.bank import Floats
from diodeq.report.figures import BLUE, GREY, RED, label, style, tidy


def voltage_figure(layers: Mapping[str, Floats]) -> Figure:
    """How the middle 99 % of the voltages of each layer are distributed, one panel a layer."""
    with style():
        figure = Figure(figsize=(4.8, 0.6 + 1.05 * len(layers)), layout="constrained")
        for axes, (name, volts) in zip(np.atleast_1d(figure.subplots(len(layers))), layers.items(), strict=True):
            low, high = np.percentile(volts, [0.5, 99.5])
            axes.hist(
                volts.ravel(), 80, range=(low, high), color=GREY if name in ("inputs", "outputs") else BLUE, alpha=0.75
            )
            axes.set_yticks([])
            axes.set_title(name, fontsize=9.0, loc="left")
            axes.spines[["left", "top", "right"]].set_visible(False)
        axes.set_xlabel("volts")
    return figure


def gradient_figure(found: Floats, wanted: Floats, against: str) -> Figure:
    """Hardware linearization over what it is compared with, on logarithmic axes of both signs."""
    size = float(np.max(np.abs(wanted), initial=0.0)) or 1.0
    decade = 10.0 ** np.floor(np.log10(size))
    ticks = [-decade, -decade / 100, 0.0, decade / 100, decade]
    with style():
        figure = Figure(figsize=(4.8, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([-size, size], [-size, size], color=RED, linewidth=1)
        axes.plot(wanted, found, "o", color=BLUE, markersize=4, alpha=0.7, markeredgewidth=0)
        for axis, set_scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            set_scale("symlog", linthresh=1e-3 * decade)
            axis.set_ticks(ticks)
        axes.set(xlabel=f"{against} (1/S)", ylabel="hardware linearization (1/S)")
        tidy(axes)
    return figure


def power_figure(watts: Floats, labels: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """The power of each sample, one row a class."""
    with style():
        figure = Figure(figsize=(4.8, min(6.0, 1.4 + 0.24 * len(classes))), layout="constrained")
        axes = figure.subplots()
        for number in range(len(classes)):
            own = watts[labels == number]
            if len(own):
                low, middle, high = np.percentile(own, [5, 50, 95])
                axes.plot([low, high], [number, number], color=BLUE, linewidth=1.2)
                axes.plot([middle], [number], "o", color=BLUE, markersize=4)
        if len(classes) <= 32:
            axes.set_yticks(range(len(classes)), [label(name) for name in classes])
        axes.set(xlabel="power (5th, 50th and 95th percentile)", ylim=(len(classes) - 0.5, -0.5), xlim=(0, None))
        axes.xaxis.set_major_formatter(EngFormatter(unit="W"))
        axes.locator_params(axis="x", nbins=5)
        tidy(axes)
    return figure
