"""Text that anybody may have written, as it may be shown: on a terminal, on a page, in a picture."""

from __future__ import annotations

import math
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 1_000_000
# Below and above the unit.
_PREFIXES = ("mµnpfazyrq", "kMGTPEZYRQ")


def printable(text: str, keep: str = "") -> str:
    """The text with every letter that is not seen as itself spelled out, such as ``\\x1b``; those of ``keep`` stay.

    Those letters steer a terminal, turn the direction of writing, end a line, or are none at all (half of a pair, a
    byte of a file's name that is not UTF-8). Spaces of every width stay.
    """
    if text.isprintable():
        return text
    return "".join(letter if _seen(letter) or letter in keep else repr(letter)[1:-1] for letter in text)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Such as ``1 row``, ``2 rows`` and ``1,347 rows``; ``plural`` is for nouns that take more than an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share of samples, such as an accuracy, as every command and page writes it: ``97.37 %``."""
    return f"{100.0 * share:.2f} %"


def change(share: float) -> str:
    """How much something moves by, such as ``0.31 %``, ``12 %`` and ``1,230 %``."""
    found = 100.0 * share
    return f"{found:.2g} %" if found < 99.5 else f"{found:,.0f} %" if found < MANY else f"more than {MANY:,} %"


def _seen(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


@contextmanager
def drawn() -> Iterator[None]:
    """Within this, matplotlib draws any text without remarks on stderr, which would quote it.

    A letter that no font has is a box; text that is wider than the picture is cut.
    """
    with warnings.catch_warnings():
        for remark in ("Glyph ", "Matplotlib currently does not support", "constrained_layout not applied"):
            warnings.filterwarnings("ignore", remark, UserWarning)
        yield


def quantity(value: float, unit: str) -> str:
    """Such as ``12.3 µS``: three digits and an SI prefix."""
    value = float(f"{value:.3g}")
    if not math.isfinite(value) or value == 0.0:
        return f"{value:g} {unit}"
    power = min(max(math.floor(math.log10(abs(value)) / 3.0), -len(_PREFIXES[0])), len(_PREFIXES[1]))
    prefix = "" if power == 0 else _PREFIXES[0][-power - 1] if power < 0 else _PREFIXES[1][power - 1]
    return f"{float(f'{value / 1000.0**power:.3g}'):g} {prefix}{unit}"
