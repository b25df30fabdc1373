"""The picture of the imperfection lab: held-out error over what is swept, one curve a rule, one panel a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diodeq.measures import R2, Measure, measure_of
from diodeq.report.compare_plot import COLOURS
from diodeq.report.figures import label, style, tidy


def lab_figure(document: Mapping[str, Any]) -> Figure:
    """The document of ``diodeq compare --bench --sweep``: means over seeds and their deviations."""
    sweeps = document["sweeps"]
    names = list(dict.fromkeys(rule["rule"] for each in sweeps for at in each["points"] for rule in at["rules"]))
    with style():
        figure = Figure(figsize=(max(5.2, 3.6 * len(sweeps)), 3.9), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(sweeps), sharey=True))
        drawn: dict[str, Any] = {}
        measure: Measure | None = None
        for axes, sweep in zip(panels, sweeps, strict=True):
            texts = [at["value"] for at in sweep["points"]]
            for number, name in enumerate(names):
                found: list[Mapping[str, Any]] = [
                    next((r for r in at["rules"] if r["rule"] == name), {}) for at in sweep["points"]
                ]
                ran = [k for k, entry in enumerate(found) if "runs" in entry]
                if not ran:
                    continue
                measure = measure_of(next((found[k] for k in ran if found[k]["failed"] < len(found[k]["runs"])), {}))
                key = f"test_{measure.key}"
                places = [k for k in ran if found[k].get(key) is not None]
                reached = [found[k][key] for k in places]
                error = [100.0 * (1.0 - each["mean"]) for each in reached]
                spread = [100.0 * each["deviation"] for each in reached]
                look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "marker": "o", "markersize": 3}
                drawn[name] = axes.errorbar(places, error, spread, linewidth=1.3, **look)
                failed = [k for k in ran if k not in places]
                if failed:  # above the scale, side by side
                    aside = [k + 0.05 * (number - (len(names) - 1) / 2) for k in failed]
                    above: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
                    axes.plot(aside, np.full(len(aside), 1.03), "x", color=look["color"], markersize=4, **above)
                    (cross,) = axes.plot([], [], "x", color="black", markersize=4)
                    drawn.setdefault("every run failed", cross)
            axes.set_xticks(range(len(texts)), [label(text) for text in texts])
            axes.set(xlabel=label(sweep["entry"]))
            axes.set_ylim(bottom=0.0)
            tidy(axes)
        panels[0].set_ylabel("variance that is not explained (%)" if measure is R2 else "held-out error (%)")
        panels[0].set_title(f"{document['data']} on {label(document['bench'])}", fontsize=9, pad=12)
        figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize=7.5)
    return figure
