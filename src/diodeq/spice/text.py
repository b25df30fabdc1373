"""A SPICE file as numbered lines: decoded, continuation lines joined, trailing comments cut off, sizes bounded."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from diodeq.errors import DiodeqError, InputError, PlacedError
from diodeq.files import open_binary

MODEL_FILE_BYTES = 1 << 20
DECK_BYTES = 1 << 27  # two million resistors
LONGEST_LINE = 1 << 16  # letters, continuation lines included

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BINARY = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# A dollar sign or two slashes open a comment only at a word's beginning; what PSpice calls $G_VCC is a node, and
# $CDNENC marks what a maker has encrypted.
_INLINE = re.compile(r";.*|(?<!\S)(?:\$(?![A-Za-z]_\w|CDNENC)|//).*")
_TOKEN = re.compile(r"""\{[^{}]*\}|'[^']*'|"[^"]*"|=|[^\s,()={}'"]+|[{}'"]""")
# Possessive, and only at a word's beginning: a line of one long word takes no square of its length.
_ASSIGNED = re.compile(r"\b([A-Za-z_]\w*+)\s*+=(?!=)", re.ASCII)
_SPECIAL = re.compile(r"""[{}'"=,()]""")


class LogicalLine(NamedTuple):
    """A logical line and the number, from 1, of the line it begins on; comments begin with ``*``."""

    number: int
    text: str


@dataclass(frozen=True)
class SpiceText:
    """What a file holds; ``title`` is its first line when it was read as a deck, else empty.

    ``others`` are the files that it includes, each by how much larger the numbers of its lines are, in rising order.
    """

    path: str
    title: str
    lines: list[LogicalLine]
    others: tuple[tuple[int, str], ...] = ()

    def where(self, number: int) -> tuple[str, int]:
        """The file that a line stands in, and the line's number there."""
        for more, path in reversed(self.others):
            if number > more:
                return path, number - more
        return self.path, number

    def called(self, number: int) -> str:
        """A line in a person's words: "line 3", or "line 3 of models.lib" where another file holds it."""
        path, own = self.where(number)
        return f"line {own}" if path == self.path else f"line {own} of {Path(path).name}"

    def error(self, number: int, problem: str, remedy: str) -> PlacedError:
        """The error that names the file and the line."""
        return self.placed(number, InputError(problem, remedy))

    def placed(self, number: int, error: DiodeqError) -> PlacedError:
        """The error with the file and the line before its sentence."""
        path, own = self.where(number)
        found = PlacedError(f"{path}, line {own}: {error.problem}", error.remedy, nodes=error.nodes, parts=error.parts)
        found.line, found.told = own, error.problem
        return found

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """Within it, an ``InputError`` that names no line gets this one."""
        try:
            yield
        except PlacedError:
            raise
        except InputError as error:
            raise self.placed(number, error) from error


def read(path: str | Path, titled: bool, limit: int) -> SpiceText:
    """The logical lines of a file of at most ``limit`` bytes in UTF-8, UTF-16 or Latin-1.

    ``titled``: the first line is a title whatever it says, as in every SPICE deck.

    Raises:
        InputError: missing, too large, not text, or a line too long, misplaced or with a backquote; naming the line.
    """
    return split(decoded(path, limit), path, titled)


def decoded(path: str | Path, limit: int, binary: bool = False, empty: bool = False) -> str:
    """A file's text with its lines ended by newlines; raises ``InputError`` as `read` does, with ``binary`` not for
    control characters, with ``empty`` not for a file that says nothing."""
    raw = (
        _decode(_bytes(path, limit, empty)).replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a")
    )  # DOS ends files so
    if not binary and (found := BINARY.search(raw)):
        number = raw.count("\n", 0, found.start()) + 1
        raise InputError(f"{path}, line {number}: this is not text", "give a SPICE file as plain text")
    return raw


def split(raw: str, path: str | Path, titled: bool) -> SpiceText:
    """The logical lines of a file's text; raises ``InputError`` as `read` does."""
    physical = enumerate(raw.split("\n"), 1)
    title = next(physical)[1].strip() if titled else ""
    return SpiceText(str(path), title, logical(path, physical))


def logical(
    path: str | Path, physical: Iterable[tuple[int, str]], lost: list[PlacedError] | None = None
) -> list[LogicalLine]:
    """The logical lines of numbered lines; raises ``InputError`` as `read` does, but leaves out a line that continues
    nothing where ``lost`` is to say so."""
    lines: list[LogicalLine] = []
    continued: dict[int, list[str]] = {}
    last = -1
    for number, text in physical:
        text = text.strip()
        if not text:
            continue
        if text[0] in "*#":
            lines.append(LogicalLine(number, "*" + text[1:]))
            continue
        if ";" in text or "$" in text or "//" in text:
            text = _INLINE.sub("", text).rstrip()
            if not text:
                continue
        if len(text) > LONGEST_LINE:
            raise InputError(
                f"{path}, line {number}: it has {len(text):,} letters", f"keep lines below {LONGEST_LINE:,}"
            )
        if "`" in text:
            raise InputError(f"{path}, line {number}: it has a backquote", "nothing is ever executed; remove it")
        if text[0] == "+":
            if last < 0:
                wrong = SpiceText(str(path), "", []).error(number, "it continues nothing", "remove the + or the line")
                if lost is None:
                    raise wrong
                lost.append(wrong)
                continue
            continued.setdefault(last, [lines[last].text]).append(text[1:])
        else:
            last = len(lines)
            lines.append(LogicalLine(number, text))
    for index, pieces in continued.items():
        whole, number = " ".join(pieces), lines[index].number
        if len(whole) > LONGEST_LINE:
            raise InputError(
                f"{path}, line {number}: with its continuation lines it has {len(whole):,} letters",
                f"keep it below {LONGEST_LINE:,}",
            )
        lines[index] = LogicalLine(number, whole)
    return lines


def tokens(text: str) -> list[str]:
    """The words of a line: ``=`` and an expression in braces or quotes are one each; commas, parentheses part words."""
    return _TOKEN.findall(text) if _SPECIAL.search(text) else text.split()


def unmarked(words: list[str]) -> list[str]:
    """The words of a subcircuit's line without ``params:``, which may touch the constant that follows it."""
    mark = "params:"
    rest = (word[len(mark) :] if word[: len(mark)].lower() == mark else word for word in words)
    return [word for word in rest if word]


def assignments(text: str) -> dict[str, str]:
    """The NAME=VALUE pairs of a ``.param`` line, values as text: numbers, expressions bare or in braces.

    Raises:
        InputError: something that is no pair, or a name given twice.
    """
    command, rest = [*text.split(maxsplit=1), ""][:2]
    found = list(_ASSIGNED.finditer(rest))
    if not found or rest[: found[0].start()].strip():
        raise InputError(f"{command} without NAME=VALUE", "write .param NAME=VALUE")
    pairs: dict[str, str] = {}
    for index, match in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(rest)
        name = match[1].lower()
        if name in pairs:
            raise InputError(f"{name} is given twice", "keep one of the two")
        value = rest[match.end() : end].strip().rstrip(",")
        if len(found) > 1 and len(value.split()) > 1 and value[0] not in "{'\"":
            raise InputError(f"the value of {name} has blanks, at which some simulators end it", "put it in braces")
        pairs[name] = value
    return pairs


def _bytes(path: str | Path, limit: int, empty: bool) -> bytes:
    try:
        with open_binary(path) as file:
            data = bytearray()
            while len(data) <= limit and (part := file.read(1 << 20)):
                data += part
    except FileNotFoundError:
        raise InputError(f"there is no file {path}", "check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder", "name a file in it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check its path and permissions") from error
    if len(data) > limit:
        number = data.count(b"\n", 0, limit + 1) + 1
        raise InputError(
            f"{path}, line {number}: here the file exceeds {limit >> 20} MB", "give the part of it that is needed"
        )
    if not (data.strip() or empty):
        raise InputError(f"{path} is empty", "give a SPICE file")
    return bytes(data)


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    head = data[:4096]
    # LTspice saves UTF-16 without a mark: half of the bytes of mostly ASCII text are zero.
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(head) > 3 and zeros.count(0) > 0.8 * len(zeros):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
