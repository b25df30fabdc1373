"""The parts of a file that have a law and a name: which way they conduct, all asked at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from diodeq.devices.composite.model import CompositeModel
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.one_ports import one_ports, voltages_at
from diodeq.devices.transistor.model import TransistorModel
from diodeq.errors import InputError, PlacedError
from diodeq.spice import SpiceText
from diodeq.spice.numbers import shown

TELLING = 1e-3
"""Amperes that tell which way is forward"""
ROUGHLY = 1e-4
"""The share of their voltages to which these are enough"""
ALIKE = 1.02
"""So many times the other way's volts are the same: a device without a direction."""


@dataclass(frozen=True)
class VendorPart:
    """A device found in a file: its model, a phrase for each thing that was left out, and the line it begins on; of a
    subcircuit's, which of its pins are anode and cathode, which is the first, and its name."""

    model: DiodeModel | CompositeModel | TransistorModel
    ignored: tuple[str, ...]
    line: int
    pins: tuple[str, ...] = ()
    first: str = ""
    subcircuit: str = ""


@dataclass(frozen=True)
class Candidate:
    """A part, and the same the other way round where only its law tells which way is forward."""

    part: VendorPart
    turned: VendorPart | None = None


def sound(candidates: Sequence[Candidate], text: SpiceText, lost: list[PlacedError]) -> list[VendorPart]:
    """The parts that have a law at 27 °C, carry a milliampere and have a name of their own that a catalogue can hold,
    their pins in the order in which they conduct; ``lost`` gets an error of the others."""
    found: list[VendorPart] = []
    seen: dict[str, int] = {}
    for part in _directed([each for each in candidates if _named(each.part, text, lost)], text, lost):
        name = part.model.name
        if name.casefold() in seen:
            earlier = seen[name.casefold()]
            lost.append(text.error(part.line, f"{name} is on line {earlier} already", "keep one of the two"))
            continue
        seen[name.casefold()] = part.line
        found.append(replace(part, model=replace(part.model, source=f"{part.model.source}, line {part.line}")))
    return found


def _named(part: VendorPart, text: SpiceText, lost: list[PlacedError]) -> bool:
    if re.fullmatch(r"[!-~]{1,64}", part.model.name):
        return True
    problem = f"{shown(part.model.name)} is no name for a part"
    lost.append(text.error(part.line, problem, "use up to 64 letters, digits, '-', '_'"))
    return False


def _directed(candidates: Sequence[Candidate], text: SpiceText, lost: list[PlacedError]) -> list[VendorPart]:
    """All parts the way round in which they conduct; where one has no law, each half is asked alone."""
    if not candidates:
        return []
    models = [each.part.model for each in candidates]
    try:
        volts = voltages_at(one_ports(models, np.arange(len(models)), 27.0), [TELLING, -TELLING], ROUGHLY)
    except InputError as error:
        if len(candidates) == 1:
            lost.append(text.placed(candidates[0].part.line, error))
            return []
        half = len(candidates) // 2
        return [part for some in (candidates[:half], candidates[half:]) for part in _directed(some, text, lost)]
    found = []
    for each, (ahead, against) in zip(candidates, volts.tolist(), strict=True):
        turned = each.turned if ahead > -ALIKE * against > 0.0 else None
        if not np.isfinite(-against if turned else ahead):
            problem = f"{shown(each.part.model.name)} never carries a milliampere"
            lost.append(text.error(each.part.line, problem, "give a device that conducts"))
        else:
            found.append(turned or each.part)
    return found
