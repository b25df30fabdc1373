"""The picture of a settling: the slowest row's outputs over time, and energy over the level of conductances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from diodeq.analysis.energy import DIGITAL, multiply_accumulates
from diodeq.analysis.settling import ScaledSettling
from diodeq.report.figures import BLUE, GREY, RED, style, tidy


def settle_figure(levels: Sequence[ScaledSettling]) -> Figure:
    """Left the first level's slowest row; right energies of all levels, or the times of all rows of a single one."""
    with style():
        figure = Figure(figsize=(8.2, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _waves(left, levels[0])
        if len(levels) > 1:
            _energies(right, levels)
        else:
            _times(right, levels[0])
        for axes in (left, right):
            tidy(axes)
    return figure


def _waves(axes: Axes, level: ScaledSettling) -> None:
    settling = level.settling
    times, outputs = settling.wave.times, settling.wave.outputs
    settled = settling.row_times[settling.slowest]
    until = times <= 1.3 * settled
    winner = int(settling.outputs[settling.slowest].argmax())
    for k, column in enumerate(outputs.T):
        axes.plot(
            times[until], column[until], color=BLUE if k == winner else GREY, linewidth=1.6 if k == winner else 0.8
        )
    axes.axvline(settled, color=RED, linewidth=1)
    share = f"all within {100 * settling.band / settling.span:.2g} %"
    axes.text(settled, 1.01, share, color=RED, ha="center", transform=axes.get_xaxis_transform())
    axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.yaxis.set_major_formatter(EngFormatter(unit="V"))
    axes.set(xlabel=f"after the step, row {settling.slowest + 1} (the slowest)", ylabel="outputs, the highest in blue")
    axes.locator_params(axis="x", nbins=6)


def _energies(axes: Axes, levels: Sequence[ScaledSettling]) -> None:
    siemens = np.array([level.median_siemens for level in levels])
    order = np.argsort(siemens)
    energy = np.array([np.median(level.settling.energy) for level in levels])
    axes.loglog(siemens[order], energy[order], "o-", color=BLUE, markersize=4)
    axes.text(siemens[order][0], energy[order][0], "circuit\n", color=BLUE, va="center")
    weights = multiply_accumulates(levels[0].settling.circuit)
    for item in DIGITAL if weights else ():
        axes.axhline(weights * item.joules, color=GREY, linewidth=0.8, linestyle="--")
        axes.text(siemens.max(), weights * item.joules, item.name, color=GREY, va="bottom", ha="right", fontsize=7.5)
    axes.xaxis.set_major_formatter(EngFormatter(unit="S"))
    axes.yaxis.set_major_formatter(EngFormatter(unit="J"))
    axes.minorticks_off()
    axes.set(xlabel="median conductance", ylabel="energy of an inference (median)")


def _times(axes: Axes, level: ScaledSettling) -> None:
    settling = level.settling
    share = 100.0 * np.arange(1, len(settling.times) + 1) / len(settling.times)
    curves = [(settling.row_times, BLUE, "settled"), (settling.decided, GREY, "decided")]
    for values, color, name in curves[: min(2, len(settling.circuit.outputs))]:  # a single output decides nothing
        axes.step(np.sort(values), share, where="post", color=color, label=name)
    axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.locator_params(axis="x", nbins=6)
    axes.set(xlabel="after the step", ylabel="rows (%)", ylim=(0, 102))
    axes.legend(frameon=False)
