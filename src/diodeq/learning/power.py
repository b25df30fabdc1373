"""Joules in the loss: what each conductance adds to the power, and the weight that steers it to a target.

In a circuit of sources, resistors and one-ports the operating point minimises the co-content
``Φ(v; G) = Σ ½ G v² + Σ ∫ i(v) dv`` (Millar 1951), so ``dΦ/dG = ½ v²`` for each resistor by the envelope theorem: 2Φ,
the power but for ``Σ (2 ∫ i dv - v i)`` of the one-ports, costs each resistor its own v², with no second settling.
Where parts are not reciprocal there is no co-content, and where current sources drive them it is not the power: the
power's own gradient is found by one more adjoint solution with currents into every node.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.bank import Floats
from diodeq.circuit.equations import incidence
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.graph import held_nodes
from diodeq.circuit.power import dissipated
from diodeq.circuit.products import branch_products
from diodeq.circuit.supplies import Supplied, real
from diodeq.devices.one_ports import one_ports
from diodeq.learning.rules.base import Gradient
from diodeq.processors import single_threaded
from diodeq.simulators.base import OperatingPoint, Simulator

SHARE = 4
"""One in so many batches is asked for its power, whose gradient holds for those that follow."""
FIRST_WEIGHT = 0.03
"""The weight at first, over the target."""
GAIN = 10.0
"""Over a whole training the weight's logarithm moves by so much times that of the power over its target."""
TRIM = 0.1
"""What is still above the target at the end is lowered by this power of what it is above, batch by batch."""


@dataclass(frozen=True, eq=False)
class PowerGradient:
    """``watts``: the mean power of resistors, one-ports and operational amplifiers; ``gradient`` float64[n_trainable]:
    what it grows by for each conductance, in watts per siemens (of 2Φ where there is a co-content)."""

    watts: float
    gradient: Floats


def power_gradient(simulator: Simulator, point: OperatingPoint) -> PowerGradient:
    """The mean power of a circuit over the samples of an operating point, and its gradient."""
    circuit, volts = point.circuit, point.node_voltages
    every = squared(circuit, volts)
    with single_threaded():
        watts = float(circuit.conductances @ (every * real(circuit, "resistors")))
    watts += float(dissipated(circuit, volts, ("diodes",), point.diode_currents).mean())
    squares = every if circuit.trainable_alone else every[circuit.mask]
    if has_content(circuit):
        return PowerGradient(watts, squares)
    squares = squares + sum((each.slopes(volts)[circuit.mask] for each in Supplied.of(circuit)), 0.0 * squares)
    adjoint = simulator.small_signal(point, np.zeros((len(volts), len(circuit.outputs))), nodes=_rise(point))
    return PowerGradient(watts, squares + branch_products(circuit, volts, adjoint.node_voltages) / len(volts))


def has_content(circuit: Circuit) -> bool:
    """Whether twice the co-content stands for the power: only reciprocal parts, and voltage sources alone drive them.

    A current source's own part of the co-content is minus its power.
    """
    return not len(circuit.current_sources) and all(spec.reciprocal for spec in kinds_of(circuit).values())


def squared(circuit: Circuit, volts: Floats) -> Floats:
    """The mean square of the voltage across every resistor, float64[n_resistors]."""
    return -branch_products(circuit, volts, volts, every=True) / len(volts)


def contributions(simulator: Simulator, circuit: Circuit, drives: Floats) -> Floats:
    """What every resistor contributes, float64[n_resistors], over samples float64[B, n_in]: its root mean square
    current as a share of all such at the node of its two where that is larger; nodes that sources or buffers hold do
    not count.

    Currents themselves would take whole layers away: what drives an output is a hundredth of what drives a hidden node.
    """
    mean = squared(circuit, simulator.operate(circuit, drives).node_voltages)
    currents = circuit.conductances * np.sqrt(np.maximum(mean, 0.0))
    ends, free = circuit.resistors.terminals, ~held_nodes(circuit)
    at_node = np.bincount(ends.ravel(), np.repeat(currents, 2), minlength=len(circuit.nodes))
    shares = currents[:, None] / np.maximum(at_node[ends], np.finfo(np.float64).tiny)
    return np.asarray(np.where(free[ends], shares, 0.0).max(axis=1))


class Steering:
    """The power in the loss of an epoch, batch by batch.

    ``weight`` is what a watt adds to the loss, steered towards the ``target`` in watts (0: it stays) over a training of
    so many ``steps``; ``trims`` says whether what is above the target is lowered at once, too.
    """

    def __init__(self, simulator: Simulator, weight: float, target: float, steps: int, *, trims: bool) -> None:
        self.weight = weight
        self._simulator, self._target, self._share, self._trims = simulator, target, SHARE / steps, trims
        self._batches = 0

    def joined(self, gradient: Gradient, circuit: Circuit, drives: Floats) -> tuple[Gradient, float]:
        """The gradient of a batch with that of its power, and what to multiply the conductances by first."""
        if not self.weight:
            return gradient, 1.0
        trim = 1.0
        if self._batches % SHARE == 0:
            self._warmed = power_gradient(self._simulator, gradient.point or self._simulator.operate(circuit, drives))
            trim = self._steer(self._warmed.watts, has_content(circuit))
        self._batches += 1
        return replace(gradient, conductances=gradient.conductances + self.weight * self._warmed.gradient), trim

    def _steer(self, watts: float, scales: bool) -> float:
        if not self._target:
            return 1.0
        self.weight = steered(self.weight, watts, self._target, self._share)
        return trimmed(watts, self._target) if self._trims and scales else 1.0


def steered(weight: float, watts: float, target: float, share: float) -> float:
    """What a watt adds to the loss after so many watts were met, for a target in watts; ``share`` is the part of the
    training that meets them."""
    above = math.log(max(watts, 1e-30) / target)
    return weight * math.exp(GAIN * share * min(max(above, -1.0), 1.0))


def trimmed(watts: float, target: float) -> float:
    """What to multiply all conductances by where the power is above its target in watts.

    As long as no voltage changes the power is in proportion to the conductances, and voltages depend on their level by
    what diodes drop alone.
    """
    return min(1.0, math.pow(target / max(watts, 1e-30), TRIM))


def _rise(point: OperatingPoint) -> Floats:
    """What the power grows by for each node's voltage, float64[B, N]."""
    circuit, volts = point.circuit, point.node_voltages
    found = np.zeros_like(volts)
    for kind, spec in KINDS.items():
        parts = circuit.bank(kind)
        if not len(parts) or not (spec.conductive or spec.nonlinear):
            continue
        across = (volts[:, parts.terminals[:, 0]] - volts[:, parts.terminals[:, 1]]) * real(circuit, kind)
        if spec.nonlinear:
            ports = one_ports(circuit.models, parts.values, circuit.temperature)
            slope = (ports.current(across) + across * ports.conductance(across)) * real(circuit, kind)
        else:
            slope = 2.0 * parts.values * across
        found += (incidence(circuit, kind) @ slope.T).T
    return found + sum((each.rise(volts) for each in Supplied.of(circuit)), np.zeros_like(found))
