"""``diodeq devices import``: the parts of a vendor's file, or a measured curve, into the user's catalogue."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.cli.options import JSON, print_json
from diodeq.cli.part_summaries import shown_amperes, summaries
from diodeq.cli.terminal import mention, say
from diodeq.devices import catalogue
from diodeq.devices.curve.file import read_curve
from diodeq.devices.transistor.model import TransistorModel
from diodeq.devices.vendor.file import VendorPart, read_parts
from diodeq.devices.vendor.transistors import sized
from diodeq.errors import UsageError
from diodeq.printable import printable


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What to call the part, where the file has one; a curve needs it.")
@click.option("--source", "origin", metavar="TEXT", help="Of a curve: who measured it, and how.")
@click.option("--only", multiple=True, metavar="PART", help="Take this part of the file alone; repeatable.")
@click.option("--instance", metavar="W=10U …", help="Of transistors: what stands on the element's own line.")
@click.option("--strict", is_flag=True, help="Refuse the file if anything in it would be left out.")
@click.option("--replace", is_flag=True, help="Prefer these parts to known ones of the same names.")
@JSON
def import_parts(
    file: Path,
    name: str | None,
    origin: str | None,
    only: tuple[str, ...],
    instance: str | None,
    strict: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Add the diodes of a vendor's SPICE file to your catalogue.

    They are .model cards, and .subckt of diodes, resistors and constant sources: one of two pins is one device, of more
    pins it is each that lies between two of them.

    A transistor (level 1 MOSFET, bipolar, junction FET) becomes a diode, gate at drain or base at collector, a junction
    FET a current limiter, gate at source: `devices show` says which terminal is at which pin.

    What cannot be read is left out, by its line, and so is a part whose name is known. Every file that reads is written
    to the catalogue at once, or not at all.

    A FILE.csv is a measured I-V curve: volts, amperes, a header or none, two or more points in any order. Currents that
    fall as the voltage rises are taken for noise and pooled (monotone regression), which is said.

    The catalogue is $DIODEQ_DEVICES or ~/.config/diodeq/devices.toml. Nothing in the file is executed or opened, and
    ngspice never sees its text.

    Example: diodeq devices import 1N4148.lib
    """
    if file.suffix.lower() == ".csv":
        if only or strict:
            raise UsageError("--only and --strict are for the parts of SPICE files, a CSV file has one", "leave it out")
        _import_curve(file, name, origin, replace, as_json)
        return
    if origin is not None:
        raise UsageError("--source is for curves: SPICE parts say it themselves", "leave it out")
    found = read_parts(file, only, strict)
    parts = list(found.parts)
    if instance is not None:
        parts = [_sized(part, instance) for part in parts]
    known: list[str] = []
    if name is not None:
        if len(parts) > 1:
            raise UsageError(f"{file} has {len(parts)} parts but --name gives one name", "choose one with --only")
        _demand_name(name)
        parts = [dataclasses.replace(parts[0], model=dataclasses.replace(parts[0].model, name=name))]
    elif not replace:
        there = catalogue.known()
        known = [f"line {part.line}: {part.model.name}" for part in parts if part.model.name.casefold() in there]
        parts = [part for part in parts if part.model.name.casefold() not in there]
    path = catalogue.add([part.model for part in parts], replace) if parts else catalogue.user_path()
    documents = [
        {**summary, **_found(part)}
        for part, summary in zip(parts, summaries([part.model for part in parts]), strict=True)
    ]
    if as_json:
        print_json({"catalogue": str(path), "parts": documents, "known": known, "skipped": list(found.skipped)})
        return
    for document in documents:
        _tell(document)
    for phrase in known:
        mention(f"skipped: {phrase} is in the catalogue already; --replace prefers this one, --name calls it otherwise")
    for phrase in found.skipped:
        mention(f"left out: {phrase}")
    counts = f"imported {len(parts)}, skipped {len(known)}, left out {len(found.skipped)}"
    say(f"{counts}; wrote {path}" if parts else counts)


def _tell(document: dict[str, Any]) -> None:
    volts = ", ".join(
        f"{each['volts']:.3f} V at {shown_amperes(each['amperes'])}"
        for each in document["forward_voltages"]
        if each["volts"] is not None
    )
    pins = ""
    if document["pins"] is not None:
        pins = ", pins {anode} to {cathode}".format(**document["pins"])
        pins += ", its first pin is the cathode" if document["first_pin"] == "cathode" else ""
    say(f"{document['name']} (line {document['line']}{pins}): V_f {volts}")
    for phrase in document["ignored"]:
        say(f"  left out: {phrase}")


def _sized(part: VendorPart, instance: str) -> VendorPart:
    if not isinstance(part.model, TransistorModel):
        raise UsageError(f"--instance is for transistors, and {part.model.name} is none", "choose with --only")
    return dataclasses.replace(part, model=sized(part.model, instance))


def _demand_name(name: str) -> None:
    if not re.fullmatch(r"[!-~]{1,64}", name):
        raise UsageError(f"{name!r} is no name for a part", "use up to 64 letters, digits, '-' and '_'")


def _import_curve(file: Path, name: str | None, origin: str | None, replace: bool, as_json: bool) -> None:
    if name is None:
        raise UsageError(f"{file} does not say what was measured", "name the part with --name")
    _demand_name(name)
    found = read_curve(file, name, printable(f"measured, {file.name}" if origin is None else origin))
    path = catalogue.add([found.model], replace)
    if as_json:
        print_json({"catalogue": str(path), "parts": summaries([found.model]), "notes": list(found.notes)})
        return
    say(f"{name}: {found.model.description}, {len(found.model.volts)} knots")
    for note in found.notes:
        say(f"  {note}")
    say(f"wrote {path}")


def _found(part: VendorPart) -> dict[str, Any]:
    pins = dict(zip(("anode", "cathode"), part.pins, strict=True)) if part.pins else None
    first = next((name for name, pin in (pins or {}).items() if pin == part.first), None)
    return {"line": part.line, "pins": pins, "first_pin": first, "ignored": list(part.ignored)}
