"""Text to circuit: a SPICE deck drawn by hand, or written by diodeq, as a `Circuit`."""

from diodeq.netlist.reading.assemble import Imported, import_deck

__all__ = ["Imported", "import_deck"]
