"""Whether a circuit's units have the activation that a network says: the element at each node, by its parts' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import Bank, Circuit
from diodeq.circuit.bank import Floats
from diodeq.devices import Model
from diodeq.devices.curve.model import CurveModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.elements import MADE, ActivationElement, Made
from diodeq.errors import InputError
from diodeq.network import ACTIVATIONS, Activation, Stage

Index = NDArray[np.int64]

ALIKE = 1.5
"""Between this and its inverse a part's value is what it should be, programmed to few levels"""
MOST_DROP = 3.0
"""Volts that a bias against a diode's drop may take from a rail"""


def demand_activation(circuit: Circuit, k: int, stage: Stage, nodes: Index, siemens: Floats) -> None:
    """Raises `InputError` unless stage ``k``, its units at ``nodes``, each of so many ``siemens``, has the activation
    that the network's stage has, as far as the compiler's names and the parts' values tell."""
    if not isinstance(stage.activation, Activation) or not len(nodes):
        return
    makes = {stage.activation.kind.element, stage.activation.kind.real} - {None}
    if any(_has(circuit, k, make(stage.activation.parameter), nodes, siemens) for make in makes if make is not None):
        return
    raise InputError(
        f"the units of stage {k} of circuit {circuit.title!r} are not {stage.activation}, which the network's are",
        "give the weights that this circuit was compiled from, with their --activation, or compile it again",
    )


def _has(circuit: Circuit, k: int, element: ActivationElement, nodes: Index, siemens: Floats) -> bool:
    place = {name: node for node, name in enumerate(circuit.nodes)}
    volts = 1.0 / circuit.scaling.output_scale
    names = {name for name in _NAMES if f"s{k}_{name}" in place or f"s{k}_0_{name}" in place}
    # A rail of 0 V is ground.
    rails = {rail.name: place.get(f"s{k}_{rail.name}", 0) for rail in element.rails}
    inner = {name: np.array([place.get(f"s{k}_{i}_{name}", -1) for i in range(len(nodes))]) for name in element.inner}
    if names - {*rails, *inner} or any(-1 in them for them in inner.values()):
        return False
    levels = dict(zip(circuit.voltage_sources.terminals[:, 0].tolist(), circuit.voltage_sources.values, strict=True))
    levels[0] = 0.0
    if not all(
        rail.level == 0.0 or 0.0 <= 1e-9 + abs(rail.level) * volts - abs(levels[rails[rail.name]]) <= MOST_DROP
        for rail in element.rails
    ):
        return False
    ends = {"node": nodes, "0": 0 * nodes, **inner, **{name: 0 * nodes + at for name, at in rails.items()}}
    return (
        _same_diodes(circuit, element, ends, volts)
        and _alike(circuit.resistors, circuit.conductances, element.resistors, ends, siemens)
        and _alike(circuit.current_sources, circuit.current_sources.values, element.currents, ends, volts * siemens)
    )


def _same_diodes(circuit: Circuit, element: ActivationElement, ends: dict[str, Index], volts: float) -> bool:
    """Whether the diodes at the units are where the element has them, and made to measure where it has such."""
    inside = np.isin(
        circuit.diodes.terminals, np.concatenate([ends["node"], *(ends[name] for name in element.inner)])
    ).any(axis=1)
    found = Counter(map(tuple, circuit.diodes.terminals[inside].tolist()))
    wanted = Counter(pair for a, c in element.diodes for pair in zip(ends[a].tolist(), ends[c].tolist(), strict=True))
    models = [circuit.models[int(at)] for at in np.unique(circuit.diodes.values[inside])]
    if isinstance(element.made, Made):
        thermal = element.made.model("x", 1.0, volts, circuit.temperature).get("n")
        made = all(isinstance(each, DiodeModel) and np.isclose(each.get("n"), thermal, rtol=1e-3) for each in models)
    elif element.made is not None:
        curve = element.made.model("x", 1.0, volts, circuit.temperature)
        made = all(isinstance(each, CurveModel) and _same_knots(each, curve) for each in models)
    else:
        made = all(each.source != MADE for each in models)
    return found == wanted and made


def _same_knots(one: CurveModel, other: Model) -> bool:
    return isinstance(other, CurveModel) and len(one.volts) == len(other.volts) and np.allclose(one.volts, other.volts)


def _alike(
    bank: Bank, values: Floats, parts: Sequence[tuple[str, str, float]], ends: dict[str, Index], unit: Floats
) -> bool:
    """Whether the parts between the units' terminals have about the values, in ``unit``, that the element has."""
    there = {frozenset(pair): value for pair, value in zip(bank.terminals.tolist(), values.tolist(), strict=True)}
    for first, second, value in parts:
        pairs = map(frozenset, zip(ends[first].tolist(), ends[second].tolist(), strict=True))
        ratio = np.abs([there.get(pair, np.nan) for pair in pairs]) / (value * unit)
        if not np.all((ratio > 1.0 / ALIKE) & (ratio < ALIKE)):
            return False
    return True


def _named() -> frozenset[str]:
    """What rails and inner nodes of any activation's element are called."""
    kinds = [(kind, kind.parameter[1] if kind.parameter else 0.0) for kind in ACTIVATIONS.values()]
    made = [make(parameter) for kind, parameter in kinds for make in (kind.element, kind.real) if make is not None]
    return frozenset(name for each in made for name in (*(rail.name for rail in each.rails), *each.inner))


_NAMES = _named()
