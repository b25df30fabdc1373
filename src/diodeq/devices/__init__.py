"""The parts: what a diode is, which diodes are known, their I-V law, and the activation each one induces.

``catalogue.get(name)`` finds a `DiodeModel`, ``law.law(model)`` makes its `Law`, ``activation.activation(law, x, r)``
says what it does to a node. A circuit's nonlinear parts are `OnePorts`, whatever family their models are of:
``one_ports.one_ports(models, which, temperature)``.
"""

from diodeq.devices.law import Law
from diodeq.devices.model import DiodeModel
from diodeq.devices.one_ports import Model, OnePorts

__all__ = ["DiodeModel", "Law", "Model", "OnePorts"]
