"""The bracketed text that KiCad's files are: nodes with a name, words and further nodes, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from diodeq.errors import InputError
from diodeq.spice.numbers import shown

MOST_WORDS = 3_000_000
DEEPEST = 100  # KiCad itself nests ten deep

_WORD = re.compile(r'(\n)|"((?:[^"\\]++|\\.)*+)"|([()])|([^\s()"]++)|(")', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class BracketNode:
    """``(name word … (node) …)`` on a line of the file."""

    line: int
    name: str = ""
    words: list[str] = field(default_factory=list)
    nodes: list[BracketNode] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[BracketNode]:
        """The nodes of these names, in order."""
        return (node for node in self.nodes if node.name in names)

    def first(self, name: str) -> BracketNode | None:
        """The first node of a name, if there is one."""
        return next(self.all(name), None)

    def word(self, name: str, default: str = "") -> str:
        """The first word of the first node of a name."""
        found = self.first(name)
        return found.words[0] if found is not None and found.words else default

    def says(self, name: str) -> bool:
        """Whether it holds a flag: ``(name yes)``, ``(name)`` or the bare word."""
        found = self.first(name)
        return name in self.words if found is None else found.words[:1] != ["no"]


class Misplaced(InputError):
    """What is wrong on a line of the text."""

    def __init__(self, line: int, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.line = line


def parsed(text: str) -> BracketNode:
    """The node that a text is.

    Raises:
        Misplaced: brackets that do not match, too deep, or too many words.
    """
    root = BracketNode(1)
    above = [root]
    line, count = 1, 0
    for newline, string, bracket, word, broken in (found.groups() for found in _WORD.finditer(text)):
        if newline:
            line += 1
            continue
        count += 1
        if count > MOST_WORDS:
            raise Misplaced(line, f"the file has more than {MOST_WORDS:,} words", "give a smaller one")
        if bracket == "(":
            if len(above) > DEEPEST:
                raise Misplaced(line, "brackets are nested too deeply", "save it with KiCad again")
            node = BracketNode(line)
            above[-1].nodes.append(node)
            above.append(node)
        elif bracket == ")":
            above.pop()
            if not above:
                raise Misplaced(line, "a bracket closes nothing", "save it with KiCad again")
        elif broken:
            raise Misplaced(line, "a text in quotes never ends", "save it with KiCad again")
        else:
            node = above[-1]
            if string is not None:
                line += string.count("\n")
                word = _ESCAPED.sub(lambda escape: _LETTERS.get(escape[1], escape[1]), string)
                node.words.append(word)
            elif not node.name and not node.words:
                node.name = word
            else:
                node.words.append(word)
    if len(above) > 1:
        raise Misplaced(above[-1].line, f"the bracket before {shown(above[-1].name)} is never closed", "save it again")
    if len(root.nodes) != 1 or root.words or root.name:
        raise Misplaced(1, "this is no single bracket", "save it with KiCad again")
    return root.nodes[0]
