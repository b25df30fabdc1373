"""Whatever two-pin part a SPICE file has, as lines that ngspice alone has to understand: for measuring it there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from diodeq.devices.original import checked, model_type
from diodeq.devices.two_pin import PINS
from diodeq.devices.vendor.contents import HARMLESS
from diodeq.errors import InputError, PlacedError, UsageError
from diodeq.spice import LogicalLine, SpiceText, read, tokens
from diodeq.spice.numbers import shown
from diodeq.spice.text import MODEL_FILE_BYTES, split, unmarked

# Of each type: its element's letter, what its terminals are, and which pin each is tied to. Current flows in at `a`:
# transistors conduct as a diode does, gate to drain or base to collector, a junction transistor as a current limiter. A
# substrate that is not named would be at ground.
WIRING: dict[str, tuple[str, str, str]] = {
    "d": ("d", "anode cathode", "a c"),
    "npn": ("q", "collector base emitter substrate", "a a c a"),
    "pnp": ("q", "collector base emitter substrate", "c c a c"),
    "nmos": ("m", "drain gate source bulk", "a a c c"),
    "pmos": ("m", "drain gate source bulk", "c c a a"),
    "vdmos": ("m", "drain gate source", "a a c"),
    "vdmosn": ("m", "drain gate source", "a a c"),
    "vdmosp": ("m", "drain gate source", "c c a"),
    "njf": ("j", "drain gate source", "a c c"),
    "pjf": ("j", "drain gate source", "c a a"),
    "nmf": ("z", "drain gate source", "a c c"),
    "pmf": ("z", "drain gate source", "c a a"),
    "r": ("r", "first second", "a c"),
    "res": ("r", "first second", "a c"),
    "sw": ("s", "first second control+ control-", "a c a c"),
}

_CHANGING = frozenset([".option", ".options", ".opt", ".temp", ".global"])
_RATED = re.compile(r"\s*\b(?:mfg|type)\s*=\s*[^=()]*?(?=\s+\w+\s*=|\s*\)|\s*$)", re.IGNORECASE)
_INSTANCE = re.compile(r"\w+=[-+.\w]+(?:\s+\w+=[-+.\w]+)*", re.ASCII)
_NAMES = re.compile(r"[^\s(){}=,']+")


@dataclass
class Library:
    """The parts of a file by case-folded name, models and subcircuits alike, and what holds for all of them."""

    text: SpiceText
    constants: list[str] = field(default_factory=list)
    parts: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    faults: dict[str, PlacedError] = field(default_factory=dict)
    """Why parts cannot be read, by case-folded name; by the empty one the first line that is no part's."""

    @property
    def names(self) -> list[str]:
        """As they are written."""
        return [tokens(lines[0])[1] for _, lines in self.parts.values()]


def is_card(given: str) -> bool:
    """Whether this is a card, which begins with a dot and has words, and no file of that name."""
    card = given.lstrip().startswith(".") and len(given.split()) > 1
    try:
        return card and not Path(given).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return card


def read_library(given: str) -> Library:
    """The parts of a file, or of a card that is given itself and begins with a dot.

    What is no part, or cannot be read, is a fault of the library: it is refused where it is needed, or where nothing
    says which part is.

    Raises:
        InputError: naming the line; it cannot be read, or a line changes what all others mean.
    """
    if is_card(given):
        text = split(given, "the card", titled=False)
    else:
        text = read(Path(given), titled=False, limit=MODEL_FILE_BYTES)
    library = Library(text)
    begun: list[str] = []
    depth = first = 0
    for line in text.lines:
        with text.at(line.number):
            words = _words(line)
            if not words:
                continue
            command = words[0].lower()
            if command == ".subckt":
                depth += 1
                first = first if begun else line.number
            said = " ".join(line.text.split())
            begun.append(_RATED.sub("", said) if command == ".model" else said)
            if not depth and command in _CHANGING:
                raise InputError(f"{shown(words[0])} changes what the parts are", "give the parts themselves")
            if command == ".ends":
                depth -= 1
                if depth < 0:
                    raise InputError(".ends without .subckt", "remove the line")
            if depth == 0:
                try:
                    _add(library, first or line.number, begun)
                except InputError as error:
                    name = tokens(begun[0])[1:2] if begun[0].lower().startswith((".model", ".subckt")) else []
                    library.faults.setdefault("".join(name).casefold(), text.placed(first or line.number, error))
                begun, first = [], 0
    if begun:
        raise text.error(first, f"{shown(begun[0])} is never ended", "add .ends")
    if not library.parts:
        for fault in library.faults.values():
            raise fault
        raise InputError(f"{text.path} has no part", "give a file with a .model or a .subckt of two pins")
    return library


