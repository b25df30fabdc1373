"""The network that a circuit is."""

from __future__ import annotations

from dataclasses import dataclass

from diodeq.analysis.certificate import doubt
from diodeq.analysis.extract import Kernel, kernel_of
from diodeq.api.things import demand_circuit
from diodeq.circuit import Circuit
from diodeq.network import Network


@dataclass(frozen=True, eq=False)
class Extracted:
    """The ``network`` that a circuit is, W = I - ``alpha`` H in ohms, the ``kernel`` of H that it was made of, and why
    there may be ``several`` operating points, None where there is one for every input."""

    network: Network
    kernel: Kernel
    alpha: float
    several: str | None


def extract(circuit: Circuit, alpha: float | None = None) -> Extracted:
    """The equilibrium network z = σ(W z + U u + b) that a circuit is, whatever it is made of.

    Each one-port is a unit, and its own law the activation; inputs and outputs are in the circuit's units. ``alpha`` is
    the step in ohms, chosen unless given.

    Raises:
        InputError: the circuit is too large for dense algebra or has no such description, or alpha is not positive.

    Example:
        >>> import diodeq
        >>> circuit = diodeq.layered((2, 3, 2))
        >>> network = diodeq.extract(circuit).network
        >>> verification = diodeq.verify(circuit, network, [[1.0, -1.0]])
        >>> bool(abs(verification.levels["device"][-1] - verification.levels["network"][-1]).max() < 1e-6)
        True
    """
    demand_circuit(circuit)
    kernel = kernel_of(circuit)
    return Extracted(kernel.network(alpha), kernel, alpha or kernel.step, doubt(circuit))
