"""A circuit made ready for the wave engine: folded, factored, with the way of solving that fits its shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from diodeq.circuit import Circuit, check
from diodeq.circuit.check import check_values
from diodeq.circuit.equations import SPARSE_WHEN_EMPTIER_THAN, Equations, EquationsPlan
from diodeq.circuit.fold import Folded, FoldPlan
from diodeq.circuit.proof import Judge
from diodeq.errors import SimulationError
from diodeq.processors import WIDE
from diodeq.simulators.base import quiet
from diodeq.simulators.wave.arrays import Arrays
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.general import General
from diodeq.simulators.wave.layers import Layers
from diodeq.simulators.wave.leaves import Leaves, LeavesPlan
from diodeq.simulators.wave.method import Method, Unaided
from diodeq.simulators.wave.stored import EMPTIER, Stored
from diodeq.simulators.wave.two_sets import LayersPlan

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plans:
    """What a circuit's topology decides."""

    fold: FoldPlan
    equations: EquationsPlan
    leaves: LeavesPlan | None
    layers: LayersPlan | None

    @staticmethod
    def of(circuit: Circuit) -> Plans:
        """Of a sound circuit."""
        fold = FoldPlan.of(circuit)
        equations = EquationsPlan.of(fold.folded)
        leaves = LeavesPlan.of(equations, fold.folded)
        layers = None if leaves else LayersPlan.of(equations)
        if layers is not None and not LayersPlan.suits(equations.fill(fold.fold(circuit).circuit)):
            layers = None
        return Plans(fold, equations, leaves, layers)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A circuit with its values, folded in the backend's numbers and factored."""

    circuit: Circuit
    plans: Plans
    folded: Folded
    judge: Judge
    diodes: Diodes
    method: Method

    @staticmethod
    def of(circuit: Circuit, arrays: Arrays, before: Prepared | None) -> Prepared:
        """A circuit for a backend, with what it shares with the one ``before``; raises ``CircuitError`` if unsound."""
        if before is not None and before.plans.fold.circuit.same_topology(circuit):
            plans = before.plans
        else:
            plans = Plans.of(check(circuit))
        folded = _folded(plans.fold, circuit, arrays)
        check_values(circuit, "resistors" if folded.sound else "")
        # Training changes conductances alone: the one-ports are those of the circuit before.
        same = before is not None and before.folded.circuit.same_one_ports(folded.circuit)
        diodes = before.diodes if before is not None and same else Diodes.of(folded.circuit, arrays)
        judge = Judge(plans.equations.fill(folded.circuit), diodes.ports)
        return Prepared(circuit, plans, folded, judge, diodes, _method(plans, judge, diodes, arrays))

    @property
    def equations(self) -> Equations:
        return self.judge.equations

    def right_side(self, drives: Floats) -> Floats:
        """The right side of the folded equations for input volts, in two parts where float64 is not enough."""
        sources = self.circuit.values_at(drives)
        known = self._exact.known_voltages(sources)
        into = self._exact.injections(sources, known, exact=True)
        return self.equations.right_side(into, self._exact.source_voltages(sources, known))

    @cached_property
    def wide(self) -> bool:
        """Whether products with the inputs are worth being done for a whole batch at once."""
        folded = self.folded
        if issparse(folded.scattered) or isinstance(folded.scattered, Stored):
            return False
        shapes = (each.shape for each in (*folded.couplings, folded.scattered))
        return any(rails and free > WIDE for rails, free in shapes)

    @cached_property
    def _exact(self) -> Folded:
        """The circuit folded in float64, for the few samples that need it."""
        return self.folded.plan.fold(self.circuit)


@quiet
def _folded(plan: FoldPlan, circuit: Circuit, arrays: Arrays) -> Folded:
    """A circuit folded, sound or not, in the backend's numbers."""
    number = np.dtype(arrays.number)
    emptier = EMPTIER[np.finfo(number).bits] if arrays.fused else SPARSE_WHEN_EMPTIER_THAN
    folded = plan.fold(circuit, emptier, number, fused=arrays.fused)
    scattered: Any = folded.scattered
    if not issparse(scattered):
        scattered = arrays.put(scattered)
    elif arrays.fused:
        scattered = Stored.of(scattered, number)
    return replace(folded, couplings=tuple(arrays.put(each) for each in folded.couplings), scattered=scattered)


def _method(plans: Plans, judge: Judge, diodes: Diodes, arrays: Arrays) -> Method:
    """The way of solving that fits the circuit's shape."""

    @cache
    def general() -> Method:
        try:
            return General.of(judge.equations, diodes, arrays)
        except SimulationError:
            # Singular to working precision, as far as this can tell; Newton's method knows better or refuses.
            return Unaided(diodes.count)

    if plans.layers is not None:
        return Layers.of(plans.layers, judge, diodes, arrays, general)
    if plans.leaves is None:
        return general()
    return Leaves.of(plans.leaves, judge, diodes, arrays, general) or general()
