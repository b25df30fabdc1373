"""A KiCad schematic's sheets: the file that the user named and the sub-sheets beside it, each where it hangs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from diodeq.errors import InputError
from diodeq.netlist.reading.kicad.brackets import Misplaced
from diodeq.netlist.reading.kicad.sheet import Child, KicadSheet, SheetSymbol, sheet_of
from diodeq.spice import SpiceText
from diodeq.spice.numbers import shown
from diodeq.spice.text import decoded

SHEET_BYTES = 1 << 26
DEEPEST = 20  # sheets within sheets
MOST_SHEETS = 1_000
MOST_THINGS = 300_000  # symbols, wires, labels and texts, counted wherever a sheet hangs

APART = 1 << 28  # between the numbers of the lines of two files; a file never has so many
_PLAIN = re.compile(r"[^/\\:\x00-\x1f]+\.kicad_sch")


@dataclass
class Hung:
    """A sheet in its place: the path of its names and that of its identifiers, both with a slash at their end."""

    sheet: KicadSheet
    first: int
    """What its lines have more than in their file."""
    names: str
    path: str
    excluded: bool
    children: dict[int, Hung] = field(default_factory=dict)
    """The sub-sheets by their number on the sheet."""

    def all(self) -> Iterator[Hung]:
        """This one and all below."""
        yield self
        for child in self.children.values():
            yield from child.all()

    def reference(self, symbol: SheetSymbol, listed: dict[str, str]) -> str:
        """What a part is called here."""
        inside = f"/{self.path[1:].partition('/')[2]}{symbol.uuid}"  # version 6 leaves the root sheet out
        return symbol.references.get(self.path[:-1]) or listed.get(inside) or symbol.fields.get("Reference", "")


def hierarchy(text: str, path: str | Path) -> tuple[Hung, SpiceText]:
    """The sheets of a schematic whose first file's text is given, and the files that they are in, without lines.

    A sub-sheet's file is opened only if it is a plain name of a file beside the first: it is part of the schematic.

    Raises:
        InputError: naming the file and the line.
    """
    reader = _Reader(Path(path))
    sheet = reader.sheet(str(path), text)
    root = Hung(sheet, 0, "/", f"/{sheet.uuid}/", excluded=False)
    reader.hang(root, (reader.root.name,))
    return root, SpiceText(str(path), root.sheet.title or reader.root.stem, [], tuple(reader.others))


class _Reader:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.others: list[tuple[int, str]] = []
        self.sheets: dict[str, tuple[KicadSheet, int]] = {}
        self.hung = self.things = 0

    def sheet(self, path: str, text: str) -> KicadSheet:
        try:
            return sheet_of(text)
        except Misplaced as error:
            raise SpiceText(path, "", []).placed(error.line, error) from None

    def hang(self, above: Hung, within: tuple[str, ...]) -> None:
        sheet = above.sheet
        self.hung += 1
        self.things += len(sheet.symbols) + len(sheet.wires) + len(sheet.labels) + len(sheet.texts)
        for number, child in enumerate(sheet.children):
            with SpiceText(str(self.root), "", [], tuple(self.others)).at(above.first + child.line):
                above.children[number] = self.child(above, child, within)

    def child(self, above: Hung, child: Child, within: tuple[str, ...]) -> Hung:
        if not _PLAIN.fullmatch(child.file):
            problem = (
                f"the sheet {shown(child.name)} is in {shown(child.file)}, and only files beside the first are read"
            )
            raise InputError(problem, "put it there and give its plain name, which ends in .kicad_sch")
        if child.file in within:
            raise InputError(f"the sheet {shown(child.file)} holds itself", "remove it there")
        if len(within) > DEEPEST or self.hung >= MOST_SHEETS or self.things > MOST_THINGS:
            raise InputError("there are too many sheets, or too much is on them", "give a smaller schematic")
        if child.file not in self.sheets:
            beside = self.root.parent / child.file
            sheet = self.sheet(str(beside), decoded(beside, SHEET_BYTES))
            self.others.append(((len(self.others) + 1) * APART, str(beside)))
            self.sheets[child.file] = sheet, self.others[-1][0]
        sheet, first = self.sheets[child.file]
        path = f"{above.path}{child.uuid}/"
        hung = Hung(sheet, first, f"{above.names}{child.name}/", path, above.excluded or child.excluded)
        self.hang(hung, (*within, child.file))
        return hung
