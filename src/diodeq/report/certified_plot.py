"""The picture of a certificate: what no board can change, over the tolerance of resistors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from diodeq.analysis.certified import Certified
from diodeq.report.figures import BLUE, GREY, style, tidy


def certified_figure(found: Sequence[Certified]) -> Figure:
    """Certified accuracy (without labels: kept decisions) over tolerance, the drawn circuit's as a line above."""
    order = sorted(found, key=lambda each: each.box.tolerance)
    tolerances = [100.0 * each.box.tolerance for each in order]
    shares = [100.0 * float(np.mean(each.kept if each.right is None else each.kept & each.right)) for each in order]
    with style():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(tolerances, shares, "o-", color=BLUE, markersize=4)
        axes.text(0.03, 0.04, "decided rightly by every board", color=BLUE, transform=axes.transAxes)
        accuracy = order[0].accuracy
        if accuracy is not None:
            axes.axhline(100.0 * accuracy, color=GREY, linewidth=1, linestyle="--")
            axes.text(tolerances[-1], 100.0 * accuracy, "as drawn", color=GREY, va="bottom", ha="right")
        axes.set(xlabel="tolerance of resistors, %", ylabel="samples, %", ylim=(0.0, 104.0))
        tidy(axes)
    return figure
