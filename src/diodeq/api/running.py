"""Ask a circuit: outputs for inputs, gradients of its conductances, how far it is from a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.analysis import verify as comparison
from diodeq.analysis.verify import Verification
from diodeq.api.things import demand_circuit, demand_network
from diodeq.api.units import labels_in, volts_of
from diodeq.arrays import real
from diodeq.circuit import Circuit
from diodeq.errors import InputError
from diodeq.learning.losses import Loss, cross_entropy, usual
from diodeq.learning.rules import gradient_of, named
from diodeq.learning.rules.base import Gradient, Rule
from diodeq.network import Network
from diodeq.pool import TIME_LIMIT
from diodeq.simulators import computing, create
from diodeq.simulators.ngspice import NgspiceReference

Floats = NDArray[np.float64]


def simulate(circuit: Circuit, inputs: ArrayLike, *, simulator: str = "wave", units: str = "network") -> Floats:
    """The outputs float64[B, n_out] where the circuit settles for inputs float64[B, n_in].

    Inputs and outputs are in the units that the circuit was made for (a data set's features and scores, a network's own
    numbers), or with ``units="volts"`` the volts of sources and nodes.

    Raises:
        UsageError: there is no such simulator, or no such units.
        CircuitError: the inputs do not fit the circuit.
        SimulationError: a row has no answer that could be proved; its ``failures`` say which and why.

    Example:
        >>> import diodeq
        >>> divider = diodeq.layered((2, 4, 1))
        >>> diodeq.simulate(divider, [[0.0, 0.0], [1.0, -1.0]]).shape
        (2, 1)
    """
    drives = volts_of(circuit, inputs, units)
    with create(simulator) as engine:
        found = engine.operate(circuit, drives).outputs.astype(np.float64)
    return circuit.scaling.from_volts(found) if units == "network" else found


def gradient(
    circuit: Circuit,
    inputs: ArrayLike,
    targets: ArrayLike | Loss,
    *,
    rule: str | Rule = "hardware-linearization",
    simulator: str = "wave",
    units: str = "network",
) -> Gradient:
    """The gradient of a loss with respect to the conductance of every trainable resistor, as a learning rule finds it.

    ``targets`` are class numbers int[B], for the cross-entropy of the outputs' scores, of a regression the quantities
    float64[B, n_out], for the squared error of scaled ones, or a function from outputs in volts float64[B, n_out] to
    the loss and its gradient. ``rule`` is a name of the learning rules with options, such as
    ``"equilibrium-propagation:beta=0.1"``, or a rule of your own.

    Raises:
        UsageError: there is no such rule, simulator or units.
        InputError: inputs or targets do not fit the circuit.
        SimulationError: a row has no answer.

    Example:
        >>> import diodeq
        >>> circuit = diodeq.layered((2, 4, 2))
        >>> found = diodeq.gradient(circuit, [[1.0, -1.0], [-1.0, 1.0]], [0, 1])
        >>> len(found.conductances) == len(circuit.resistors)
        True
    """
    demand_circuit(circuit)
    loss = _asked(targets) if callable(targets) else _usual(circuit, targets)
    drives = volts_of(circuit, inputs, units)
    with create(simulator) as engine:
        return gradient_of(named(rule), engine, circuit, drives, loss)


def verify(
    circuit: Circuit,
    network: Network,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    tolerance: float = 0.01,
    simulator: str = "wave",
    workers: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Verification:
    """How far a circuit is from the network that it was compiled from, or that was extracted from it, and why.

    ``inputs`` float64[B, n_in] in network units, ``labels`` class numbers int[B] or quantities float64[B, n_out];
    ``tolerance`` is a share of every resistance, for the certificate. ngspice solves a few samples once more, with as
    many ``workers`` as the ``simulator``.

    Raises:
        InputError: the circuit is not this network's, or labels do not fit.
        SimulationError: a row has no answer.

    Example:
        >>> import diodeq
        >>> hidden, read = diodeq.Stage([[1.0, -0.5]], [0.1]), diodeq.Stage([[2.0]], [0.0], activation="identity")
        >>> network = diodeq.Network([hidden, read])
        >>> compiled = diodeq.compile(network)
        >>> found = diodeq.verify(compiled.circuit, network, [[0.2, 0.4], [1.0, -1.0]])
        >>> bool(abs(found.levels["device"][-1] - found.levels["network"][-1]).max() < 1e-3)
        True
    """
    demand_circuit(circuit)
    demand_network(network)
    rows = np.atleast_2d(real("the inputs", inputs))
    wanted = labels_in(circuit, labels)
    if wanted is not None and wanted.ndim == 2:
        wanted = wanted.astype(np.float64) * circuit.scaling.output_scale
    with computing(simulator, workers, time_limit) as engine, NgspiceReference(workers, time_limit) as reference:
        return comparison.verify(engine, reference, circuit, network, rows, wanted, tolerance)


def _asked(loss: Loss) -> Loss:
    """A function of the caller's, which answers a loss and its gradient or is refused."""

    def asked(outputs: Floats) -> tuple[float, Floats]:
        found = loss(outputs)
        try:
            value, gradient = found
            return float(value), gradient
        except (TypeError, ValueError):
            parts = [type(each).__name__ for each in (found if isinstance(found, tuple) else [found])]
            raise InputError(
                f"the loss function returns {', '.join(parts) or 'nothing'} instead of the loss and its gradient",
                "return a number and an array [B, n_out]",
            ) from None

    return asked


def _usual(circuit: Circuit, targets: ArrayLike) -> Loss:
    """The loss of class numbers, or of quantities where the circuit's outputs are such."""
    scaling = circuit.scaling
    if not scaling.regresses:
        return cross_entropy(targets, scaling.output_scale)  # which says what is wrong with them
    return usual(labels_in(circuit, targets), scaling.output_scale)
