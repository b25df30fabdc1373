"""Quantities as a reader wants them: three digits and an SI prefix."""

from __future__ import annotations

from matplotlib.ticker import EngFormatter


def quantity(value: float, unit: str) -> str:
    """Such as ``12.3 µS``."""
    return EngFormatter(unit=unit, sep="\N{NO-BREAK SPACE}")(float(f"{value:.3g}"))
