"""From weights or a topology to a circuit, one file per realization."""

from diodeq.synthesis.assembly import Assembly
from diodeq.synthesis.cascade import REALIZATIONS
from diodeq.synthesis.compile import Compiled, compile_network
from diodeq.synthesis.layered import layered

__all__ = ["REALIZATIONS", "Assembly", "Compiled", "compile_network", "layered"]
