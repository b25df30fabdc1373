"""Composites: two pins with diodes, resistors and constant sources between them, as one device."""
