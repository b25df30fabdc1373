"""Which sources of a deck are inputs, which voltages are outputs, which resistors are weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diodeq.errors import UsageError
from diodeq.netlist.reading.deck import ParsedDeck
from diodeq.netlist.reading.names import legal
from diodeq.netlist.reading.parts import GROUND, DeckPart


@dataclass
class Driven:
    """The inputs: per driven source its (column, gain) pairs, the columns' names, and the constants under them."""

    names: list[str]
    gains: dict[str, list[tuple[int, float]]]
    constants: dict[str, float]


def choose_inputs(wanted: Sequence[str], parts: Mapping[str, list[DeckPart]], deck: ParsedDeck) -> Driven:
    """The driven sources of a deck.

    ``wanted``: lists of ``PATTERN``, a column for every source that matches, and of ``NAME=PATTERN,-PATTERN``, one
    column for all of them up to the next ``NAME=``, reversed after a minus. Without any: what diodeq noted in the deck,
    else the sources that it varies itself, by ``.dc`` or a waveform.

    Raises:
        UsageError: a pattern that matches no source, a piece that is none, or a column's name given twice.
    """
    sources = [*parts["v"], *parts["i"]]
    by_name = _both_spellings(sources)
    if not wanted and deck.inputs:
        return _noted(sources, deck)
    columns: dict[str, list[tuple[str, float]]] = {}
    for text in wanted:
        name = ""
        for label, pattern in _pieces(text, "--input"):
            if label:
                name = label
                _new(name, columns, "--input")
            sign = -1.0 if name and pattern.startswith("-") else 1.0
            matching = _matching(pattern.removeprefix("-") if name else pattern, by_name, "--input", "source")
            for source in dict.fromkeys(by_name[match] for match in matching):
                if not name:
                    _new(source, columns, "--input")
                columns.setdefault(name or source, []).append((source, sign))
    if not wanted:
        columns = {part.name: [(part.name, 1.0)] for part in sources if part.varied or part.name in deck.swept}
    driven = Driven(list(columns), {}, {})
    for index, (column, them) in enumerate(columns.items()):
        for source, sign in them:
            if any(at == index for at, _ in driven.gains.get(source, ())):
                raise UsageError(f"--input names {source} twice for {column!r}", "name it once")
            driven.gains.setdefault(source, []).append((index, sign))
            driven.constants[source] = 0.0
    return driven


def _both_spellings(sources: Iterable[DeckPart]) -> dict[str, str]:
    """The name in the deck, by that name and by the one that the circuit gives it."""
    own = {part.name: part.name for part in sources}
    spelled: dict[str, str] = {}
    for letter in "vi":
        names = [part.name for part in sources if part.letter == letter]
        spelled.update(zip(legal(names, letter, set()), names, strict=True))
    return spelled | own


def _noted(sources: list[DeckPart], deck: ParsedDeck) -> Driven:
    driven = Driven([], {}, {})
    for part in sources:
        for name, value, gain in deck.inputs.get(part.line, ()):
            if name not in driven.names:
                driven.names.append(name)
            driven.gains.setdefault(part.name, []).append((driven.names.index(name), gain))
            driven.constants[part.name] = driven.constants.get(part.name, part.value) - gain * value
    return driven


