"""The parts: what a diode is, which diodes are known, their I-V law, and the activation each one induces.

``catalogue.get(name)`` finds a `DiodeModel`, ``law.law(model)`` makes its `Law`, ``activation.activation(law, x, r)``
says what it does to a node.
"""

from diodeq.devices.law import Law
from diodeq.devices.model import DiodeModel

__all__ = ["DiodeModel", "Law"]
