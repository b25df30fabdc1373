"""ngspice through PySpice's NgSpiceShared, in worker processes."""

from diodeq.simulators.ngspice.reference import NgspiceReference
from diodeq.simulators.ngspice.simulator import NgspiceSimulator

__all__ = ["NgspiceReference", "NgspiceSimulator"]
