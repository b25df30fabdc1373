"""An engine of an installed package, watched: what it raises or answers in vain is said of the package."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from diodeq.circuit import Circuit
from diodeq.plugins import trusted
from diodeq.simulators.base import AdjointSolution, Floats, OperatingPoint, Simulator
from diodeq.wrapped import Wrapped

PARTS = ("operate", "small_signal", "version", "__enter__", "__exit__")


class AddedSimulator(Wrapped):
    """A simulator that is ``what``; whatever else it has is its own.

    Raises:
        InputError: it fails, or its answer is none, naming ``what``.
    """

    _made: Simulator

    def __init__(self, made: Simulator, what: str, name: str) -> None:
        self._made, self._what = made, what
        self.name = getattr(made, "name", name)

    @property
    def version(self) -> str:
        """Name and version of what does the computing."""
        with trusted(self._what):
            return str(self._made.version)

    def operate(self, circuit: Circuit, drives: Floats) -> OperatingPoint:
        """The operating point for input volts ``drives`` float64[B, n_in]."""
        with trusted(self._what):
            answer = self._made.operate(circuit, drives)
            self._demand("operate", answer, OperatingPoint, (len(drives), len(circuit.nodes)))
        return answer

    def small_signal(
        self, operating_point: OperatingPoint, injections: Floats, nodes: Floats | None = None
    ) -> AdjointSolution:
        """The adjoint solution for currents into the outputs, and into any ``nodes`` beside them."""
        more = () if nodes is None else (nodes,)
        with trusted(self._what):
            answer = self._made.small_signal(operating_point, injections, *more)
            shape = np.shape(operating_point.node_voltages)
            self._demand("small_signal", answer, AdjointSolution, shape)
        return answer

    def __enter__(self) -> Self:
        with trusted(self._what):
            self._made.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        with trusted(self._what):
            self._made.__exit__(*exc)

    def _demand(self, method: str, answer: object, wanted: type[Any], shape: tuple[int, ...]) -> None:
        if not isinstance(answer, wanted):
            raise TypeError(f"{method} answers {type(answer).__name__} and no {wanted.__name__}")
        if np.shape(answer.node_voltages) != shape:
            raise ValueError(f"{method} has node voltages {np.shape(answer.node_voltages)}, not {shape}")
