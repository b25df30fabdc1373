"""The protocol every engine follows; ``learning`` and ``analysis`` see nothing else of a simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.pool import Health

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """Where a circuit settles, for every row of a batch.

    ``drives`` float64[B, n_in] volts; ``node_voltages`` float64[B, N] (column 0 is ground); ``diode_conductances``
    float64[B, n_diodes], the incremental conductance dI/dV in siemens between each diode's terminals;
    ``branch_currents`` maps "voltage_sources", "transformers" (first port), "buffers" (output port), "mirrors" (sense
    port) to float64[B, n] amperes entering the port's first node, where the engine has them.
    """

    circuit: Circuit
    drives: Floats
    node_voltages: Floats
    diode_conductances: Floats
    branch_currents: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def outputs(self) -> Floats:
        """Output volts, float64[B, n_out]."""
        return self.circuit.read_outputs(self.node_voltages)


@dataclass(frozen=True, eq=False)
class AdjointSolution:
    """Node voltages float64[B, N] of the linearized, transposed circuit with the loss gradient injected as currents."""

    node_voltages: Floats
    branch_currents: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Waveform:
    """How a circuit moves after a step of its inputs at time 0.

    ``times`` float64[T] seconds, uneven; ``node_voltages`` float64[T, N]; ``diode_currents`` float64[T, n_diodes] at
    the terminals, what charges the junctions included.
    """

    circuit: Circuit
    times: Floats
    node_voltages: Floats
    diode_currents: Floats

    @property
    def outputs(self) -> Floats:
        """Output volts, float64[T, n_out]."""
        return self.circuit.read_outputs(self.node_voltages)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Noise of the outputs at an operating point: node voltages float64[N], frequencies float64[F] in Hz, densities
    float64[n_out, F] in V²/Hz."""

    node_voltages: Floats
    frequencies: Floats
    densities: Floats


@runtime_checkable
class Monitored(Protocol):
    """An engine that has processes of its own and can say how they are."""

    @property
    def health(self) -> Health:
        """At this moment."""
        ...


class Simulator(Protocol):
    """An engine. Use it as a context manager: leaving it releases its processes."""

    name: str

    @property
    def version(self) -> str:
        """Name and version of what does the computing."""
        ...

    def operate(self, circuit: Circuit, drives: Floats) -> OperatingPoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        ...

    def small_signal(self, operating_point: OperatingPoint, injections: Floats) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs (dℓ/dv of each)."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


@runtime_checkable
class Dynamic(Protocol):
    """An engine that also knows time and noise. ``capacitances`` float64[N] are farads from each node to ground; the
    diodes' own come with their models."""

    def transient(
        self, circuit: Circuit, capacitances: Floats, before: Floats, after: Floats, stop: float, tolerance: float
    ) -> list[Waveform]:
        """One waveform a row, from the operating point of input volts ``before`` float64[B, n_in] when they step to
        ``after``, over ``stop`` seconds, with a relative error of ``tolerance`` a time step."""
        ...

    def noise(
        self, circuit: Circuit, capacitances: Floats, drives: Floats, band: tuple[float, float]
    ) -> list[Spectrum]:
        """The noise of the outputs, one spectrum a row of ``drives`` float64[B, n_in], within ``band`` in Hz."""
        ...


class DynamicSimulator(Simulator, Dynamic, Protocol):
    """An engine of both protocols."""
