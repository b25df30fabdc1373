"""The picture of a comparison: held-out error over circuit solves, one curve a rule, one panel a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from diodeq.measures import R2, measure_of
from diodeq.report.figures import BLUE, GREY, RED, plain_numbers, style, tidy

COLOURS = (BLUE, RED, "#c08a2b", "#5b8c5a", "#7d5ba6", GREY, "#3c3c3c", "#d06fa0")


def compare_figure(documents: Sequence[Mapping[str, Any]]) -> Figure:
    """The documents of ``compare``, one a data set: means over seeds, at the end with their deviation."""
    names = list(dict.fromkeys(entry["rule"] for document in documents for entry in document["rules"]))
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}
    with style():
        figure = Figure(figsize=(max(5.2, 3.6 * len(documents)), 3.9), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(documents)))
        drawn: dict[str, Any] = {}
        for axes, document in zip(panels, documents, strict=True):
            for entry in document["rules"]:
                if "curve" not in entry:
                    if "runs" in entry:
                        (line,) = axes.plot([], [], "x", color=colours[entry["rule"]], markersize=5)
                        drawn[f"{entry['rule']} (every run failed)"] = line
                    continue
                curve, colour = entry["curve"], colours[entry["rule"]]
                # Errors, not accuracies: on a logarithm the rules that are nearly right can be told apart. Of
                # quantities they are the share of the variance that is not explained.
                mean = 100.0 * (1.0 - np.array(curve["mean"]))
                (line,) = axes.plot(curve["solves"], mean, color=colour, linewidth=1.3)
                some = f" ({entry['failed']} of {len(entry['runs'])} failed)" if entry.get("failed") else ""
                drawn[entry["rule"] + some] = line
                # Ends stand beside each other, so that their spreads can be seen.
                end = curve["solves"][-1] * 1.06 ** (1 + names.index(entry["rule"]))
                measure = measure_of(entry)
                spread = 100.0 * entry[f"test_{measure.key}"]["deviation"]
                axes.errorbar(end, mean[-1], spread, color=colour, fmt="o", markersize=3, linewidth=1)
            axes.set(title=f"{document['data']}, {len(document['seeds'])} seeds", xlabel="circuit solves", xscale="log")
            axes.set_yscale("symlog", linthresh=1.0, linscale=0.3)
            axes.set_ylim(0.0, 100.0)
            axes.set_yticks((0, 1, 2, 5, 10, 20, 50, 100), minor=False)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{error:g}"))
            plain_numbers(axes.xaxis)
            tidy(axes)
        quantities = any(measure_of(entry) is R2 for document in documents for entry in document["rules"])
        panels[0].set_ylabel("variance that is not explained (%)" if quantities else "held-out error (%)")
        figure.legend(
            drawn.values(),
            drawn.keys(),
            loc="outside lower center",
            ncols=4 if len(documents) > 1 else 2,
            frameon=False,
            fontsize=7.5,
        )
    return figure
