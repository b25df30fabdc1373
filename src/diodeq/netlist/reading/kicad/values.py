"""Values as KiCad writes them, in SPICE's words: 4k7 is 4.7k there, 1M is 1Meg, and 100R is 100."""

from __future__ import annotations

import re

from diodeq.errors import InputError
from diodeq.spice.numbers import shown

_VALUE = re.compile(
    r"([+-]?)(\d*)(?:([.,])(\d*))?([eE][+-]?\d{1,3})?\s*"
    r"(?:([Mm][Ee][Gg]|[afpnumkKMGTPR\u00b5\u03bc])(\d*)\s*F?|)\s*(?:[Oo][Hh][Mm][Ss]?|[\u03a9\u2126RHVA])?"
)
_SCALES = {"K": "k", "P": "000T", "M": "Meg", "R": "", "\u00b5": "u", "\u03bc": "u"}
_TOLERANCE = re.compile(r"[\s/_,;]+(?:\+/-|\u00b1)?\d{1,2}(?:[.,]\d+)?\s*%$")
_PAIR = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]++|\\.)*+"|[^\s"]*)')
_NAMED = re.compile(r"\$\{([^{}]*)\}")


def spice_value(text: str, infix: bool = False) -> str:
    """A value of KiCad's as SPICE writes it; what is no number stays, as it does in KiCad.

    ``infix``: 4k7 is one, which KiCad reads so in the value of R, C, L, V and I, without a sign, and nowhere else.
    """
    text = text.strip()
    found = _VALUE.fullmatch(text)
    if found is None:
        return text
    sign, whole, comma, fraction, power, scale, after = found.groups("")
    if not (whole or fraction) or (comma == "," and len(fraction) > 2):
        return text
    if after and (not infix or sign or comma or power):
        return text
    if scale == "P" and (fraction or after or power):
        return f"{shown(text)}"  # no scale of SPICE's: refused where it is read
    digits = f"{whole or 0}.{fraction or after}" if fraction or after else whole
    return f"{sign}{digits}{power}{_SCALES.get(scale, 'Meg' if len(scale) == 3 else scale)}"


def without_tolerance(text: str) -> tuple[str, bool]:
    """A value without the percents after it, and whether there were any."""
    short = _TOLERANCE.sub("", text.strip())
    return short, short != text.strip()


def pairs(text: str) -> dict[str, str]:
    """The NAME=VALUE pairs of a field, values without their quotes; an empty one is not given.

    Raises:
        InputError: something else, or a name twice.
    """
    found: dict[str, str] = {}
    at = 0
    text = text.strip()
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            raise InputError(f"{shown(text[at:])} is no NAME=VALUE", "correct the field in KiCad")
        name, value = match[1].lower(), match[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        if name in found:
            raise InputError(f"{name} is given twice", "correct the field in KiCad")
        if value:
            found[name] = value
        at = match.end()
    return found


def filled(text: str, fields: dict[str, str]) -> str:
    """A field's text with ``${NAME}`` of another field filled in, once.

    Raises:
        InputError: there is no such field.
    """

    def field(match: re.Match[str]) -> str:
        name = match[1].strip().lower()
        found = next((value for key, value in fields.items() if key.lower() == name), None)
        if found is None or "${" in found:
            raise InputError(f"{shown(match[0])} stands for nothing in the file", "write the value itself")
        return found

    return _NAMED.sub(field, text) if "${" in text else text
