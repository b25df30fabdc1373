"""Units scaled so that each uses the volts that its amplifier can give: ReLU is positively homogeneous.

With ``z' = S z`` and ``x' = s x`` for positive scales, ``z = σ(W z + U x + b)`` is ``z' = σ(S W S⁻¹ z' + S U x'/s +
S b)`` wherever ``σ(c x) = c σ(x)``; equilibria correspond one to one, so what was unique stays unique.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diodeq.errors import NotRealizableError
from diodeq.network import Network, Stage
from diodeq.synthesis.plan import Floats

HOMOGENEOUS = ("identity", "relu", "leaky-relu")
"""Activations for which σ(c x) = c σ(x) for every c > 0."""
# Units that hardly move on the samples are taken to move by this share of their stage's largest.
LEAST = 0.05


@dataclass(frozen=True, eq=False)
class Scaled:
    """A network whose inputs, units and outputs are volts.

    ``input`` and ``output`` are volts per unit of the network that it was made of, ``scales`` those of the units of
    each stage, float64[n_k], and ``most`` the volts that they reach on the samples.
    """

    network: Network
    input: float
    output: float
    scales: tuple[Floats, ...]
    most: tuple[Floats, ...]


def scaled(network: Network, inputs: Floats, states: Sequence[Floats], volts: float) -> Scaled:
    """The network scaled so that inputs and units reach ±``volts`` on samples float64[B, n_in] with known states.

    The last stage has one scale for all of its units, which outputs are read with.

    Raises `NotRealizableError` for an activation that is not positively homogeneous.
    """
    for k, stage in enumerate(network.stages):
        if getattr(stage.activation, "name", "") not in HOMOGENEOUS:
            raise NotRealizableError(
                f"stage {k} has the activation {stage.activation}, which cannot be scaled to an amplifier's swing",
                f"use a network of {', '.join(HOMOGENEOUS)}, or leave --amplifier out",
                arguments=("amplifier",),
            )
    into = volts / (float(np.abs(inputs).max(initial=0.0)) or 1.0)
    before: Floats = np.full(network.widths[0], into)
    stages, scales, most = [], [], []
    for k, (stage, z) in enumerate(zip(network.stages, states, strict=True)):
        top = np.abs(z).max(axis=0, initial=0.0)
        largest = float(top.max(initial=0.0)) or 1.0
        last = k == len(network.stages) - 1
        scale = np.full(stage.size, volts / largest) if last else volts / np.maximum(top, LEAST * largest)
        W = None if stage.W is None else stage.W * scale[:, None] / scale
        stages.append(Stage(stage.U * scale[:, None] / before, stage.b * scale, W, stage.activation))
        scales.append(scale)
        most.append(scale * top)
        before = scale
    return Scaled(Network(tuple(stages)), into, float(before[0]) if len(before) else 1.0, tuple(scales), tuple(most))
