"""The board's file: footprints with their nets, tracks, vias, outline and silkscreen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from diodeq.board.brackets import at, identifier, millimetres, quoted
from diodeq.board.copper import DRILL, VIA, Label, Layout, Placed
from diodeq.board.packages import Box, Package, Pad
from diodeq.board.parts import Part, nets
from diodeq.board.schematic import part_identifier, sheet_path
from diodeq.board.silk import SIZE, mark, marked, printed
from diodeq.board.symbols import LIBRARY

VERSION = "20240108"  # of KiCad 8, which 9 reads too
_LAYERS = (
    (0, "F.Cu", "signal"), (31, "B.Cu", "signal"), (34, "B.Paste", "user"), (35, "F.Paste", "user"),
    (36, "B.SilkS", "user"), (37, "F.SilkS", "user"), (38, "B.Mask", "user"), (39, "F.Mask", "user"),
    (44, "Edge.Cuts", "user"), (46, "B.CrtYd", "user"), (47, "F.CrtYd", "user"), (48, "B.Fab", "user"),
    (49, "F.Fab", "user"),
)  # fmt: skip
_COPPER = ("F.Cu", "B.Cu")


def board(name: str, title: str, layout: Layout, parts: Iterable[Part]) -> str:
    """The text of the file."""
    references = printed(layout)
    soldered = [part for part in parts if part.footprint]
    unused = [_open(part, pad.number) for part in soldered for pad in part.package.pads if _alone(part, pad)]
    numbers = {net: k for k, net in enumerate(["", *nets(soldered), *unused])}
    layers = " ".join(f'({number} "{layer}" {kind})' for number, layer, kind in _LAYERS)
    x0, y0, x1, y1 = layout.outline
    body = [
        f'(kicad_pcb (version {VERSION}) (generator "diodeq") (generator_version "1")',
        " (general (thickness 1.6) (legacy_teardrops no))",
        f' (paper "User" {millimetres(max(100_000, x1 + 40_000))} {millimetres(max(100_000, y1 + 40_000))})',
        f" (title_block (title {quoted(title)}))",
        f" (layers {layers})",
        " (setup (pad_to_mask_clearance 0.05) (allow_soldermask_bridges_in_footprints no))",
        *(f" (net {number} {quoted(net)})" for net, number in numbers.items()),
        *(_footprint(name, each, numbers, references.get(each.part.reference)) for each in layout.placed),
    ]
    for k, track in enumerate(layout.tracks):
        body.append(
            f" (segment (start {_xy(track.x0, track.y0)}) (end {_xy(track.x1, track.y1)})"
            f" (width {millimetres(track.width)}) (layer {quoted(_COPPER[track.layer])}) (net {numbers[track.net]})"
            f" (uuid {identifier(name, 'track', str(k))}))"
        )
    for k, via in enumerate(layout.vias):
        body.append(
            f" (via (at {_xy(via.x, via.y)}) (size {millimetres(VIA)}) (drill {millimetres(DRILL)})"
            f' (layers "F.Cu" "B.Cu") (net {numbers[via.net]}) (uuid {identifier(name, "via", str(k))}))'
        )
    for k, label in enumerate(layout.labels):
        justify = "" if label.side == "middle" else f" (justify {label.side})"
        body.append(
            f' (gr_text {quoted(label.text)} {at(label.x, label.y, label.turn)} (layer "F.SilkS")'
            f" (uuid {identifier(name, 'label', str(k))}) {_font(label.size, justify)})"
        )
    body.append(
        f" (gr_rect (start {_xy(x0, y0)}) (end {_xy(x1, y1)}) (stroke (width 0.1) (type default)) (fill none)"
        f' (layer "Edge.Cuts") (uuid {identifier(name, "outline")}))'
    )
    return "\n".join([*body, ")\n"])


def _alone(part: Part, pad: Pad) -> bool:
    """Whether a pin of the schematic is left open."""
    return bool(pad.number) and not dict(part.nets).get(pad.number)


def _open(part: Part, number: str) -> str:
    """What KiCad calls the net of a pin that is left open."""
    name = next(pin.name for pin in part.symbol.pins if pin.number == number)
    return f"unconnected-({part.reference}{f'-{name}' if name not in ('', number) else ''}-Pad{number})"


def _xy(x: int, y: int) -> str:
    return f"{millimetres(x)} {millimetres(y)}"


def _font(size: int, justify: str = "") -> str:
    tall = millimetres(size)
    return f"(effects (font (size {tall} {tall}) (thickness {millimetres(max(120, size * 15 // 100))})){justify})"


def _footprint(name: str, placed: Placed, numbers: dict[str, int], label: Label | None) -> str:
    part, package = placed.part, placed.part.package
    where = at(0, 0) if label is None else at(*placed.within(label.x, label.y), label.turn)
    layer = "F.Fab" if label is None else "F.SilkS"
    path = f"{sheet_path(name, part.sheet).split('/', 2)[2]}/{part_identifier(name, part)[1:-1]}"
    own = (name, "footprint", part.reference)
    lines = [
        f' (footprint {quoted(f"{LIBRARY}:{package.name}")} (layer "F.Cu") (uuid {identifier(*own)})'
        f" {at(placed.x, placed.y, placed.turn)}",
        f'  (property "Reference" {quoted(part.reference)} {where} (layer "{layer}")'
        f" (uuid {identifier(*own, 'reference')}) {_font(400 if label is None else SIZE)})",
        *(
            f'  (property "{key}" {quoted(value)} (at 0 0 {placed.turn}) (layer "F.Fab") (hide yes)'
            f" (uuid {identifier(*own, key)}) {_font(800)})"
            for key, value in (("Value", part.value), ("Footprint", ""), ("Datasheet", ""), ("Description", ""))
        ),
        f"  (path {quoted('/' + path)}) (sheetname {quoted('/' + part.sheet + '/')})"
        f" (sheetfile {quoted(f'{name}-{part.sheet}.kicad_sch')})",
        *_shapes(package, own, bool(part.kind)),
    ]
    joined = dict(part.nets)
    for k, pad in enumerate(package.pads):
        net = _open(part, pad.number) if _alone(part, pad) else joined.get(pad.number, "")
        said = f" (net {numbers[net]} {quoted(net)})" if net else ""
        lines.append(_pad(pad, placed.turn, said, identifier(*own, "pad", str(k))))
    return "\n".join(lines) + ")"


def footprint(package: Package) -> str:
    """A footprint as a file of the library beside the project."""
    own = ("library", package.name)
    lines = [
        f'(footprint {quoted(package.name)} (version 20240108) (generator "diodeq") (layer "F.Cu")'
        f" (descr {quoted(package.about)})",
        *(
            f'  (property "{key}" {quoted(value)} (at 0 0 0) (layer "F.Fab") (hide yes) (uuid {identifier(*own, key)})'
            f" {_font(800)})"
            for key, value in (
                ("Reference", "REF**"),
                ("Value", package.name),
                ("Footprint", ""),
                ("Datasheet", ""),
                ("Description", ""),
            )
        ),
        *_shapes(package, own, package.name[0] != "H" or "Header" in package.name),
        *(_pad(pad, 0, "", identifier(*own, "pad", str(k))) for k, pad in enumerate(package.pads)),
    ]
    return "\n".join(lines) + ")\n"


def _shapes(package: Package, own: tuple[str, ...], bought: bool) -> Iterator[str]:
    kind = "through_hole" if package.through else "smd"
    unlisted = "" if bought and package.name != "TestPoint" else " exclude_from_pos_files exclude_from_bom"
    yield f"  (attr {kind}{unlisted})"
    yield _rectangle(package.room, "F.CrtYd", 50, identifier(*own, "room"))
    yield _rectangle(package.body, "F.Fab", 100, identifier(*own, "body"))
    if marked(package):
        yield _mark(package, identifier(*own, "mark"))
    if package.height:
        yield (
            f'  (model "${{KIPRJMOD}}/{LIBRARY}.3d/{package.name}.wrl" (offset (xyz 0 0 0)) (scale (xyz 1 1 1))'
            " (rotate (xyz 0 0 0)))"
        )


def _mark(package: Package, identity: str) -> str:
    """A line at the first pin."""
    x0, y0, x1, y1 = mark(package)
    half = (y1 - y0) // 2
    return (
        f"  (fp_line (start {_xy(x0 + half, y0 + half)}) (end {_xy(x1 - half, y0 + half)})"
        f' (stroke (width 0.15) (type solid)) (layer "F.SilkS") (uuid {identity}))'
    )


def _rectangle(box: Box, layer: str, width: int, identity: str) -> str:
    return (
        f"  (fp_rect (start {_xy(box[0], box[1])}) (end {_xy(box[2], box[3])})"
        f' (stroke (width {millimetres(width)}) (type solid)) (fill none) (layer "{layer}") (uuid {identity}))'
    )


def _pad(pad: Pad, turn: int, net: str, identity: str) -> str:
    place, size = at(pad.x, pad.y, turn), f"(size {millimetres(pad.width)} {millimetres(pad.height)})"
    if not pad.drill:
        return (
            f'  (pad {quoted(pad.number)} smd roundrect {place} {size} (layers "F.Cu" "F.Paste" "F.Mask")'
            f" (roundrect_rratio 0.2){net} (uuid {identity}))"
        )
    shape = "circle" if pad.round else "rect"
    kind = "thru_hole" if pad.width > pad.drill else "np_thru_hole"
    layers = '(layers "*.Cu" "*.Mask") (remove_unused_layers no)' if kind == "thru_hole" else '(layers "*.Cu" "*.Mask")'
    return (
        f"  (pad {quoted(pad.number)} {kind} {shape} {place} {size} (drill {millimetres(pad.drill)}) {layers}{net}"
        f" (uuid {identity}))"
    )
