"""A diode as a picture: its I-V curve and the activation it induces, the law as a line over points from a simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator

from diodeq.circuit import Circuit, bank
from diodeq.circuit.inputs import Inputs
from diodeq.devices import Law, Model
from diodeq.devices.activation import activation
from diodeq.devices.curve.law import Curves, Floats
from diodeq.devices.one_ports import OnePorts, forward_voltage, one, voltage_at
from diodeq.network import Activation
from diodeq.report.figures import BLUE, GREEN, GREY, RED, label, style, tidy
from diodeq.simulators.base import Simulator
from diodeq.synthesis.proposals import Proposal

PROBES = (1e1, 1e3, 1e5, 1e7)  # ohm; each current is measured over the resistor on which it drops about a volt
LARGEST_CURRENT = 1e-2
HIGHEST = 5.0  # volts that are drawn of what limits its current below that


@dataclass(frozen=True, eq=False)
class DevicePoints:
    """What a simulator measured on a diode: a resistor from a source to a node, a diode from ground to that node.

    ``voltages`` (V) and ``currents`` (A) of the diode itself, float64[n]; ``inputs`` (V) and ``outputs`` (V) of the
    activation behind ``alpha`` ohms, float64[k]; ``engine`` names the simulator, ``temperature`` is in °C.
    """

    law: OnePorts
    temperature: float
    engine: str
    alpha: float
    voltages: Floats
    currents: Floats
    inputs: Floats
    outputs: Floats

    @property
    def largest_current_deviation(self) -> float:
        """Largest relative difference between the measured currents and the law's."""
        expected = self.law.current(self.voltages)
        return float(np.max(np.abs(self.currents - expected) / np.abs(expected)))

    @property
    def largest_output_deviation(self) -> float:
        """Largest difference between the measured activation and the law's, V."""
        return float(np.max(np.abs(self.outputs - activation(self.law, self.inputs, self.alpha)[0])))


def measure_device(
    simulator: Simulator, model: Model, alpha: float = 1e4, temperature: float = 27.0, points: int = 30
) -> DevicePoints:
    """Measure ``model`` at ``temperature`` (°C) on ``simulator``: ``points`` of its I-V curve and of its activation.

    The activation is measured behind ``alpha`` ohms. Raises what the simulator raises, and `InputError` as `law` does.
    """
    diode = one(model, temperature)
    low, high = _voltage_range(diode)
    voltages = np.linspace(low, high, points)
    voltages = voltages[np.abs(voltages) > 1e-3 * high]  # at 0 V there is no current to put on a logarithmic axis
    expected = diode.current(voltages)
    probe = np.abs(np.log10(np.abs(expected) * np.array(PROBES)[:, None])).argmin(axis=0)
    inputs = np.linspace(*_input_range(diode), points)

    measured, currents = np.empty_like(voltages), np.empty_like(voltages)
    for which, resistance in enumerate(PROBES):
        rows = np.flatnonzero(probe == which)
        if rows.size:
            drives = -(voltages[rows] + resistance * expected[rows])
            node = _settle(simulator, model, resistance, drives, temperature)
            measured[rows], currents[rows] = -node, (node - drives) / resistance
    outputs = _settle(simulator, model, alpha, inputs, temperature)
    return DevicePoints(diode, temperature, simulator.version, alpha, measured, currents, inputs, outputs)


def device_figure(model: Model, points: DevicePoints) -> Figure:
    """Two panels: log |I| over V, and the activation behind ``points.alpha``; lines from the law, points measured."""
    with style():
        figure = Figure(figsize=(8.6, 3.9), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2)
        _draw_current(left, points)
        _draw_activation(right, points)
        for axes in (left, right):
            tidy(axes)
            axes.legend(frameon=False, loc="upper left", handlelength=1.6)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(EngFormatter(unit="V"))
        about = filter(None, [model.name, model.description.split(";")[0], f"{points.temperature:g} °C"])
        figure.suptitle("  ·  ".join(filter(None, about)), fontsize=10.5)
    return figure


def _draw_current(axes: Axes, points: DevicePoints) -> None:
    low, high = _voltage_range(points.law)
    voltages = np.linspace(low, high, 1601)
    axes.plot(voltages, np.abs(points.law.current(voltages)), color=BLUE, label="the law")
    worst = points.largest_current_deviation
    axes.plot(points.voltages, np.abs(points.currents), ".", color=RED, label=_label(points, f"{worst:.0e}"))
    axes.set_yscale("log")
    # The dip at 0 V goes to zero; showing a decade below the smallest measured current is enough of it.
    axes.set_ylim(
        10.0 ** np.floor(np.log10(np.abs(points.currents).min()) - 0.5),
        300.0 * max(LARGEST_CURRENT, np.abs(points.currents).max()),
    )
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_formatter(EngFormatter(unit="A"))
    axes.set(xlabel="diode voltage", ylabel="|current|", title="I–V curve")


