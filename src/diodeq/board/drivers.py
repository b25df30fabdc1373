"""Amplifiers that a bench wants around a circuit: what inverts its inputs, and what its outputs are read through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diodeq.board.brackets import unused
from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import amplifiers
from diodeq.circuit.bank import Bools
from diodeq.circuit.graph import first_source, held_nodes, idle
from diodeq.circuit.inputs import Inputs
from diodeq.devices import amplifier
from diodeq.errors import InputError
from diodeq.synthesis.amplifiers import AmplifierParts
from diodeq.synthesis.parts import Parts

OHMS = 10e3
"""Of the two resistors of an inverting amplifier."""


def driven(circuit: Circuit, complement: bool, buffers: bool, part: str) -> Circuit:
    """The circuit with inverting amplifiers that make every complement (-x), and followers at its outputs.

    ``part`` is an amplifier of the catalogue, on the rails that it has where nobody says more.

    Raises:
        InputError: it has amplifiers already, or no complements.
        UsageError: there is no such amplifier.
    """
    known = amplifier.get(part)
    if amplifiers(circuit):
        raise InputError(
            f"circuit {circuit.title!r} has amplifiers already", "leave --complement amplifier and --buffers out"
        )
    pairs = _complements(circuit) if complement else {}
    if complement and not pairs:
        raise InputError(f"circuit {circuit.title!r} has no input of both signs", "leave --complement amplifier out")
    ends = circuit.voltage_sources.terminals
    dropped = np.zeros(len(ends), bool)
    dropped[list(pairs)] = True
    parts = _reopened(circuit, dropped)
    added = AmplifierParts(parts, known, known.rail(None))
    if pairs:
        minus, plus = np.array(list(pairs)), np.array(list(pairs.values()))
        out, into = ends[minus, 0], ends[plus, 0]
        sums = parts.nodes(unused("{}_sum", (circuit.nodes[node] for node in out.tolist()), circuit.nodes))
        for label, side, other, mark in (("from", into, sums, "c"), ("back", sums, out, "f")):
            names = unused(f"r{mark}{{}}", range(1, len(out) + 1), circuit.part_names("resistors"))
            parts.add("resistors", f"complements: {label}", side, other, values=1.0 / OHMS, names=names)
        added.add(0, sums, out)
    outputs = circuit.outputs.astype(np.int64)
    if buffers:
        read = np.setdiff1d(np.unique(outputs), np.flatnonzero(held_nodes(circuit)))
        followers = parts.nodes(unused("{}_out", (circuit.nodes[node] for node in read.tolist()), circuit.nodes))
        added.add(read, followers, followers)
        place = np.arange(len(circuit.nodes))
        place[read] = followers
        outputs = place[outputs]
    start = first_source(circuit, "voltage_sources")
    own = circuit.inputs.source - start
    kept = ~((own >= 0) & (own < len(ends)) & dropped[np.clip(own, 0, max(0, len(ends) - 1))])
    moved = np.cumsum(~dropped) - 1
    source = circuit.inputs.source.copy()
    of_volts = (own >= 0) & (own < len(ends))
    source[of_volts] = moved[own[of_volts]] + start
    if (circuit.inputs.source >= start + len(ends)).any():
        raise InputError(f"circuit {circuit.title!r} has inputs that are currents", "leave drivers out")
    inputs = Inputs(source[kept], circuit.inputs.column[kept], circuit.inputs.gain[kept], circuit.inputs.names)
    trainable = np.concatenate([circuit.mask, np.zeros(parts.count("resistors") - len(circuit.mask), bool)])
    made = parts.circuit(
        inputs=inputs,
        outputs=outputs,
        output_names=circuit.output_names,
        units=circuit.units,
        temperature=circuit.temperature,
        title=circuit.title,
        trainable=trainable,
    )
    what = [f"{len(pairs)} complements"] * bool(pairs) + ["outputs"] * buffers
    return replace(made, notes=(*circuit.notes, f"{' and '.join(what)} by {added.count} amplifiers {known.name}"))


def _complements(circuit: Circuit) -> dict[int, int]:
    """Sources that are the opposite of another one of the same input, by number, with that one's."""
    start = first_source(circuit, "voltage_sources")
    driven_by: dict[int, list[tuple[int, float]]] = {}
    inputs = circuit.inputs
    terms = zip(inputs.source.tolist(), inputs.column.tolist(), inputs.gain.tolist(), strict=True)
    for source, column, gain in terms:
        driven_by.setdefault(source - start, []).append((column, gain))
    alone = {source: terms[0] for source, terms in driven_by.items() if len(terms) == 1}
    ends, values = circuit.voltage_sources.terminals, circuit.voltage_sources.values
    unused = idle(circuit, "voltage_sources")
    usable = {s: term for s, term in alone.items() if 0 <= s < len(ends) and ends[s, 1] == 0 and values[s] == 0.0}
    positive = {term: source for source, term in usable.items() if term[1] > 0}
    return {
        source: positive[column, -gain]
        for source, (column, gain) in usable.items()
        if gain < 0 and (column, -gain) in positive and not unused[source]
    }


def _reopened(circuit: Circuit, dropped: Bools) -> Parts:
    """A circuit's nodes, models and parts, but for the voltage sources that are dropped, to add more to."""
    parts = Parts()
    parts.nodes(circuit.nodes[1:])
    for model in circuit.models:
        parts.model(model)
    for kind in KINDS:
        bank, names, start = circuit.bank(kind), circuit.part_names(kind), 0
        for label, count in bank.groups or ((f"{KINDS[kind].singular}s", len(bank)),):
            run = np.arange(start, start + count)
            run = run[~dropped[run]] if kind == "voltage_sources" else run
            called = [names[k] for k in run.tolist()]
            parts.add(kind, label, *bank.terminals[run].T, values=bank.values[run], names=called)
            start += count
    return parts
