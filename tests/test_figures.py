"""What the axes of pictures say."""

from pathlib import Path

import pytest
from matplotlib import _mathtext, font_manager
from matplotlib.figure import Figure

from diodeq.devices import catalogue
from diodeq.devices.hardware.ladder import ladder
from diodeq.report.compare_plot import compare_figure
from diodeq.report.figures import plain_numbers, render
from diodeq.report.quantize_plot import quantize_figure
from diodeq.report.training_plot import training_figure
from diodeq.synthesis.layered import layered
from diodeq.synthesis.quantize import quantize


def labels(axis):
    axis.axes.figure.draw_without_rendering()
    low, high = axis.get_view_interval()
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


@pytest.mark.parametrize(
    ("scale", "ends", "wanted"),
    [
        ("log", (0.9, 12), ["1", "2", "5", "10"]),
        ("log", (0.03, 0.7), ["0.05", "0.1", "0.2", "0.5"]),
        ("log", (800, 2e7), ["1,000", "10,000", "100,000", "1,000,000", "10,000,000"]),
        ("log", (0.61, 0.69), ["0.62", "0.64", "0.66", "0.68"]),
        ("symlog", (0, 7.5), ["0", "1", "2", "5"]),
        ("symlog", (0, 1.05), ["0", "1"]),
        ("symlog", (0, 40_000), ["0", "1", "10", "100", "1,000", "10,000"]),
    ],
)
def test_numbers_on_a_logarithmic_axis_are_plain(scale, ends, wanted):
    axes = Figure().subplots()
    axes.set_yscale(scale, **({"linthresh": 1.0} if scale == "symlog" else {}))
    axes.set_ylim(*ends)
    plain_numbers(axes.yaxis)
    assert labels(axes.yaxis) == wanted


def test_powers_of_ten_need_no_fonts_of_formulas(monkeypatch):
    """Matplotlib looks for all of them, and says on stderr which a system has not."""
    asked, find = [], font_manager.findfont
    monkeypatch.setattr(_mathtext, "findfont", lambda prop, **more: (asked.append(str(prop)), find(prop, **more))[1])
    figure = Figure()
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(1e-9, 1e3)
    axes.set_yscale("log")
    axes.set_ylim(2.0, 9.0)
    assert render(figure, Path("never.svg"))
    assert asked == []
    assert labels(axes.xaxis)[:2] == ["10⁻⁹", "10⁻⁷"]
    assert {"3×10⁰", "6×10⁰"} <= {*labels(axes.yaxis)}


def test_counts_and_losses_are_plain_numbers_in_the_pictures():
    circuit = layered((4, 10, 3), catalogue.get("1N4148"), volts=5.0)
    histogram = quantize_figure(quantize(circuit, ladder("E24")), "few").axes[1]
    assert histogram.get_ylim()[0] == 0.0  # bars are as long as they say
    counts = labels(histogram.yaxis)
    assert counts[:3] == ["0", "1", "2"]
    assert all(label.replace(",", "").isdecimal() for label in counts)
    lines = [{"epoch": k, "loss": 3.0 / k, "train_accuracy": 0.5, "test_accuracy": 0.5} for k in (1, 2, 3, 4)]
    assert labels(training_figure(lines, "").axes[0].yaxis) == ["1", "2"]
    rule = {"rule": "r", "curve": {"solves": [200, 900, 3000], "mean": [0.5, 0.8, 0.9]}}
    document = {"data": "iris", "seeds": [0], "rules": [{**rule, "test_accuracy": {"deviation": 0.0}}]}
    assert labels(compare_figure([document]).axes[0].xaxis) == ["200", "500", "1,000", "2,000"]
