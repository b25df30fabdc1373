"""The two sets of nodes of a layered circuit, with their values: all that going back and forth between them needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diodeq.simulators.wave.arrays import Array, Arrays
from diodeq.simulators.wave.diodes import Diodes
from diodeq.simulators.wave.two_sets import LayersPlan, SetPlan

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Nodes:
    """One of the two sets: which unknowns, ``load`` siemens at each in all, and the one-ports on them. Voltages are
    taken along the one-ports, ``sign`` times those of the nodes."""

    at: slice | Index
    load: Array
    sign: Array
    ports: slice | Index
    places: slice | Index
    count: int
    line: Callable[[Array], tuple[Array, Array, Array]]

    @staticmethod
    def of(plan: SetPlan, own: Floats, diodes: Diodes, arrays: Arrays) -> Nodes:
        """A plan's nodes with their values, of ``own`` siemens at every unknown in all."""
        at, ports, places = plan.runs
        load, put = own[at], arrays.put
        line = diodes.take(plan.ports, arrays).behind(put(1.0 / load[places]))
        return Nodes(at, put(load), put(plan.along), ports, places, len(plan.ports), line)

    def meet(self, pushed: Array) -> tuple[Array, Array, Array]:
        """Voltages [B, n], and currents and conductances of the one-ports, where ``pushed`` [B, n] amperes come in."""
        volts = pushed / self.load
        v, i, g = self.line(volts[:, self.places])
        if self.count == volts.shape[1]:
            return v, i, g
        volts[:, self.places] = v
        return volts, i, g


class Coupling(NamedTuple):
    """The siemens between the two sets, where both ways of counting voltages are taken in: as [first, second], which
    takes voltages of the first to currents into the second, and as [second, first]."""

    onward: Array
    back: Array


class Sides(NamedTuple):
    """The two sets of nodes and the ``coupling`` between them, in numbers of one type."""

    first: Nodes
    second: Nodes
    coupling: Coupling

    @staticmethod
    def of(plan: LayersPlan, own: Floats, diodes: Diodes, arrays: Arrays, coupling: Coupling) -> Sides:
        """A plan's sets with their values, of ``own`` siemens at every unknown in all."""
        first, second = (Nodes.of(each, own, diodes, arrays) for each in plan.sets)
        return Sides(first, second, coupling)
