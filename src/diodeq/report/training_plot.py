"""The course of a training run as a picture: loss on the left, accuracies or R² on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from diodeq.measures import measure_of
from diodeq.report.figures import BLUE, GREY, RED, plain_numbers, style, tidy

Metrics = Sequence[Mapping[str, Any]]


def training_figure(metrics: Metrics, title: str) -> Figure:
    """The lines of ``metrics.jsonl`` as curves."""
    with style():
        figure = Figure(figsize=(8.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_loss(left, metrics)
        draw_scores(right, metrics)
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


def draw_scores(axes: Axes, metrics: Metrics) -> None:
    """Both accuracies, or R², of every epoch."""
    epochs, measure = [line["epoch"] for line in metrics], measure_of(metrics[0] if metrics else {})
    for prefix, label, color in (("train", "training", GREY), ("test", "held out", BLUE)):
        values = [measure.factor * line[f"{prefix}_{measure.key}"] for line in metrics]
        axes.plot(epochs, values, color=color, marker=".", label=label)
    axes.set(xlabel="epoch", ylabel=measure.axis)
    axes.legend(frameon=False, loc="lower right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)
