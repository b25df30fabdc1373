"""The circuit: one representation, its soundness, its folding and its adjoint."""

from diodeq.circuit.adjoint import linearize, transpose
from diodeq.circuit.bank import KINDS, Bank, bank
from diodeq.circuit.check import check
from diodeq.circuit.circuit import Circuit, Inputs, Units

__all__ = ["KINDS", "Bank", "Circuit", "Inputs", "Units", "bank", "check", "linearize", "transpose"]
