"""A circuit laid out for a reader: title, sections with headings, remarks beside parts. Dialects only spell it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import diodeq
from diodeq.arrays import real
from diodeq.circuit import KINDS, Circuit
from diodeq.circuit.amplifiers import named
from diodeq.circuit.flows import kinds_of
from diodeq.circuit.kinds import source_kinds
from diodeq.circuit.primitives import Primitive, PrimitiveRun, lower, used_models
from diodeq.devices import Model
from diodeq.printable import counted
from diodeq.spice.numbers import shortest

# Tight enough for 1e-9 V and free of charge; ngspice's defaults leave errors of 0.5 mV. All SPICEs know these four.
Tolerances = tuple[tuple[str, str], ...]
TOLERANCES: Tolerances = (
    ("reltol", "1e-9"),
    ("vntol", "1e-12"),
    ("abstol", "1e-18"),
    ("gmin", "1e-12"),
)
# Large gains make what rounding of their inputs makes flow larger than so small currents.
AMPLIFIED: Tolerances = tuple((name, "1e-12" if name == "abstol" else value) for name, value in TOLERANCES)
LARGE = 100.0

# The diode parameters are those at this temperature unless a model has its own TNOM.
NOMINAL_TEMPERATURE = 27.0

_PLAIN = str.maketrans(
    {"±": "+-", "–": "-", "—": "-", "µ": "u", "μ": "u", "Ω": "ohm", "°": "deg ", "→": "->", "²": "^2", "×": "x"}
)


@dataclass(frozen=True)
class Section:
    """Parts that belong together: what they are, and each with a remark about it (or none). Can be read once.

    ``amplifier`` is the catalogue's name where they are the inside of operational amplifiers, else empty.
    """

    kind: str
    heading: str
    rows: Iterator[tuple[Primitive, str]]
    amplifier: str = ""


@dataclass(frozen=True)
class Output:
    """A named output, the voltage of node ``plus`` above node ``minus``."""

    name: str
    plus: str
    minus: str


@dataclass(frozen=True)
class Listing:
    """All a dialect needs, decided: text is printable ASCII without line breaks, names are legal in any SPICE.

    ``notes`` are sentences for the header, ``temperature`` is in °C. ``sections`` can be read once.
    """

    title: str
    version: str
    digest: str
    counts: str
    notes: tuple[str, ...]
    temperature: float
    sections: Iterator[Section]
    models: tuple[Model, ...]
    outputs: tuple[Output, ...]
    tolerances: Tolerances = TOLERANCES


def plain(text: str) -> str:
    """The text as one line of printable ASCII, fit for a comment of any language."""
    ascii_text = " ".join(text.translate(_PLAIN).split()).encode("ascii", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in ascii_text)


def list_circuit(
    circuit: Circuit,
    drives: ArrayLike | None = None,
    title: str | None = None,
    notes: Sequence[str] = (),
    remarks: Mapping[str, str] | None = None,
) -> Listing:
    """Lay out ``circuit`` at input volts ``drives`` float64[n_in] (0 by default).

    ``notes`` are added to the header; ``remarks`` maps part names to a comment printed above the part.

    Raises:
        CircuitError: a name or a value that no netlist can hold, or drives that do not fit.
    """
    volts = np.zeros(len(circuit.inputs)) if drives is None else real("the input volts", drives).reshape(-1)
    runs = lower(circuit, volts)
    counts = [counted(len(circuit.nodes), "node")]
    for kind, spec in KINDS.items():
        if count := len(circuit.bank(kind)):
            counts.append(counted(count, spec.singular))
    driven: tuple[str, ...] = ()
    if len(circuit.inputs):
        driven = ("all inputs are at 0" if not volts.any() else "the inputs have the values noted at their sources",)
    nodes = circuit.nodes
    return Listing(
        title=plain(title or circuit.title) or "circuit",
        version=diodeq.__version__,
        digest=circuit_digest(circuit),
        counts=", ".join(counts),
        notes=tuple(plain(note) for note in (*circuit.notes, *driven, *_read(circuit), *notes)),
        temperature=circuit.temperature,
        sections=_sections(circuit, runs, {**_input_remarks(circuit, volts), **(remarks or {})}),
        models=tuple(circuit.models[index] for index in used_models(circuit)),
        outputs=tuple(
            Output(plain(name), nodes[plus], nodes[minus])
            for name, (plus, minus) in zip(circuit.output_names, circuit.outputs.tolist(), strict=True)
        ),
        tolerances=tolerances_for(circuit),
    )


def tolerances_for(circuit: Circuit) -> Tolerances:
    """The tightest tolerances that a circuit's gains let an engine meet."""
    gains = (circuit.bank(kind).values for kind, spec in kinds_of(circuit).items() if not spec.passive)
    return AMPLIFIED if any(np.abs(each).max() > LARGE for each in gains) else TOLERANCES


