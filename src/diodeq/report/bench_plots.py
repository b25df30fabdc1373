"""Pictures of what is done with benches: probes and tones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator

from diodeq.benches.frequency import ToneErrors
from diodeq.benches.probes import Probes
from diodeq.report.figures import BLUE, GREY, RED, style, tidy

POINTS = 1000
"""Means that are drawn of a channel's readings, at most"""


def replay_figure(found: Mapping[str, Any]) -> Figure:
    """What each channel of a replayed log differs by, reading by reading; the one that drifts most in blue."""
    channels = found["channels"]
    worst = max(range(len(channels)), key=lambda k: abs(channels[k]["drift"]))
    with style():
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        for k, each in enumerate(channels):
            runs = np.array_split(np.array(each["off"]), min(len(each["off"]), POINTS))
            at = np.cumsum([len(run) for run in runs])
            color, order = (BLUE, 3) if k == worst else (GREY, 2)
            axes.plot(at, [run.mean() for run in runs], color=color, linewidth=0.8, zorder=order)
        axes.yaxis.set_major_formatter(EngFormatter(unit="V"))
        axes.set(xlabel=f"reading; {channels[worst]['node']} in blue", ylabel="read beyond what was expected")
        tidy(axes)
    return figure


def probes_figure(found: Probes) -> Figure:
    """One minus the cosine with the exact gradient, and the expected error, over the number of probes."""
    with style():
        figure = Figure(figsize=(7.6, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.semilogy(np.arange(len(found.expected)), found.expected, color=BLUE)
        left.set(xlabel="nodes read beside the outputs", ylabel="expected error of the gradient")
        for values, color, name in ((found.modelled, GREY, "rest as modelled"), (found.corrected, RED, "corrected")):
            right.semilogy(found.counts, np.maximum(1.0 - values, 1e-12), "o-", markersize=3, color=color, label=name)
        right.set(xlabel="nodes read beside the outputs", ylabel="1 − cosine with the exact gradient")
        right.legend(frameon=False)
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            tidy(axes)
    return figure


def frequency_figure(found: ToneErrors) -> Figure:
    """The error of the gradient over the tone's frequency."""
    with style():
        figure = Figure(figsize=(5.6, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.loglog(found.hertz, np.maximum(found.errors, 1e-12), color=BLUE)
        for share, hertz in found.reached.items():
            if hertz is not None:
                axes.plot(hertz, share, "o", color=RED, markersize=4)
                axes.annotate(f"{100 * share:g} %", (hertz, share), (-4, 4), textcoords="offset points", ha="right")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(EngFormatter(unit="Hz"))
        axes.set(xlabel="frequency of the tone", ylabel="error of the gradient")
        tidy(axes)
    return figure
