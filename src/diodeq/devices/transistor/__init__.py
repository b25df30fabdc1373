"""Transistors with two pins: a MOSFET or a bipolar one tied as a diode, a junction FET as a current limiter."""
