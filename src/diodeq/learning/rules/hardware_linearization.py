"""Hardware linearization: the circuit itself computes the gradient, by settling twice.

Settle; freeze every diode at its incremental conductance; zero the sources; inject the loss gradient at the outputs
as currents; settle again. The product of a resistor's two branch voltages is then the gradient of its conductance.
Name and use for training: Chaffey, arXiv:2509.13793; the products: Director & Rohrer, IEEE Trans. Circuit Theory
16(3), 1969.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.capacitance import capacitances, toned
from diodeq.circuit.kinds import OWN
from diodeq.circuit.products import branch_products
from diodeq.errors import UsageError
from diodeq.learning.losses import Loss
from diodeq.learning.rules.base import Gradient, caution
from diodeq.learning.rules.nudges import nonreciprocal
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator
from diodeq.simulators.two_sided import best_amplitude, demand_reciprocal, reader, two_sided

Floats = NDArray[np.float64]
WIRING = 2e-12
"""Farads that each connected end of a part adds to its node"""


class Amperes(float):
    """An amplitude in amperes, or "auto", which is no number."""

    def __new__(cls, value: float | str) -> Amperes:
        """From a number or its text."""
        return super().__new__(cls, math.nan if value == "auto" else float(value))

    @property
    def automatic(self) -> bool:
        """Whether a noise measurement chooses it."""
        return math.isnan(self)

    def __format__(self, spec: str) -> str:
        return "auto" if self.automatic else format(float(self), spec)

    __str__ = __repr__ = lambda self: format(self, "")

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) or float(self) == other

    def __hash__(self) -> int:
        return hash(str(self))


NO_AMPLITUDE = Amperes(0.0)


@dataclass(frozen=True)
class HardwareLinearization:
    """The gradient from two settlings of the circuit, whatever the number of resistors.

    With ``amplitude`` 0 the engine linearizes the circuit, and the gradient is exact. With more it is read as on a
    bench: ``repeats`` settlings with small currents of either sign, of which the largest into an output is
    ``amplitude`` amperes; "auto" measures the noise first and takes the best. With ``lock_in`` hertz the currents are
    a tone of no size, of which the part in phase is read: what nodes with capacitances (those of the one-ports, and
    ``WIRING`` for each end of a part) still follow. On a bench currents and tones are its own.

    Raises:
        UsageError: a number that makes no sense, or both an amplitude and a tone.
    """

    amplitude: Amperes = NO_AMPLITUDE
    repeats: int = 1
    lock_in: float = 0.0
    name: ClassVar[str] = "hardware-linearization"
    finds_others: ClassVar[bool] = True
    linearizes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "amplitude", Amperes(self.amplitude))
        for name, value in (("amplitude", self.amplitude), ("lock-in", self.lock_in)):
            if not (0.0 <= value < math.inf or str(value) == "auto"):
                raise UsageError(f"{name} = {value:g} is not possible", "give 0 or more")
        if self.repeats < 1:
            raise UsageError(f"repeats = {self.repeats} is no reading", "give at least 1")
        if self.lock_in and self.amplitude != 0.0:
            raise UsageError("a tone of lock-in has no amplitude here", "leave one of them out")
        if self.repeats > 1 and self.amplitude == 0.0:
            raise UsageError("nothing is read repeatedly without an amplitude", "give one, or amplitude=auto")

    def __call__(
        self, simulator: Simulator, circuit: Circuit, drives: Floats, loss: Loss, /, *, also: Sequence[str] = ()
    ) -> Gradient:
        """The gradient; exact on every circuit, or read with currents on reciprocal ones."""
        caution(self, circuit, also)
        point = simulator.operate(circuit, drives)
        if self.amplitude == 0.0 and not self.lock_in:
            return read_adjoint(simulator, point, point, loss, also)
        if also:
            raise UsageError(
                f"readings with currents find the gradient of conductances only, not of {', '.join(also)}",
                "leave amplitude and lock-in out",
            )
        value, injections = loss(point.outputs)
        measured = getattr(simulator, "measured", None)
        if measured is not None:  # a bench, which has pumps and tones of its own
            amplitude = None if self.lock_in else "auto" if self.amplitude.automatic else float(self.amplitude)
            adjoint = measured(point, injections, amplitude, self.repeats, self.lock_in)
        elif self.lock_in:
            adjoint = self._toned(point, injections)
        else:
            demand_reciprocal(circuit)
            read, amplitude = reader(simulator, circuit), float(self.amplitude)
            if self.amplitude.automatic:
                amplitude = best_amplitude(read, circuit, drives, injections, self.repeats).best
            adjoint = two_sided(read, drives, injections, amplitude, self.repeats)
        return Gradient(branch_products(circuit, point.node_voltages, adjoint), value, point.outputs, point=point)

    def _toned(self, point: OperatingPoint, injections: Floats) -> Floats:
        circuit = point.circuit
        injected = circuit.output_injections(injections)
        farads = capacitances(circuit, WIRING, 0.0)
        return toned(circuit, point.node_voltages, point.diode_conductances, injected, farads, self.lock_in)

    def inexact(self, circuit: Circuit) -> str | None:
        """Without currents of some size or a tone None, whatever the circuit."""
        if self.lock_in:
            return f"at {self.lock_in:g} Hz capacitances keep nodes from following"
        return nonreciprocal(circuit) if self.amplitude != 0.0 else None

    def cost(self, circuit: Circuit) -> int:
        """One settling forward and one linearized, or two for each reading with currents."""
        return 2 if self.amplitude == 0.0 else 1 + 2 * self.repeats


def read_adjoint(
    simulator: Simulator, point: OperatingPoint, frozen: OperatingPoint, loss: Loss, also: Sequence[str] = ()
) -> Gradient:
    """The gradient at ``point`` with the diodes frozen as in ``frozen``, usually the same."""
    circuit, outputs = point.circuit, point.outputs
    value, injections = loss(outputs)
    adjoint = simulator.small_signal(frozen, injections)
    conductances = branch_products(circuit, point.node_voltages, adjoint.node_voltages)
    others = {kind: _products(circuit, kind, point, adjoint).sum(axis=0) for kind in also}
    return Gradient(conductances, value, outputs, others, point)


def _products(circuit: Circuit, kind: str, point: OperatingPoint, adjoint: AdjointSolution) -> Floats:
    """dℓ/d(value) of every part of a kind, float64[B, n]: what changes with the value is the part's own stamp, so
    ``-x̂ᵀ (∂A/∂value) x`` is a sum of products at its terminals (Director & Rohrer). The currents of its adjoint are
    those of the kind that stands for it in the transposed circuit."""
    spec, ends = KINDS[kind], circuit.bank(kind).terminals

    def at(places: tuple[int, ...], volts: Floats, currents: Mapping[str, Floats], of: str) -> Floats:
        return currents[of] if OWN in places else volts[:, ends[:, places[0]]] - volts[:, ends[:, places[1]]]

    found = np.zeros((len(point.node_voltages), len(ends)))
    for flow in spec.stamp:
        if flow.valued:
            left = at(flow.out, adjoint.node_voltages, adjoint.branch_currents, spec.adjoint.kind)
            found -= flow.sign * left * at(flow.control, point.node_voltages, point.branch_currents, kind)
    return found
