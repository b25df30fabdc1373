"""diodeq compiles neural-network weights into resistor-diode circuits, simulates them in ngspice and trains them in circuit."""

__version__ = "0.1.0"
