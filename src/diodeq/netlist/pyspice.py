"""The PySpice dialect: a Python script that builds the circuit part by part, solves it and prints the outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from diodeq.circuit.primitives import Primitive
from diodeq.devices.two_pin import EXPORTED, TwoPin
from diodeq.netlist import spice
from diodeq.netlist.listing import NOMINAL_TEMPERATURE, Listing, Section
from diodeq.netlist.templates import render
from diodeq.spice.numbers import shortest


def write(listing: Listing) -> str:
    """The listing as a Python script; its strings are quoted as JSON, which for printable ASCII is also Python."""
    header = spice.header(listing, "PySpice", "run it with: python FILE (needs PySpice and libngspice)")
    return render(
        "pyspice.py.j2",
        header=header,
        title=json.dumps(listing.title),
        sections=({"heading": section.heading, "rows": "\n".join(_rows(section))} for section in listing.sections),
        models=[
            {
                "comment": card["comment"],
                "name": json.dumps(model.spice_name),
                "parameters": [f"{name}={shortest(value)}" for name, value in model.card()],
            }
            for model, card in zip(listing.models, spice.models(listing.models), strict=True)
            if not isinstance(model, TwoPin)
        ],
        subcircuits=[
            {"comment": card["comment"], "lines": [json.dumps(line) for line in card["line"].split("\n")]}
            for model, card in zip(listing.models, spice.models(listing.models, EXPORTED), strict=True)
            if isinstance(model, TwoPin)
        ],
        outputs=[f"({json.dumps(o.name)}, {json.dumps(o.plus)}, {json.dumps(o.minus)})" for o in listing.outputs],
        temperature=shortest(listing.temperature),
        nominal_temperature=shortest(NOMINAL_TEMPERATURE),
        tolerances=", ".join(f"{name}={value}" for name, value in listing.tolerances),
    )


def _rows(section: Section) -> Iterator[str]:
    for primitive, remark in section.rows:
        if remark:
            yield f"    # {remark}"
        yield f"    ({_tuple(primitive)}),"


def _tuple(primitive: Primitive) -> str:
    name, fields, value = primitive
    words = [json.dumps(word) for word in (name, *fields)]
    return ", ".join(words if value is None else [*words, shortest(value)])