def choose_outputs(wanted: Sequence[str], nodes: Mapping[str, str], deck: ParsedDeck) -> list[tuple[str, str, str]]:
    """(name, plus, minus) of each output, by the nodes' names in the deck, ground being "0".

    ``wanted``: lists of ``[NAME=]NODE`` and ``[NAME=]PLUS:MINUS``; in patterns, what * and ? stood for in PLUS is put
    into MINUS. ``nodes`` maps the deck's names to the circuit's; either may be used. Without any: what diodeq noted in
    the deck, else the voltages that its .print, .save, .meas and the like ask for.

    Raises:
        UsageError: there is no such node, or nothing says what the outputs are.
    """
    by_name = {name: raw for raw, name in nodes.items()} | {raw: raw for raw in nodes}
    if not wanted:
        noted = deck.outputs or [(name, plus, minus) for (plus, minus), name in deck.asked.items()]
        known = [(name, _ground(plus), _ground(minus)) for name, plus, minus in noted]
        lost = [name for name, *ends in known if not {*ends} <= nodes.keys()]
        if lost:
            deck.notes.reasons["voltages that the deck asks for at nodes that the circuit has not"] = lost
        known = [output for output in known if {*output[1:]} <= nodes.keys()]
        if not known:
            raise UsageError(
                f"{deck.text.path} does not say which voltages are outputs",
                f"name them, as in --output {min(set(nodes) - {'0'}, default='out')}, or take all with --output '*'",
            )
        return known
    found: dict[str, tuple[str, str, str]] = {}
    for label, ends in (piece for text in wanted for piece in _pieces(text, "--output")):
        plus, colon, minus = (ends, "", "") if ends in by_name else ends.partition(":")
        if not plus or (colon and not minus) or ":" in minus:
            raise UsageError(f"--output {ends}: this is no pair of nodes", "write NODE or PLUS:MINUS")
        if astray := next((node for node in (ends, plus, minus) if node in deck.lost and node not in by_name), ""):
            raise UsageError(
                f"--output {ends}: no path joins {astray} to ground, and the parts at it were left out",
                "connect it to ground, a source or a grounded node through a resistor",
            )
        matches = _matching(plus, dict.fromkeys(name for name in by_name if name != "0"), "--output", "node")
        for match in matches:
            other = _ground(_other(plus, match, minus)) if minus else "0"
            if other not in by_name:
                raise UsageError(f"--output {ends}: there is no node {other!r}", _near(by_name))
            first, second = by_name[match], by_name[other]
            name = label or nodes[first] + (f"-{nodes[second]}" if minus else "")
            if found.setdefault(name, (name, first, second)) != (name, first, second):
                raise UsageError(f"--output {ends}: two outputs are called {name!r}", "give them different names")
    return list(found.values())


def choose_trainable(wanted: Sequence[str], names: Sequence[str], fixed: int) -> NDArray[np.bool_]:
    """bool[n]: which of the resistors may be trained; all of the deck's own without a pattern, "none" is none.

    ``fixed``: so many at the end are inside other parts and are never weights. Raises ``UsageError`` for a pattern that
    matches no resistor.
    """
    mask = np.zeros(len(names), dtype=bool)
    mask[: len(names) - fixed] = not wanted
    own = {name: index for index, name in enumerate(names[: len(names) - fixed])}
    for label, pattern in (piece for text in wanted for piece in _pieces(text, "--train")):
        if label:
            raise UsageError(f"--train {label}=…: resistors are given no names", "leave the name out")
        if pattern != "none":
            mask[[own[name] for name in _matching(pattern, own, "--train", "resistor")]] = True
    return mask


def _pieces(text: str, option: str) -> list[tuple[str, str]]:
    """The (NAME, pattern) of each piece of a list, NAME empty where there is none, the pattern in lower case."""
    found = []
    for piece in text.split(","):
        name, equals, pattern = (word.strip() for word in piece.rpartition("="))
        if not pattern or (equals and not name) or "=" in name:
            raise UsageError(
                f"{option} {text}: {piece.strip()!r} in the list is neither PATTERN nor NAME=PATTERN",
                "write them with one comma between two",
            )
        found.append((name, pattern.lower()))
    return found


def _new(name: str, taken: Mapping[str, object], option: str) -> None:
    if name in taken:
        raise UsageError(f"{option}: there are two columns {name!r}", f"give each its own name, as in {name}_2=…")


def _matching(pattern: str, names: Mapping[str, object], option: str, what: str) -> list[str]:
    """The names that a pattern with * and ? matches, in order; raises ``UsageError`` if there are none."""
    if pattern in names:
        return [pattern]
    expression = _regex(pattern)
    found = [name for name in names if expression.fullmatch(name)]
    if not found:
        raise UsageError(f"{option} {pattern}: no {what} is called so", _near(names))
    return found


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": "(.*)", "?": "(.)"}.get(letter, re.escape(letter)) for letter in pattern))


def _other(plus: str, match: str, minus: str) -> str:
    """The second node of a pair: the pattern ``minus`` with what the first one's * and ? stood for."""
    found = _regex(plus).fullmatch(match)
    parts = iter(found.groups() if found else ())
    return "".join(next(parts, "") if letter in "*?" else letter for letter in minus)


def _near(names: Iterable[str]) -> str:
    there = [name for name in names if name != "0"]
    return f"there are {', '.join(there[:10])}{' …' if len(there) > 10 else ''}" if there else "there are none"


def _ground(node: str) -> str:
    return "0" if node in GROUND else node
