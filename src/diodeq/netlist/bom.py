"""The parts list: what to buy or set for a circuit, as comma-separated text.

References are the parts' names in netlists, in capitals. Resistors are grouped by value. Sources that nothing uses, as
of inputs that pruning left unread, are no parts. Where a ladder says what makes
them, a pair's two parts are called after the resistor with a and b, and programmable parts get a row each, with the
package, its channel and the code it is set to, under one row for the packages of each version. Operational amplifiers
are counted by package, without what they are modelled by. Where resistors have tolerances of their own there is a
column of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import amplifiers, inside
from diodeq.circuit.graph import first_source, idle
from diodeq.devices import amplifier
from diodeq.devices.hardware.ladder import Ladder

HEADER = ("reference", "value", "part", "count", "code")


@dataclass(frozen=True)
class BillLine:
    """One line of the list; ``code`` is what a programmable part is set to, else empty; ``tolerance`` where it is asked
    for."""

    reference: str
    value: str
    part: str
    count: int
    code: str = ""
    tolerance: str = ""


def bill(circuit: Circuit, ladder: Ladder | None = None, tolerances: NDArray[np.float64] | None = None) -> str:
    """The parts list of a circuit as CSV text with a header.

    ``ladder`` says which parts make the resistors, whose conductances must be on it; None: any value can be bought, of
    the ``tolerances`` [n_resistors], shares, if given.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = HEADER if tolerances is None else (*HEADER, "tolerance")
    writer.writerow(columns)
    writer.writerows([getattr(row, name) for name in columns] for row in rows(circuit, ladder, tolerances))
    return text.getvalue()


def rows(
    circuit: Circuit, ladder: Ladder | None = None, tolerances: NDArray[np.float64] | None = None
) -> Iterator[BillLine]:
    """The lines of the list: resistors, then the other kinds in the netlist's order."""
    if len(circuit.resistors):
        yield from _fixed(circuit, tolerances) if ladder is None else _made(circuit, ladder)
    for kind in KINDS:
        if kind != "resistors" and len(circuit.bank(kind)):
            yield from _others(circuit, kind)
    yield from _amplifiers(circuit)


def _fixed(circuit: Circuit, tolerances: NDArray[np.float64] | None) -> Iterator[BillLine]:
    """Resistors of the very values the circuit has, to six digits, the tightest of each value first."""
    names, conductances = _resistors(circuit)
    written = np.array([float(f"{ohms:.6g}") for ohms in (1.0 / conductances).tolist()])
    given = circuit.resistors.names
    own = np.zeros(len(written)) if tolerances is None else tolerances[~inside(circuit, "resistors")]
    for value, members in _grouped(written):
        for tolerance, places in _grouped(own[members]):
            some = members[places]
            said = "" if tolerances is None else f"{100 * tolerance:g} %"
            yield BillLine(_joined(names, some, given), engineering(value), "resistor", len(some), tolerance=said)


def _made(circuit: Circuit, ladder: Ladder) -> Iterator[BillLine]:
    """Resistors made of the ladder's singles."""
    names, conductances = _resistors(circuit)
    picks = ladder.picks[ladder.nearest(conductances)]
    paired = picks.shape[1] == 2
    second = picks[:, -1] >= 0
    labels = [f"{name}A" if two else name for name, two in zip(names, second & paired, strict=True)]
    chosen = picks[:, 0]
    if paired:
        labels += [f"{names[k]}B" for k in np.flatnonzero(second).tolist()]
        chosen = np.concatenate([chosen, picks[second, 1]])
    if ladder.single.programmable:
        yield from _programmed(ladder, labels, chosen)
        return
    generated = circuit.resistors.names or ("paired",) * paired
    for pick, members in sorted(_grouped(chosen), key=lambda group: ladder.single.ohms[group[0]]):
        value = engineering(float(ladder.single.ohms[pick]))
        yield BillLine(_joined(labels, members, generated), value, ladder.single.part, len(members))


