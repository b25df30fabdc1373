"""A circuit in the seven elements every SPICE knows: R, D, V, I, E, F and G; X where a part has no card of its own.

``Kind.cards`` says how each kind is spelled in them; whatever prints or builds a netlist starts from this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.arrays import real
from diodeq.circuit.check import LEGAL_NAME
from diodeq.circuit.kinds import KINDS, MODEL, Card, source_kinds
from diodeq.circuit.one_ports import one_port_models
from diodeq.devices.two_pin import TwoPin, called
from diodeq.errors import CircuitError

if TYPE_CHECKING:
    from diodeq.circuit.circuit import Circuit

# (name, what follows it: nodes, then a controlling source or a model, the number that ends the line).
# The name's first letter is the SPICE element; a resistor's number is in ohms and a diode has none.
Primitive = tuple[str, tuple[str, ...], float | None]


@dataclass(frozen=True)
class PrimitiveRun:
    """Consecutive parts of one kind that serve one purpose; ``primitives`` can be read once."""

    kind: str
    label: str
    count: int
    primitives: Iterator[Primitive]


def lower(circuit: Circuit, drives: ArrayLike | None = None) -> Iterator[PrimitiveRun]:
    """The circuit's parts as runs of primitives, in the order of ``KINDS`` and of each bank's groups.

    ``drives`` float64[n_in] are the volts (or amperes) of the inputs, 0 by default. A transformer called t1 becomes
    v_t1 (0 V, senses i1), e_t1, f_t1 and the node x_t1 between the first two; a gyrator y1 becomes g_y1_a and g_y1_b;
    a mirror f1 is preceded by v_f1, the short that senses its current.

    Raises:
        CircuitError: a name no netlist can hold, two parts of one name, a resistor or a source of impossible value.
    """
    inputs = np.zeros(len(circuit.inputs)) if drives is None else real("the input volts", drives).reshape(-1)
    sources = circuit.source_values(inputs)[0]
    if not np.isfinite(sources).all():
        raise CircuitError(f"circuit {circuit.title!r} has a source without a finite value", "give finite input volts")
    demand_legal_names(circuit)
    return _runs(circuit, sources)


def demand_legal_names(circuit: Circuit) -> None:
    """Raise `CircuitError` unless every name can be printed: legal, unique, and a part's begins with its letter."""
    nodes = set(circuit.nodes)
    for node in circuit.nodes[1:]:
        if not LEGAL_NAME.fullmatch(node) or node == "gnd":  # SPICE takes it for ground
            raise CircuitError(f"node {node!r} has a name that no netlist can hold", "use [a-z][a-z0-9_]*, not gnd")
    if len(nodes) != len(circuit.nodes):
        raise CircuitError(f"circuit {circuit.title!r} has two nodes of the same name", "give every node its own name")
    parts: set[str] = set()
    for kind, spec in KINDS.items():
        for name in circuit.bank(kind).names:
            if not LEGAL_NAME.fullmatch(name) or not name.startswith(spec.prefix):
                raise CircuitError(
                    f"{spec.singular} {name!r} has a name that no netlist can hold", f"use {spec.prefix}[a-z0-9_]*"
                )
    for kind, spec in KINDS.items():
        if kind == "resistors" and not circuit.resistors.names:
            continue  # r1, r2, … cannot clash with another letter, and there may be a million
        for name in circuit.part_names(kind):
            for spelled in (card.name.format(name) for card in spec.cards):
                if spelled in parts:
                    raise CircuitError(
                        f"two parts are called {spelled!r} in a netlist", "rename one of them", parts=(name,)
                    )
                parts.add(spelled)
            for inner in (text.format(name) for text in spec.inner):
                if inner in nodes:
                    raise CircuitError(
                        f"node {inner!r} is also the inner node of {spec.singular} {name!r}",
                        "rename one of them",
                        nodes=(inner,),
                        parts=(name,),
                    )


