"""What a regression finds as a picture: over what is right, and how far it is off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from diodeq.circuit.bank import Floats
from diodeq.report.figures import BLUE, RED, label, style, tidy

# More would hide each other; more quantities than these are not legible.
POINTS, QUANTITIES = 1200, 6


def quantity_figure(outputs: Floats, wanted: Floats, names: Sequence[str]) -> Figure:
    """``outputs`` over ``wanted``, both float64[n, k] in the user's units, below the difference, one column each."""
    shown = min(len(names), QUANTITIES)
    chosen = np.random.default_rng(0).permutation(len(wanted))[:POINTS]
    with style():
        figure = Figure(figsize=(max(4.8, 3.0 * shown), 4.6), layout="constrained")
        panels = figure.subplots(2, shown, squeeze=False, height_ratios=(3, 1), sharex="col")
        for k in range(shown):
            upper, lower = panels[:, k]
            truth, values = wanted[chosen, k], outputs[chosen, k]
            ends = [truth.min(), truth.max()]
            upper.plot(ends, ends, color=RED, linewidth=1)
            lower.axhline(0.0, color=RED, linewidth=1)
            upper.plot(truth, values, "o", color=BLUE, markersize=3, alpha=0.6, markeredgewidth=0)
            lower.plot(truth, values - truth, "o", color=BLUE, markersize=3, alpha=0.6, markeredgewidth=0)
            upper.set_title(label(names[k]), fontsize=9.0, loc="left")
            lower.set_xlabel("right")
            tidy(upper)
            tidy(lower)
        panels[0, 0].set_ylabel("found")
        panels[1, 0].set_ylabel("off by")
    return figure
