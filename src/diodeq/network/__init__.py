"""Networks: the mathematics a circuit is compiled from, and the files their weights come in."""

from diodeq.network.activations import ACTIVATIONS, Activation
from diodeq.network.network import Network, Stage

__all__ = ["ACTIVATIONS", "Activation", "Network", "Stage"]
