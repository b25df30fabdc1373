"""The picture of an audit: a rule's error over the size of its nudge, both logarithmic, one panel a circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from diodeq.report.figures import BLUE, GREY, RED, style, tidy

LOOKS = ((GREY, "o"), (RED, "s"), (BLUE, "^"), ("#c08a2b", "v"))

Curves = tuple[NDArray[np.float64], Mapping[str, Sequence[float | None]]]


def audit_figure(circuits: Mapping[str, Curves], floors: Mapping[str, float] | None = None) -> Figure:
    """Curves of ``audit.sweep`` with their nudges, by circuit.

    ``floors`` are errors of hardware linearization against finite differences, drawn as level lines.
    """
    with style():
        figure = Figure(figsize=(max(5.2, 4.2 * len(circuits)), 3.8), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(circuits), sharey=True))
        for axes, (title, (sizes, curves)) in zip(panels, circuits.items(), strict=True):
            for (label, errors), (color, marker) in zip(curves.items(), LOOKS, strict=False):
                known = [(size, error) for size, error in zip(sizes, errors, strict=True) if error]
                if known:
                    axes.loglog(*zip(*known, strict=True), color=color, marker=marker, markersize=3.5, label=label)
            if floors and title in floors:
                axes.axhline(floors[title], color="black", linestyle=":", linewidth=1.2)
                words = "hardware linearization\nagainst finite differences"
                place = {"xytext": (0, -3), "textcoords": "offset points", "ha": "right", "va": "top"}
                axes.annotate(words, (sizes[-1], floors[title]), fontsize=7.5, **place)
            axes.set(title=title, xlabel="nudge: β, γ (V²) or η")
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, 1e-13), max(high, 3.0))
            tidy(axes)
        panels[0].set_ylabel("largest error, of the largest entry")
        lines, labels = panels[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure
