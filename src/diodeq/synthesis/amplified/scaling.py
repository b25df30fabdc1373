"""Units scaled so that each uses the volts that its amplifier can give: ReLU is positively homogeneous.

With ``z' = S z`` and ``x' = s x`` for positive scales, ``z = σ(W z + U x + b)`` is ``z' = σ(S W S⁻¹ z' + S U x'/s +
S b)`` wherever ``σ(c x) = c σ(x)``; equilibria correspond one to one, so what was unique stays unique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diodeq.errors import NotRealizableError, SimulationError
from diodeq.network import Network, Stage
from diodeq.network.certificate import weakest_direction
from diodeq.network.solve import solve
from diodeq.synthesis.plan import Floats

HOMOGENEOUS = ("identity", "relu", "leaky-relu")
"""Activations for which σ(c x) = c σ(x) for every c > 0."""
# Units that hardly move on the samples are taken to move by this share of their stage's largest.
LEAST = 0.05


DRAWN = 256
"""Samples in [-1, 1] where nobody gave any."""


@dataclass(frozen=True, eq=False)
class Solved:
    """Sample inputs float64[B, n_in] of a network and its states for them, and the range of inputs that they say."""

    inputs: Floats
    states: tuple[Floats, ...]
    input_range: float

    @staticmethod
    def of(network: Network, inputs: Floats | None, allow_nonunique: bool = False) -> Solved:
        """For these inputs, else for corners and others drawn from [-1, 1]; all at 0 where there is nothing to find and
        that is allowed.

        Raises ``NotRealizableError`` when no solution is found and none is sure to exist.
        """
        most = 1.0 if inputs is None else max(1.0, float(np.abs(inputs).max(initial=0.0)))
        if inputs is None:
            inputs = np.random.default_rng(0).uniform(-1.0, 1.0, (DRAWN, network.widths[0]))
            inputs[:2] = [[1.0], [-1.0]]
        try:
            states = solve(network, inputs, tolerance=1e-9).states
        except SimulationError:
            if min(margin_of(k, network, allow_nonunique) for k in range(len(network.stages))) > 0.0:
                raise
            states = tuple(np.zeros((len(inputs), stage.size)) for stage in network.stages)
        return Solved(inputs, states, most)

    def scaled(self, found: Scaled) -> Solved:
        """The same of the scaled network."""
        states = tuple(z * scale for z, scale in zip(self.states, found.scales, strict=True))
        return Solved(found.input * self.inputs, states, self.input_range)

    def rails(self, k: int, stage: Stage) -> tuple[Floats, Floats]:
        """Of stage k its units' states, and what feeds them: its units, its inputs, 1 for the bias, 0 for ground."""
        own = self.states[k]
        into = self.inputs if k == 0 else self.states[k - 1]
        constant = np.tile([1.0, 0.0], (len(own), 1))
        return own, np.concatenate([*([] if stage.W is None else [own]), into, constant], axis=1)


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


def margin_of(k: int, network: Network, allow_nonunique: bool) -> float:
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


def homogeneous(network: Network) -> bool:
    """Whether all activations are."""
    return all(getattr(stage.activation, "name", "") in HOMOGENEOUS for stage in network.stages)


def scaled(network: Network, samples: Solved, volts: float) -> Scaled:
    """The network scaled so that inputs and units reach ±``volts`` on the samples.

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
    into = volts / (float(np.abs(samples.inputs).max(initial=0.0)) or 1.0)
    before: Floats = np.full(network.widths[0], into)
    stages, scales, most = [], [], []
    for k, (stage, z) in enumerate(zip(network.stages, samples.states, strict=True)):
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
