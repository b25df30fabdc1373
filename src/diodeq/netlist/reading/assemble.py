"""A deck as a `Circuit`: names made legal, banks filled, ports chosen, soundness checked, errors placed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diodeq.circuit import KINDS, Bank, Circuit, Inputs
from diodeq.circuit.check import check
from diodeq.errors import CircuitError
from diodeq.netlist.reading.deck import ParsedDeck
from diodeq.netlist.reading.flatten import Flat, flatten
from diodeq.netlist.reading.includes import expand
from diodeq.netlist.reading.kinds import text_of
from diodeq.netlist.reading.names import legal
from diodeq.netlist.reading.parts import DeckPart
from diodeq.netlist.reading.ports import Driven, choose_inputs, choose_outputs, choose_trainable
from diodeq.netlist.reading.recognize import RecognizedElement, controls, recognize
from diodeq.netlist.reading.sorting import sort_lines
from diodeq.spice.text import DECK_BYTES, decoded


@dataclass(frozen=True)
class Imported:
    """A circuit read from a deck, and a sentence for each thing that was read differently from how it stands."""

    circuit: Circuit
    notes: tuple[str, ...]


def import_deck(
    path: str | Path,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    trainable: Sequence[str] = (),
    include: Sequence[str | Path] = (),
) -> Imported:
    """The circuit of a SPICE deck, or of a schematic of LTspice's or KiCad's, of R, D, V, I, B, E, F, G, H and
    subcircuits of them.

    Args:
        path: the deck, as ngspice, LTspice and Xyce read it, whose first line is its title; or the schematic (.asc,
            .kicad_sch).
        inputs: patterns of sources; see `ports.choose_inputs` for the form and for the default.
        outputs: nodes, pairs PLUS:MINUS or patterns of them; see `ports.choose_outputs`.
        trainable: patterns of resistors; all by default.
        include: files, and folders of files, that the deck may include by their names; no others are ever opened.

    Raises:
        InputError: naming the file and the line of what cannot be read, or a circuit that is not sound.
        UsageError: a pattern that matches nothing, or nothing says what the outputs are.
    """
    text, notes = text_of(decoded(path, DECK_BYTES), path)
    deck = sort_lines(expand(text, include, notes), notes)
    flat = flatten(deck)
    if not flat.count:
        raise deck.text.error(1, "there are no parts", "the first line of a deck is only a title; the parts follow it")
    for part in controls(flat.parts):
        there = any(other.name == part.other for parts in flat.parts.values() for other in parts)
        what = "is no voltage source" if there else "is not there"
        remedy = "put a source of 0 V in series with it and name that one" if there else "correct the name"
        asks = part.name.removeprefix("f ").partition(" ")[0]
        raise deck.text.error(part.line, f"{asks} follows the current of {part.other}, which {what}", remedy)
    driven = choose_inputs(inputs, flat.parts, deck)
    for part in (*flat.parts["v"], *flat.parts["i"]):
        if math.isnan(part.value) and part.name not in driven.gains:
            problem = f"what {part.name} is in direct current, a file or an event decides"
            raise deck.text.error(
                part.line, problem, f"make it an input with --input {part.name}, or give its DC value"
            )
    circuit = _circuit(deck, flat, driven, outputs, trainable)
    return Imported(circuit, deck.notes.sentences())


def _circuit(deck: ParsedDeck, flat: Flat, driven: Driven, outputs: Sequence[str], trainable: Sequence[str]) -> Circuit:
    elements = recognize(flat.parts, frozenset(driven.gains), deck.notes)
    rows = {kind: elements.rows.get(kind, []) for kind in KINDS}
    resistors: list[DeckPart | RecognizedElement] = [*flat.parts["r"], *elements.fixed]
    everything: dict[str, Sequence[DeckPart | RecognizedElement]] = {
        **rows,
        "resistors": resistors,
        "diodes": flat.parts["d"],
    }
    used = dict.fromkeys(node for kind in KINDS for row in everything[kind] for node in row.nodes)
    raw_nodes = [node for node in used if node != "0"]
    nodes = {"0": "0", **dict(zip(raw_nodes, legal(raw_nodes, "", {"0"}), strict=True))}
    index = {raw: k for k, raw in enumerate(nodes)}
    taken: set[str] = set()
    banks: dict[str, Any] = {}
    for kind, spec in KINDS.items():
        parts = everything[kind]
        terminals = np.array([[index[node] for node in row.nodes] for row in parts], dtype=np.int32)
        if kind == "diodes":
            values = np.array([float(part.other) for part in flat.parts["d"]])
        elif kind == "resistors":
            values = 1.0 / np.array([row.value for row in parts], dtype=np.float64)
        else:
            values = np.array([driven.constants.get(row.name, row.value) for row in parts], dtype=np.float64)
        names = tuple(legal([row.name for row in parts], spec.prefix, taken))
        if all(name == f"{spec.prefix}{k}" for k, name in enumerate(names, 1)):
            names = ()  # what they are called anyway
        banks[kind] = Bank(terminals.reshape(len(parts), len(spec.terminals)), values, names)
    ports = choose_outputs(outputs, nodes, deck)
    part_names = banks["resistors"].names or [f"r{k}" for k in range(1, len(resistors) + 1)]
    renamed = [f"{raw} is {name}" for raw, name in nodes.items() if raw != name and " " not in raw]
    if renamed:
        deck.notes.reasons["nodes were renamed"] = renamed
    if not driven.names:
        sources = ", ".join(part.name for part in (*flat.parts["v"], *flat.parts["i"])[:10])
        deck.notes.reasons["no source is an input; name some with --input"] = [f"there are {sources or 'none'}"]
    try:
        return check(
            Circuit(
                nodes=tuple(nodes.values()),
                **banks,
                models=tuple(flat.models),
                inputs=_inputs(driven, rows["voltage_sources"], rows["current_sources"]),
                outputs=np.array([(index[plus], index[minus]) for _, plus, minus in ports], dtype=np.int32),
                output_names=tuple(name for name, _, _ in ports),
                trainable=choose_trainable(trainable, part_names, len(elements.fixed)),
                temperature=flat.temperature,
                title=_title(deck),
                notes=(f"imported from {Path(deck.text.path).name}",),
            )
        )
    except CircuitError as error:
        raise deck.text.placed(_line(error, nodes, banks, everything), error) from error


def _line(
    error: CircuitError,
    nodes: Mapping[str, str],
    banks: Mapping[str, Bank],
    rows: Mapping[str, Sequence[DeckPart | RecognizedElement]],
) -> int:
    """The line of the first part that the error names, else the first line at one of its nodes, else 1."""
    for kind, bank in banks.items():
        names = bank.names or tuple(f"{KINDS[kind].prefix}{k}" for k in range(1, len(bank) + 1))
        for name, row in zip(names, rows[kind], strict=True):
            if name in error.parts[:1]:
                return row.line
    lost = {raw for raw, name in nodes.items() if name in error.nodes}
    return min((row.line for them in rows.values() for row in them if lost & {*row.nodes}), default=1)


def _inputs(driven: Driven, volts: Sequence[RecognizedElement], amperes: Sequence[RecognizedElement]) -> Inputs:
    ports = [
        (source, column, gain)
        for source, row in enumerate([*volts, *amperes])
        for column, gain in driven.gains.get(row.name, ())
    ]
    columns = list(zip(*ports, strict=True)) or [(), (), ()]
    return Inputs(
        np.array(columns[0], dtype=np.int32),
        np.array(columns[1], dtype=np.int32),
        np.array(columns[2], dtype=np.float64),
        tuple(driven.names),
    )


def _title(deck: ParsedDeck) -> str:
    title = deck.text.title
    title = title[6:] if title.lower().startswith(".title") else title.lstrip("*")
    return " ".join(title.split())[:200] or "circuit"
