"""The picture of a circuit's noise: its outputs' spectra, and what they add up to from 0 Hz."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from diodeq.analysis.noise import NoiseFigures
from diodeq.report.figures import BLUE, GREY, RED, style, tidy


def noise_figure(figures: NoiseFigures) -> Figure:
    """The noisiest row: densities of all outputs, the noisiest in blue, and its rms up to each frequency."""
    spectrum = figures.spectrum
    f, worst = spectrum.frequencies, int(figures.rms[figures.noisiest].argmax())
    with style():
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        axes = figure.subplots()
        for k, density in enumerate(np.sqrt(spectrum.densities)):
            if density.any():
                axes.loglog(f, density, color=BLUE if k == worst else GREY, linewidth=1.6 if k == worst else 0.8)
        axes.yaxis.set_major_formatter(EngFormatter(unit="V/√Hz"))
        axes.set(xlabel=f"frequency, row {figures.noisiest + 1} (the noisiest)", ylabel="density, the largest in blue")
        tidy(axes)
        density = spectrum.densities[worst]
        summed = np.append(0.0, np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(f)))
        total = axes.twinx()
        total.semilogx(f, np.sqrt(summed), color=RED, linewidth=1)
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(EngFormatter(unit="Hz"))
        total.yaxis.set_major_formatter(EngFormatter(unit="V"))
        total.set_ylabel("rms up to here", color=RED)
        total.set_ylim(0, None)
        total.spines[["top", "left"]].set_visible(False)
    return figure
