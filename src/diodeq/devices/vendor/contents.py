"""A vendor's file, line by line: cards, subcircuits and constants, and why each other line is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from diodeq.devices.vendor.cards import ModelCard, add_card, split_card
from diodeq.devices.vendor.elements import GROUND, SubcircuitBody, open_body
from diodeq.errors import InputError, PlacedError
from diodeq.spice import LogicalLine, SpiceText, tokens
from diodeq.spice.functions import FUNCTIONS
from diodeq.spice.numbers import shown
from diodeq.spice.text import BINARY, assignments, decoded, logical

FILE_BYTES = 1 << 23
# What a file of parts may hold besides parts; all else runs a command, opens a file or depends on a simulator.
HARMLESS = frozenset([".title", ".end", ".backanno", ".endl"])
DEEPEST = 8
"""Subcircuits defined within subcircuits"""

_COMMAND = re.compile(r"\.[A-Za-z]+")
_FEW, _MOSTLY = 8, 0.01
"""So many control characters, and such a share of them, are junk in a text; more are no text."""
_HIDDEN = re.compile(r"\*#\s*[A-Za-z]")
# How encrypted sections begin and end, as lines of LTspice, PSpice and HSPICE.
_ENCRYPTED = re.compile(r"\*\s*begin:$|\$cdnencstart|\.prot(ect)?\b", re.IGNORECASE)
_TELLING = re.compile(r"\*#|\*\s*begin:$", re.IGNORECASE)  # of comments
_DECRYPTED = re.compile(r"\*\s*end\b|\$cdnencfinish|\.unprot(ect)?\b", re.IGNORECASE)


@dataclass
class Contents:
    """A file's lines, sorted; nothing evaluated yet. ``lost`` says what was left out, and why."""

    text: SpiceText
    cards: dict[str, tuple[int, ModelCard]] = field(default_factory=dict)
    bodies: dict[str, SubcircuitBody] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    lost: list[PlacedError] = field(default_factory=list)


def contents_of(path: Path) -> Contents:
    """What a file holds.

    Raises:
        InputError: it cannot be read or is no text, or a line changes what all the others mean.
    """
    raw = decoded(path, FILE_BYTES, binary=True)
    if len(BINARY.findall(raw)) > max(_FEW, _MOSTLY * len(raw)):
        number = raw.count("\n", 0, BINARY.search(raw).start()) + 1  # type: ignore[union-attr]
        raise InputError(f"{path}, line {number}: this is not text", "give a SPICE file as plain text")
    lost: list[PlacedError] = []
    text = SpiceText(str(path), "", logical(path, enumerate(raw.split("\n"), 1), lost))
    # Where .subckt and .ends do not match, what looks like a subcircuit within another follows one that lacks its end.
    for nested in (True, False):
        sorter = _Sorter(Contents(text, lost=list(lost)), nested)
        for line in text.lines:
            sorter.take(line)
        if not (nested and sorter.open):
            break
    sorter.finish()
    return sorter.found


class _ChangesAllError(InputError):
    """A line that nothing in the file can be read without."""


