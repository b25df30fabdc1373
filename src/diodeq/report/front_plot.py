"""The picture of a front: held-out accuracy, or R², over resistors and over milliwatts, with deviations over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from diodeq.measures import measure_of
from diodeq.report.compare_plot import COLOURS
from diodeq.report.figures import plain_numbers, style, tidy


def front_figure(document: Mapping[str, Any]) -> Figure:
    """The document of ``front``: a curve for every power over resistors, one for every number of parts over median
    milliwatts; filled are the points that no other is as good as."""
    points = [point for point in document["points"] if point["watts"] is not None]
    with style():
        figure = Figure(figsize=(7.4, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _curves(left, points, "power", lambda point: point["resistors"], lambda power: f"{1e3 * power:g} mW")
        _curves(right, points, "parts", lambda point: 1e3 * point["watts"]["median"], lambda parts: f"{parts:,} parts")
        left.set(xlabel="resistors", ylabel=f"held-out {measure_of(points[0] if points else {}).axis}")
        right.set(xlabel="median power of held-out samples (mW)")
        figure.suptitle(f"{document['data']}, {len(document['seeds'])} seeds")
    return figure


def _curves(
    axes: Any,
    points: list[Mapping[str, Any]],
    shared: str,
    place: Callable[[Mapping[str, Any]], float],
    called: Callable[[Any], str],
) -> None:
    """One curve for every value that some ``points`` share."""
    for number, value in enumerate(sorted({point[shared] for point in points})):
        own = sorted((point for point in points if point[shared] == value), key=place)
        colour = COLOURS[number % len(COLOURS)]
        measure = measure_of(own[0])
        reached = [point[f"test_{measure.key}"] for point in own]
        x, y = [place(point) for point in own], [measure.factor * each["mean"] for each in reached]
        spread = [measure.factor * each["deviation"] for each in reached]
        label = called(value) if value else "any" if shared == "power" else "all parts"
        axes.errorbar(x, y, spread, color=colour, linewidth=1.3, elinewidth=0.8, fmt="-", label=label)
        for at, height, point in zip(x, y, own, strict=True):
            axes.plot(at, height, "o", color=colour, markersize=4, markerfacecolor=colour if point["best"] else "white")
    if points:
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
        axes.legend(frameon=False, fontsize=7.5)
    tidy(axes)
