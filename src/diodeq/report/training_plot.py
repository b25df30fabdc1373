"""The course of a training run as a picture: loss on the left, accuracies on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from diodeq.report.figures import BLUE, GREY, RED, plain_numbers, style, tidy

Metrics = Sequence[Mapping[str, Any]]


def training_figure(metrics: Metrics, title: str) -> Figure:
    """The lines of ``metrics.jsonl`` as curves."""
    with style():
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_loss(left, metrics)
        draw_accuracies(right, metrics)
        figure.suptitle(title)
    return figure


def draw_loss(axes: Axes, metrics: Metrics) -> None:
    """The training loss of every epoch."""
    axes.plot([line["epoch"] for line in metrics], [line["loss"] for line in metrics], color=RED, marker=".")
    axes.set(xlabel="epoch", ylabel="training loss")
    if all(line["loss"] > 0 for line in metrics):
        axes.set_yscale("log")
        plain_numbers(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)


def draw_accuracies(axes: Axes, metrics: Metrics) -> None:
    """Both accuracies of every epoch."""
    epochs = [line["epoch"] for line in metrics]
    for key, label, color in (("train_accuracy", "training", GREY), ("test_accuracy", "held out", BLUE)):
        axes.plot(epochs, [100.0 * line[key] for line in metrics], color=color, marker=".", label=label)
    axes.set(xlabel="epoch", ylabel="accuracy (%)")
    axes.legend(frameon=False, loc="lower right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)
