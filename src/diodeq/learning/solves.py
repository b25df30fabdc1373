"""What a simulation costs in hardware: how often a circuit has to settle."""

from __future__ import annotations

from typing import Self

from diodeq.circuit import Circuit
from diodeq.learning.rules.base import Rule
from diodeq.simulators.base import AdjointSolution, Counting, Floats, OperatingPoint, Simulator
from diodeq.wrapped import Wrapped


def settled(simulator: Simulator, circuit: Circuit) -> tuple[int, int]:
    """How often a sample settles when an engine operates a circuit, and when it linearizes it: once, on a bench as
    often as it reads."""
    own = getattr(simulator, "settlings", None)
    return (1, 1) if own is None else own(circuit)


def cost(rule: Rule, circuit: Circuit, each: tuple[int, int] = (1, 1)) -> int:
    """How often a sample settles for one gradient, where it is operated and linearized so often at ``each``."""
    operated, linearized = each
    if each != (1, 1) and getattr(rule, "linearizes", False):
        return operated + linearized * int(getattr(rule, "repeats", 1))
    return operated * rule.cost(circuit)


class Counted(Wrapped):
    """A simulator that counts circuit solves: one for each sample that settles, linearized or not; of a bench all that
    it reads. Whatever else it has is the simulator's own, which stays the caller's to close.
    """

    _made: Simulator

    def __init__(self, simulator: Simulator) -> None:
        self._made, self.name, self._solves = simulator, simulator.name, 0
        self._before = simulator.readings if isinstance(simulator, Counting) else 0

    @property
    def solves(self) -> int:
        """How many there were."""
        return self._made.readings - self._before if isinstance(self._made, Counting) else self._solves

    @property
    def version(self) -> str:
        """The simulator's own."""
        return self._made.version

    def operate(self, circuit: Circuit, drives: Floats) -> OperatingPoint:
        """The operating point for input volts ``drives`` float64[B, n_in], counted B times."""
        self._solves += len(drives)
        return self._made.operate(circuit, drives)

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """The adjoint solution for currents ``injections`` float64[B, n_out], counted B times."""
        self._solves += len(injections)
        return self._made.small_signal(operating_point, injections, nodes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass
