"""The picture of a comparison: held-out accuracy over circuit solves, one curve a rule, one panel a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from diodeq.report.figures import BLUE, GREY, RED, style, tidy

COLOURS = (BLUE, RED, "#c08a2b", "#5b8c5a", "#7d5ba6", GREY, "#3c3c3c", "#d06fa0")


def compare_figure(documents: Sequence[Mapping[str, Any]]) -> Figure:
    """The documents of ``compare``, one a data set: means over seeds, and between their lowest and highest a shade."""
    names = list(dict.fromkeys(entry["rule"] for document in documents for entry in document["rules"]))
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}
    with style():
        figure = Figure(figsize=(max(5.2, 3.6 * len(documents)), 3.9), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(documents)))
        drawn: dict[str, Any] = {}
        for axes, document in zip(panels, documents, strict=True):
            for entry in document["rules"]:
                if "curve" not in entry:
                    continue
                curve, colour = entry["curve"], colours[entry["rule"]]
                mean, low, high = (100.0 * np.array(curve[key]) for key in ("mean", "low", "high"))
                marker = "o" if len(mean) == 1 else None
                drawn[entry["rule"]] = axes.plot(
                    curve["solves"], mean, color=colour, marker=marker, linewidth=1.4, label=entry["rule"]
                )[0]
                axes.fill_between(curve["solves"], low, high, color=colour, alpha=0.12, linewidth=0)
            axes.set(title=f"{document['data']}, {len(document['seeds'])} seeds", xlabel="circuit solves")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda solves, _: f"{solves / 1000:g}k" if solves else "0"))
            tidy(axes)
        panels[0].set_ylabel("held-out accuracy (%)")
        figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=7.5)
    return figure
