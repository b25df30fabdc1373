"""The picture of a Monte Carlo study: what boards score, the yield over the threshold, and errors over temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diodeq.analysis.montecarlo import Measured
from diodeq.measures import MEASURES, R2
from diodeq.printable import counted
from diodeq.report.figures import BLUE, GREY, RED, style, tidy

# More bars than this are noise.
BARS = 40


def montecarlo_figure(document: Mapping[str, Any], boards: Sequence[Measured], title: str) -> Figure:
    """A histogram on the left, the yield curve in the middle, output errors on the right."""
    measure = next((each for key, each in MEASURES.items() if f"{key}_drawn" in document), None)
    factor, name = (100.0, "highest outputs as drawn (%)") if measure is None else (measure.factor, measure.axis)
    scores = factor * np.array([each.score for each in boards])
    threshold = factor * document["yield"]["threshold"]
    # Scores are counts of samples: bars as wide as one sample, or several, have no gaps between them. R² is no count.
    step = (np.ptp(scores) or 1e-3) / BARS if measure is R2 else factor / document["samples"]
    step *= max(1, round((np.ptp(scores) + step) / step / BARS))
    edges = np.arange(scores.min() - step / 2, scores.max() + step, step)
    with style():
        figure = Figure(figsize=(9.2, 3.1), layout="constrained")
        figure.suptitle(f"{title}: {counted(len(boards), 'board')}")
        left, middle, right = figure.subplots(1, 3)
        left.hist(scores, bins=edges, color=BLUE)
        left.set(xlabel=name, ylabel="boards")
        if measure is not None:
            left.axvline(factor * document[f"{measure.key}_drawn"], color=GREY, linestyle=":", label="as drawn")
        left.axvline(threshold, color=RED, linewidth=1, label="threshold")
        left.legend(frameon=False, fontsize=7.5, loc="upper left")
        ordered = np.sort(scores)
        share = 100.0 * (1.0 - np.arange(len(ordered)) / len(ordered))
        middle.step(ordered, share, where="pre", color=BLUE)
        middle.axvline(threshold, color=RED, linewidth=1)
        middle.set(xlabel=f"threshold: {name}", ylabel="yield (%)", ylim=(0, 102))
        settled = [each for each in boards if each.rms is not None]
        right.scatter(
            [each.temperature for each in settled],
            [1e3 * (each.rms or 0.0) for each in settled],
            s=6,
            color=BLUE,
            alpha=0.4,
            linewidths=0,
        )
        right.set(xlabel="temperature (°C)", ylabel="rms output error (mV)", ylim=(0, None))
        for axes in (left, middle, right):
            tidy(axes)
    return figure
