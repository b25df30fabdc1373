"""The picture of a certificate: what no board can change, over the tolerance of resistors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from diodeq.analysis.certified import Certified
from diodeq.analysis.proved_and_seen import ProvedAndSeen
from diodeq.circuit.bank import Floats
from diodeq.printable import percent
from diodeq.report.figures import BLUE, GREY, RED, inline, style, tidy
from diodeq.report.page import PageSection, PageTable, Picture


def certified_figure(found: Sequence[Certified], seen: Sequence[Floats] = ()) -> Figure:
    """Certified accuracy (without labels: kept decisions) over tolerance, the drawn circuit's as a line above, and
    what boards that were ``seen`` at each tolerance have, float64[boards]."""
    order = sorted(found, key=lambda each: each.box.tolerance)
    tolerances = [100.0 * each.box.tolerance for each in order]
    shares = [100.0 * float(np.mean(each.kept if each.right is None else each.kept & each.right)) for each in order]
    with style():
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(tolerances, shares, "o-", color=BLUE, markersize=4)
        if seen:
            middle = [100.0 * float(np.mean(each)) for each in seen]
            low, high = ([100.0 * float(end(each)) for each in seen] for end in (np.min, np.max))
            places = [100.0 * each.box.tolerance for each in found]
            axes.fill_between(places, low, high, color=RED, alpha=0.2, linewidth=0)
            axes.plot(places, middle, "-", color=RED)
            axes.text(0.03, 0.13, "boards that were tried", color=RED, transform=axes.transAxes)
            axes.set_xscale("log")
            axes.set_xticks(places, [f"{each:g}" for each in places])
            axes.minorticks_off()
        axes.text(0.03, 0.04, "decided rightly by every board", color=BLUE, transform=axes.transAxes)
        accuracy = order[0].accuracy
        if accuracy is not None:
            axes.axhline(100.0 * accuracy, color=GREY, linewidth=1, linestyle="--")
            axes.text(tolerances[0], 100.0 * accuracy + 1.0, "as drawn", color=GREY, va="bottom", ha="left")
        axes.set(xlabel="tolerance of resistors, %", ylabel="samples, %", ylim=(0.0, 104.0))
        tidy(axes)
    return figure


def certified_section(found: ProvedAndSeen) -> PageSection:
    """What no board can change, beside what boards did that were tried."""
    count, boards = len(found.proved[0].kept), len(found.seen[0])
    caption = "Accuracy of every board, proved, and of those that were tried, over the tolerance of all resistors."
    rows = []
    for each, seen, off in zip(found.proved, found.seen, found.farthest, strict=True):
        volts = each.to_json()["largest_bound_volts"]
        rows.append(
            (
                f"{100.0 * each.box.tolerance:g} %",
                percent(float(np.mean(each.kept & each.right))) if each.right is not None else "none",
                percent(float(seen.min())),
                "none" if volts is None else f"{volts:.3g} V",
                f"{off:.3g} V",
            )
        )
    text = (
        f"Of {count} held-out samples: the share that every board within the tolerance decides rightly, proved, and"
        f" what {boards} boards did at each tolerance, at random, half of them with every resistor at an end of it."
    )
    head = ("resistors", "certified", "lowest seen", "outputs off at most", "farthest seen")
    picture = Picture(inline(certified_figure(found.proved, found.seen), "certified", caption), caption)
    return PageSection("Certified decisions", [text], [picture, PageTable("Proved and seen.", head, rows)])
