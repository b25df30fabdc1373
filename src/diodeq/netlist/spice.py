"""What the SPICE dialects share: element lines, model cards and the header, as text for their templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from diodeq.circuit.primitives import Primitive
from diodeq.devices import DiodeModel
from diodeq.netlist.listing import NOMINAL_TEMPERATURE, TOLERANCES, Listing, Section, number, plain


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
    """Each section's heading and its lines, one string a section."""
    for section in listing.sections:
        yield {"heading": section.heading, "lines": "\n".join(_lines(section))}


def _lines(section: Section) -> Iterator[str]:
    for primitive, remark in section.rows:
        if remark:
            yield f"* {remark}"
        yield line(primitive)


def line(primitive: Primitive) -> str:
    """One element line."""
    name, fields, value = primitive
    return f"{name} {' '.join(fields)}" if value is None else f"{name} {' '.join(fields)} {value:.17g}"


def models(cards: Iterable[DiodeModel]) -> list[dict[str, str]]:
    """Each diode model's ``.model`` line and a comment with its source."""
    return [
        {
            "comment": plain(f"{model.name}: {model.source}" if model.source else model.name),
            "line": f".model {model.spice_name} d({' '.join(f'{k.lower()}={number(v)}' for k, v in model.card())})",
        }
        for model in cards
    ]


def options(listing: Listing) -> str:
    """The simulator options: tolerances, and the circuit's temperature."""
    tolerances = " ".join(f"{name}={value}" for name, value in TOLERANCES)
    return f"{tolerances} temp={number(listing.temperature)} tnom={number(NOMINAL_TEMPERATURE)}"


def voltage(plus: str, minus: str) -> str:
    """The voltage between two nodes as SPICE writes it."""
    return f"v({plus})" if minus == "0" else f"v({plus},{minus})"
