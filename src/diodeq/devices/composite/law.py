"""The law of composites: their forms with the numbers of a temperature, and all that is straight put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from diodeq.devices.composite import nodes
from diodeq.devices.composite.form import Form, Leaf
from diodeq.devices.composite.nodes import NodeLaw, Numbers
from diodeq.devices.composite.parts import CompositePart
from diodeq.devices.diode.law import Law
from diodeq.devices.evaluated import Evaluated, in_blocks, load_resistances
from diodeq.devices.monotone import Floats, Index

BLOCK = 1 << 13  # entries solved together: their working arrays stay in cache


@dataclass(frozen=True, eq=False)
class Composites(Evaluated):
    """The laws of composites of one form: number k follows entry ``which[k]`` of ``node``; a family of `OnePorts`."""

    node: NodeLaw
    which: Index
    part: ClassVar[str] = "composite"

    def __len__(self) -> int:
        return len(self.which)

    def take(self, chosen: Any) -> Self:
        return replace(self, which=self.which[chosen])

    def evaluate(self, voltage: ArrayLike) -> tuple[Floats, Floats]:
        i, g = self._mapped(nodes.evaluated, voltage)
        return i, g

    def load_line(self, source: ArrayLike, resistance: ArrayLike) -> tuple[Floats, Floats, Floats]:
        v, i, g = self._mapped(lambda node, s, r: node.load_line(s, r), source, load_resistances(resistance))
        return v, i, g

    def chord(self, low: ArrayLike, high: ArrayLike) -> tuple[Floats, Floats]:
        least, most = self._mapped(lambda node, a, b: node.chord(a, b), low, high)
        return least, most

    def capacitance(self, voltage: ArrayLike) -> Floats:
        """What stores charge, F, as far as the terminals see it while little changes in the time that the resistors and
        capacitances inside make: the part of an admittance that is proportional to the frequency."""
        return self._mapped(lambda node, v: node.stored(v), voltage)[0]

    def _mapped(self, function: Callable[..., tuple[Floats, ...]], *given: ArrayLike) -> tuple[Floats, ...]:
        """``function(node, *given)`` for flat blocks of the arguments."""
        rows, flat, shape = self._flat(self.which, *given)
        found = in_blocks(
            len(rows), BLOCK, lambda own: function(self.node.take(rows[own]), *(each[own] for each in flat))
        )
        return tuple(each.reshape(shape) for each in found)


@dataclass(frozen=True)
class Thevenin:
    """v = ohms i + volts."""

    ohms: Numbers
    volts: Numbers


@dataclass(frozen=True)
class Norton:
    """i = siemens v + amperes."""

    siemens: Numbers
    amperes: Numbers


Straight = Thevenin | Norton


@dataclass(frozen=True)
class Builder:
    """Makes the law of composites of one form: the ``parts`` of each, at a temperature (°C), with ``gmin`` S beside
    junctions."""

    parts: Sequence[Sequence[CompositePart]]
    temperature: float
    gmin: float

    def law(self, forms: Sequence[Form]) -> NodeLaw:
        """The law of forms that differ in numbers alone, one a device, with a diode in each."""
        found = self._of(forms)
        assert not isinstance(found, Thevenin | Norton)
        return found

    def _of(self, forms: Sequence[Form]) -> NodeLaw | Straight:
        first = forms[0]
        if isinstance(first, Leaf):
            return self._leaf([form for form in forms if isinstance(form, Leaf)])
        groups = [form for form in forms if not isinstance(form, Leaf)]
        straight: list[Straight] = []
        bent: list[NodeLaw] = []
        for position, count in _counted(first.children, self.parts[0]):
            found = self._of([group.children[position] for group in groups])
            if isinstance(found, Thevenin | Norton):
                straight += [found] * count
            else:
                bent.append(found if count == 1 else nodes.Repeated(found, count, first.series))
        return self._in_series(bent, straight) if first.series else self._in_parallel(bent, straight)

    def _leaf(self, leaves: Sequence[Leaf]) -> NodeLaw | Straight:
        own = [parts[leaf.part] for parts, leaf in zip(self.parts, leaves, strict=True)]
        diodes = [part.diode for part in own if part.diode is not None]
        if diodes:
            law = Law.of(diodes, self.temperature, self.gmin)
            return nodes.JunctionLaw(law, not leaves[0].forward)
        values = np.array([part.at(self.temperature) for part in own])
        sign = np.array([1.0 if leaf.forward else -1.0 for leaf in leaves])
        if own[0].kind == "ohms":
            return Thevenin(nodes.shared(values), 0.0)
        signed = nodes.shared(sign * values)
        return Thevenin(0.0, signed) if own[0].kind == "volts" else Norton(0.0, signed)

    def _in_series(self, bent: Sequence[NodeLaw], straight: Sequence[Straight]) -> NodeLaw | Straight:
        ohms: Numbers = 0.0
        volts: Numbers = 0.0
        for each in straight:
            own = each if isinstance(each, Thevenin) else Thevenin(1.0 / each.siemens, -each.amperes / each.siemens)
            ohms, volts = ohms + own.ohms, volts + own.volts
        if not bent:
            return Thevenin(ohms, volts)
        kept: list[NodeLaw] = list(bent)
        if len(bent) > 1:  # what resistors there are in series is one, outside of what has to be solved
            bare = [_bare(node) for node in bent]
            kept = [node for node, *_ in bare]
            ohms, volts = ohms + sum(each[1] for each in bare), volts + sum(each[2] for each in bare)
        node = nodes.stacked(kept)
        return node if np.all(ohms == 0.0) and np.all(volts == 0.0) else nodes.Behind(node, ohms, volts)

    def _in_parallel(self, bent: Sequence[NodeLaw], straight: Sequence[Straight]) -> NodeLaw | Straight:
        siemens: Numbers = 0.0
        amperes: Numbers = 0.0
        for each in straight:
            own = each if isinstance(each, Norton) else Norton(1.0 / each.ohms, -each.volts / each.ohms)
            siemens, amperes = siemens + own.siemens, amperes + own.amperes
        if not bent:
            return Norton(siemens, amperes)
        node = bent[0]
        if len(bent) > 1:
            node = self._rested(nodes.Side(tuple(bent)), any(np.any(each.rest != 0.0) for each in bent))
        if np.all(siemens == 0.0) and np.all(amperes == 0.0):
            return node
        return self._rested(
            nodes.Beside(node, siemens, amperes), bool(np.any(node.rest != 0.0) or np.any(amperes != 0.0))
        )

    def _rested(self, node: Any, moved: bool) -> NodeLaw:
        found: NodeLaw = replace(node, rest=nodes.rest_of(node, len(self.parts))) if moved else node
        return found


def _counted(children: Sequence[Form], parts: Sequence[CompositePart]) -> list[tuple[int, int]]:
    """The position of each child that differs from those before it, and how often it is there."""
    seen: dict[Any, list[int]] = {}
    for position, child in enumerate(children):
        seen.setdefault(spelled(child, parts), []).append(position)
    return [(positions[0], len(positions)) for positions in seen.values()]


def spelled(form: Form, parts: Sequence[CompositePart]) -> Any:
    """The form with its parts' values: equal where two are the same law."""
    if isinstance(form, Leaf):
        part = parts[form.part]
        parameters = part.diode and part.diode.parameters
        return part.kind, form.forward or part.kind == "ohms", part.value, part.tc1, part.tc2, parameters
    return form.series, tuple(spelled(child, parts) for child in form.children)


def outline(form: Form, parts: Sequence[CompositePart]) -> Any:
    """What forms have in common whose laws can be computed together: all but the numbers, and which are equal."""
    if isinstance(form, Leaf):
        part = parts[form.part]
        return part.kind, form.forward or part.kind != "diode"
    counted = tuple(_counted(form.children, parts))
    return form.series, counted, tuple(outline(form.children[position], parts) for position, _ in counted)


def _bare(node: NodeLaw) -> tuple[NodeLaw, Numbers, Numbers]:
    """A law without what resistance and volts it has in series, and these."""
    if isinstance(node, nodes.JunctionLaw):
        return nodes.JunctionLaw(replace(node.law, resistance=0.0), node.turned), node.law.resistance, 0.0
    if isinstance(node, nodes.Repeated) and node.series:
        child, ohms, volts = _bare(node.child)
        return nodes.Repeated(child, node.count, True), ohms * node.count, volts * node.count
    if isinstance(node, nodes.Behind):
        child, ohms, volts = _bare(node.child)
        return child, ohms + node.ohms, volts + node.volts
    return node, 0.0, 0.0
