"""Schemdraw as a pen: real symbols at given places, in a colour that follows the page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal
from xml.sax.saxutils import escape

Point = tuple[float, float]
Align = Literal["left", "center", "right"]

# Schemdraw knows no "currentColor"; this stands for it until the file is written.
INK = "#010203"
LINE = 0.36
NODE, VALUE, OUTPUT = "#2f7ed8", "#7d8590", "#c2571a"

_STYLE = """<style>
.diodeq-schematic { color: #1f2328; }
@media (prefers-color-scheme: dark) { .diodeq-schematic { color: #e6edf3; } }
</style>"""


def follow_page(svg: str, ink: str = INK) -> str:
    """An SVG file whose ``ink`` is dark on a white page and light on a dark one; its background stays transparent."""
    svg = re.sub(f"(?i){ink}", "currentColor", svg[svg.index("<svg") :]).replace("fill:white", "fill:none")
    head, rest = svg.split(">", 1)
    return f'{head} class="diodeq-schematic">{_STYLE}{rest}'


def printable(text: str) -> str:
    """The text without what cannot stand in an SVG file, or would begin a formula."""
    return "".join(letter if letter.isprintable() and letter != "$" else " " for letter in text)


class SchematicPen:
    """Draws on one sheet; x to the right, y upward, in units of a resistor's zigzag."""

    def __init__(self) -> None:
        import schemdraw
        from schemdraw import elements

        self._elements: Any = elements
        self._sheet = schemdraw.Drawing(canvas="svg", show=False, transparent=True)
        self._reach: list[Point] = []
        self._sheet.config(unit=2, inches_per_unit=0.33, fontsize=8, color=INK, lw=1.0, margin=0.4)

    def part(self, symbol: str, start: Point, end: Point) -> None:
        """A two-terminal part, one of schemdraw's symbols (Resistor, Diode, SourceV, SourceI), from start to end."""
        self._sheet.add(getattr(self._elements, symbol)().endpoints(start, end))

    def wire(self, *corners: Point, color: str = NODE) -> None:
        """A line through points, by default a net's."""
        for start, end in pairwise(corners):
            self._sheet.add(self._elements.Line(color=color, lw=1.4).at(start).to(end))

    def dot(self, at: Point, hollow: bool = False) -> None:
        """A joint, or (hollow) a terminal."""
        self._sheet.add(self._elements.Dot(open=hollow, radius=0.075, color=NODE).at(at).theta(0))

    def ground(self, at: Point) -> None:
        """The ground symbol below a point."""
        self._sheet.add(self._elements.Ground().at(at).theta(0).scale(0.7))

    def say(
        self,
        text: str | tuple[str, ...],
        at: Point,
        color: str = INK,
        align: Literal["left", "center", "right"] = "left",
        size: float = 8,
    ) -> None:
        """Text beside (left, right) or centred on a point; lines of it stand around that height."""
        if isinstance(text, tuple):
            for number, line in enumerate(text):
                self.say(line, (at[0], at[1] + LINE * ((len(text) - 1) / 2 - number)), color, align, size)
            return
        text = escape(printable(text))  # schemdraw takes its text for XML
        label = self._elements.Label(color=color).at(at).theta(0)
        self._sheet.add(label.label(text, loc="center", halign=align, valign="center", ofst=0, fontsize=size))
        # Schemdraw leaves labels out of account when it sizes the sheet.
        wide = 0.0235 * size * len(text)
        left = at[0] - {"left": 0.0, "center": 0.5, "right": 1.0}[align] * wide
        self._reach += [(left, at[1] - 0.25), (left + wide, at[1] + 0.25)]

    def box(self, corner: Point, opposite: Point) -> None:
        """A frame."""
        (x0, y0), (x1, y1) = corner, opposite
        self.wire((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0), color=INK)

    def svg(self) -> str:
        """The sheet as an SVG file."""
        if self._reach:
            xs, ys = zip(*self._reach, strict=True)
            self._sheet.add(self._elements.Gap().endpoints((min(xs), min(ys)), (max(xs), max(ys))))
        with _plain_text():
            return follow_page(self._sheet.get_imagedata("svg").decode())


@contextmanager
def _plain_text() -> Iterator[None]:
    """Text as text: the same file whether or not schemdraw's optional typesetter is installed."""
    from schemdraw import svgconfig

    before = svgconfig.text
    svgconfig.text = "text"
    try:
        yield
    finally:
        svgconfig.text = before


def si(value: float, unit: str = "") -> str:
    """Three digits and an SI prefix."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".strip()
    power = min(max(math.floor(math.log10(abs(value) * (1 + 1e-12)) / 3), -5), 4)
    text = f"{value / 10.0 ** (3 * power):.3g}".replace("-", "−")
    return f"{text} {'fpnµm kMGT'[power + 5].strip()}{unit}".strip()
