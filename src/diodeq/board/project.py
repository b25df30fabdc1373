"""A KiCad project as files: schematic, board, settings, the libraries beside them, parts list."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from diodeq.board import pcb, schematic, solids
from diodeq.board.copper import CLEAR, DRILL, TRACK, VIA, Layout
from diodeq.board.parts import Part
from diodeq.board.symbols import LIBRARY


def project(
    name: str,
    title: str,
    parts: Sequence[Part],
    layout: Layout,
    notes: Sequence[str],
    directives: Sequence[str],
) -> dict[str, str]:
    """The files of a project by their names in its folder."""
    return {
        f"{name}.kicad_pro": settings(name),
        **schematic.schematics(name, title, parts, notes, directives),
        f"{name}.kicad_pcb": pcb.board(name, title, layout, parts),
        f"{name}-parts.csv": parts_list(parts),
        **libraries(parts),
    }


def libraries(parts: Sequence[Part]) -> dict[str, str]:
    """The symbols, footprints and models of parts, as files beside a project that names them."""
    packages = {part.footprint: part.package for part in parts if part.footprint}
    return {
        f"{LIBRARY}.kicad_sym": schematic.library(parts),
        **{f"{LIBRARY}.pretty/{key}.kicad_mod": pcb.footprint(found) for key, found in packages.items()},
        **{f"{LIBRARY}.3d/{key}.wrl": solids.solid(found) for key, found in packages.items() if found.height},
        "sym-lib-table": _table("sym_lib_table", f"{LIBRARY}.kicad_sym"),
        "fp-lib-table": _table("fp_lib_table", f"{LIBRARY}.pretty"),
    }


def _table(kind: str, file: str) -> str:
    return (
        f'({kind}\n (version 7)\n (lib (name "{LIBRARY}") (type "KiCad") (uri "${{KIPRJMOD}}/{file}") (options "")'
        f' (descr "drawn for this project"))\n)\n'
    )


def settings(name: str) -> str:
    """The project's file: the rules that the board keeps."""
    rules = {
        "min_clearance": CLEAR / 1000,
        "min_track_width": TRACK / 1000,
        "min_via_diameter": VIA / 1000,
        "min_through_hole_diameter": DRILL / 1000,
        "min_via_annular_width": (VIA - DRILL) / 2000,
        "min_copper_edge_clearance": 0.5,
        "min_hole_to_hole": 0.25,
        "min_text_height": 0.8,
        "min_text_thickness": 0.12,
    }
    netclass = {
        "name": "Default",
        "clearance": CLEAR / 1000,
        "track_width": TRACK / 1000,
        "via_diameter": VIA / 1000,
        "via_drill": DRILL / 1000,
        "bus_width": 12,
        "wire_width": 6,
        "line_style": 0,
        "diff_pair_gap": 0.25,
        "diff_pair_width": 0.2,
        "diff_pair_via_gap": 0.25,
        "microvia_diameter": 0.3,
        "microvia_drill": 0.1,
        "pcb_color": "rgba(0, 0, 0, 0.000)",
        "schematic_color": "rgba(0, 0, 0, 0.000)",
    }
    document = {
        "board": {"design_settings": {"rules": rules}},
        "meta": {"filename": f"{name}.kicad_pro", "version": 1},
        "net_settings": {"classes": [netclass], "meta": {"version": 3}},
        "schematic": {"meta": {"version": 1}},
    }
    return json.dumps(document, indent=1) + "\n"


def parts_list(parts: Sequence[Part]) -> str:
    """What to buy as comma-separated text: references, value, footprint, manufacturer's number, count."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for part in parts:
        if part.footprint and part.kind:
            groups.setdefault((part.value, part.kind, part.footprint, part.number), []).append(part.reference)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("reference", "value", "part", "footprint", "number", "count"))
    for (value, kind, footprint, number), references in groups.items():
        writer.writerow((" ".join(references), value, kind, footprint, number, len(references)))
    return text.getvalue()
