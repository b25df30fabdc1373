"""The picture of a quantization: every conductance before and after, and the distribution of relative errors."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from diodeq.printable import counted
from diodeq.report.figures import BLUE, GREY, RED, plain_numbers, style, tidy
from diodeq.synthesis.quantize import Quantized

# More points than this hide each other and make the file slow to open.
POINTS = 4000
# Relative errors beyond this are counted in the last bin.
WIDEST = 0.5


def quantize_figure(quantized: Quantized, title: str) -> Figure:
    """Parity of conductances on the left, their relative errors on the right."""
    wanted = quantized.drawn.conductances * quantized.scale
    found, ladder = quantized.circuit.conductances, quantized.ladder
    chosen = np.random.default_rng(0).permutation(len(wanted))[:POINTS]
    errors = np.clip(quantized.errors, -WIDEST, WIDEST)
    with style():
        figure = Figure(figsize=(7.4, 3.6), layout="constrained")
        figure.suptitle(f"{title}: {counted(len(wanted), 'resistor')} of {ladder.name}")
        parity, histogram = figure.subplots(1, 2)
        ends = [wanted.min(), wanted.max()]
        parity.plot(ends, ends, color=RED, linewidth=1, zorder=1)
        parity.scatter(wanted[chosen], found[chosen], s=6, color=BLUE, alpha=0.5, linewidths=0)
        for edge in (ladder.low, ladder.high):
            if ends[0] <= edge <= ends[1]:
                parity.axhline(edge, color=GREY, linewidth=0.8, linestyle=":")
        scaled = f" × {quantized.scale:.3g}" if quantized.scale != 1.0 else ""
        parity.set(xscale="log", yscale="log", xlabel=f"drawn conductance{scaled} (S)", ylabel="on the ladder (S)")
        histogram.hist(100 * errors, bins=80, color=BLUE)
        # From 0, where bars begin, and logarithmic from 1: the few far off are seen beside the many.
        histogram.set_yscale("symlog", linthresh=1.0)
        histogram.set(xlabel="relative error (%)", ylabel="resistors", ylim=(0, None))
        plain_numbers(histogram.yaxis)
        for axes in (parity, histogram):
            tidy(axes)
    return figure