def _words(line: LogicalLine) -> list[str]:
    """The words of a line; none where it says nothing."""
    if line.text.startswith("*"):
        if line.text.startswith("*#"):
            raise InputError("it hides a command to ngspice in a comment", "remove the line")
        return []
    words = tokens(line.text) or [line.text]
    if words[0].lower() in HARMLESS:
        return []
    return words


def _add(library: Library, number: int, lines: list[str]) -> None:
    command = lines[0].split()[0].lower()
    if command[0] != ".":
        raise InputError(f"{shown(lines[0].split()[0])} is neither a .model nor inside a .subckt", "remove the line")
    checked(lines)
    if command in (".param", ".params", ".func"):
        library.constants += lines
        return
    words = tokens(lines[0])
    if len(words) < 3:
        raise InputError(f"{shown(lines[0])} has no name, or no type or pins", "write .model NAME TYPE(…)")
    earlier = library.parts.setdefault(words[1].casefold(), (number, lines))
    if earlier[1] is not lines:
        raise InputError(f"{words[1]} is defined on line {earlier[0]} already", "keep one of the two")


def wired(library: Library, part: str | None, pins: Sequence[str] = (), instance: str = "") -> tuple[str, ...]:
    """The inside of a two-pin subcircuit that is this part, with all that it refers to.

    Args:
        part: its name in the library; None where there is one part, or one that no other refers to.
        pins: ``a`` or ``c`` for each of its terminals; by default as `WIRING` says, of a subcircuit in its own order.
        instance: what stands behind its name, such as "w=10u l=1u".

    Raises:
        UsageError: no such part, or pins and words that do not fit it.
    """
    key = _chosen(library, part)
    _, lines = library.parts[key]
    words = tokens(lines[0])
    if instance and not _INSTANCE.fullmatch(instance.strip()):
        raise UsageError(f"{instance!r} is not a list of NAME=VALUE", "write for example --instance 'w=10u l=1u'")
    if words[0].lower() == ".model":
        kind = model_type(lines[0])
        if kind not in WIRING:
            raise UsageError(
                f"{words[1]} is of type {kind.upper()}, which is no part of two pins", "put it in a .subckt"
            )
        letter, terminals, usual = WIRING[kind]
    else:
        rest = unmarked(words[2:])
        end = next((k - 1 for k, word in enumerate(rest) if word == "="), len(rest))
        letter, terminals, usual = "x", " ".join(rest[:end]), " ".join(PINS) if end == 2 else ""
    count = len(terminals.split())
    chosen = [pin.strip().lower() for pin in pins] or usual.split()
    if len(chosen) != count or set(chosen) != set(PINS):
        raise UsageError(
            f"{words[1]} has {count} terminals ({terminals}), and each is to be tied to a or c",
            f"say --pins {','.join(usual.split() or ['a'] + ['c'] * (count - 1))}, or another way; both must occur",
        )
    call = f"{letter}1 {' '.join(chosen)} {words[1]} {instance.strip()}".rstrip()
    needed = [library.parts[name][1] for name in _needed(library, key)]
    try:
        return checked([*library.constants, *(line for each in needed for line in each), call])
    except InputError as error:
        raise InputError(f"{library.text.path}: {error.problem}", error.remedy) from None


def _chosen(library: Library, part: str | None) -> str:
    for fault in [library.faults[key] for key in library.faults if part is None or key == part.casefold()]:
        raise fault
    if part is not None:
        if part.casefold() not in library.parts:
            there = ", ".join(library.names[:10])
            raise UsageError(f"{library.text.path} has no part called {part!r}", f"it has {there}")
        return part.casefold()
    used = {name for key in library.parts for name in _needed(library, key) if name != key}
    free = [key for key in library.parts if key not in used]
    if len(free) != 1:
        raise UsageError(
            f"{library.text.path} has {len(library.parts)} parts",
            f"choose one with --only: {', '.join(library.names[:10])}",
        )
    return free[0]


def _needed(library: Library, key: str) -> list[str]:
    """The part and all whose names occur in it, those that others need first."""
    found: dict[str, None] = {}
    waiting = [key]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = None
        lines = library.parts[name][1]
        said = {word.casefold() for k, line in enumerate(lines) for word in _NAMES.findall(line)[2 if k == 0 else 1 :]}
        for lost in said & library.faults.keys():
            raise library.faults[lost]
        waiting += sorted((said & library.parts.keys()) - found.keys())
    return list(reversed(found))
