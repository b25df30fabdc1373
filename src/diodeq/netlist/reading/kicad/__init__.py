"""A KiCad schematic (.kicad_sch, versions 6 to 9) as the SPICE deck that KiCad makes of it.

What KiCad does was found out by asking it: ``kicad-cli sch export netlist --format spice`` (9.0.2) on small drawings,
one a question. Written here because no library fits: those that read these files edit them, without finding the nets,
and follow brackets as deep as a stranger likes.
"""

from diodeq.netlist.reading.kicad.deck import is_kicad, kicad_deck

__all__ = ["is_kicad", "kicad_deck"]
