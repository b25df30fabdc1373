"""Circuits in PyTorch: a module that settles a circuit forward and runs hardware linearization backward, and one that
finds the equilibrium of a network, such as that extracted from a circuit, and differentiates it implicitly.

Needs the extra ``torch``. Nothing else of diodeq imports this module.
"""

# PyTorch is not installed wherever types are checked; its classes are then of unknown type.
# mypy: disable-error-code="import-not-found, misc, no-untyped-call, untyped-decorator, no-any-return"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diodeq.circuit import Circuit
from diodeq.circuit.products import branch_products
from diodeq.errors import InputError
from diodeq.learning.drives import drive_gradients
from diodeq.network import Network, Stage, loss_gradient, solve
from diodeq.printable import counted
from diodeq.simulators import create
from diodeq.simulators.base import Simulator

Floats = NDArray[np.float64]


class CircuitLayer(torch.nn.Module):
    """A circuit as a layer: input volts [..., n_in] to output volts [..., n_out], exactly differentiable.

    The only parameter is ``log_conductances`` float64[n_trainable], natural logarithms of siemens, so every value stays
    positive. Gradients of the conductances and of the inputs come from the circuit's adjoint (hardware linearization;
    the currents of the adjoint's shorted sources are the gradient of the inputs). The engine computes in float64 on the
    CPU; results have the type and device of the inputs.

    Args:
        circuit: with at least one trainable resistor.
        simulator: "wave", "ngspice" or an engine, which the caller then closes.

    Raises:
        InputError: no resistor is trainable. The engine's errors come from ``forward`` and from ``backward``.
    """

    def __init__(self, circuit: Circuit, simulator: str | Simulator = "wave") -> None:
        super().__init__()
        if not circuit.mask.any():
            raise InputError(f"circuit {circuit.title!r} has no trainable resistor", "mark some as trainable")
        self._start = circuit
        self._simulator = create(simulator) if isinstance(simulator, str) else simulator
        self.log_conductances = torch.nn.Parameter(torch.from_numpy(np.log(circuit.conductances[circuit.mask])))

    def forward(self, volts: torch.Tensor) -> torch.Tensor:
        """Output volts [..., n_out] for input volts [..., n_in]."""
        flat = volts.reshape(-1, volts.shape[-1])
        outputs: torch.Tensor = _Settle.apply(self, flat, self.log_conductances)
        return outputs.reshape(*volts.shape[:-1], outputs.shape[-1])

    @property
    def circuit(self) -> Circuit:
        """The circuit with the present conductances, to save, export or simulate."""
        conductances = np.array(self._start.conductances)
        conductances[self._start.mask] = np.exp(_array(self.log_conductances))
        return self._start.with_conductances(conductances)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self._start.title}, {counted(len(self.log_conductances), 'conductance')}, {self._simulator.name}"


class EquilibriumNetwork(torch.nn.Module):
    """A network as a module: inputs [..., n_in] to outputs [..., n_out], each stage at its equilibrium.

    Parameters are ``W0 U0 b0 W1 …`` float64, without W where a stage is feed-forward; activations stay as they are, the
    one-ports of an extracted network too. Forward by operator splitting, backward by the implicit function theorem
    (``network.solve``, ``network.gradient``), in float64 on the CPU; results have the type and device of the inputs.

    Raises:
        InputError: inputs of another shape. ``forward`` raises `SimulationError` where a stage has no equilibrium.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._activations = tuple(stage.activation for stage in network.stages)
        for name, weight in _named(network):
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(weight.copy())))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [..., n_out] for inputs [..., n_in]."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        outputs: torch.Tensor = _Equilibrium.apply(self, flat, *self.parameters())
        return outputs.reshape(*inputs.shape[:-1], outputs.shape[-1])

    @property
    def network(self) -> Network:
        """The network with the present weights, to save, certify or compile."""
        weights = {name: _array(weight) for name, weight in self.named_parameters()}
        return Network(
            tuple(
                Stage(weights[f"U{k}"], weights[f"b{k}"], weights.get(f"W{k}"), activation)
                for k, activation in enumerate(self._activations)
            )
        )


def _named(network: Network) -> Iterator[tuple[str, Floats]]:
    for k, stage in enumerate(network.stages):
        for name in ("W", "U", "b"):
            weight = getattr(stage, name)
            if weight is not None:
                yield f"{name}{k}", weight


class _Equilibrium(torch.autograd.Function):
    """Splitting forward, one linear system a sample backward."""

    @staticmethod
    def forward(ctx: Any, module: EquilibriumNetwork, inputs: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        ctx.network = module.network
        ctx.solution = solve(ctx.network, _array(inputs))
        ctx.like, ctx.weights = inputs, weights
        return torch.from_numpy(ctx.solution.outputs).to(inputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, back: torch.Tensor) -> tuple[Any, ...]:
        found = loss_gradient(ctx.network, ctx.solution, _array(back))
        pulled = [
            torch.from_numpy(getattr(found.stages[int(name[1:])], name[0])).to(like)
            for (name, _), like in zip(_named(ctx.network), ctx.weights, strict=True)
        ]
        return None, torch.from_numpy(found.x).to(ctx.like), *pulled


class _Settle(torch.autograd.Function):
    """Two settlings of the circuit: one forward, one back."""

    @staticmethod
    def forward(ctx: Any, layer: CircuitLayer, volts: torch.Tensor, logarithms: torch.Tensor) -> torch.Tensor:
        circuit = layer.circuit
        point = layer._simulator.operate(circuit, _array(volts))
        ctx.layer, ctx.point, ctx.like, ctx.kind = layer, point, volts, logarithms
        return torch.from_numpy(point.outputs).to(volts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor | None, torch.Tensor | None]:
        point, injections = ctx.point, _array(gradient)
        circuit = point.circuit
        adjoint = ctx.layer._simulator.small_signal(point, injections)
        volts = logarithms = None
        if ctx.needs_input_grad[1]:
            volts = torch.from_numpy(drive_gradients(point, adjoint, injections)).to(ctx.like)
        if ctx.needs_input_grad[2]:
            pulled = branch_products(circuit, point.node_voltages, adjoint.node_voltages)
            logarithms = torch.from_numpy(pulled * circuit.conductances[circuit.mask]).to(ctx.kind)
        return None, volts, logarithms


def _array(tensor: torch.Tensor) -> Floats:
    """A tensor as float64 in numpy."""
    return np.asarray(tensor.detach().to("cpu", torch.float64).numpy())
