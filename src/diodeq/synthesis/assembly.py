"""The assembly: a circuit put together by hand from rails, layers of nodes with units, outputs and resistors.

Every graph of these is a few lines (guide/topologies.md); ``layered`` is one of them. Nodes are handed about as arrays
of their numbers, which can be cut and joined as arrays can::

    board = Assembly()
    bias, x = board.bias(5.0), board.inputs(4)
    a, b = board.layer(6, "a"), board.layer(3, "b", unit="pair")
    y = board.outputs(3)
    board.join(np.concatenate([x, bias]), a)
    board.join(a[:3], b)
    board.join(x, b)
    board.join(np.concatenate([a, b, bias]), y)
    circuit = board.circuit(seed=1)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real, whole
from diodeq.circuit import Circuit, Inputs, check
from diodeq.devices import Model, catalogue
from diodeq.devices.elements import Element
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.units import Unit
from diodeq.errors import UsageError
from diodeq.synthesis.parts import Index, Ints, Parts

GROUND = 0


class Assembly:
    """A circuit while it is being put together. What makes nodes returns their numbers, int64[n]; ground is 0."""

    def __init__(self) -> None:
        self._parts = Parts()
        self._rails: dict[tuple[str, float], int] = {}
        self._layers = 0
        self._columns: list[str] = []
        self._driven: list[tuple[Index, Index, Index]] = []
        self._outputs: list[Index] = []
        self._output_names: list[str] = []
        self._trainable: list[NDArray[np.bool_]] = []

    def inputs(self, names: int | Sequence[str], dual: bool = True) -> Index:
        """Rails that inputs drive: two for each, at plus and minus its volts, or one where not ``dual``.

        ``names`` are the inputs' or how many there are; nodes are ``x0_p x0_n x1_p …``, or ``x0 x1 …``.
        """
        own = _names("input", "x", names, len(self._columns))
        signs = ("_p", "_n") if dual else ("",)
        rails = self._parts.nodes(name + sign for name in own for sign in signs)
        sources = self._parts.add("voltage_sources", "input rails", rails, GROUND, values=0.0)
        columns = len(self._columns) + np.repeat(np.arange(len(own)), len(signs))
        self._driven.append((sources, columns, np.tile([1, -1][: len(signs)], len(own))))
        self._columns += own
        return rails

    def bias(self, volts: float, name: str = "bias") -> Index:
        """Two constant rails, ``bias_p`` at +``volts`` and ``bias_n`` at -``volts``.

        Raises:
            UsageError: the volts are not positive.
        """
        _positive("volts", volts)
        rails = self._parts.nodes((f"{name}_p", f"{name}_n"))
        self._parts.add("voltage_sources", f"{name} rails", rails, GROUND, values=[volts, -volts])
        return rails

    def layer(self, width: int, name: str = "", unit: str = "diode", diode: Model | str = "") -> Index:
        """New nodes ``h1_0 h1_1 …`` (``name`` instead of h1) with a unit each; plain ones where ``unit`` is empty.

        Raises:
            UsageError: as of ``hang``, or the width is not a whole number of at least 1.
        """
        self._layers += 1
        nodes = self._parts.nodes(_names("hidden", f"{name or f'h{self._layers}'}_", width))
        if unit:
            self.hang(nodes, unit, diode, name or f"hidden {self._layers}")
        return nodes

    def hang(self, nodes: ArrayLike, unit: str = "diode", diode: Model | str = "", label: str = "units") -> None:
        """Hang a unit on each of some nodes: ``devices.units`` has them. Rails that units need are shared.

        ``diode`` is a part of the catalogue or a model; a part that suits the unit if it is not given. Of units that
        alternate, the diodes of the 1st, 3rd … node conduct when it would go negative, of the others when positive.

        Raises:
            UsageError: there is no such unit, or no such part.
        """
        own, found = self._known(nodes).ravel(), Unit.parse(unit)
        diode = diode or found.kind.diode
        model = found.kind.device(catalogue.get(diode) if isinstance(diode, str) else diode)
        element = found.element
        places = {"node": own, "0": np.zeros_like(own)}
        places |= {name: np.full_like(own, node) for name, node in self._unit_rails(element).items()}
        for inner in element.inner:
            names = [f"{self._parts.node_names[node]}_{inner}" for node in own.tolist()]
            places[inner] = self._parts.nodes(names).astype(np.int32)
        # Units one after the other, each with all of its diodes.
        ends = np.stack([np.stack([places[anode], places[cathode]], axis=1) for anode, cathode in element.diodes], 1)
        if found.kind.alternating:
            ends[1::2] = ends[1::2, :, ::-1]
        anodes, cathodes = ends.reshape(-1, 2).T
        self._parts.add("diodes", label, anodes, cathodes, values=self._parts.model(model))

    def outputs(self, names: int | Sequence[str], differential: bool = True) -> Index:
        """New plain nodes that are read: two for each output, whose difference it is, or one against ground.

        ``names`` are the outputs' or how many there are; nodes are ``y0_p y0_n y1_p …``, or ``y0 y1 …``.
        """
        own = _names("output", "y", names, len(self._output_names))
        if not differential:
            nodes = self._parts.nodes(own)
            self.read(nodes, names=own)
            return nodes
        nodes = self._parts.nodes(f"{name}_{sign}" for name in own for sign in "pn")
        self.read(nodes[::2], nodes[1::2], own)
        return nodes

    def read(self, first: ArrayLike, second: ArrayLike = GROUND, names: Sequence[str] = ()) -> None:
        """Outputs that are the volts of ``first`` nodes above those of ``second``, which exist already."""
        pairs = np.stack(np.broadcast_arrays(np.atleast_1d(self._known(first)), self._known(second)), axis=1)
        self._output_names += names or _names("output", "y", len(pairs), len(self._output_names))
        self._outputs.append(pairs)

    def join(self, first: ArrayLike, second: ArrayLike, siemens: ArrayLike | None = None, **more: Any) -> None:
        """Join each of the ``first`` nodes with each of the ``second``, as ``wire`` does, ``first`` by ``first``."""
        self.wire(every_pair(self._known(first), self._known(second)), siemens, **more)

    def wire(
        self, pairs: ArrayLike, siemens: ArrayLike | None = None, *, trainable: bool = True, label: str = "resistors"
    ) -> None:
        """A resistor across each of ``pairs`` [n, 2] of nodes.

        ``siemens`` are one conductance for all or one for each; those that are not given are drawn by ``circuit``.

        Raises:
            UsageError: a node that there is not, or a conductance that is not positive.
        """
        ends = self._known(pairs).reshape(-1, 2)
        values = np.nan if siemens is None else real("the conductances", siemens)
        if siemens is not None and not (np.isfinite(values).all() and np.all(values > 0.0)):
            raise UsageError("a conductance that is not positive is not possible", "give siemens above 0")
        if np.ndim(values) and np.shape(values) != (len(ends),):
            raise UsageError(
                f"{np.size(values)} conductances do not fit {len(ends)} pairs", "give one for each, or one"
            )
        self._parts.add("resistors", label, *ends.T, values=values)
        self._trainable.append(np.full(len(ends), trainable))

    def circuit(
        self,
        *,
        median: float = 1e-5,
        spread: float = 1.0,
        seed: int | Sequence[int] = 0,
        technology: Technology | None = None,
        title: str = "assembly",
        **rest: Any,
    ) -> Circuit:
        """The circuit, checked; conductances that were not given are log-normal.

        Args:
            median: of those conductances, siemens. spread: standard deviation of their logarithm.
            seed: they derive from it. technology: its range clips them.
            title: of the circuit. rest: further fields of it (units, temperature in °C, notes).

        Raises:
            UsageError: a number is out of range.
            CircuitError: the circuit is not sound; the message names the node or part.
        """
        _positive("median", median)
        if not (math.isfinite(spread) and spread >= 0.0):
            raise UsageError(f"spread = {spread:g} is not possible", "give zero or a positive number")
        driven = [np.concatenate(each) for each in zip(*self._driven, strict=True)] or [np.zeros(0, np.int64)] * 3
        circuit = self._parts.circuit(
            inputs=Inputs(driven[0], driven[1], driven[2].astype(np.float64), tuple(self._columns)),
            outputs=np.concatenate(self._outputs) if self._outputs else np.zeros((0, 2), np.int32),
            output_names=tuple(self._output_names),
            trainable=np.concatenate(self._trainable or [np.zeros(0, bool)]),
            title=title,
            **rest,
        )
        values = circuit.conductances.copy()
        drawn = np.isnan(values)
        logarithms = math.log(median) + spread * np.random.default_rng(seed).standard_normal(int(drawn.sum()))
        values[drawn] = (technology or Technology()).clip(np.exp(logarithms))
        return check(circuit.with_conductances(values))

    def _unit_rails(self, element: Element) -> dict[str, int]:
        """The nodes of an element's rails by name; those at volts that no rail of that name has yet are made."""
        new = [rail for rail in element.rails if (rail.name, rail.level) not in self._rails]
        others = Counter(name for name, _ in self._rails)
        nodes = self._parts.nodes(
            f"{name}_{others[name] + 1}" if others[name] else name for name in (rail.name for rail in new)
        )
        self._parts.add("voltage_sources", "unit rails", nodes, GROUND, values=[rail.level for rail in new])
        self._rails |= {(rail.name, rail.level): node for rail, node in zip(new, nodes.tolist(), strict=True)}
        return {rail.name: self._rails[rail.name, rail.level] for rail in element.rails}

    def _known(self, nodes: ArrayLike) -> Ints:
        """Numbers of nodes that there are."""
        found = whole("the nodes", nodes)
        count = len(self._parts.node_names)
        if found.size and not (found.min() >= 0 and found.max() < count):
            raise UsageError(
                f"node {found.max() if found.max() >= count else found.min()} does not exist", "make it first"
            )
        return found


def every_pair(first: Ints, second: Ints) -> Ints:
    """int32[n m, 2]: each of n ``first`` nodes with each of m ``second``."""
    first, second = np.ravel(first), np.ravel(second)
    return np.stack([np.repeat(first, len(second)), np.tile(second, len(first))], axis=1)


def _names(what: str, prefix: str, names: float | Sequence[str], start: int = 0) -> list[str]:
    """The names given, or of so many with a prefix and numbers."""
    if isinstance(names, Sequence):
        return [names] if isinstance(names, str) else list(names)
    if names < 1 or names != int(names):
        raise UsageError(f"a circuit cannot have {names} {what} units", "give a whole number of at least 1")
    return [f"{prefix}{start + k}" for k in range(int(names))]


def _positive(what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise UsageError(f"{what} = {value:g} is not possible", "give a positive number")
