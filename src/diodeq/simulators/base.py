"""The protocol every engine follows; ``learning`` and ``analysis`` see nothing else of a simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diodeq.arrays import real
from diodeq.circuit import Circuit
from diodeq.circuit.equations import parts
from diodeq.errors import InputError, numbered
from diodeq.pool import Health
from diodeq.printable import counted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AT_ONCE = 1024
"""Samples that are solved together where only what they come to is kept."""
_HELD = 1 << 25  # node voltages of theirs, at most

quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""What overflows on the way is no number, and what is no number proves nothing."""
RANGE = 64
"""Powers of two up and down by which answers of the order of volts stay what they are in float32."""


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """Where a circuit settles, for every row of a batch.

    ``drives`` float64[B, n_in] volts; ``node_voltages`` float64[B, N] (column 0 is ground); ``diode_conductances``
    float64[B, n_diodes], the incremental conductance dI/dV in siemens between each diode's terminals;
    ``branch_currents`` maps kinds to float64[B, n] amperes entering the first node of ``Kind.branch``, and
    ``diode_currents`` float64[B, n_diodes] are those from each diode's anode to its cathode, where the engine has them.
    """

    circuit: Circuit
    drives: Floats
    node_voltages: Floats
    diode_conductances: Floats
    branch_currents: Mapping[str, Floats] = field(default_factory=dict)
    diode_currents: Floats | None = field(default=None, kw_only=True)

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


@runtime_checkable
class Counting(Protocol):
    """An engine whose answers depend on how many it gave: a bench, or its twin.

    ``readings`` may be set, to go on where another one was; ``described`` says what is on the table.
    """

    readings: int

    @property
    def resolution(self) -> float:
        """Volts by which its rounding makes a reading wrong, root mean square."""

    @property
    def described(self) -> dict[str, Any]:
        """What it is, as a JSON document."""

    def taps(self, circuit: Circuit) -> tuple[Ints, Ints] | None:
        """The codes at which its taps are, read back, and those that ``circuit`` asks for; nothing is set. None where
        they do not outlast this process."""


@dataclass(frozen=True, eq=False)
class Spread:
    """How what is injected [B, n] becomes node currents float64[B, N]: through the outputs, or as it is."""

    circuit: Circuit
    through_outputs: bool

    def __call__(self, injected: Floats) -> Floats:
        """The currents, added in the numbers that are given."""
        return self.circuit.output_injections(injected) if self.through_outputs else injected

    def exact(self, injected: Floats) -> Floats:
        """The same; where currents of several outputs meet at a node in two ``parts`` float64[B, 2, N]."""
        return parts(self._signs, injected) if self.crowded else self(injected)

    def met(self, injected: Floats) -> Floats:
        """What comes in at every node float64[B, N] without the signs."""
        return np.asarray((abs(self._signs) @ np.abs(injected).T).T)

    @property
    def crowded(self) -> bool:
        """Whether several outputs are at one node."""
        return self.through_outputs and bool((np.bincount(self.circuit.outputs.ravel())[1:] > 1).any())

    @cached_property
    def _signs(self) -> sparse.csr_array:
        outputs = self.circuit.outputs
        rows, columns = outputs.T.ravel(), np.tile(np.arange(len(outputs)), 2)
        signs = np.repeat([1.0, -1.0], len(outputs)) * (rows > 0)
        found = sparse.csr_array((signs, (rows, columns)), shape=(len(self.circuit.nodes), len(outputs)))
        found.eliminate_zeros()
        return found


def demand_injections(point: OperatingPoint, injections: Floats, nodes: Floats | None) -> tuple[Floats, Spread]:
    """What is injected, and how it becomes node currents float64[B, N]: ``injections`` as float64[B, n_out], or where
    ``nodes`` float64[B, N] come too, both as node currents.

    Raises:
        InputError: another shape, or a value that is not finite.
    """
    circuit, samples = point.circuit, len(point.node_voltages)
    outputs = _demanded(injections, "output", circuit.output_names, samples)
    if nodes is None:
        return outputs, Spread(circuit, True)
    found = circuit.output_injections(outputs) + _demanded(nodes, "node", circuit.nodes, samples)
    return found, Spread(circuit, False)


def _demanded(injections: Floats, what: str, names: Sequence[str], samples: int) -> Floats:
    found, wanted = real("the loss gradient", injections), (samples, len(names))
    if found.shape != wanted:
        raise InputError(
            f"a loss gradient of shape {found.shape} does not fit {counted(samples, 'sample')} of"
            f" {counted(len(names), what)}",
            f"give one of shape {wanted}",
        )
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        row, column = bad[0].tolist()
        raise InputError(
            f"the loss gradient {found[row, column]} of {what} {names[column]} in sample {row} is no number",
            "look for the overflow in the loss",
            sample=row,
        )
    return found


def leveled(injections: Floats, amperes: float = 1.0, reach: int = 0) -> tuple[Floats, Floats | None]:
    """``injections`` [B, n] divided by powers of two [B, 1], which come too, so that the largest of every row has the
    order of ``amperes``: linear equations answer in proportion, and so no answer leaves the range of an engine's
    numbers or tolerances on the way. Nothing is rounded, so what cancels still does. Where all are within 2 to the
    power of ``reach`` of it they stay as they are, and there is no scale."""
    exponents = np.frexp(np.abs(injections).max(axis=1, keepdims=True, initial=0.0))[1] - np.frexp(amperes)[1]
    if np.abs(exponents).max(initial=0) <= reach:
        return injections, None
    scale = np.exp2(np.clip(exponents, -1074, 1023).astype(np.float64))  # the powers that float64 has
    return injections / scale, scale


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

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out] into the outputs (dℓ/dv of each), and
        ``nodes`` float64[B, N] into any nodes beside them."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


@runtime_checkable
class Dynamic(Protocol):
    """An engine that also knows time and noise. ``capacitances`` float64[N] are farads from each node to ground; the
    diodes' own come with their models."""

    def transient(
        self,
        circuit: Circuit,
        capacitances: Floats,
        before: Floats,
        after: Floats,
        stop: float,
        tolerance: float,
        rest: Floats | None = None,
    ) -> list[Waveform]:
        """One waveform a row, from the operating point of input volts ``before`` float64[B, n_in] when they step to
        ``after``, over ``stop`` seconds, with a relative error of ``tolerance`` a time step. The search for that point
        begins at node voltages ``rest`` float64[B, N], where they are given."""
        ...

    def noise(
        self, circuit: Circuit, capacitances: Floats, drives: Floats, band: tuple[float, float]
    ) -> list[Spectrum]:
        """The noise of the outputs, one spectrum a row of ``drives`` float64[B, n_in], within ``band`` in Hz."""
        ...


def batches(simulator: Simulator, circuit: Circuit, drives: Floats) -> Iterator[OperatingPoint]:
    """The operating points for input volts ``drives`` float64[B, n_in], as many rows at a time as memory is meant for;
    errors number the samples through."""
    rows = max(1, min(AT_ONCE, _HELD // len(circuit.nodes)))
    for at in range(0, len(drives), rows):
        with numbered(range(at, len(drives))):
            yield simulator.operate(circuit, drives[at : at + rows])


class DynamicSimulator(Simulator, Dynamic, Protocol):
    """An engine of both protocols."""