def _runs(circuit: Circuit, sources: NDArray[np.float64]) -> Iterator[PrimitiveRun]:
    counts = [len(circuit.bank(kind)) for kind in source_kinds()]
    values = dict(zip(source_kinds(), np.split(sources, np.cumsum(counts)[:-1]), strict=True))
    for kind, spec in KINDS.items():
        parts = circuit.bank(kind)
        if not len(parts):
            continue
        numbers = values.get(kind, parts.values)
        names = circuit.part_names(kind)
        if any(card.inverse for card in spec.cards):
            _demand_invertible(circuit, kind)
        start = 0
        for label, count in parts.groups or ((f"{spec.singular}s", len(parts)),):
            chosen = slice(start, start + count)
            columns = [[circuit.nodes[i] for i in column] for column in parts.terminals[chosen].T.tolist()]
            yield PrimitiveRun(
                kind, label, count, _primitives(kind, circuit, names[chosen], columns, numbers[chosen].tolist())
            )
            start += count


def printed(circuit: Circuit, kinds: Collection[str]) -> list[float]:
    """The numbers of the primitives of some kinds, in the order of ``lower``; sources at their own values.

    Raises `CircuitError` for a resistor of impossible value.
    """
    found: list[float] = []
    for kind, spec in KINDS.items():
        parts, cards = circuit.bank(kind), [card for card in spec.cards if card.factor is not None]
        if kind not in kinds or not len(parts) or not cards:
            continue
        if any(card.inverse for card in cards):
            _demand_invertible(circuit, kind)
        found += np.stack([_number(card, parts.values) for card in cards], axis=1).ravel().tolist()
    return found


def _number(card: Card, value: Any) -> Any:
    """What ends the line of a part of some value, or of each of many."""
    return card.factor * (inverted(value) if card.inverse else value) + 0.0


def inverted(values: Any) -> Any:
    """1 / values, in fifteen digits where these are as near: 470000 and not what rounding has made of it."""
    found = 1.0 / np.asarray(values)
    with np.errstate(all="ignore"):
        unit = 10.0 ** (14.0 - np.floor(np.log10(np.abs(found))))
        rounded = np.rint(found * unit) / unit
        return np.where(1.0 / rounded == values, rounded, found)[()]


def _demand_invertible(circuit: Circuit, kind: str) -> None:
    values = circuit.bank(kind).values
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # refused below
        ohms = 1.0 / values
    bad = np.flatnonzero(~(np.isfinite(ohms) & (ohms > 0)))
    if len(bad):
        first = int(bad[0])
        name = circuit.part_names(kind)[first]
        raise CircuitError(
            f"{KINDS[kind].singular} {name} has a conductance of {values[first]:g} S",
            "it must be positive and finite",
            parts=(name,),
        )


def _primitives(
    kind: str, circuit: Circuit, names: Sequence[str], columns: list[list[str]], numbers: list[float]
) -> Iterator[Primitive]:
    nonlinear = KINDS[kind].nonlinear
    models = [model.spice_name for model in circuit.models] if nonlinear else []
    plain = not (nonlinear and any(isinstance(model, TwoPin) for model in circuit.models))
    cards, given = KINDS[kind].cards, np.asarray(numbers, np.float64)
    none: list[Any] = [None] * len(numbers)
    shown = [none if card.factor is None else _number(card, given).tolist() for card in cards]
    for k, (name, nodes, number) in enumerate(zip(names, zip(*columns, strict=True), numbers, strict=True)):
        for card, values in zip(cards, shown, strict=True):
            text = tuple(
                nodes[field]
                if isinstance(field, int)
                else models[int(number)]
                if field == MODEL
                else field.format(name)
                for field in card.fields
            )
            spelled = card.name.format(name)
            yield spelled if plain else called(spelled, circuit.models[int(number)]), text, values[k]


def used_models(circuit: Circuit) -> Iterator[int]:
    """The indices of the diode models that some diode uses, each once, in order.

    Raises `CircuitError` if two different models would be printed under one name.
    """
    seen: dict[str, int] = {}
    for index in np.unique(one_port_models(circuit)).tolist():
        model = circuit.models[index]
        earlier = seen.setdefault(model.spice_name, index)
        if circuit.models[earlier].card() != model.card():
            raise CircuitError(f"two different diode models are called {model.spice_name!r}", "rename one of them")
        if earlier == index:
            yield index
