"""A circuit in the seven elements every SPICE knows: R, D, V, I, E, F and G.

Transformers, gyrators and mirrors are spelled out here once; whatever prints or builds a netlist starts from this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diodeq.circuit.bank import KINDS, Bank
from diodeq.circuit.check import LEGAL_NAME
from diodeq.circuit.circuit import Circuit
from diodeq.errors import CircuitError

# (name, what follows it: nodes, then a controlling source or a model, the number that ends the line).
# The name's first letter is the SPICE element; a resistor's number is in ohms and a diode has none.
Primitive = tuple[str, tuple[str, ...], float | None]


@dataclass(frozen=True)
class Run:
    """Consecutive parts of one kind that serve one purpose; ``primitives`` can be read once."""

    kind: str
    label: str
    count: int
    primitives: Iterator[Primitive]


def lower(circuit: Circuit, drives: ArrayLike | None = None) -> Iterator[Run]:
    """The circuit's parts as runs of primitives, in the order of ``KINDS`` and of each bank's groups.

    ``drives`` float64[n_in] are the volts (or amperes) of the inputs, 0 by default. A transformer called t1 becomes
    v_t1 (0 V, senses i1), e_t1, f_t1 and the node x_t1 between the first two; a gyrator y1 becomes g_y1_a and g_y1_b;
    a mirror f1 is preceded by v_f1, the short that senses its current.

    Raises:
        CircuitError: a name no netlist can hold, two parts of one name, a resistor or a source of impossible value.
    """
    inputs = np.zeros(len(circuit.inputs)) if drives is None else np.asarray(drives, dtype=np.float64).reshape(-1)
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
    for kind in KINDS:
        if kind == "resistors" and not circuit.resistors.names:
            continue  # r1, r2, … cannot clash with another letter, and there may be a million
        for name in circuit.part_names(kind):
            for spelled in _spelled(kind, name):
                if spelled in parts:
                    raise CircuitError(f"two parts are called {spelled!r} in a netlist", "rename one of them")
                parts.add(spelled)
    for name in circuit.part_names("transformers"):
        if f"x_{name}" in nodes:
            raise CircuitError(f"node 'x_{name}' is also the inner node of transformer {name!r}", "rename one of them")


def _spelled(kind: str, name: str) -> tuple[str, ...]:
    if kind == "transformers":
        return (f"v_{name}", f"e_{name}", f"f_{name}")
    if kind == "gyrators":
        return (f"g_{name}_a", f"g_{name}_b")
    return (name, f"v_{name}") if kind == "mirrors" else (name,)


def _runs(circuit: Circuit, sources: NDArray[np.float64]) -> Iterator[Run]:
    volts = len(circuit.voltage_sources)
    values = {"voltage_sources": sources[:volts], "current_sources": sources[volts:]}
    for kind, spec in KINDS.items():
        parts = circuit.bank(kind)
        if not len(parts):
            continue
        numbers = values.get(kind, parts.values)
        names = circuit.part_names(kind)
        if kind == "resistors":
            numbers = _ohms(parts, names)
        start = 0
        for label, count in parts.groups or ((f"{spec.singular}s", len(parts)),):
            chosen = slice(start, start + count)
            columns = [[circuit.nodes[i] for i in column] for column in parts.terminals[chosen].T.tolist()]
            yield Run(kind, label, count, _primitives(kind, circuit, names[chosen], columns, numbers[chosen].tolist()))
            start += count


def _ohms(parts: Bank, names: Sequence[str]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # refused below
        ohms: NDArray[np.float64] = 1.0 / parts.values
    bad = np.flatnonzero(~(np.isfinite(ohms) & (ohms > 0)))
    if len(bad):
        first = int(bad[0])
        raise CircuitError(
            f"resistor {names[first]} has a conductance of {parts.values[first]:g} S", "it must be positive and finite"
        )
    return ohms


def _primitives(
    kind: str, circuit: Circuit, names: Sequence[str], columns: list[list[str]], numbers: list[float]
) -> Iterator[Primitive]:
    rows = zip(*columns, strict=True)
    if kind == "diodes":
        models = [model.spice_name for model in circuit.models]
        for name, nodes, model in zip(names, rows, numbers, strict=True):
            yield name, (*nodes, models[int(model)]), None
    elif kind == "transformers":
        # v1 = n v2 by the E source, i2 = -n i1 by the F source, i1 being what flows through the 0 V source.
        for name, (plus1, minus1, plus2, minus2), turns in zip(names, rows, numbers, strict=True):
            yield f"v_{name}", (plus1, f"x_{name}"), 0.0
            yield f"e_{name}", (f"x_{name}", minus1, plus2, minus2), turns
            yield f"f_{name}", (plus2, minus2, f"v_{name}"), -turns
    elif kind == "gyrators":
        for name, (plus1, minus1, plus2, minus2), siemens in zip(names, rows, numbers, strict=True):
            yield f"g_{name}_a", (plus1, minus1, plus2, minus2), siemens
            yield f"g_{name}_b", (plus2, minus2, plus1, minus1), -siemens
    elif kind == "mirrors":
        for name, (out_plus, out_minus, sense_plus, sense_minus), gain in zip(names, rows, numbers, strict=True):
            yield f"v_{name}", (sense_plus, sense_minus), 0.0
            yield name, (out_plus, out_minus, f"v_{name}"), gain
    else:
        yield from zip(names, rows, numbers, strict=True)


def used_models(circuit: Circuit) -> Iterator[int]:
    """The indices of the diode models that some diode uses, each once, in order.

    Raises `CircuitError` if two different models would be printed under one name.
    """
    seen: dict[str, int] = {}
    for index in np.unique(circuit.diodes.values).astype(int).tolist():
        model = circuit.models[index]
        earlier = seen.setdefault(model.spice_name, index)
        if circuit.models[earlier].card() != model.card():
            raise CircuitError(f"two different diode models are called {model.spice_name!r}", "rename one of them")
        if earlier == index:
            yield index
