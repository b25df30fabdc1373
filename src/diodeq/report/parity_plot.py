"""The picture of a verification: every unit's value in the circuit against the network's, one panel a stage."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from diodeq.analysis.verify import Verification
from diodeq.report.figures import BLUE, GREY, RED, style, tidy

# More points than this hide each other and make the file slow to open.
POINTS = 4000


def parity_figure(verification: Verification, title: str) -> Figure:
    """Ideal diodes and device level against the network, in network units."""
    wanted = verification.levels["network"]
    with style():
        figure = Figure(figsize=(max(4.5, 3.4 * len(wanted)), 3.7), layout="constrained")
        figure.suptitle(title)
        for k, axes in enumerate(np.atleast_1d(figure.subplots(1, len(wanted)))):
            chosen = np.random.default_rng(0).permutation(wanted[k].size)[:POINTS]
            truth = wanted[k].ravel()[chosen]
            ends = [truth.min(initial=0.0), truth.max(initial=0.0)]
            axes.plot(ends, ends, color=RED, linewidth=1, zorder=1)
            budget = verification.budget(k)
            for name, entry, color in (("device", "total", BLUE), ("ideal", "ideal circuit", GREY)):
                values = verification.levels[name][k].ravel()[chosen]
                label = f"{name}: off by at most {100 * budget[entry]['max']:.2g} %"
                axes.scatter(truth, values, s=8, color=color, alpha=0.6, linewidths=0, label=label)
            axes.set(title=f"stage {k}: {wanted[k].shape[1]} units", xlabel="network")
            axes.legend(frameon=False, loc="upper left")
            tidy(axes)
        figure.axes[0].set_ylabel("circuit")
    return figure
