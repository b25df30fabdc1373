"""The operational amplifiers of a circuit: runs of parts whose label says that they are one amplifier's inside."""

from __future__ import annotations

import re

import numpy as np

from diodeq.circuit.bank import Bools
from diodeq.circuit.circuit import Circuit
from diodeq.errors import InputError

_LABEL = "amplifiers "
_NUMBER = re.compile(r"[a-z]_(u\d+)_")


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
            "simulate, verify, export, feasibility and gradients do; compile without --amplifier for the rest",
        )


def amplifiers(circuit: Circuit) -> dict[str, list[str]]:
    """What they are called, as in ``u7``, by the name of their catalogue's entry."""
    parts, found, at = circuit.bank("buffers"), dict[str, dict[str, None]](), 0
    for group, count in parts.groups:
        if named(group):
            numbers = (_NUMBER.match(part) for part in parts.names[at : at + count])
            found.setdefault(named(group), {}).update(dict.fromkeys(each[1] for each in numbers if each))
        at += count
    return {name: list(numbers) for name, numbers in found.items()}


def pins(circuit: Circuit) -> dict[str, tuple[int, int, int]]:
    """The nodes of each amplifier's + input, - input and output, by what it is called."""
    at: dict[str, tuple[str, int]] = {
        name: (kind, k)
        for kind in ("buffers", "voltage_sources", "diodes")
        for k, name in enumerate(circuit.bank(kind).names)
    }

    def ends(name: str) -> list[int] | None:
        if name not in at:
            return None
        kind, k = at[name]
        found: list[int] = circuit.bank(kind).terminals[k].tolist()
        return found

    known = {}
    for number in (each for numbers in amplifiers(circuit).values() for each in numbers):
        gain, offset, last = (ends(form.format(number)) for form in ("e_{}_gain", "v_{}_offset", "d_{}_out"))
        out = ends(f"e_{number}_out")
        assert gain is not None
        assert out is not None
        known[number] = (gain[2] if offset is None else offset[1], gain[3], out[0] if last is None else last[1])
    return known
