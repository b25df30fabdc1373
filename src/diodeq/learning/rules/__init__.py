"""Learning rules: how the gradient of the loss with respect to every trainable conductance is found."""

from diodeq.learning.rules.base import Gradient, Rule
from diodeq.learning.rules.finite_difference import finite_difference
from diodeq.learning.rules.hardware_linearization import hardware_linearization

RULES: dict[str, Rule] = {
    "hardware-linearization": hardware_linearization,
    "finite-difference": finite_difference,
}

__all__ = ["RULES", "Gradient", "Rule", "finite_difference", "hardware_linearization"]
