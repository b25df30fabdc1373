"""The course of a training run as a picture: loss on the left, accuracies on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from diodeq.report.figures import BLUE, GREY, RED, style, tidy


def training_figure(metrics: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The lines of ``metrics.jsonl`` as curves."""
    epochs = [line["epoch"] for line in metrics]
    with style():
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(epochs, [line["loss"] for line in metrics], color=RED, marker=".")
        left.set(xlabel="epoch", ylabel="training loss")
        if all(line["loss"] > 0 for line in metrics):
            left.set_yscale("log")
        for key, label, color in (("train_accuracy", "training", GREY), ("test_accuracy", "held out", BLUE)):
            right.plot(epochs, [100.0 * line[key] for line in metrics], color=color, marker=".", label=label)
        right.set(xlabel="epoch", ylabel="accuracy (%)")
        right.legend(frameon=False, loc="lower right")
        for axes in (left, right):
            tidy(axes)
        figure.suptitle(title)
    return figure