def circuit_digest(circuit: Circuit) -> str:
    """SHA-256 in hexadecimal of everything that decides a circuit's voltages; names of groups and the title do not."""
    fingerprint = hashlib.sha256()
    words = [circuit.nodes, circuit.inputs.names, circuit.output_names, circuit.temperature]
    cards = [[model.spice_name, model.card()] for model in circuit.models]
    # Kinds beyond the circuit's fields count where it has some: those that somebody else adds change no other digest.
    further = [kind for kind in KINDS if kind in circuit.others and len(circuit.bank(kind))]
    kinds = [*(kind for kind in KINDS if kind in circuit.__dict__), *further]
    fingerprint.update(
        json.dumps([words, cards, [list(circuit.bank(kind).names) for kind in kinds], *further]).encode()
    )
    for kind in kinds:
        fingerprint.update(circuit.bank(kind).terminals.astype("<i4").tobytes())
        fingerprint.update(circuit.bank(kind).values.astype("<f8").tobytes())
    for indices in (circuit.inputs.source, circuit.inputs.column, circuit.outputs):
        fingerprint.update(indices.astype("<i4").tobytes())
    fingerprint.update(circuit.inputs.gain.astype("<f8").tobytes())
    return fingerprint.hexdigest()


def _input_remarks(circuit: Circuit, volts: NDArray[np.float64]) -> dict[str, str]:
    names = [name for kind in source_kinds() for name in circuit.part_names(kind)]
    inputs = circuit.inputs
    remarks: dict[str, str] = {}
    for source, column, gain in zip(inputs.source.tolist(), inputs.column.tolist(), inputs.gain.tolist(), strict=True):
        times = "" if gain == 1 else f" times {shortest(gain)}"
        said = f"input {inputs.names[column]} ({shortest(volts[column])}){times}{_becomes(circuit, column)}"
        remarks[names[source]] = f"{remarks[names[source]]} + {said}" if names[source] in remarks else said
    return remarks


def _becomes(circuit: Circuit, column: int) -> str:
    """How a number of the user's becomes the volts of an input, where it does not stay what it is."""
    units = circuit.scaling
    if units.untouched:
        return ""
    offset, scale = shortest(float(units.offset[column])), shortest(float(units.scale[column]))
    within = f", within +-{shortest(units.limit)} V" if units.limit < math.inf else ""
    return f": volts are (number - {offset}) times {scale}{within}"


def _read(circuit: Circuit) -> Iterator[str]:
    """How the volts of outputs become numbers of the user's, where they do not stay what they are."""
    units, names = circuit.scaling, circuit.output_names
    if units.target_offset is not None and units.target_scale is not None:
        for name, offset, scale in zip(names, units.target_offset.tolist(), units.target_scale.tolist(), strict=True):
            yield f"{name} is {shortest(offset)} + {shortest(scale * units.output_scale)} times the volts of its output"
    elif units.output_scale != 1.0 and names:
        yield f"a score is {shortest(units.output_scale)} times the volts of its output"


def _sections(circuit: Circuit, runs: Iterator[PrimitiveRun], remarks: Mapping[str, str]) -> Iterator[Section]:
    read = dict.fromkeys(KINDS, 0)
    for run in runs:
        start, read[run.kind] = read[run.kind], read[run.kind] + run.count
        singular = KINDS[run.kind].singular
        heading = counted(run.count, singular)
        if run.label != f"{singular}s":
            heading = f"{run.label}: {heading}"
        if run.kind == "resistors" and run.count:
            values = circuit.conductances[start : start + run.count]
            low, high = f"{values.min():.3g}", f"{values.max():.3g}"
            heading += f" of {low if low == high else f'{low} to {high}'} siemens, printed in ohms"
        yield Section(run.kind, plain(heading), _with_remarks(run.primitives, remarks), named(run.label))


def _with_remarks(primitives: Iterator[Primitive], remarks: Mapping[str, str]) -> Iterator[tuple[Primitive, str]]:
    for primitive in primitives:
        # No part's name begins with the x of a subcircuit's call.
        remark = remarks.get(primitive[0].removeprefix("x"), "")
        yield primitive, plain(remark) if remark else ""
