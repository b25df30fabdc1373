"""SPICE text as data: numbered lines, numbers with suffixes, constant expressions. Nothing in it is ever executed.

Written here because no library fits: PySpice's parser opens the files a deck includes and evaluates no parameters;
spicelib edits decks without reading them; neither keeps line numbers or bounds what it reads.
"""

from diodeq.spice.expressions import Scope
from diodeq.spice.text import LogicalLine, SpiceText, read, tokens

__all__ = ["LogicalLine", "Scope", "SpiceText", "read", "tokens"]
