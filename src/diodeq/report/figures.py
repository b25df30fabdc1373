"""How every picture is drawn: one style, files that are the same bytes each time, white behind them on any page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diodeq.errors import UsageError

BLUE, RED, GREY = "#1f6f8b", "#b0413e", "#7a7a7a"

# Metadata that would differ from one drawing to the next, per format.
_UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


@contextmanager
def style() -> Iterator[None]:
    """Draw within this: small type, and ids in SVG files that repeat."""
    with rc_context({"svg.hashsalt": "diodeq", "font.size": 9.0}):
        yield


def tidy(axes: Axes) -> None:
    """A faint grid and no box."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def render(figure: Figure, path: Path) -> bytes:
    """The figure in the format ``path`` ends in (.svg, .png, .pdf); raises ``UsageError`` for another."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in _UNDATED:
        raise UsageError(f"{path} is not a picture diodeq can draw", f"end the name in {', '.join(_UNDATED)}")
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=suffix, dpi=160, facecolor="white", metadata=_UNDATED[suffix])
    return buffer.getvalue()
