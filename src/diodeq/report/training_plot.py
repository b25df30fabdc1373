"""The course of a training run as a picture: loss on the left, accuracies on the right."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any


def training_svg(metrics: Sequence[Mapping[str, Any]], title: str) -> str:
    """An SVG of the lines of ``metrics.jsonl``; the same lines give the same text."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    epochs = [line["epoch"] for line in metrics]
    # Without a salt of its own matplotlib draws new ids for every picture.
    with matplotlib.rc_context({"svg.hashsalt": "diodeq", "font.size": 9.0}):
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        left.plot(epochs, [line["loss"] for line in metrics], color="#b0413e", marker=".")
        left.set(xlabel="epoch", ylabel="training loss")
        if all(line["loss"] > 0 for line in metrics):
            left.set_yscale("log")
        for key, label, color in (
            ("train_accuracy", "training", "#7a7a7a"),
            ("test_accuracy", "held out", "#1f6f8b"),
        ):
            right.plot(epochs, [100.0 * line[key] for line in metrics], color=color, marker=".", label=label)
        right.set(xlabel="epoch", ylabel="accuracy (%)")
        right.legend(frameon=False, loc="lower right")
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(title)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
