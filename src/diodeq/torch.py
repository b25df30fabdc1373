"""Circuits in PyTorch: a module that settles a circuit forward and runs hardware linearization backward.

Needs the extra ``torch``. Nothing else of diodeq imports this module.
"""

# PyTorch is not installed wherever types are checked; its classes are then of unknown type.
# mypy: disable-error-code="import-not-found, misc, no-untyped-call, untyped-decorator, no-any-return"

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from diodeq.circuit import Circuit, transpose

from diodeq.circuit.products import branch_products
from diodeq.errors import InputError
from diodeq.simulators import create
from diodeq.simulators.base import AdjointSolution, OperatingPoint, Simulator

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
        return f"{self._start.title}, {len(self.log_conductances)} conductances, {self._simulator.name}"


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


def drive_gradients(point: OperatingPoint, adjoint: AdjointSolution, injections: Floats) -> Floats:
    """dℓ/d(input) float64[B, n_in] of each sample, for ``injections`` float64[B, n_out] = dℓ/d(output).

    The gradient of a voltage source is the current into its + terminal in the adjoint circuit, where it is a short;
    that of a current source is the adjoint voltage from - to + (Director and Rohrer 1969).
    """
    circuit = point.circuit
    through = _short_currents(circuit, point, adjoint, circuit.output_injections(injections))
    ends = circuit.current_sources.terminals
    across = adjoint.node_voltages[:, ends[:, 1]] - adjoint.node_voltages[:, ends[:, 0]]
    driven, sources = circuit.inputs, np.concatenate([through, across], axis=1)
    gains = sparse.csr_array((driven.gain, (driven.source, driven.column)), shape=(sources.shape[1], len(driven)))
    return np.asarray((gains.T @ sources.T).T)


def _short_currents(circuit: Circuit, point: OperatingPoint, adjoint: AdjointSolution, injected: Floats) -> Floats:
    """Currents of the adjoint's shorted voltage sources float64[B, n]: what Kirchhoff's law leaves for them."""
    reverse, volts = transpose(circuit), adjoint.node_voltages
    joints = incidence(reverse, "resistors")
    leaving = (joints @ sparse.diags_array(circuit.conductances) @ joints.T) @ volts.T - injected.T
    diodes = incidence(reverse, "diodes")
    leaving += diodes @ (point.diode_conductances.T * (diodes.T @ volts.T))
    for kind in branch_kinds(reverse):
        if kind != "voltage_sources":
            leaving += incidence(reverse, kind, BRANCHES[kind]) @ adjoint.branch_currents[kind].T
    for kind, follower, sign in (("transformers", (2, 3), -1.0), ("mirrors", (0, 1), 1.0)):
        if len(reverse.bank(kind)):
            values = sign * reverse.bank(kind).values[:, None]
            leaving += incidence(reverse, kind, follower) @ (values * adjoint.branch_currents[kind].T)
    if len(reverse.gyrators):
        first, second = incidence(reverse, "gyrators", (0, 1)), incidence(reverse, "gyrators", (2, 3))
        g = reverse.gyrators.values[:, None]
        leaving += first @ (g * (second.T @ volts.T)) - second @ (g * (first.T @ volts.T))
    # Sources form a forest, so their currents are the unique solution of the balance at the nodes but ground.
    shorts = sparse.csr_array(incidence(reverse, "voltage_sources")[1:])
    if not shorts.shape[1]:
        return np.zeros((len(volts), 0))
    normal = linalg.splu(sparse.csc_matrix(shorts.T @ shorts))
    return np.asarray(normal.solve(np.ascontiguousarray(-(shorts.T @ leaving[1:]))).T)


def _array(tensor: torch.Tensor) -> Floats:
    """A tensor as float64 in numpy."""
    return np.asarray(tensor.detach().to("cpu", torch.float64).numpy())
