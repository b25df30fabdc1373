"""Constant expressions of ``.param`` and braces: arithmetic on numbers, named constants and functions, nothing else.

A controlled source's expression may have voltages and currents too, as long as it is linear in them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from diodeq.errors import InputError
from diodeq.spice.functions import FUNCTIONS, Function, power
from diodeq.spice.linear import Linear, not_linear
from diodeq.spice.numbers import NUMBER, number, shown

DEEPEST = 50  # parentheses, functions within functions and constants within constants
MOST_CALLS = 20_000  # of functions by functions, in one deck

EXCLUSIVE_OR = "⊻"
"""What stands for ^ in an expression of LTspice's, where it is no power."""

Value = float | Linear


_WORD = re.compile(
    r"\s*(?:([vi])\s*\(([^(){}]*)\)"
    rf"|((?:{NUMBER.pattern.removeprefix('[+-]?')})[A-Za-zµμΩ]*)"
    r"|([A-Za-z_]\w*)"
    r"|(\*\*|&&|\|\||[=!<>]=|<>|.))",
    re.ASCII | re.IGNORECASE,
)
_CHOICES = frozenset(["?", "!", "&&", "&", "||", "|", "==", "=", "!=", "<>", "<=", ">=", "<", ">"])
_BEGINNINGS = (None, "(", ",", ":")  # after which a sign is one of a whole term
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


class Scope:
    """Named constants, each evaluated when it is first asked for; a name not found here is looked up in ``parent``.

    ``functions`` are those that the deck defines; their expressions are read where they are called, as in ngspice.
    """

    def __init__(
        self,
        texts: Mapping[str, str | Value],
        parent: Scope | None = None,
        functions: Mapping[str, Function] | None = None,
        called: bool = False,
    ) -> None:
        self._texts = {name.lower(): text for name, text in texts.items()}
        self._values: dict[str, Value] = {}
        self._parent = parent
        self._functions: Mapping[str, Function] = functions or {}
        self._called = called  # whether it is a function's own
        self._calls = 0

    @property
    def outermost(self) -> Scope:
        """The constants of the file itself."""
        return self if self._parent is None else self._parent.outermost

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._texts or (self._parent is not None and name in self._parent)

    def number(self, word: str, depth: int = 0) -> float:
        """The value of a field: a number, an expression in braces or quotes, or a constant's bare name.

        Raises:
            InputError: none of these, an unknown name, a circle, too deep, or a value that is not finite.
        """
        if word[:1] in ("{", "'", '"') and len(word) > 1:
            return _constant(self._evaluate(word[1:-1], depth))
        if word.isidentifier():
            return _constant(self._named(word, depth))
        return number(word)

    def linear(self, text: str) -> Linear:
        """An expression with voltages ``V(a,b)`` and currents ``I(Vname)``, in which braces and quotes are parentheses.

        Raises:
            InputError: as `number` does, or it is not linear in them.
        """
        text = re.sub(r"'([^']*)'", r"(\1)", text).replace("{", "(").replace("}", ")")
        value = self._evaluate(text, 0, quantities=True)
        return value if isinstance(value, Linear) else Linear(value)

    def _named(self, name: str, depth: int) -> Value:
        key = name.lower()
        if key in self._values:
            return self._values[key]
        if key not in self._texts:
            if self._parent is not None:
                return self._parent._named(name, depth)
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

    def _function(self, name: str) -> Function | None:
        found, scope = self._functions.get(name.lower()), self
        while scope._parent is not None:
            scope = scope._parent
            found = found or scope._functions.get(name.lower())
        scope._calls += found is not None and self._called
        if scope._calls > MOST_CALLS:
            raise InputError(f"functions call functions more than {MOST_CALLS:,} times", "write numbers")
        return found

    def _evaluate(self, text: str, depth: int, quantities: bool = False) -> Value:
        expression = _Expression(text, self, depth, quantities)
        try:
            value = expression.choice()
        except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
            raise InputError(f"{shown(text)} has no value: {error}", "write a number") from None
        expression.end()
        if not (value.finite if isinstance(value, Linear) else math.isfinite(value)):
            raise InputError(f"{shown(text)} is not finite", "write a number")
        return value


def _constant(value: Value) -> float:
    if isinstance(value, Linear):
        raise not_linear("what follows a voltage or a current here")
    return value


