"""The files that a deck includes: those that the user named, or that lie in a folder that he named, and no others.

A deck's own paths are never followed: of ``.include C:\\models\\fast.lib`` only ``fast.lib`` counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from diodeq.errors import InputError, UsageError
from diodeq.netlist.reading.commands import base_name, is_standard
from diodeq.netlist.reading.deck import Notes
from diodeq.spice import LogicalLine, SpiceText
from diodeq.spice.numbers import shown
from diodeq.spice.text import DECK_BYTES, decoded, split

DEEPEST = 10  # files within files
MOST_FILES = 200
APART = 1 << 28  # between the numbers of the lines of two files; a file never has so many
INCLUDES = frozenset([".include", ".inc", ".incl"])

_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(\w*)""")
_SECTION = re.compile(r"(.*\S)\s+(\w+)")


def expand(text: SpiceText, named: Sequence[str | Path], notes: Notes) -> SpiceText:
    """The text with the lines of each included file in place of the line that names it.

    Sections, ``.lib NAME`` to ``.endl``, are left out of any file unless a ``.lib FILE NAME`` asks for them. With
    nothing ``named``, a line that names a file stays for others to refuse.

    Raises:
        UsageError: what is named is not there.
        InputError: naming the line of a file that is not among the named, or of a section that is not in its file.
    """
    shelf = _Shelf([Path(path) for path in named], text, notes)
    lines = [*shelf.expanded(text.lines, "", 0)]
    return SpiceText(text.path, text.title, lines, tuple(shelf.others))


def _word(line: LogicalLine) -> str:
    return line.text.split(maxsplit=1)[0].lower() if line.text[0] == "." else ""


class _Shelf:
    def __init__(self, named: list[Path], text: SpiceText, notes: Notes) -> None:
        for path in named:
            if not path.exists():
                raise UsageError(f"--include {path}: there is nothing of that name", "name a file or a folder")
        self.named, self.text, self.notes = named, text, notes
        self.others = list(text.others)
        self.size = self.count = 0

    def expanded(self, lines: list[LogicalLine], section: str, depth: int) -> Iterator[LogicalLine]:
        """The lines of a file, or of a section of it, with what they include."""
        control = False
        for line in self._part(lines, section):
            word = _word(line)
            control = (control or word == ".control") and word != ".endc"
            if depth and word == ".end":
                continue  # it ends a file, and the deck goes on
            if control or not self.named or not (word in INCLUDES or word == ".lib"):
                yield line
                continue
            with self.place().at(line.number):
                found = self._file(line, word)
                if found is None:
                    yield line
                    continue
                path, wanted = found
                inner = self._read(path, depth)
                if not inner:
                    self.notes.called = self.place().called
                    self.notes.add("included files that are empty", path.name, line.number)
                if wanted and wanted not in self._sections(inner)[1]:
                    raise InputError(f"there is no section {shown(wanted)} in {path}", "correct its name")
                yield from self.expanded(inner, wanted, depth + 1)

    def place(self) -> SpiceText:
        return SpiceText(self.text.path, "", [], tuple(self.others))

    def _part(self, lines: list[LogicalLine], section: str) -> list[LogicalLine]:
        outside, sections = self._sections(lines)
        if section:
            return sections[section]
        for name, inside in sections.items():
            if inside:
                self.notes.called = self.place().called
                said = "sections of a library that nothing there asks for were left out"
                self.notes.add(said, name, inside[0].number)
        return outside

    def _sections(self, lines: list[LogicalLine]) -> tuple[list[LogicalLine], dict[str, list[LogicalLine]]]:
        """The lines in no section, and those of each; a .lib NAME that no .endl ends begins none."""
        outside: list[LogicalLine] = []
        sections: dict[str, list[LogicalLine]] = {}
        start, name = -1, ""
        for line in lines:
            outside.append(line)
            word = _word(line)
            if word == ".lib" and re.fullmatch(r"\S+\s+\w+", line.text):
                start, name = len(outside) - 1, line.text.split()[1].lower()
            elif word == ".endl" and start >= 0:
                if name in sections:
                    said = f"section {shown(name)} is given twice"
                    raise self.place().error(line.number, said, "keep one of the two")
                sections[name] = outside[start + 1 : -1]
                del outside[start:]
                start = -1
        return outside, sections

    def _file(self, line: LogicalLine, word: str) -> tuple[Path, str] | None:
        """The file that a line names and the section of it; None for a library of LTspice's that is not there."""
        said = line.text[len(word) :].strip()
        if quoted := _QUOTED.fullmatch(said):
            asked = [(quoted[2], quoted[3].lower())]
        else:
            asked = [(said, "")]
            if (apart := _SECTION.fullmatch(said)) and word == ".lib":
                asked.append((apart[1], apart[2].lower()))
        for path, section in asked:
            if (found := self._found(base_name(path))) is not None:
                return found, section
        name = base_name(asked[0][0])
        if word == ".lib" and is_standard(name):
            return None
        raise InputError(
            f"the file {shown(name)} is not among those that --include names, or in a folder that it names",
            "give --include with its path as well",
        )

    def _found(self, name: str) -> Path | None:
        if name in ("", ".", "..") or len(name.encode()) > 255:
            return None
        for path in self.named:
            if not path.is_dir():
                if path.name.casefold() == name.casefold():
                    return path
                continue
            there = path / name
            if not there.exists():
                alike = [other for other in path.iterdir() if other.name.casefold() == name.casefold()]
                if len(alike) != 1:
                    continue
                there = alike[0]
            if not there.resolve().is_relative_to(path.resolve()):
                raise InputError(f"{there} is a link out of its folder", "name the file itself with --include")
            return there
        return None

    def _read(self, path: Path, depth: int) -> list[LogicalLine]:
        self.count += 1
        if depth >= DEEPEST or self.count > MOST_FILES:
            raise InputError(
                f"{path} is included too deeply, or one of more than {MOST_FILES} files, or includes itself",
                "put what the deck needs into one file",
            )
        raw = decoded(path, DECK_BYTES, empty=True)
        self.size += len(raw)
        if self.size > DECK_BYTES:
            raise InputError(f"with {path} the included files exceed {DECK_BYTES >> 20} MB", "include less")
        lines = split(raw, path, titled=False).lines
        more = APART + (self.others[-1][0] if self.others else 0)
        self.others.append((more, str(path)))
        return [LogicalLine(line.number + more, line.text) for line in lines]
