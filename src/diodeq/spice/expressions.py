"""Constant expressions of ``.param`` and braces: arithmetic on numbers and named constants, and nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from diodeq.errors import InputError
from diodeq.spice.numbers import NUMBER, number, shown

DEEPEST = 50  # parentheses and constants within constants

# Only what ngspice and LTspice compute alike; log is natural in both.
FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "sqrt": (1, math.sqrt),
    "exp": (1, math.exp),
    "ln": (1, math.log),
    "log": (1, math.log),
    "log10": (1, math.log10),
    "abs": (1, abs),
    "sin": (1, math.sin),
    "cos": (1, math.cos),
    "tan": (1, math.tan),
    "atan": (1, math.atan),
    "tanh": (1, math.tanh),
    "min": (2, min),
    "max": (2, max),
    "pow": (2, math.pow),
}

_WORD = re.compile(
    rf"\s*(?:((?:{NUMBER.pattern.removeprefix('[+-]?')})[A-Za-zµμΩ]*)|([A-Za-z_]\w*)|(\*\*|.))", re.ASCII
)


class Scope:
    """Named constants, each evaluated when it is first asked for; a name not found here is looked up in ``parent``."""

    def __init__(self, texts: Mapping[str, str | float], parent: Scope | None = None) -> None:
        self._texts = {name.lower(): text for name, text in texts.items()}
        self._values: dict[str, float] = {}
        self._parent = parent

    def number(self, word: str, depth: int = 0) -> float:
        """The value of a field: a number, an expression in braces or quotes, or a constant's bare name.

        Raises:
            InputError: none of these, an unknown name, a circle, too deep, or a value that is not finite.
        """
        if word[:1] in ("{", "'", '"') and len(word) > 1:
            return self._evaluate(word[1:-1], depth)
        if word.isidentifier():
            return self._constant(word, depth)
        return number(word)

    def _constant(self, name: str, depth: int) -> float:
        key = name.lower()
        if key in self._values:
            return self._values[key]
        if key not in self._texts:
            if self._parent is not None:
                return self._parent._constant(name, depth)
            if key == "pi":
                return math.pi
            raise InputError(f"there is no constant called {shown(name)}", "write a number, or a .param for it")
        if depth > DEEPEST:
            raise InputError(f"the constant {shown(name)} depends on itself or on too many others", "write its number")
        text = self._texts[key]
        if isinstance(text, str):
            words = text.strip()
            inner = words[1:-1] if words[:1] in ("{", "'", '"') else words
            self._values[key] = self._evaluate(inner, depth + 1)
        else:
            self._values[key] = text
        return self._values[key]

    def _evaluate(self, text: str, depth: int) -> float:
        expression = _Expression(text, self, depth)
        try:
            value = expression.sum()
        except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
            raise InputError(f"{shown(text)} has no value: {error}", "write a number") from None
        expression.end()
        if not math.isfinite(value):
            raise InputError(f"{shown(text)} is not finite", "write a number")
        return value


class _Expression:
    """Recursive descent over one expression; ``depth`` bounds it."""

    def __init__(self, text: str, scope: Scope, depth: int) -> None:
        self.text, self.scope, self.depth = text, scope, depth
        self.words = [match.groups() for match in _WORD.finditer(text.rstrip())]
        self.at = 0

    def sum(self) -> float:
        value = self.product()
        while (sign := self.take("+", "-")) is not None:
            term = self.product()
            value = value + term if sign == "+" else value - term
        return value

    def product(self) -> float:
        value = self.signed()
        while (sign := self.take("*", "/")) is not None:
            factor = self.signed()
            value = value * factor if sign == "*" else value / factor
        return value

    def signed(self) -> float:
        negative = False
        while (sign := self.take("+", "-")) is not None:
            negative ^= sign == "-"
        value = self.power()
        return -value if negative else value

    def power(self) -> float:
        base = self.atom()
        if self.take("**") is None:
            return base
        self.deeper()
        value = math.pow(base, self.signed())
        self.depth -= 1
        return value

    def atom(self) -> float:
        digits, name, sign = self.words[self.at] if self.at < len(self.words) else (None, None, None)
        self.at += 1
        if digits is not None:
            return number(digits)
        if name is not None and self.take("(") is not None:
            return self.call(name)
        if name is not None:
            return self.scope._constant(name, self.depth)
        if sign == "(":
            value = self.inside()
            self.demand(")")
            return value
        raise self.wrong()

    def call(self, name: str) -> float:
        if name.lower() not in FUNCTIONS:
            raise InputError(f"there is no function {shown(name)} here", f"known are {', '.join(FUNCTIONS)}")
        count, function = FUNCTIONS[name.lower()]
        arguments = [self.inside()]
        while self.take(",") is not None:
            arguments.append(self.inside())
        self.demand(")")
        if len(arguments) != count:
            raise InputError(f"{name} takes {count} arguments, not {len(arguments)}", "correct the expression")
        return float(function(*arguments))

    def inside(self) -> float:
        self.deeper()
        value = self.sum()
        self.depth -= 1
        return value

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise InputError(f"{shown(self.text)} is nested too deeply", "write it flatter, or write its number")

    def take(self, *signs: str) -> str | None:
        if self.at < len(self.words) and self.words[self.at][2] in signs:
            self.at += 1
            return str(self.words[self.at - 1][2])
        return None

    def demand(self, sign: str) -> None:
        if self.take(sign) is None:
            raise self.wrong()

    def end(self) -> None:
        if self.at < len(self.words):
            raise self.wrong()

    def wrong(self) -> InputError:
        # ^ is a power to ngspice and an exclusive or to LTspice.
        remedy = "write ** for a power" if "^" in self.text else "only + - * / ** ( ) and functions of constants"
        return InputError(f"{shown(self.text)} is not an expression of constants", remedy)
