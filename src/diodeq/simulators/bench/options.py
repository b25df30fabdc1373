"""What is changed of a bench: imperfections switched off, numbers replaced, the seed.

That is what stands behind the colons of ``bench:FILE:no-noise:adc.bits=8``.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

from diodeq.documents import toml
from diodeq.errors import InputError, UsageError
from diodeq.simulators.bench.describing import SECTIONS, demand, value_of
from diodeq.simulators.bench.description import EXACT, Description

Off = tuple[str, str, Any]
IMPERFECTIONS: dict[str, tuple[Off, ...]] = {
    "quantization": (
        *((each, "bits", EXACT) for each in ("drives", "holds", "reads", "injections")),
        ("taps", "quantized", False),
    ),
    "noise": (("reads", "noise", 0.0), ("reads", "flicker", 0.0)),
    "offsets": (
        *((each, "offset", 0.0) for each in ("drives", "holds", "reads", "injections", "amplifiers")),
        ("reads", "offset_drift", 0.0),
    ),
    "gains": (
        *((each, "gain", 0.0) for each in ("drives", "holds", "reads")),
        *((each, "complement", 0.0) for each in ("drives", "holds")),
        *((each, "rails", 0.0) for each in ("drives", "holds")),
    ),
    "scan": (("reads", "droop", 0.0), ("reads", "crosstalk", 0.0)),
    "mismatch": (("injections", "mismatch", 0.0),),
    "compliance": (("injections", "compliance", math.inf),),
    "tolerance": tuple(
        ("taps", each, 0.0) for each in ("tolerance", "series_tolerance", "wiper_tolerance", "nonlinearity")
    ),
    "drift": (("taps", "drift", 0.0),),
    "settling": (("settling", "seconds", 0.0),),
    "temperature": (
        ("temperature", "low", math.inf),
        ("temperature", "high", math.inf),
        ("taps", "tempco", 0.0),
        ("reads", "offset_drift", 0.0),
    ),
    "diodes": (("diodes", "saturation", 0.0), ("diodes", "emission", 0.0)),
    "bias": (("amplifiers", "bias", 0.0),),
}
"""What can be switched off, by name: sections, entries and what they are without"""
ALIASES = {"adc": "reads", "dac": "drives", "pump": "injections", "pumps": "injections", "tap": "taps"}


def changed(description: Description, *options: str) -> Description:
    """The bench with options, applied in their order: ``no-NAME`` of ``IMPERFECTIONS``, ``ideal`` (none of them),
    ``seed=3``, ``adc.bits=8`` and the like; entries of a section have to agree when all are applied.

    Raises:
        UsageError: there is no such option, or its value makes no sense.
    """
    touched: dict[str, str] = {}
    for option in options:
        description = replace(_changed(description, option), options=(*description.options, option))
        path, equals, _ = option.partition("=")
        if equals:
            touched[_section(path)] = option
    for section, option in touched.items():  # not before: one end of a range may come before the other
        try:
            demand(getattr(description, section), option)
        except InputError as error:
            raise _refused(option, error) from None
    return description


def _changed(found: Description, option: str) -> Description:
    if option == "ideal":
        for name in IMPERFECTIONS:
            found = _without(found, name)
        return found
    if option.startswith("no-") and option[3:] in IMPERFECTIONS:
        return _without(found, option[3:])
    path, equals, text = option.partition("=")
    if not equals:
        names = ", ".join(["ideal", *(f"no-{name}" for name in IMPERFECTIONS)])
        raise UsageError(f"a bench has no option {option!r}", f"use SECTION.ENTRY=VALUE, seed=N, or one of {names}")
    section, (_, dot, key) = _section(path), path.partition(".")
    try:
        if not dot:
            if path != "seed":
                raise InputError(f"there is no entry {path}", "write it like adc.bits=8")
            return replace(found, seed=value_of("seed", _parsed(text), "seed"))
        if (
            section not in SECTIONS
            or section == "calibrated"
            or key not in {each.name for each in fields(SECTIONS[section])}
        ):
            raise InputError(f"there is no entry {path}", "write it like adc.bits=8")
        before = found.held if section == "holds" else getattr(found, section)
        after: Any = replace(before, **{key: value_of(key, _parsed(text), path)})
    except InputError as error:
        raise _refused(option, error) from None
    changes: dict[str, Any] = {section: after}
    return replace(found, **changes)


def _section(path: str) -> str:
    name = path.partition(".")[0]
    return ALIASES.get(name, name)


def _refused(option: str, error: InputError) -> UsageError:
    return UsageError(f"the option {option!r} of a bench: {error.problem}", error.remedy)


def _parsed(text: str) -> Any:
    try:
        found = toml(f"x = {text}".encode())
    except ValueError:
        return text
    return found["x"] if len(found) == 1 else text


def _without(found: Description, name: str) -> Description:
    for section, key, value in IMPERFECTIONS[name]:
        before = getattr(found, section)
        if before is not None:
            changes: dict[str, Any] = {section: replace(before, **{key: value})}
            found = replace(found, **changes)
    return found
