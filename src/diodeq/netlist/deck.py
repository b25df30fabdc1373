"""What a netlist is once written, and what a dialect has to provide."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from diodeq.netlist.listing import Listing


@dataclass(frozen=True)
class Deck:
    """A netlist as data: its text, the name of its dialect, and the SHA-256 of the text in hexadecimal.

    Running it is somebody else's job.
    """

    text: str = field(repr=False)
    dialect: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest(self.text))


def digest(text: str) -> str:
    """The SHA-256 of a text in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Dialect:
    """A language a circuit can be written in: ``write`` turns a `Listing` into text; ``suffix`` is customary."""

    name: str
    summary: str
    suffix: str
    write: Callable[[Listing], str]
