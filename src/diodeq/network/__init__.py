"""Networks: the mathematics a circuit is compiled from, and the files their weights come in."""

from diodeq.network.activations import ACTIVATIONS, Activation
from diodeq.network.certificate import Certificate, StageCertificate, certify_network
from diodeq.network.gradient import NetworkGradient, StageGradient, loss_gradient
from diodeq.network.network import Network, Stage
from diodeq.network.solve import Solution, solve

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Certificate",
    "Network",
    "NetworkGradient",
    "Solution",
    "Stage",
    "StageCertificate",
    "StageGradient",
    "certify_network",
    "loss_gradient",
    "solve",
]
