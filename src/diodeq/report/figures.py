"""How every picture is drawn: one style, files that are the same bytes each time.

An SVG file has nothing behind it and is right on white and on dark pages, a PNG or PDF is white. Inside an HTML page a
picture takes the page's colours instead (``inline``).
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, MaxNLocator, NullFormatter

from diodeq.circuit.schematic.pen import follow_page
from diodeq.errors import UsageError
from diodeq.printable import drawn, printable

BLUE, RED, GREY, GREEN = "#1f6f8b", "#b0413e", "#7a7a7a", "#4f7f3a"

# Letters of one text in a picture, and of a name at an axis.
LONGEST, LONGEST_NAME = 200, 24

# For writing on top of a filled area: the colour of the page behind the picture.
PAPER = "#fefefe"

# What a page's style sheet has to define.
_VARIABLES = {
    BLUE: "var(--blue)",
    RED: "var(--red)",
    GREY: "var(--grey)",
    PAPER: "var(--paper)",
    "#b0b0b0": "var(--grey)",
    "#000000": "currentColor",
}

# Metadata that would differ from one drawing to the next, per format.
_UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


class Powers(LogFormatterSciNotation):
    """Powers of ten as text, 10⁻³, for which matplotlib needs no fonts of formulas: it looks for all of them, and says
    on stderr which a system has not."""

    def __call__(self, x: float, pos: Any = None) -> str:
        """The label of a tick."""
        text = super().__call__(x, pos).replace(r"\mathdefault", "").replace(r"\times", "×")
        text = re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(_RAISED), text)
        return text.translate({ord(letter): None for letter in "${}"})


_RAISED = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@contextmanager
def style() -> Iterator[None]:
    """Draw within this: small type, and ids in SVG files that repeat."""
    with rc_context({"svg.hashsalt": "diodeq", "font.size": 9.0}):
        yield


def tidy(axes: Axes) -> None:
    """A faint grid and no box."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis, whose ends are final, as people write numbers: 0.05 and 2,000, not powers of ten.

    An axis from 0 (``symlog``) has counts: beside 0 only whole numbers.
    """
    low, high = axis.get_view_interval()
    least = low if low > 0 else 1.0
    powers = 10.0 ** np.arange(np.floor(np.log10(least)), np.log10(max(high, least)) + 1)
    steps = (1.0, 2.0, 5.0) if high <= 1e3 * least else (1.0,)
    ticks = [tick for tick in (0.0, *(power * step for power in powers for step in steps)) if low <= tick <= high]
    if len(ticks) > 1:
        axis.set_ticks(ticks)
    else:
        axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def label(text: str) -> str:
    """A name for the ticks of an axis: short, and a dollar is a dollar."""
    text = printable(text)
    return (text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…").replace("$", r"\$")


def demand_drawable(path: Path) -> str:
    """The format ``path`` ends in; raises ``UsageError`` for one that cannot be drawn, before anything slow is done."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in _UNDATED:
        raise UsageError(f"{path} is not a picture diodeq can draw", f"end the name in {', '.join(_UNDATED)}")
    return suffix


def render(figure: Figure, path: Path) -> bytes:
    """The figure in the format ``path`` ends in (.svg, .png, .pdf); raises ``UsageError`` for another."""
    suffix = demand_drawable(path)
    buffer = io.BytesIO()
    behind: dict[str, Any] = {"transparent": True} if suffix == "svg" else {"facecolor": "white"}
    with _saving(figure):
        figure.savefig(buffer, format=suffix, dpi=160, metadata=_UNDATED[suffix], **behind)
    return _for_any_page(buffer.getvalue().decode()).encode() if suffix == "svg" else buffer.getvalue()


def _for_any_page(svg: str) -> str:
    """Black becomes the ink of the page; what hides what is behind it, as legends do, no longer does."""
    return follow_page(svg.replace("#ffffff", "none"), "#000000").replace("<svg", '<svg fill="currentColor"', 1)


@contextmanager
def _saving(figure: Figure) -> Iterator[None]:
    """Save within this: no text but that of ticks, which are numbers or a ``label``, is mathematics or has no end."""
    for axis in (each for axes in figure.axes for each in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
            axis.set_major_formatter(Powers())
        if isinstance(axis.get_minor_formatter(), LogFormatterSciNotation):
            axis.set_minor_formatter(Powers())
    ticks = {id(text) for tick in figure.findobj(Tick) for text in (tick.label1, tick.label2)}
    for text in figure.findobj(Text):
        if id(text) not in ticks:
            said = printable(text.get_text(), keep="\n")
            text.set_text(said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…")
            text.set_parse_math(False)
    with style(), drawn():
        yield


def inline(figure: Figure, name: str, description: str) -> str:
    """The figure as an ``<svg>`` for an HTML page: the page's fonts and colours, nothing behind it.

    ``name`` keeps the ids of several pictures on one page apart; ``description`` is read aloud.
    """
    buffer = io.StringIO()
    with _saving(figure), rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    referenced = set(re.findall(r'(?:url\(|href=")#([\w-]+)', svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in referenced else "", svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    # Fonts and the size are the style sheet's.
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(description, quote=True)}"', 1)
