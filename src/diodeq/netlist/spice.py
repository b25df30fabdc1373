"""What the SPICE dialects share: element lines, model cards and the header, as text for their templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from diodeq.circuit.primitives import Primitive
from diodeq.devices import DiodeModel, Model
from diodeq.devices.two_pin import NGSPICE, Spelling, TwoPin, definition, diodes_of
from diodeq.errors import InputError
from diodeq.netlist.amplifiers import instances
from diodeq.netlist.listing import NOMINAL_TEMPERATURE, Listing, Section, plain
from diodeq.spice.numbers import shortest


def header(listing: Listing, dialect: str, how_to_run: str) -> list[str]:
    """The comment lines that open a deck; the first is its title."""
    return [
        listing.title,
        f"written by diodeq {listing.version} in the {dialect} dialect; {how_to_run}",
        f"circuit sha256 {listing.digest}",
        listing.counts,
        f"at {listing.temperature:g} degrees Celsius",
        *listing.notes,
    ]


def sections(listing: Listing) -> Iterator[dict[str, str]]:
    """Each section's heading and its lines, one string a section; amplifiers as instances of subcircuits, last."""
    inside: dict[str, list[Section]] = {}
    for section in listing.sections:
        if section.amplifier:
            inside.setdefault(section.amplifier, []).append(replace(section, rows=iter(list(section.rows))))
        else:
            yield {"heading": section.heading, "lines": "\n".join(_lines(section))}
    for name, own in inside.items():
        yield from (
            {"heading": plain(heading), "lines": "\n".join(lines)} for heading, lines in instances(name, own, line)
        )


def _lines(section: Section) -> Iterator[str]:
    for primitive, remark in section.rows:
        if remark:
            yield f"* {remark}"
        yield line(primitive)


def line(primitive: Primitive) -> str:
    """One element line."""
    name, fields, value = primitive
    return f"{name} {' '.join(fields)}" if value is None else f"{name} {' '.join(fields)} {shortest(value)}"


def models(cards: Iterable[Model], spelling: Spelling = NGSPICE) -> list[dict[str, str]]:
    """Each model's ``.model`` line, or its ``.subckt`` as several, and a comment with its source."""
    return [
        {
            "comment": plain(f"{model.name}: {model.source}" if model.source else model.name),
            "line": definition(model, spelling) if isinstance(model, TwoPin) else _card(model),
        }
        for model in cards
    ]


def _card(model: Model) -> str:
    card = model.full_card() if isinstance(model, DiodeModel) else model.card()
    return f".model {model.spice_name} d({' '.join(f'{name.lower()}={shortest(value)}' for name, value in card)})"


def demand_known(models: Iterable[Model], known: frozenset[str], program: str) -> None:
    """Raise `InputError` for a diode parameter that is not among the lower-case names ``program`` knows."""
    for model in models:
        for name in (name for diode in diodes_of(model) for name, _ in diode.card()):
            if name.lower() not in known:
                raise InputError(
                    f"diode {model.name} has the parameter {name}, which {program} does not know",
                    "export to ngspice, or use a model without it",
                )


def options(listing: Listing) -> str:
    """The simulator options: tolerances, and the circuit's temperature."""
    tolerances = " ".join(f"{name}={value}" for name, value in listing.tolerances)
    return f"{tolerances} temp={shortest(listing.temperature)} tnom={shortest(NOMINAL_TEMPERATURE)}"


def voltage(plus: str, minus: str) -> str:
    """The voltage between two nodes as SPICE writes it."""
    return f"v({plus})" if minus == "0" else f"v({plus},{minus})"


def outputs(listing: Listing) -> list[str]:
    """Each output as "name = v(plus,minus)", for a comment."""
    return [f"{output.name} = {voltage(output.plus, output.minus)}" for output in listing.outputs]