class _Sorter:
    """Puts one line after the other where it belongs; unless ``nested``, a subcircuit ends where the next begins."""

    def __init__(self, found: Contents, nested: bool) -> None:
        self.found = found
        self.nested = nested
        self.open: list[SubcircuitBody] = []
        self.skipping: re.Pattern[str] | None = None
        self.card: ModelCard | None = None

    def take(self, line: LogicalLine) -> None:
        """Take one line, or note why it is left out; raises `InputError` for one that nothing can be read without."""
        if self.skipping is not None:
            self.skipping = None if self.skipping.match(line.text) else self.skipping
            return
        if line.text[0] == "*" and not _TELLING.match(line.text):
            return
        unclosed, self.card = self.card, None
        try:
            with self.found.text.at(line.number):
                self._sort(line)
        except PlacedError as error:
            if isinstance(error.__cause__, _ChangesAllError):
                raise
            self.found.lost.append(error)
            if unclosed is not None and not line.text.startswith(("*", ".")):
                self._spoil(unclosed, line.number)

    def finish(self, end: str = "with the file") -> None:
        """Close a subcircuit that is open."""
        for body in self.open:
            self._lose(body.line, f".subckt {shown(body.name)} is never ended, and is taken to end {end}", "add .ends")
            self._define(body, self.found.bodies)
        self.open = []

    def _lose(self, number: int, problem: str, remedy: str) -> None:
        self.found.lost.append(self.found.text.error(number, problem, remedy))

    @property
    def _cards(self) -> dict[str, tuple[int, ModelCard]]:
        return self.open[-1].cards if self.open else self.found.cards

    def _spoil(self, card: ModelCard, number: int) -> None:
        """A card whose bracket is open goes on in a line that no + joins to it: what is read of it is not all."""
        wrong = InputError(f"it goes on in line {number}", "begin that line with +")
        line, _ = self._cards[card.name.casefold()]
        self._cards[card.name.casefold()] = (line, replace(card, wrong=wrong))

    def _sort(self, line: LogicalLine) -> None:
        if _ENCRYPTED.match(line.text):
            self.skipping = _DECRYPTED
            if self.open:
                self.open[-1].lines.append(line)  # which no element is
            raise InputError("here encrypted text begins", "ask its maker for plain text")
        if line.text.startswith("*"):
            if _HIDDEN.match(line.text):
                raise InputError("it hides a command to ngspice in a comment", "remove the line")
            return
        words = tokens(line.text) or [line.text]
        found = _COMMAND.match(line.text)
        command = found[0].lower() if found else ""
        if BINARY.search(line.text):
            if self.open:
                self.open[-1].lines.append(line)
            raise InputError("this is not text", "remove the line")
        if command in (".subckt", ".ends"):
            self._bound(command, line)
        elif command in (".param", ".params"):
            constants = self.open[-1].constants if self.open else self.found.constants
            constants.update(assignments(line.text))
        elif command == ".model":
            card = split_card(line.text)
            add_card(card, line.number, self._cards)
            self.card = card if card.unclosed else None
        elif command == ".control":
            self.skipping = re.compile(r"\.endc", re.IGNORECASE)
            raise InputError(f"{shown(words[0])} begins commands", "nothing in such a file is ever executed or opened")
        elif self.open:
            self.open[-1].lines.append(line)
        elif not line.text.strip(")"):
            return  # the end of a card above, which needs none
        elif command:
            self._command(command, line.text, words)
        else:
            raise InputError(
                f"{shown(words[0])} is neither a .model nor inside a .subckt", "remove the line, or begin it with *"
            )

    def _command(self, command: str, text: str, words: list[str]) -> None:
        """A command outside subcircuits that is left out, unless without it parts would be others than they seem."""
        if command in HARMLESS or words[0].lower() in HARMLESS or (command == ".lib" and len(words) == 1):
            return
        options = command in (".option", ".options")
        if options and re.search(r"\btnom\s*=\s*(?!27(?:\.0*)?(?![\w.]))", text, re.IGNORECASE):
            raise _ChangesAllError("it changes the temperature at which all parameters hold", "give each card its TNOM")
        defined = command == ".func" and len(words) > 1 and words[1].lower() in FUNCTIONS
        if defined or (command == ".global" and not GROUND.issuperset(word.lower() for word in words[1:])):
            raise _ChangesAllError(f"{shown(words[1])} means something else after it", "remove the line")
        raise InputError(
            f"{shown(words[0])} has no place in a file of diodes",
            "keep only .model and .subckt; nothing in such a file is ever executed or opened",
        )

    def _bound(self, command: str, line: LogicalLine) -> None:
        if command == ".subckt":
            if not self.nested:
                self.finish(f"before line {line.number}")
            if len(self.open) > DEEPEST:
                raise InputError(f"more than {DEEPEST} subcircuits within each other", "give them flat")
            body = open_body(line)
            body.outer = self.open[-1] if self.open else None
            self.open.append(body)
            return
        if not self.open:
            raise InputError(".ends without .subckt", "remove the line")
        body = self.open.pop()
        self._define(body, self.open[-1].bodies if self.open else self.found.bodies)

    def _define(self, body: SubcircuitBody, bodies: dict[str, SubcircuitBody]) -> None:
        earlier = bodies.setdefault(body.name.casefold(), body)
        if earlier is not body:
            problem = f".subckt {body.name} is defined on line {earlier.line} already, which holds, as in ngspice"
            self._lose(body.line, problem, "keep one of the two")
