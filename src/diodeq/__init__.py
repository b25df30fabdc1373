"""Neural networks as resistor-diode circuits: compiled, simulated in ngspice, trained in circuit."""

__version__ = "0.1.0"
