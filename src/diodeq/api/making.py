"""Make circuits: from weights, from nothing, and others from one that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.analysis.quantization import drawn_drives
from diodeq.api.options import demand_known
from diodeq.api.things import demand_circuit, demand_network
from diodeq.api.units import volts_of
from diodeq.circuit import Circuit
from diodeq.devices import catalogue
from diodeq.devices.hardware.ladder import ladder
from diodeq.devices.protocol import Model
from diodeq.learning import prune as pruning
from diodeq.network import Network
from diodeq.simulators import create
from diodeq.synthesis import Compiled, compile_network
from diodeq.synthesis import layered as whole
from diodeq.synthesis.quantize import Quantized
from diodeq.synthesis.quantize import quantize as nearest


def compile(network: Network, realization: str = "auto", *, diode: str | Model = "ideal", **options: Any) -> Compiled:
    """A network's weights as a circuit of resistors, diodes and, where they must be, amplifiers or transformers.

    ``options`` are those of `synthesis.compile_network`: technology, volts_per_unit, remedy, inputs, max_gain,
    allow_nonunique, amplifier, title. The result has the ``circuit``, the ``report`` of what was done and what it
    costs, and the ``network`` that it computes.

    Raises:
        NotRealizableError: the weights or the range of conductances do not allow it, with the numbers.
        UsageError: an unknown realization, diode, remedy or option.

    Example:
        >>> import diodeq
        >>> network = diodeq.Network([diodeq.Stage([[1.0, -1.0]], [0.5], [[-0.5]])])
        >>> compiled = diodeq.compile(network, diode="1N4148")
        >>> [stage.realization for stage in compiled.report.stages]
        ['passive']
    """
    demand_known("compile", options, compile_network, "realization")
    demand_network(network)
    return compile_network(network, realization, diode=diode, **options)


def layered(widths: Sequence[int], diode: str | Model = "1N4148", volts: float = 5.0, **options: Any) -> Circuit:
    """A layered circuit with random conductances, to train: rails, hidden nodes with a diode each, outputs.

    ``widths`` are inputs, hidden layers, outputs; bias rails are at ±``volts``. ``options`` are those of
    `synthesis.layered`: unit, topology, lateral, seed, technology, median, spread, units, temperature, title.

    Raises:
        UsageError: a number out of range, an unknown diode, topology or option.

    Example:
        >>> import diodeq
        >>> circuit = diodeq.layered((4, 10, 3))
        >>> len(circuit.resistors), len(circuit.diodes)
        (172, 10)
    """
    demand_known("layered", options, whole, "diode", "volts")
    return whole(widths, catalogue.get(diode) if isinstance(diode, str) else diode, volts, **options)


def quantize(circuit: Circuit, values: str, *, low: float = 0.0, high: float = np.inf, scale: float = 1.0) -> Quantized:
    """The circuit with every resistor replaced by the nearest of ``values`` (``"E24"``, ``"AD5206"``, ``"E12:series"``
    or a number of levels) between ``low`` and ``high`` siemens, all conductances times ``scale`` first.

    Raises:
        UsageError: there are no such values.

    Example:
        >>> import diodeq
        >>> quantized = diodeq.quantize(diodeq.layered((2, 3, 1)), "E24")
        >>> bool(abs(quantized.errors).max() < 0.06)
        True
    """
    demand_circuit(circuit)
    return nearest(circuit, ladder(values, low, high), scale)


def prune(
    circuit: Circuit,
    parts: int = 0,
    *,
    fan_in: int = 0,
    inputs: ArrayLike | None = None,
    simulator: str = "wave",
) -> Circuit:
    """The circuit of at most ``parts`` resistors, ``fan_in`` from each node towards the inputs (0: any number): those
    that contribute most over ``inputs`` float64[B, n_in] in the circuit's units, drawn at random unless given.

    Nothing is trained afterwards: ``train(…, start=circuit, parts=…)`` does that.

    Raises:
        NotRealizableError: so few cannot hold every node.

    Example:
        >>> import diodeq
        >>> len(diodeq.prune(diodeq.layered((4, 10, 3)), 60).resistors)
        60
    """
    demand_circuit(circuit)
    whole_circuit = pruning.open_to_pruning(circuit)
    drives = drawn_drives(whole_circuit) if inputs is None else volts_of(circuit, inputs, "network")
    with create(simulator) as engine:
        return pruning.pruned(whole_circuit, engine, drives, parts, fan_in)
