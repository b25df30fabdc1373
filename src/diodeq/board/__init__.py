"""A circuit as a board that can be ordered: a KiCad project, placed and routed by construction."""
