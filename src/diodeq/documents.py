"""TOML and JSON that anybody may have written: small, shallow, and with numbers that a computer has."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

DEEPEST = 16
"""Parts of a dotted key, as in ``a.b.c``: with more, ``tomllib`` needs memory for the square of their number."""
BITS = 63

# Linear in the text: nothing that was matched is looked at twice. A string that does not end is where TOML ends too.
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_TOKENS = re.compile(
    rf'(?P<deep>(?:{_PART}[ \t]*+\.[ \t]*+){{{DEEPEST}}})|"""(?:[^"\\]|\\.|"(?!""))*+"""'
    rf"|'''(?:[^']|'(?!''))*+'''|(?P<open>\"\"\"|''')|{_PART}|(?P<cut>[\"'])|\#[^\n]*+|[^\"'\#\w-]++",
    re.DOTALL,
)


def toml(content: bytes) -> dict[str, Any]:
    """The tables of a TOML document of a size that the caller has bounded.

    Raises:
        ValueError: it is not TOML in UTF-8, a key has more than ``DEEPEST`` parts, values are nested too deeply, or a
            whole number has more than ``BITS`` bits.
    """
    text = content.decode()
    for token in _TOKENS.finditer(text):
        if token.lastgroup == "deep":
            line = text.count("\n", 0, token.start()) + 1
            raise ValueError(f"a key of line {line} has more than {DEEPEST} parts joined by dots")
        if token.lastgroup:
            break
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    waiting: list[Any] = [found]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, int):
            _bounded(value)
    return found


def from_json(content: str | bytes, once: bool = False) -> Any:
    """The value of a JSON document of a size that the caller has bounded; with ``once``, no entry may repeat.

    Raises:
        ValueError: it is not JSON in UTF-8, values are nested too deeply, or a whole number has more than ``BITS``
            bits.
    """
    text = content.decode() if isinstance(content, bytes) else content
    try:
        return json.loads(text, object_pairs_hook=_once if once else None, parse_int=_whole)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _bounded(value: int) -> int:
    if value.bit_length() > BITS:
        raise ValueError(f"a whole number has more than {BITS} bits")
    return value


def _whole(digits: str) -> int:
    return _bounded(int(digits[: BITS + 1]))  # as many digits are more bits, and Python refuses to read thousands


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an entry repeats")
    return found
