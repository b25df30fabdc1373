"""Lines of sources that voltages and currents control, exactly, as far as they are linear.

A voltage is a chain of a constant and one E for each term, a current the same side by side. A current that makes a
voltage goes, copied, through a resistor of its own, whose voltage an E copies.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

from diodeq.errors import InputError
from diodeq.netlist.reading.parts import FIXED, DeckPart, Where, nodes_of, options_of
from diodeq.spice import Scope
from diodeq.spice.expressions import EXCLUSIVE_OR
from diodeq.spice.linear import Linear
from diodeq.spice.numbers import shown

# NAME NODE NODE VALUE={…}, and what else the programs call the value.
_SAID = re.compile(
    r"""\S+[\s(]+([^\s,()]+)[\s,]+([^\s,()]+)[\s)]+(value|vol|cur|v|i|r)\s*(=|(?=\{))\s*(.+)""", re.IGNORECASE
)
# NAME NODE NODE NODE NODE LAPLACE=…, or NAME NODE NODE LAPLACE {…} [=] {…}
_LAPLACE = re.compile(
    r"""\S+\s+([^\s,()]+)[\s,]+([^\s,()]+)\s+(?:([^\s,(){}]+\s+[^\s,(){}]+)\s+laplace\s*=\s*(.+)"""
    r"""|laplace\s*=?\s*(\{[^{}]*\})\s*=?\s*(\{[^{}]*\}|\(.*\)))""",
    re.IGNORECASE,
)
_WINDOWS = re.compile(r"\s+(?:window|nfft|mtol)\s*=\s*\S+", re.IGNORECASE)
_UNITS = {"value": "", "vol": "e", "cur": "g"}
_KINDS = ("table", "laplace", "freq", "chebyshev", "spline", "delay", "pwl", "vcr", "and", "nand", "or", "nor")


def controlled(words: list[str], where: Where) -> list[DeckPart]:
    """E and G: OUT OUT CONTROL CONTROL GAIN, POLY, or an expression."""
    name, letter = words[0].lower(), words[0][0].lower()
    if found := _SAID.fullmatch(where.line.text):
        if found[3].lower() == "r" or _UNITS.get(found[3].lower(), letter) not in ("", letter):
            raise InputError(f"{shown(found[3])} of {shown(words[0])} is not understood", "write VALUE={…}")
        return realized("v" if letter == "e" else "i", name, (found[1], found[2]), _expression(found[5], where), where)
    form = f"{words[0]} OUT+ OUT- CTRL+ CTRL- GAIN"
    if found := _LAPLACE.fullmatch(where.line.text):
        gain = _at_rest(found[6] or found[4], words[0], where)
        if found[5]:
            value = gain * _expression(found[5], where)
        else:
            value = Linear(0.0, {("v", *(word.lower() for word in found[3].split())): gain})
        return realized("v" if letter == "e" else "i", name, (found[1], found[2]), value, where)
    if len(words) > 3 and words[3].lower() == "poly":
        return realized("v" if letter == "e" else "i", name, nodes_of(words, 2, form), _poly(words, 2, where), where)
    strange = next((word for word in words[3:] if word.lower() in _KINDS), "")
    if strange:
        raise InputError(f"{shown(words[0])} is {strange.upper()}, not linear in two nodes", f"write {form}")
    nodes = nodes_of(words, 4, form)
    if len(words) < 6:
        raise InputError(f"{shown(words[0])} is not a linear source of two nodes", f"write {form}")
    more = options_of(words, 6, where, ("m",) if letter == "g" else ())
    gain = where.scope.number(words[5]) * more.get("m", 1.0)
    return [DeckPart(letter, name, nodes, gain, "", where.line.number)]


def copied(words: list[str], where: Where) -> list[DeckPart]:
    """F and H: OUT OUT VSOURCE GAIN, or POLY."""
    name, letter = words[0].lower(), words[0][0].lower()
    form = f"{words[0]} OUT+ OUT- VSOURCE GAIN"
    nodes = nodes_of(words, 2, form)
    if words[3].lower() == "poly":
        value = _poly(words, 1, where)
    elif len(words) < 5:
        raise InputError(f"{shown(words[0])} is not a linear source", f"write {form}")
    else:
        more = options_of(words, 5, where, ("m",) if letter == "f" else ())
        gain = where.scope.number(words[4]) * more.get("m", 1.0)
        if letter == "f":
            return [DeckPart("f", name, nodes, gain, words[3].lower(), where.line.number)]
        value = Linear(0.0, {("i", words[3].lower()): gain})
    return realized("i" if letter == "f" else "v", name, nodes, value, where)


def behavioural(words: list[str], where: Where) -> list[DeckPart]:
    """B: V=… or I=…"""
    found = _SAID.fullmatch(where.line.text)
    if not found or found[3].lower() not in ("v", "i") or not found[4]:
        raise InputError(f"{shown(words[0])} is no source of an expression", f"write {words[0]} NODE NODE V=… or I=…")
    value = _expression(found[5], where)
    return realized(found[3].lower(), words[0].lower(), (found[1], found[2]), value, where)


def _at_rest(text: str, name: str, where: Where) -> float:
    """What a transfer function is in direct current, at s = 0."""
    text = _WINDOWS.sub("", text.strip())
    if text[:1] in "{'\"" and text[-1:] in "}'\"" and not re.search("[{}'\"]", text[1:-1]):
        text = text[1:-1]
    # Constants stand in braces within LTspice's, and its ^ is a power here.
    text = text.replace("{", "(").replace("}", ")").replace(EXCLUSIVE_OR, "**")
    try:
        gain = Scope({"s": 0.0}, where.scope).number("{" + text + "}")
    except InputError as error:
        problem = f"LAPLACE of {shown(name)} has no value in direct current, at s = 0: {error.problem}"
        raise InputError(problem, "write the gain that it has there") from None
    where.note("of LAPLACE the gain in direct current was taken, at s = 0", f"{name.lower()} {gain:g}")
    return gain


def _expression(text: str, where: Where) -> Linear:
    text = text.strip()
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        text = text[1:-1]
    if re.search(r"[^=!<>]=(?!=)", text):
        raise InputError(f"{shown(text)} has options after its expression", "remove them")
    if re.search(r"\b(?:time|hertz)\b", text, re.IGNORECASE):
        name = where.line.text.split()[0].lower()
        where.note("sources that follow the time have the value that they begin with", name)
    return Scope({"time": 0.0, "hertz": 0.0}, where.scope).linear(text)


def _poly(words: list[str], wide: int, where: Where) -> Linear:
    """POLY(N), N controls of ``wide`` words each, a constant, N factors, and more that must be 0."""
    count = int(words[4]) if len(words) > 4 and words[4].isdecimal() and len(words[4]) < 4 else 0
    numbers = words[5 + wide * count :]
    if not count or not numbers or "=" in words:
        raise InputError(f"POLY of {shown(words[0])} has too few fields", "write POLY(N), its controls and its numbers")
    values = [where.scope.number(word) for word in numbers]
    if len(values) == 1 == count and values[0]:
        raise InputError(
            f"POLY of {shown(words[0])} has one number, which is a constant in ngspice and a factor elsewhere",
            "write both, as in 0 2",
        )
    if any(values[1 + count :]):
        raise InputError(f"POLY of {shown(words[0])} is not linear", "only the constant and the first factors count")
    result = Linear(values[0])
    for k, factor in enumerate(values[1 : 1 + count]):
        control = [word.lower() for word in words[5 + wide * k : 5 + wide * (k + 1)]]
        result += factor * Linear(0.0, {("v" if wide == 2 else "i", *control): 1.0})
    return result


def realized(unit: str, name: str, nodes: tuple[str, ...], value: Linear, where: Where) -> list[DeckPart]:
    """The parts of a voltage ("v") or a current ("i") between two nodes; alone, a part has the name of the whole."""
    line = where.line.number
    nodes = tuple(node.lower() for node in nodes)
    if not value.finite:
        raise InputError(f"{shown(name)} is not finite", "write finite numbers")
    terms = [(key, factor) for key, factor in value.terms.items() if factor and (key[0] == "i" or key[1] != key[2])]
    count = len(terms) + (value.constant != 0.0 or (not terms and unit == "v"))
    if not count:
        where.note("sources of no current were left out", name)
    names = [name] if count == 1 else [f"{name} {k}" for k in range(1, count + 1)]
    # The chain's links, or the same two nodes for each that stands side by side.
    between = [nodes[0], *(f"{name} link {k}" for k in range(1, count)), nodes[1]]
    ends = list(pairwise(between)) if unit == "v" else [(nodes[0], nodes[1])] * count
    found: list[DeckPart] = []
    for (key, factor), own, pair in zip(terms, names, ends, strict=False):
        if key[0] == "v":
            found.append(DeckPart("e" if unit == "v" else "g", own, (*pair, *key[1:]), factor, "", line))
        elif unit == "i":
            found.append(DeckPart("f", own, pair, factor, key[1], line))
        else:
            inner = f"{own} ohms"
            found.append(DeckPart("f", f"f {own}", ("0", inner), 1.0, key[1], line))
            found.append(DeckPart(FIXED, f"r {own}", (inner, "0"), abs(factor), "", line))
            found.append(DeckPart("e", own, (*pair, inner, "0"), math.copysign(1.0, factor), "", line))
    if count > len(terms):
        found.append(DeckPart(unit, names[-1], ends[-1], value.constant, "", line))
    if count > 1 or any(key[0] == "i" for key, _ in terms):
        where.note("sources of several terms became one part for each", name)
    return found
