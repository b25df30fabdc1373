"""Networks as active rectifiers: planned, built, and the account of it."""

from __future__ import annotations

import numpy as np

from diodeq.circuit import Circuit, check
from diodeq.devices import Model
from diodeq.devices.hardware.technology import Technology
from diodeq.network import Network
from diodeq.synthesis.amplified import precision
from diodeq.synthesis.amplified.drivers import HEADROOM, SuppliedAmplifier
from diodeq.synthesis.amplified.scaling import Solved, margin_of, scaled
from diodeq.synthesis.amplified.swing import swings
from diodeq.synthesis.quantize import quantize
from diodeq.synthesis.remedy import Choice
from diodeq.synthesis.report import Report, StageReport


def compile_rectified(
    network: Network,
    supplied: SuppliedAmplifier,
    diode: Model,
    technology: Technology,
    samples: Solved,
    allow_nonunique: bool,
    title: str,
) -> tuple[Circuit, Report]:
    """The circuit of a network with such amplifiers, scaled to what they reach on the samples, and the account of it.

    Raises:
        NotRealizableError: the amplifier, the technology or the network's activations do not allow it.
    """
    volts, _ = precision.reach(supplied, diode)
    margins = [margin_of(k, network, allow_nonunique) for k in range(len(network.stages))]
    found = scaled(network, samples, volts)
    volted = [z * scale for z, scale in zip(samples.states, found.scales, strict=True)]
    planned = precision.plan(found, found.input * samples.inputs, volted, supplied, diode, technology)
    circuit = check(precision.build(found, planned, supplied, diode, title))
    if technology.ladder is not None:
        circuit = quantize(circuit, technology.ladder).circuit
    largest = float(np.abs(volted[-1]).max(initial=0.0)) or 1.0
    rms = float(np.sqrt(np.mean(volted[-1] ** 2))) or 1.0
    exact = (0.0,) * len(network.stages)
    choice = Choice("none", found.output, diode, exact, planned.error / largest, planned.rms / rms)
    report = Report.of(
        circuit,
        stages=tuple(_stage(network, planned, k, margin) for k, margin in enumerate(margins)),
        choice=choice,
        considered=(choice,),
        highest_volts=supplied.rail,
        input_range=samples.input_range,
        swing=swings(network, samples, found.scales, [volts / HEADROOM] * len(network.stages)),
    )
    return circuit, report


def _stage(network: Network, planned: precision.SummingNetwork, k: int, margin: float) -> StageReport:
    stage, layer = network.stages[k], planned.layers[k]
    relu = stage.activation.name == "relu"
    copies = int(planned.inverted(k, stage.size).sum())
    parts = {"resistors": len(layer.siemens) + stage.size + 2 * copies, "diodes": 2 * stage.size * relu}
    values = np.append(layer.siemens, planned.feedback)
    return StageReport(
        activation=str(stage.activation),
        units=stage.size,
        realization="precision",
        refused={},
        alternatives={},
        margin=margin * planned.feedback,
        siemens=planned.feedback,
        gain=1.0,
        row_scale=(1.0, 1.0),
        conductance_range=(float(values.min()), float(values.max())),
        pairs=layer.pairs,
        parts={**{kind: count for kind, count in parts.items() if count}, "amplifiers": stage.size + copies},
    )
