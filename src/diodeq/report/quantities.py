"""Quantities on pages and in pictures: unit and number stay on one line."""

from __future__ import annotations

from diodeq import printable


def quantity(value: float, unit: str) -> str:
    """Such as ``12.3 µS``."""
    return printable.quantity(value, unit).replace(" ", "\N{NO-BREAK SPACE}")
