"""The circuit: one representation, its soundness, its folding, its equations and its adjoint."""

from diodeq.circuit.adjoint import linearize, transpose
from diodeq.circuit.bank import Bank, bank
from diodeq.circuit.check import check
from diodeq.circuit.circuit import Circuit
from diodeq.circuit.inputs import Inputs, Units
from diodeq.circuit.kinds import KINDS

__all__ = ["KINDS", "Bank", "Circuit", "Inputs", "Units", "bank", "check", "linearize", "transpose"]
