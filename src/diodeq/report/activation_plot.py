"""An activation as a picture: its formula, and the element that stands for it, compiled and measured in a simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from diodeq.circuit.bank import Floats
from diodeq.network import Activation, Network, Stage
from diodeq.report.figures import BLUE, RED, style, tidy
from diodeq.simulators.base import Simulator
from diodeq.synthesis.compile import compile_network

# An even number, so that no input is exactly zero, where nothing would be measured.
INPUTS = np.linspace(-3.0, 3.0, 60)


@dataclass(frozen=True, eq=False)
class ActivationPoints:
    """``outputs`` float64[n] of a one-unit circuit at ``INPUTS``, in network units; ``formula`` is σ of them."""

    engine: str
    diode: str
    outputs: Floats
    formula: Floats

    @property
    def largest_deviation(self) -> float:
        """In network units."""
        return float(np.max(np.abs(self.outputs - self.formula)))


def measure_activation(simulator: Simulator, activation: Activation, diode: str) -> ActivationPoints:
    """Compile one unit with this activation and settle it at every input."""
    network = Network((Stage(np.ones((1, 1)), np.zeros(1), None, activation),))
    circuit = compile_network(network, diode=diode, inputs=INPUTS[:, None]).circuit
    point = simulator.operate(circuit, circuit.scaling.to_volts(INPUTS[:, None]))
    outputs = circuit.scaling.from_volts(point.outputs)[:, 0]
    return ActivationPoints(simulator.version, diode, outputs, activation(INPUTS))


def activation_figure(activation: Activation, points: ActivationPoints) -> Figure:
    """The formula as a line over the measured points."""
    with style():
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(INPUTS, points.formula, color=BLUE, label="formula")
        label = f"{points.engine}, {points.diode} (differs by at most {points.largest_deviation:.1e})"
        axes.scatter(INPUTS, points.outputs, s=10, color=RED, zorder=3, label=label)
        axes.set(title=str(activation), xlabel="x", ylabel="σ(x)")
        axes.legend(frameon=False, loc="upper left")
        tidy(axes)
    return figure
