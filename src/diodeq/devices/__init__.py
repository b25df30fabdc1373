"""The parts: what a diode is, which diodes are known, their I-V law, and the activation each one induces.

``catalogue.get(name)`` finds a `Model`, ``one_ports.one(model)`` makes its law, ``activation.activation(law, x, r)``
says what it does to a node. Families of models live in rooms of their own, ``diode``, ``curve`` and ``composite``;
``vendor`` reads files, ``hardware`` holds values, limits and spreads. A circuit's nonlinear parts are `OnePorts`,
whatever family their models are of: ``one_ports.one_ports(models, which, temperature)``.
"""

from diodeq.devices.diode.law import Law
from diodeq.devices.diode.model import DiodeModel
from diodeq.devices.protocol import Model, OnePorts

__all__ = ["DiodeModel", "Law", "Model", "OnePorts"]
