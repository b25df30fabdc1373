"""A circuit as a board that can be ordered: a KiCad project, placed and routed by construction."""

from diodeq.board.build import Built, build

__all__ = ["Built", "build"]
