"""``.if … .elseif … .else … .endif``: the lines of the branches that constants choose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diodeq.errors import InputError
from diodeq.spice import LogicalLine, Scope, SpiceText

DEEPEST = 100
_COMMAND = re.compile(r"\.(if|elseif|else|endif)\b\s*(.*)", re.IGNORECASE)


@dataclass
class _Choice:
    """An open .if: where it begins, and of its branches whether one is being taken, one was, and the last is open."""

    line: int
    taking: bool
    taken: bool
    last: bool = False


def conditional(line: LogicalLine) -> str:
    """The word of a line that begins or ends a branch, such as "elseif"; empty for any other."""
    found = _COMMAND.match(line.text) if line.text[:1] == "." else None
    return found[1].lower() if found else ""


def enters(line: LogicalLine) -> int:
    """1 where a line opens a subcircuit, -1 where it closes one, else 0."""
    word = line.text[:7].lower()
    return word.startswith(".subckt") - word.startswith(".ends")


def chosen(lines: Iterable[LogicalLine], scope: Scope, text: SpiceText) -> Iterator[LogicalLine]:
    """The lines outside any branch and in those taken. A condition in a branch that is not taken is never read, and
    subcircuits, which choose for each instance, stay whole.

    Raises:
        InputError: naming the line of a condition that is no constant, or of a branch without its beginning or end.
    """
    choices: list[_Choice] = []
    depth = 0
    for line in lines:
        depth += enters(line)
        word = conditional(line)
        if word and depth <= 0:
            with text.at(line.number):
                _step(word, line, choices, scope)
        elif _taking(choices):
            yield line
    if choices:
        raise text.error(choices[-1].line, ".if is never ended", "add .endif")


def _taking(choices: list[_Choice]) -> bool:
    """Whether lines count here: a branch within another is taken only where that one is."""
    return not choices or choices[-1].taking


def _step(word: str, line: LogicalLine, choices: list[_Choice], scope: Scope) -> None:
    if word == "if":
        taking = _taking(choices) and _holds(line, scope)
        if len(choices) >= DEEPEST:
            raise InputError(f"more than {DEEPEST} .if within each other", "flatten them")
        choices.append(_Choice(line.number, taking, taking))
        return
    if not choices or (choices[-1].last and word != "endif"):
        raise InputError(f".{word} without .if", "remove the line")
    choice = choices[-1]
    if word == "endif":
        choices.pop()
        return
    choice.last = word == "else"
    choice.taking = _taking(choices[:-1]) and not choice.taken and (choice.last or _holds(line, scope))
    choice.taken |= choice.taking


def _holds(line: LogicalLine, scope: Scope) -> bool:
    found = _COMMAND.match(line.text)
    condition = found[2].strip() if found else ""
    if not condition:
        raise InputError("a condition is missing", "write .if (CONSTANT == VALUE)")
    inner = condition[1:-1] if condition[0] in "{'\"" and len(condition) > 1 else condition
    return scope.number("{" + inner + "}") != 0.0
