"""The picture of a verification: every unit's value in the circuit against the network's, one panel a stage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diodeq.analysis.verify import Verification
from diodeq.printable import counted
from diodeq.report.figures import BLUE, GREY, RED, style, tidy

# More points than this hide each other and make the file slow to open.
POINTS = 4000
POINTS_INLINE = 1200


def parity_figure(verification: Verification, title: str) -> Figure:
    """Ideal diodes, where there is such a level, and device level against the network, in network units."""
    stages = len(verification.levels["network"])
    with style():
        figure = Figure(figsize=(max(4.5, 3.4 * stages), 3.7), layout="constrained")
        figure.suptitle(title)
        for k, axes in enumerate(np.atleast_1d(figure.subplots(1, stages))):
            _draw(axes, verification, k, POINTS)
            axes.set_title(f"stage {k}: {counted(verification.levels['network'][k].shape[1], 'unit')}")
        figure.axes[0].set_ylabel("circuit")
    return figure


def parity_figures(verification: Verification) -> Iterator[Figure]:
    """The same, one figure a stage."""
    for k in range(len(verification.levels["network"])):
        with style():
            figure = Figure(figsize=(4.8, 4.0), layout="constrained")
            axes = figure.subplots()
            _draw(axes, verification, k, POINTS_INLINE)
            axes.set_ylabel("circuit")
        yield figure


def _draw(axes: Axes, verification: Verification, stage: int, points: int) -> None:
    wanted = verification.levels["network"][stage]
    chosen = np.random.default_rng(0).permutation(wanted.size)[:points]
    truth = wanted.ravel()[chosen]
    ends = [truth.min(initial=0.0), truth.max(initial=0.0)]
    axes.plot(ends, ends, color=RED, linewidth=1, zorder=1)
    budget = verification.budget(stage)
    for name, entry, color in (("ideal", "ideal circuit", GREY), ("device", "total", BLUE)):
        if name not in verification.levels:
            continue
        values = verification.levels[name][stage].ravel()[chosen]
        label = f"{name}: off by at most {100 * budget[entry]['max']:.2g} %"
        axes.scatter(truth, values, s=8, color=color, alpha=0.6, linewidths=0, label=label)
    axes.set_xlabel("network")
    axes.legend(frameon=False, loc="upper left")
    tidy(axes)