class _Expression:
    """Recursive descent over one expression; ``depth`` bounds it, ``quantities`` allows voltages and currents."""

    def __init__(self, text: str, scope: Scope, depth: int, quantities: bool) -> None:
        self.text, self.scope, self.depth, self.quantities = text, scope, depth, quantities
        self.words = [match.groups() for match in _WORD.finditer(text.rstrip())]
        self.at = 0

    def choice(self) -> Value:
        value = self.either()
        if self.take("?") is None:
            return value
        self.deeper()
        yes = self.either()
        if self.take("?") is not None:
            raise self.unlike("a choice before the colon of another, without brackets")
        self.demand(":")
        no = self.choice()
        self.depth -= 1
        return yes if self.plain(value, "a choice by") else no

    def either(self) -> Value:
        value = self.both()
        while self.take("||", "|") is not None:
            other = self.both()
            value = float(bool(self.plain(value, "a choice by")) | bool(self.plain(other, "a choice by")))
        return value

    def both(self) -> Value:
        value = self.compared()
        while self.take("&&", "&") is not None:
            other = self.compared()
            value = float(bool(self.plain(value, "a choice by")) & bool(self.plain(other, "a choice by")))
        return value

    def compared(self) -> Value:
        value = self.sum()
        while (sign := self.take(*_COMPARED)) is not None:
            other = self.plain(self.sum(), "a comparison of")
            if self.quantities and other == value:
                raise self.unlike("a comparison of what is equal, in a source's expression")
            value = float(_COMPARED[sign](self.plain(value, "a comparison of"), other))
        return value

    def sum(self) -> Value:
        value = self.product()
        while (sign := self.take("+", "-")) is not None:
            term = self.product()
            value = value + term if sign == "+" else value - term
        return value

    def product(self) -> Value:
        value = self.signed()
        while (sign := self.take("*", "/")) is not None:
            factor = self.signed()
            value = value * factor if sign == "*" else value / factor
        return value

    def signed(self) -> Value:
        before = self.words[self.at - 1][4] if self.at else None
        negative = False
        count = 0
        while (sign := self.take("+", "-")) is not None:
            negative ^= sign == "-"
            count += 1
        fine = count == 0 or self.quantities or (count == 1 and (before in _BEGINNINGS or self.signed_number()))
        if not fine:
            # ngspice (39) refuses some of these, and computes others as nobody else does
            raise self.unlike("a sign after an operator")
        if self.take("!") is not None:
            opposite = self.plain(self.atom(), "a choice by")
            if self.quantities and not opposite:
                raise self.unlike("the opposite of nothing, in a source's expression")
            value: Value = float(not opposite)
            if self.take("**", "^") is not None:
                raise self.unlike("a power of a choice")
        else:
            value = self.power()
        return -value if negative else value

    def signed_number(self) -> bool:
        """Whether a number in digits is next, and no power of it."""
        digits = self.at < len(self.words) and self.words[self.at][2] is not None
        return digits and not (self.at + 1 < len(self.words) and self.words[self.at + 1][4] in ("**", "^"))

    def power(self) -> Value:
        base = self.atom()
        if self.take(EXCLUSIVE_OR) is not None:
            raise InputError("^ is an exclusive or in LTspice and a power in ngspice", "write ** for a power")
        if self.take("**", "^") is None:
            return base
        negative = self.take("-") is not None
        if negative and not self.quantities and not self.signed_number():
            raise self.unlike("a sign after an operator")
        exponent = self.plain(self.atom(), "a power of")
        if self.take("**", "^") is not None:
            raise self.unlike("a power of a power")
        return power(self.plain(base, "a power of"), -exponent if negative else exponent)

    def atom(self) -> Value:
        letter, inside, digits, name, sign = self.words[self.at] if self.at < len(self.words) else (None,) * 5
        self.at += 1
        if letter is not None and inside is not None:
            return self.quantity(letter.lower(), inside)
        if digits is not None:
            if digits.lower().endswith("mil") and not self.quantities:
                raise self.unlike("mil")
            return number(digits)
        if name is not None and self.take("(") is not None:
            return self.call(name)
        if name is not None:
            return self.scope._named(name, self.depth)
        if sign == "(":
            value = self.inside()
            self.demand(")")
            return value
        raise self.wrong()

    def quantity(self, letter: str, inside: str) -> Linear:
        if not self.quantities:
            raise InputError(f"{shown(self.text)} has a voltage or a current where a constant stands", "write a number")
        names = [name.strip().lower() for name in inside.split(",")]
        if len(names) > (2 if letter == "v" else 1) or not all(names) or any(len(name.split()) > 1 for name in names):
            raise self.wrong()
        minus = names[1:] or (["0"] if letter == "v" else [])
        return Linear(0.0, {(letter, names[0], *minus): 1.0})

    def call(self, name: str) -> Value:
        own = self.scope._function(name)
        if own is None and name.lower() not in FUNCTIONS:
            raise InputError(f"there is no function {shown(name)} here", f"known are {', '.join(FUNCTIONS)}")
        start = self.at
        arguments = [] if self.take(")") is not None else [self.inside()]
        if arguments:
            while self.take(",") is not None:
                arguments.append(self.inside())
            self.demand(")")
        count = len(own.arguments) if own else FUNCTIONS[name.lower()][0]
        if len(arguments) != count and (own or count or len(arguments) < 3):
            raise InputError(f"{name} takes {count} arguments, not {len(arguments)}", "correct the expression")
        if own is not None and any(words[4] in _CHOICES for words in self.words[start : self.at]):
            # ngspice (39) puts it into the function without parentheses
            raise InputError(f"{shown(self.text)} has a choice as an argument of {shown(name)}", "give it a name")
        if own is None:
            return float(FUNCTIONS[name.lower()][1](*(self.plain(value, f"{name} of") for value in arguments)))
        if self.depth > DEEPEST:
            raise InputError(f"the function {shown(name)} calls itself, or too many others", "write its value")
        inner = Scope(dict(zip(own.arguments, arguments, strict=True)), self.scope, called=True)
        return inner._evaluate(own.text, self.depth + 1, self.quantities)

    def inside(self) -> Value:
        self.deeper()
        value = self.choice()
        self.depth -= 1
        return value

    def plain(self, value: Value, what: str) -> float:
        """The value, which must not follow a voltage or a current."""
        if isinstance(value, Linear):
            raise not_linear(f"{what} a voltage or a current")
        return value

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise InputError(f"{shown(self.text)} is nested too deeply", "write it flatter, or write its number")

    def take(self, *signs: str) -> str | None:
        if self.at < len(self.words) and self.words[self.at][4] in signs:
            self.at += 1
            return str(self.words[self.at - 1][4])
        return None

    def demand(self, sign: str) -> None:
        if self.take(sign) is None:
            raise self.wrong()

    def end(self) -> None:
        if self.at < len(self.words):
            raise self.wrong()

    def unlike(self, what: str) -> InputError:
        return InputError(f"{shown(self.text)} has {what}, which simulators compute differently", "add parentheses")

    def wrong(self) -> InputError:
        return InputError(
            f"{shown(self.text)} is not an expression of constants", "only + - * / ** ( ) and functions of constants"
        )
