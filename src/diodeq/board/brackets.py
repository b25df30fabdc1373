"""The bracketed text of KiCad's files, written: nodes of words, numbers and texts in quotes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from decimal import Decimal

from diodeq.printable import printable
from diodeq.spice.numbers import shortest

MICRONS = 1000  # in a millimetre; places on boards are whole micrometres
_PLAIN = re.compile(r"[^A-Za-z0-9_.+-]")


def quoted(text: str) -> str:
    """A text of any letters as one word; what is not seen is spelled out."""
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def millimetres(microns: int) -> str:
    """Micrometres as KiCad writes a place."""
    return f"{microns / MICRONS:.3f}".rstrip("0").rstrip(".")


def digits(value: float) -> str:
    """A number without an exponent, and all of its digits: KiCad keeps six of one that has an exponent or a sign."""
    return f"{Decimal(shortest(value)):f}"


def shortened(text: str, most: int = 24) -> str:
    """A text for the silkscreen: of a long one, its beginning and its end."""
    return text if len(text) <= most else f"{text[: most // 2]}..{text[2 - most // 2 :]}"


def at(x: int, y: int, turn: int = 0) -> str:
    """Where something is, in micrometres, and how far it is turned, in degrees."""
    return f"(at {millimetres(x)} {millimetres(y)} {turn})"


def identifier(*words: str) -> str:
    """The same identifier for the same words, whenever a project is made."""
    found = hashlib.blake2b("\0".join(words).encode(), digest_size=16).hexdigest()
    return f'"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"'


def effects(size: float = 1.27, justify: str = "", hidden: bool = False) -> str:
    """How a text looks: its height in mm, the side it begins at."""
    side = f" (justify {justify})" if justify else ""
    return f"(effects (font (size {size:g} {size:g})){side}{' (hide yes)' if hidden else ''})"


def unused(form: str, of: Iterable[object], taken: Iterable[str]) -> list[str]:
    """Names as ``form``, which has a {}, says, with underscores before that where some of them are taken."""
    given, known = list(of), set(taken)
    while known.intersection(found := [form.format(each) for each in given]):
        form = form.replace("{}", "{}_") if form.startswith("{}") else form.replace("{}", "_{}")
    return found


def legal(name: str) -> str:
    """A name without letters that mean something to KiCad."""
    return _PLAIN.sub("_", name)
