"""The copper of a board as an SVG picture, without KiCad: rows in red, columns in blue, parts as outlines."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from diodeq.board.copper import BACK, DRILL, FRONT, VIA, Layout
from diodeq.board.packages import Box
from diodeq.printable import printable

_COLOURS = {FRONT: "#b8352c", BACK: "#2f5fb3"}
_PAD, _HOLE, _SILK, _BOARD, _TEXT = "#c9a227", "#ffffff", "#e8e8e8", "#1d4d36", "#f4f4f4"


def picture(layout: Layout) -> str:
    """The board from above, in millimetres."""
    width, height = layout.size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm"'
            f' viewBox="0 0 {width:g} {height:g}" font-family="monospace">',
            f'<rect width="{width:g}" height="{height:g}" fill="{_BOARD}"/>',
            *_shapes(layout),
            "</svg>\n",
        ]
    )


def _shapes(layout: Layout) -> Iterator[str]:
    for layer in (BACK, FRONT):
        yield f'<g stroke="{_COLOURS[layer]}" stroke-linecap="round" stroke-opacity="0.85">'
        for track in layout.tracks:
            if track.layer == layer:
                ends = " ".join(
                    f'{key}="{value / 1000:g}"'
                    for key, value in (("x1", track.x0), ("y1", track.y0), ("x2", track.x1), ("y2", track.y1))
                )
                yield f'<line {ends} stroke-width="{track.width / 1000:g}"/>'
        yield "</g>"
    for placed in layout.placed:
        yield _rect(placed.box(placed.part.package.body), f'fill="none" stroke="{_SILK}" stroke-width="0.1"')
        for _, _, box, _ in placed.pads():
            yield _rect(box, f'fill="{_PAD}"')
    for via in layout.vias:
        place = f'cx="{via.x / 1000:g}" cy="{via.y / 1000:g}"'
        yield f'<circle {place} r="{VIA / 2000:g}" fill="{_PAD}"/><circle {place} r="{DRILL / 2000:g}" fill="{_HOLE}"/>'
    for label in layout.labels:
        anchor = {"left": "start", "middle": "middle", "right": "end"}[label.side]
        x, y = label.x / 1000, label.y / 1000
        yield (
            f'<text x="{x:g}" y="{y:g}" font-size="{label.size / 1000:g}" fill="{_TEXT}" text-anchor="{anchor}"'
            f' dominant-baseline="middle" transform="rotate({-label.turn} {x:g} {y:g})">'
            f"{escape(printable(label.text))}</text>"
        )


def _rect(box: Box, how: str) -> str:
    x0, y0, x1, y1 = (value / 1000 for value in box)
    return f'<rect x="{x0:g}" y="{y0:g}" width="{x1 - x0:g}" height="{y1 - y0:g}" {how}/>'
