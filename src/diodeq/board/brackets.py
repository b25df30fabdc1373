"""The bracketed text of KiCad's files, written: nodes of words, numbers and texts in quotes."""

from __future__ import annotations

import hashlib
import re

from diodeq.printable import printable

MICRONS = 1000  # in a millimetre; places on boards are whole micrometres
_PLAIN = re.compile(r"[^A-Za-z0-9_.+-]")


def quoted(text: str) -> str:
    """A text of any letters as one word; what is not seen is spelled out."""
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def millimetres(microns: int) -> str:
    """Micrometres as KiCad writes a place."""
    return f"{microns / MICRONS:.3f}".rstrip("0").rstrip(".")


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


def legal(name: str) -> str:
    """A name without letters that mean something to KiCad."""
    return _PLAIN.sub("_", name)
