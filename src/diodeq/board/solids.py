"""What parts look like in three dimensions: boxes in VRML, whose unit is a tenth of an inch."""

from __future__ import annotations

from collections.abc import Iterator

from diodeq.board.packages import Box, Package

_UNIT = 2540.0
_BLACK, _WHITE, _METAL, _GOLD = (0.08, 0.08, 0.09), (0.9, 0.9, 0.88), (0.75, 0.75, 0.75), (0.85, 0.7, 0.25)


def solid(package: Package) -> str:
    """A package's model as a file."""
    shapes = "\n".join(_box(box, low, high, colour) for box, low, high, colour in _boxes(package))
    return f"#VRML V2.0 utf8\n{shapes}\n"


def _boxes(package: Package) -> Iterator[tuple[Box, int, int, tuple[float, float, float]]]:
    x0, y0, x1, y1 = package.body
    if package.name.startswith("Header"):
        yield package.body, 0, 2500, _BLACK
        for pad in package.pads:
            yield (pad.x - 320, pad.y - 320, pad.x + 320, pad.y + 320), -3000, package.height, _GOLD
        return
    if package.name[0] in "RC":
        end = (y1 - y0) // 5
        yield (x0, y0 + end, x1, y1 - end), 0, package.height, _BLACK if package.name[0] == "R" else (0.6, 0.45, 0.3)
        for low, high in ((y0, y0 + end), (y1 - end, y1)):
            yield (x0, low, x1, high), 0, package.height, _METAL
        return
    yield package.body, 100, package.height, _BLACK
    for pad in package.pads:
        half = min(pad.width, pad.height, 600) // 2
        if abs(pad.x) > abs(pad.y) and abs(pad.x) > x1:
            yield (
                (
                    min(pad.x, x1 if pad.x > 0 else pad.x),
                    pad.y - half,
                    max(pad.x, x0 if pad.x < 0 else pad.x),
                    pad.y + half,
                ),
                0,
                250,
                _METAL,
            )
        else:
            yield (pad.x - half, min(pad.y, y1), pad.x + half, max(pad.y, y0)), 0, 250, _METAL
    if package.name == "SOD-123":
        yield (x0, y0 + 200, x1, y0 + 550), package.height, package.height + 20, _WHITE
    if "SOIC" in package.name:
        yield (x0 + 300, y0 + 300, x0 + 800, y0 + 800), package.height, package.height + 20, _WHITE


def _box(box: Box, low: int, high: int, colour: tuple[float, float, float]) -> str:
    """A box on the board; y is downward there and upward here."""
    x, y, z = (box[0] + box[2]) / 2, -(box[1] + box[3]) / 2, (low + high) / 2
    sides = box[2] - box[0], box[3] - box[1], high - low
    place, size = (" ".join(f"{value / _UNIT:.5g}" for value in values) for values in ((x, y, z), sides))
    red, green, blue = colour
    return (
        f"Transform {{ translation {place} children [ Shape {{\n"
        f" appearance Appearance {{ material Material {{ diffuseColor {red} {green} {blue} }} }}\n"
        f" geometry Box {{ size {size} }} }} ] }}"
    )
