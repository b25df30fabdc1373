"""From weights or a topology to a circuit, one file per realization."""

from diodeq.synthesis.layered import layered

__all__ = ["layered"]
