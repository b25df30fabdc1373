"""Networks out of operational amplifiers that exist, on supplies that exist."""

from __future__ import annotations

import math

import numpy as np

from diodeq.circuit import KINDS, Circuit, check
from diodeq.circuit.amplifiers import amplifiers, inside
from diodeq.devices import Model
from diodeq.devices.amplifier import Amplifier
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import NotRealizableError, UsageError
from diodeq.network import Network
from diodeq.network.certificate import weakest_direction
from diodeq.network.solve import solve
from diodeq.synthesis import precision
from diodeq.synthesis.plan import Floats
from diodeq.synthesis.quantize import quantize
from diodeq.synthesis.remedy import Choice
from diodeq.synthesis.report import Report, StageReport
from diodeq.synthesis.scaling import scaled

DRAWN = 256
"""Samples in [-1, 1] where nobody gave any."""


def compile_amplified(
    network: Network,
    realization: str,
    amplifier: Amplifier,
    diode: Model,
    technology: Technology,
    volts_per_unit: float | None,
    inputs: Floats | None,
    allow_nonunique: bool,
    title: str,
) -> tuple[Circuit, Report]:
    """The circuit of a network with such amplifiers, and the account of it.

    Args are those of ``compile_network``; volts per unit follow from the supply and the samples.

    Raises:
        UsageError: volts per unit were given. NotRealizableError: the amplifier, the technology or the network's
            activations do not allow it.
    """
    if volts_per_unit is not None:
        raise UsageError(
            "with amplifiers the volts per unit follow from their swing",
            "leave them out, or give another --supply",
            arguments=("volts_per_unit", "supply"),
        )
    if realization not in ("auto", "precision"):
        raise NotRealizableError(
            f"{realization} cannot be built with operational amplifiers yet",
            "use --realization precision, or leave --amplifier out",
            arguments=("realization", "amplifier"),
        )
    rail = amplifier.rail(technology.supply if math.isfinite(technology.supply) else None)
    volts, _ = precision.reach(amplifier, rail, diode)
    given = inputs is not None
    if inputs is None:
        inputs = np.random.default_rng(0).uniform(-1.0, 1.0, (DRAWN, network.widths[0]))
        inputs[:2] = [[1.0], [-1.0]]
    margins = [_margin(k, network, allow_nonunique) for k in range(len(network.stages))]
    states = solve(network, inputs, tolerance=1e-9).states
    found = scaled(network, inputs, states, volts)
    volted = [z * scale for z, scale in zip(states, found.scales, strict=True)]
    planned = precision.plan(found, found.input * inputs, volted, amplifier, rail, diode, technology)
    circuit = check(precision.build(found, planned, amplifier, rail, diode, title))
    if technology.ladder is not None:
        circuit = quantize(circuit, technology.ladder).circuit
    largest = float(np.abs(volted[-1]).max(initial=0.0)) or 1.0
    rms = float(np.sqrt(np.mean(volted[-1] ** 2))) or 1.0
    choice = Choice("none", found.output, diode, (0.0,) * len(states), planned.error / largest, planned.rms / rms)
    report = Report(
        stages=tuple(_stage(network, planned, k, margin) for k, margin in enumerate(margins)),
        choice=choice,
        considered=(choice,),
        highest_volts=rail,
        input_range=max(1.0, float(np.abs(inputs).max(initial=0.0))) if given else 1.0,
        parts=counted_parts(circuit),
        amplifiers={name: len(each) for name, each in amplifiers(circuit).items()},
    )
    return circuit, report


def counted_parts(circuit: Circuit) -> dict[str, int]:
    """How many parts of each kind there are beside those that are an amplifier's inside."""
    counts = {kind: int((~inside(circuit, kind)).sum()) for kind in KINDS if len(circuit.bank(kind))}
    return {kind: count for kind, count in counts.items() if count}


def _margin(k: int, network: Network, allow_nonunique: bool) -> float:
    """The margin of a stage in units; raises `NotRealizableError` where it guarantees no unique equilibrium."""
    margin, unit = weakest_direction(network.stages[k])
    if margin <= 0.0 and not allow_nonunique:
        raise NotRealizableError(
            f"stage {k}: the margin of W is {margin:.6g}, not above 0, and its eigenvector is largest at unit {unit},"
            " so a unique equilibrium is not guaranteed",
            "train with a monotone parameterization, or allow it with allow_nonunique",
            arguments=("allow_nonunique",),
        )
    return margin


def _stage(network: Network, planned: precision.Precision, k: int, margin: float) -> StageReport:
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