def fit_figure(activation: Activation, proposals: Sequence[Proposal]) -> Figure:
    """What elements induce over the formula they were fitted to, and by how much each misses it; in units."""
    if activation.name == "sigmoid":
        activation = Activation("tanh")
    with style():
        figure = Figure(figsize=(9.2, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        x = proposals[0].x
        left.plot(x, activation(x), ":", color=GREY, linewidth=2.0, label=str(activation))
        for each, color in zip(proposals, (BLUE, RED, GREEN), strict=False):
            left.plot(x, each.found, color=color, label=label(f"{each.structure}, {each.part.name}"))
            right.plot(x, each.found - activation(x), color=color)
        left.set(xlabel="x", ylabel="σ(x)", title="activation")
        right.set(xlabel="x", title="difference to the formula")
        for axes in (left, right):
            tidy(axes)
        left.legend(fontsize="small", frameon=False)
    return figure


def _draw_activation(axes: Axes, points: DevicePoints) -> None:
    x = np.linspace(points.inputs.min(), points.inputs.max(), 1601)
    alpha = EngFormatter(unit="Ω")(points.alpha)
    axes.plot(x, np.maximum(x, 0.0), ":", color=GREY, label="ReLU", linewidth=1.2)
    axes.plot(x, activation(points.law, x, points.alpha)[0], color=BLUE, label="the law")
    worst = EngFormatter(unit="V", places=1)(points.largest_output_deviation)
    axes.plot(points.inputs, points.outputs, ".", color=RED, label=_label(points, worst))
    axes.set_ylim(top=max(points.outputs.max(), 0.0) + 0.45 * np.ptp(points.outputs))  # room for the legend
    axes.yaxis.set_major_formatter(EngFormatter(unit="V"))
    axes.set(xlabel=f"source voltage x, behind α = {alpha}", ylabel="node voltage σ(x)", title="activation")


def _label(points: DevicePoints, worst: str) -> str:
    return f"{points.engine} (differs by at most {worst})"


def _voltage_range(diode: OnePorts) -> tuple[float, float]:
    """From the reverse region, or breakdown where it is near enough to matter, to 10 mA; a curve's, what was measured
    of it and a tenth more; any other's, where 10 mA flow, and reverse at least twice as far as forward."""
    if isinstance(diode, Curves):
        low, high = diode.measured
        return 1.1 * low, 1.1 * high
    high = forward_voltage(diode, LARGEST_CURRENT)
    if not isinstance(diode, Law):
        low, high = voltage_at(diode, -LARGEST_CURRENT), min(high, HIGHEST)
        return low if low > -12.0 else -2.0 * high, high
    if diode.breakdown > 12.0:
        return -2.0 * high, high
    beyond = diode.n_vt_breakdown * math.log(max(LARGEST_CURRENT / diode.saturation, 1.0))
    return -diode.breakdown - beyond - diode.resistance * LARGEST_CURRENT, high


def _input_range(diode: OnePorts) -> tuple[float, float]:
    """Two volts either way, further on the side where breakdown would clamp the node."""
    if isinstance(diode, Curves):
        low, high = diode.measured
        return -1.2 * max(high, 0.5), 1.2 * max(-low, 0.5)
    if not isinstance(diode, Law):
        low, high = _voltage_range(diode)
        return -1.8 * max(high, 1.0), 1.8 * max(-low, 1.0)
    return -2.0, (1.8 * diode.breakdown if diode.breakdown <= 12.0 else 2.0)


def _settle(simulator: Simulator, model: Model, resistance: float, drives: Floats, temperature: float) -> Floats:
    """The voltage of a node fed from each of ``drives`` through ``resistance``, with a diode from ground to it."""
    circuit = Circuit(
        nodes=("0", "source", "node"),
        resistors=bank("resistors", [(1, 2, 1.0 / resistance)]),
        diodes=bank("diodes", [(0, 2, 0)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        models=(model,),
        inputs=Inputs(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1), ("x",)),
        outputs=np.array([(2, 0)], dtype=np.int32),
        temperature=temperature,
        title=f"test bench of {model.name}",
    )
    return np.asarray(simulator.operate(circuit, drives[:, None]).outputs[:, 0], dtype=np.float64)
