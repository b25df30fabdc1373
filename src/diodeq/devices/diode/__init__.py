"""Diodes: the parameters of a SPICE card, and the law that ngspice makes of them at a temperature."""
