"""A part as somebody wrote it for ngspice: the inside of a subcircuit with the pins ``a`` and ``c``, as lines of which
none is a command, opens a file or loads code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from diodeq.errors import InputError
from diodeq.spice.numbers import shown

LARGEST = 1 << 16
"""Letters of all lines."""
DEEPEST = 8
"""Subcircuits within subcircuits."""

MOST = 10_000
"""Elements, those in subcircuits counted as often as these are called."""

# Elements of ngspice that neither load code (A, N) nor are solved as lines or digital parts (O, P, T, U, Y).
ELEMENTS = frozenset("bcdefghijklmqrsvwxz")
# Model types of these elements; all else belongs to code models or writes files.
TYPES = frozenset(
    "d npn pnp vbic nmos pmos vdmos vdmosn vdmosp njf pjf nmf pmf nhfet phfet sw csw r res c cap l ind".split()  # noqa: SIM905
)
# What every SPICE spells and computes alike, as far as their defaults go.
PLAIN_ELEMENTS = frozenset("cdijlmqrvx")
PLAIN_TYPES = frozenset("d npn pnp nmos pmos njf pjf r res".split())  # noqa: SIM905

_FORBIDDEN = re.compile(r"[^ -~]|[\"`\\;$#@]")
_FILES = re.compile(r"file|\burl\b|spinit", re.IGNORECASE)
_DEADLY = re.compile(r"\b(?:mfg|type)\s*=", re.IGNORECASE)
_FUNCTION = re.compile(r"\.func\s+([^\s(]+)\s*\([^)]*\)(.*)", re.IGNORECASE)
_LEVEL = re.compile(r"\blevel\s*=\s*(?!1(?:\.0*)?(?![\w.]))", re.IGNORECASE)


def checked(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines, each an element, ``.model``, ``.subckt``, ``.ends``, ``.param`` or a ``.func`` that calls no other.

    Raises:
        InputError: anything else, a letter beyond printable ASCII, a quote that could name a file, too much of it.
    """
    if not all(isinstance(line, str) and line and line == line.strip() for line in lines):
        raise InputError("a line is empty, indented or no text", "give element and .model lines")
    if sum(len(line) + 1 for line in lines) > LARGEST:
        raise InputError(f"it has more than {LARGEST:,} letters", "give the part of it that is needed")
    depth = 0
    for line in lines:
        depth += _step(line)
        if not 0 <= depth <= DEEPEST:
            raise InputError("its .subckt and .ends do not match", "end each that begins")
    if depth:
        raise InputError("a .subckt is never ended", "add .ends")
    functions = [found[1].casefold() for line in lines if (found := _FUNCTION.match(line))]
    for line in lines:
        if (found := _FUNCTION.match(line)) and any(
            re.search(rf"(?<![\w.]){re.escape(name)}\s*\(", found[2], re.IGNORECASE) for name in functions
        ):
            raise InputError(f"its .func {shown(found[1])} calls a .func", "write out what that one computes")
    if _elements(lines) > MOST:
        raise InputError(f"its subcircuits call each other for more than {MOST:,} elements", "give it flat, or a part")
    return tuple(lines)


def _elements(lines: Sequence[str]) -> int:
    """How many elements the lines are when all calls of subcircuits are written out; more than `MOST` where one calls
    itself."""
    bodies: dict[str, list[str]] = {"": []}
    open_: list[str] = [""]
    for line in lines:
        words = line.casefold().split()
        if words[0] == ".subckt":
            open_.append(words[1] if len(words) > 1 else "")
            bodies.setdefault(open_[-1], [])
        elif words[0] == ".ends":
            open_.pop()
        elif words[0][0] != ".":
            bodies[open_[-1]].append(line.casefold())
    known: dict[str, int] = {}

    def count(name: str, above: tuple[str, ...]) -> int:
        if name in above or len(above) > DEEPEST * DEEPEST:
            return MOST + 1
        if name not in known:
            found = 0
            for line in bodies[name]:
                called = {word for word in line.split()[1:] if word in bodies} if line[0] == "x" else set()
                found += max((count(each, (*above, name)) for each in called), default=1)
                if found > MOST:
                    break
            known[name] = found
        return known[name]

    return count("", ())


def _step(line: str) -> int:
    """How many subcircuits deeper it goes after a line."""
    if found := _FORBIDDEN.search(line):
        raise InputError(f"{shown(line)} has the letter {found[0]!r}", "use plain elements, numbers and expressions")
    if _FILES.search(line):
        raise InputError(f"{shown(line)} names a file", "nothing is ever opened; give the numbers themselves")
    if any(line.count(left) != line.count(right) for left, right in ("()", "{}")):
        raise InputError(f"{shown(line)} has a bracket that is not closed", "close it")
    command, _, rest = line.partition(" ")
    command = command.lower()
    if command[0] in ELEMENTS:
        return 0
    if command == ".model":
        kind = model_type(line)
        if kind not in TYPES:
            raise InputError(
                f"{shown(line)} is of a type that is not measured", f"known are {', '.join(sorted(TYPES))}"
            )
        if _DEADLY.search(rest):
            raise InputError(f"{shown(line)} has MFG or TYPE, at which ngspice ends", "leave them out")
        return 0
    if command in (".param", ".params", ".func"):
        return 0
    if command in (".subckt", ".ends"):
        return 1 if command == ".subckt" else -1
    what = "is a command" if command[0] == "." else "is no element that is known"
    raise InputError(
        f"{shown(line.split()[0])} {what}",
        "keep .model, .subckt, .param and elements; nothing in such a file is ever executed or opened",
    )


def model_type(line: str) -> str:
    """The lower-case type of a ``.model`` line; empty where it has none."""
    words = re.split(r"[\s(]+", line.strip())
    return words[2].lower() if len(words) > 2 else ""


def is_plain(lines: Sequence[str]) -> bool:
    """Whether every SPICE spells these lines so: no expressions, and models of level 1."""
    for line in lines:
        command = line.split()[0].lower()
        if re.search(r"[{}'?]", line) or command == ".func":
            return False
        if command == ".model" and (model_type(line) not in PLAIN_TYPES or _LEVEL.search(line)):
            return False
        if command[0] != "." and command[0] not in PLAIN_ELEMENTS:
            return False
    return True
