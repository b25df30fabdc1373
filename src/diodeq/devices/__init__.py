"""The parts: what a diode is, which diodes are known, their I-V law, and the activation each one induces."""

from diodeq.devices.model import DiodeModel

__all__ = ["DiodeModel"]
