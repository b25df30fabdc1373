"""The line protocol of a bench, version 1, as both ends spell it; ``guide/instruments.md`` says what the lines mean.

A line is ASCII: a number, words and whole numbers between single blanks, ``*``, the CRC-32 of all before it in eight
hexadecimal digits, and a line feed.
"""

from __future__ import annotations

import re
from binascii import crc32
from collections.abc import Sequence

NAME = "diodeq-bench"
VERSION = 1
SEQUENCES = 1 << 16
"""Sequence numbers begin again at 0 after so many."""
LINE = 4096
"""Bytes of the longest line that the twin takes; a microcontroller says its own."""
ROWS = 32
"""Samples that the twin reads at one command; a microcontroller says its own."""
SHORTEST = 64
LARGEST = 1 << 62
"""What a number is at most."""
NAK = "?"
"""Stands for the sequence number where it could not be read."""

_LINE = re.compile(rb"([\x20-\x29\x2b-\x7e]*)\*([0-9a-f]{8})\r?")
_NUMBER = re.compile(r"-?[0-9]{1,19}")


def framed(text: str) -> bytes:
    """``text`` as a line."""
    content = text.encode("ascii", "replace").replace(b"*", b"?")
    return b"%s*%08x\n" % (content, crc32(content))


def unframed(line: bytes) -> str | None:
    """What a line without its end says; None where it is damaged."""
    found = _LINE.fullmatch(line)
    if found is None or int(found[2], 16) != crc32(found[1]):
        return None
    return found[1].decode("ascii")


def whole(words: Sequence[str]) -> list[int] | None:
    """The whole numbers that all of ``words`` are, or None; none is larger than ``LARGEST``."""
    if not all(map(_NUMBER.fullmatch, words)):
        return None
    found = [int(word) for word in words]
    return found if all(abs(number) <= LARGEST for number in found) else None


def packed(head: str, codes: Sequence[int], limit: int) -> tuple[str, int]:
    """``head`` and as many of ``codes`` as fit into a line of ``limit`` bytes, and how many those are."""
    room = limit - 10 - len(head)  # the checksum and the line feed
    words: list[str] = []
    for code in codes:
        word = f" {code}"
        if len(word) > room:
            break
        room -= len(word)
        words.append(word)
    return head + "".join(words), len(words)
