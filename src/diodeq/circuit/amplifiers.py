"""The operational amplifiers of a circuit: runs of parts whose label says that they are one amplifier's inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit.bank import Bools
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.kinds import KINDS
from diodeq.devices import amplifier
from diodeq.devices.amplifier import Amplifier
from diodeq.errors import InputError, UsageError

Index = NDArray[np.int64]
_LABEL = "amplifiers "
_PART = re.compile(r"[a-z]_(u\d+)_([a-z]+)")


def label(name: str) -> str:
    """The label of the runs that amplifiers called ``name`` are made of."""
    return _LABEL + name


def named(group: str) -> str:
    """The catalogue's name of the amplifiers whose inside a run of that label is; empty where it is none."""
    return group.removeprefix(_LABEL) if group.startswith(_LABEL) else ""


def inside(circuit: Circuit, kind: str) -> Bools:
    """Which parts of a kind are an amplifier's inside, bool[n]."""
    groups = circuit.bank(kind).groups
    if not groups:
        return np.zeros(len(circuit.bank(kind)), bool)
    return np.repeat([bool(named(group)) for group, _ in groups], [count for _, count in groups])


def demand_none(circuit: Circuit, doing: str) -> None:
    """Raise ``InputError`` for a circuit with operational amplifiers, for which ``doing`` something is not there."""
    for name in amplifiers(circuit):
        raise InputError(
            f"circuit {circuit.title!r} has amplifiers {name}, and {doing} does not know them yet",
            "most analyses and gradients do; compile without --amplifier for this",
        )


@dataclass(frozen=True, eq=False)
class AmplifierGroup:
    """All amplifiers of a circuit that are called ``name``: their ``numbers``, as in ``u7``, and where their parts are.

    ``places`` has, by kind and purpose (``("buffers", "gain")``), indices int64[n] into the bank, -1 where an amplifier
    has no such part.
    """

    name: str
    numbers: tuple[str, ...]
    places: Mapping[tuple[str, str], Index]

    def at(self, kind: str, purpose: str) -> Index:
        """Indices int64[n] of such a part of every amplifier, -1 where it has none."""
        return self.places.get((kind, purpose), np.full(len(self.numbers), -1))


def groups_of(circuit: Circuit) -> list[AmplifierGroup]:
    """The operational amplifiers of a circuit by the name of their catalogue's entry."""
    found: dict[str, dict[str, dict[tuple[str, str], int]]] = {}
    for kind in KINDS:
        bank, at = circuit.bank(kind), 0
        for group, count in bank.groups:
            name = named(group)
            for k in range(at, at + count) if name else ():
                matched = _PART.fullmatch(bank.names[k])
                if matched:
                    found.setdefault(name, {}).setdefault(matched[1], {})[kind, matched[2]] = k
            at += count
    made = []
    for name, members in found.items():
        keys = dict.fromkeys(key for parts in members.values() for key in parts)
        places = {key: np.array([parts.get(key, -1) for parts in members.values()]) for key in keys}
        made.append(AmplifierGroup(name, tuple(members), places))
    return made


def figures(group: AmplifierGroup) -> Amplifier:
    """What the catalogue says of a circuit's amplifiers; raises `InputError` where it has none such."""
    try:
        return amplifier.get(group.name)
    except UsageError:
        raise InputError(
            f"nothing is known of amplifiers {group.name}: no catalogue has them",
            "give theirs in DIODEQ_AMPLIFIERS; `diodeq devices amplifiers` shows all",
        ) from None


def amplifiers(circuit: Circuit) -> dict[str, list[str]]:
    """What they are called, as in ``u7``, by the name of their catalogue's entry."""
    return {group.name: list(group.numbers) for group in groups_of(circuit)}


def swing_nodes(circuit: Circuit) -> set[int]:
    """The nodes that hold what the outputs of amplifiers stay within; no pin is at them."""
    ends, sides = circuit.diodes.terminals, {"high": 1, "low": 0}
    places = ((group.at("diodes", purpose), side) for group in groups_of(circuit) for purpose, side in sides.items())
    return {node for at, side in places for node in ends[at[at >= 0], side].tolist()}


def supply_nodes(circuit: Circuit) -> dict[str, tuple[int, int]]:
    """The nodes of the supplies, + and -, by the name of the amplifiers that take current of them."""
    ends = circuit.current_sources.terminals
    places = ((group.name, group.at("current_sources", "supply")) for group in groups_of(circuit))
    return {name: (int(ends[at[0], 0]), int(ends[at[0], 1])) for name, at in places if at[0] >= 0}


def pins(circuit: Circuit) -> dict[str, tuple[int, int, int]]:
    """The nodes of each amplifier's + input, - input and output, by what it is called."""
    known = {}
    gains, offsets, limits = (circuit.bank(kind).terminals for kind in ("buffers", "voltage_sources", "diodes"))
    for group in groups_of(circuit):
        places = [("buffers", "gain"), ("buffers", "out"), ("voltage_sources", "offset"), ("diodes", "out")]
        at = (group.at(kind, purpose).tolist() for kind, purpose in places)
        for number, gain, out, offset, limit in zip(group.numbers, *at, strict=True):
            plus = gains[gain, 2] if offset < 0 else offsets[offset, 1]
            known[number] = (int(plus), int(gains[gain, 3]), int(gains[out, 0] if limit < 0 else limits[limit, 1]))
    return known
