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

from diodeq.arrays import real, scalar, seeds, text, whole
from diodeq.circuit import Circuit, Inputs, check
from diodeq.devices import Model, catalogue
from diodeq.devices.elements import ActivationElement
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.units import Unit
from diodeq.errors import InputError, UsageError
from diodeq.printable import counted
from diodeq.synthesis.parts import Index, Ints, Parts

GROUND = 0
MOST = 10_000_000
"""Of inputs, of the nodes of a layer, of outputs."""
SPREAD = 100.0
"""The most that a logarithm of conductances may vary by."""


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
        own = _distinct("input", _names("input", "x", names, len(self._columns)), self._columns)
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
        volts = _positive("volts", volts)
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
        own, found = self._known(nodes).ravel(), Unit.parse(text("the unit", unit))
        if not (isinstance(diode, str) or hasattr(diode, "spice_name")):
            raise InputError(f"the diode cannot be {diode!r}", "give a model, or a part of the catalogue by its name")
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
        own = _distinct("output", _names("output", "y", names, len(self._output_names)), self._output_names)
        if not differential:
            nodes = self._parts.nodes(own)
            self.read(nodes, names=own)
            return nodes
        nodes = self._parts.nodes(f"{name}_{sign}" for name in own for sign in "pn")
        self.read(nodes[::2], nodes[1::2], own)
        return nodes

    def read(self, first: ArrayLike, second: ArrayLike = GROUND, names: Sequence[str] = ()) -> None:
        """Outputs that are the volts of ``first`` nodes above those of ``second``, which exist already.

        Raises:
            UsageError: a node that there is not, or as many nodes or names as do not fit.
        """
        plus, minus = np.atleast_1d(self._known(first)), self._known(second)
        if plus.ndim > 1 or minus.shape not in ((), (1,), plus.shape):
            raise UsageError(f"nodes {minus.shape} do not fit nodes {plus.shape}", "give one for each, or one")
        pairs = np.stack(np.broadcast_arrays(plus, minus), axis=1)
        own = _names("output", "y", names if len(names) else len(pairs), len(self._output_names)) if len(pairs) else []
        if len(own) != len(pairs):
            raise UsageError(f"{counted(len(own), 'name')} do not fit {counted(len(pairs), 'output')}", "name each")
        self._output_names += _distinct("output", own, self._output_names)
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
        ends = self._known(pairs)
        if ends.size and ends.shape[-1:] != (2,):
            raise InputError(f"the pairs cannot be nodes of shape {ends.shape}", "give two nodes for each resistor")
        ends = ends.reshape(-1, 2)
        values = np.nan if siemens is None else real("the conductances", siemens)
        if siemens is not None and not (np.isfinite(values).all() and np.all(values > 0.0)):
            raise UsageError("a conductance that is not positive is not possible", "give siemens above 0")
        if np.ndim(values) and np.shape(values) != (len(ends),):
            raise UsageError(
                f"{np.size(values)} conductances do not fit {len(ends)} pairs", "give one for each, or one"
            )
        self._parts.add("resistors", text("the label", label), *ends.T, values=values)
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
        median, spread = _positive("median", median), scalar("the spread", spread)
        if not 0.0 <= spread <= SPREAD:
            raise UsageError(f"spread = {spread:g} is not possible", f"give from 0 to {SPREAD:g}")
        technology = Technology() if technology is None else technology
        if not isinstance(technology, Technology):
            raise InputError(
                f"the technology cannot be {technology!r}", "give a Technology, as technology.get makes it"
            )
        random = np.random.default_rng(seeds(seed))
        driven = [np.concatenate(each) for each in zip(*self._driven, strict=True)] or [np.zeros(0, np.int64)] * 3
        circuit = self._parts.circuit(
            inputs=Inputs(driven[0], driven[1], driven[2].astype(np.float64), tuple(self._columns)),
            outputs=np.concatenate(self._outputs) if self._outputs else np.zeros((0, 2), np.int32),
            output_names=tuple(self._output_names),
            trainable=np.concatenate(self._trainable or [np.zeros(0, bool)]),
            title=text("the title", title),
            **rest,
        )
        values = circuit.conductances.copy()
        drawn = np.isnan(values)
        logarithms = math.log(median) + spread * random.standard_normal(int(drawn.sum()))
        with np.errstate(over="ignore"):
            values[drawn] = technology.clip(np.exp(logarithms))
        return check(circuit.with_conductances(values))

    def _unit_rails(self, element: ActivationElement) -> dict[str, int]:
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
        return [text(f"the name of an {what}", name) for name in ([names] if isinstance(names, str) else names)]
    count = scalar(f"the number of {what} units", names)
    if not (1 <= count <= MOST and count == int(count)):
        raise UsageError(f"a circuit cannot have {names} {what} units", f"give a whole number from 1 to {MOST:,}")
    return [f"{prefix}{start + k}" for k in range(int(count))]


def _distinct(what: str, names: list[str], taken: Sequence[str]) -> list[str]:
    """The names; raises ``InputError`` where one of them comes twice, or is taken."""
    for name, count in Counter([*taken, *names]).items():
        if count > 1:
            raise InputError(f"{count} {what}s are called {name!r}", "give each a name of its own")
    return names


def _positive(what: str, value: float) -> float:
    found = scalar(f"the {what}", value)
    if not 0.0 < found < math.inf:
        raise UsageError(f"{what} = {found:g} is not possible", "give a positive number")
    return found
