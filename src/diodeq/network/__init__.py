"""Networks: the mathematics a circuit is compiled from, and the files their weights come in."""

from diodeq.network.activations import ACTIVATIONS, Activation
from diodeq.network.certificate import Certificate, StageCertificate, certify
from diodeq.network.gradient import NetworkGradient, StageGradient, gradient
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
    "certify",
    "gradient",
    "solve",
]