def _programmed(ladder: Ladder, labels: Sequence[str], chosen: NDArray[np.int64]) -> Iterator[BillLine]:
    """Packages of each version, then every channel in use."""
    single = ladder.single
    nominal = single.nominal[chosen]
    channels: list[BillLine] = []
    packages = 0
    for version, members in _grouped(nominal):
        value, count = engineering(float(version)), -(-len(members) // single.channels)
        kind = f"{single.part}, {single.channels} channel{'s' * (single.channels > 1)} of {value}"
        units = [f"U{packages + k + 1}" for k in range(count)]
        yield BillLine(_run(units), value, kind, count)
        for place, member in enumerate(members.tolist()):
            unit, channel = divmod(place, single.channels)
            pick = int(chosen[member])
            ohms = engineering(float(single.ohms[pick]))
            part = f"channel {channel + 1} of {units[unit]}"
            channels.append(BillLine(labels[member], ohms, part, 1, str(int(single.code[pick]))))
        packages += count
    yield from channels


def _others(circuit: Circuit, kind: str) -> Iterator[BillLine]:
    """The parts of a kind that are not resistors, grouped by what they are."""
    parts, singular = circuit.bank(kind), KINDS[kind].singular
    names, modelled = _names(circuit, kind), inside(circuit, kind)
    if KINDS[kind].nonlinear:
        own = np.flatnonzero(~modelled)
        for model, places in _grouped(parts.values[own]):
            members = own[places]
            yield BillLine(_joined(names, members, parts.names), "", circuit.models[int(model)].name, len(members))
        return
    driven = np.zeros(len(parts), bool)
    if KINDS[kind].source:
        sources = circuit.inputs.source - first_source(circuit, kind)
        driven[sources[(sources >= 0) & (sources < len(parts))]] = True
    unused = idle(circuit, kind) | modelled
    constant = np.flatnonzero(~driven & ~unused)
    unit = f" {KINDS[kind].unit}"
    # In the order of their names, as others are: +5 V comes before -5 V.
    for value, members in sorted(_grouped(parts.values[constant]), key=lambda group: group[1][0]):
        chosen = constant[members]
        yield BillLine(_joined(names, chosen, parts.names), f"{value:.6g}{unit}", singular, len(chosen))
    chosen = np.flatnonzero(driven & ~unused)
    if len(chosen):
        yield BillLine(_joined(names, chosen, parts.names), "", f"{singular} driven by an input", len(chosen))


def _resistors(circuit: Circuit) -> tuple[list[str], NDArray[np.float64]]:
    """The names and conductances of those that somebody buys."""
    own, names = np.flatnonzero(~inside(circuit, "resistors")), _names(circuit, "resistors")
    return [names[k] for k in own.tolist()], circuit.conductances[own]


def _amplifiers(circuit: Circuit) -> Iterator[BillLine]:
    """Packages of each kind of operational amplifier."""
    packages = 0
    for name, members in amplifiers(circuit).items():
        known = amplifier.parts().get(name)
        channels = 1 if known is None else known.channels
        count = -(-len(members) // channels)
        units = [f"U{packages + k + 1}" for k in range(count)]
        packages += count
        spare = count * channels - len(members)
        what = f"operational amplifier, {channels} a package" + (f", {spare} left over" if spare else "")
        yield BillLine(_run(units), name, what, count)


def engineering(ohms: float) -> str:
    """Ohms as parts lists write them, such as 47, 4.7k, 1M; six digits."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # Rounded first: 999999.9 is 1M, not 1000k.
        if float(f"{ohms:.6g}") >= size:
            return f"{ohms / size:.6g}{letter}"
    return f"{ohms:.6g}"


def _names(circuit: Circuit, kind: str) -> list[str]:
    return [name.upper() for name in circuit.part_names(kind)]


def _grouped(values: NDArray[Any]) -> list[tuple[Any, NDArray[np.int64]]]:
    """Each distinct value with the places it is at, ascending."""
    if not len(values):
        return []
    distinct, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    return list(zip(distinct.tolist(), np.split(order, bounds), strict=True))


def _joined(labels: Sequence[str], members: NDArray[np.int64], names: Sequence[str]) -> str:
    """The labels of some parts; runs of generated names (``names`` is empty) as R3-R7."""
    if names:
        return " ".join(labels[k] for k in members.tolist())
    runs = np.split(members, np.flatnonzero(np.diff(members) > 1) + 1)
    return " ".join(_run([labels[k] for k in run.tolist()]) for run in runs)


def _run(labels: Sequence[str]) -> str:
    if len(labels) < 3:
        return " ".join(labels)
    return f"{labels[0]}-{labels[-1]}"
