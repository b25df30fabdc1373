"""The gradient of a circuit's inputs, out of the same adjoint that has the gradient of its conductances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from diodeq.circuit import KINDS
from diodeq.circuit.equations import Equations, EquationsPlan
from diodeq.simulators.base import AdjointSolution, OperatingPoint

Floats = NDArray[np.float64]


def drive_gradients(point: OperatingPoint, adjoint: AdjointSolution, injections: Floats) -> Floats:
    """dℓ/d(input) float64[B, n_in] of each sample, for ``injections`` float64[B, n_out] = dℓ/d(output).

    A source's value stands on the right side of the equations, so its gradient is the adjoint's answer there: of a
    voltage source the current into its + terminal, where the adjoint has a short, of a current source the adjoint
    voltage from - to + (Director and Rohrer 1969).
    """
    circuit = point.circuit
    equations = EquationsPlan.of(circuit).fill(circuit)
    unknowns = _adjoint_unknowns(equations, point, adjoint, circuit.output_injections(injections))
    sources = np.asarray((equations.plan.drives.T @ unknowns.T).T)
    return np.asarray((circuit.inputs.gains(sources.shape[1]).T @ sources.T).T)


def _adjoint_unknowns(
    equations: Equations, point: OperatingPoint, adjoint: AdjointSolution, injected: Floats
) -> Floats:
    """All unknowns of the adjoint, float64[B, n]: the currents of its shorted voltage sources, which engines fold away,
    are what Kirchhoff's law leaves for them."""
    volts, count = adjoint.node_voltages, len(point.node_voltages)
    shorts = equations.branches.get("voltage_sources", slice(equations.nodes, equations.nodes))
    branches = {
        kind: np.zeros((count, at.stop - at.start))
        if at == shorts
        else adjoint.branch_currents[KINDS[kind].adjoint.kind]
        for kind, at in equations.branches.items()
    }
    unknowns = equations.unknowns(volts, branches)
    ports = equations.ports
    leaving = equations.matrix.T @ unknowns.T + ports.T @ (point.diode_conductances.T * (ports @ unknowns.T))
    leaving = leaving[: equations.nodes] - injected.T[1:]
    if shorts.stop > shorts.start:
        # Sources form a forest, so their currents are the unique solution of the balance at the nodes but ground.
        joints = sparse.csr_array(equations.matrix.T)[: equations.nodes, shorts]
        normal = linalg.splu(sparse.csc_matrix(joints.T @ joints))
        unknowns[:, shorts] = normal.solve(np.ascontiguousarray(-(joints.T @ leaving))).T
    return unknowns
